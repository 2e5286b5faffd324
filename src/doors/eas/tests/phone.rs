//! A server in memory and phones that talk to it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use tower::ServiceExt;
use wbxml::{Element, Limits, Tag, decode, encode, folderhierarchy, provision};

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::{Delivery, SystemResolver};
use crate::directory::{AccountId, AuthLimits, Directory, NewAccount, PasswordCost};
use crate::doors::eas::{Eas, router};
use crate::mailbox::{Acting, Mailbox, Origin, OwnerId};
use crate::metrics::Metrics;
use crate::net::Shutdown;
use crate::objects::Objects;
use crate::store::Store;

pub(super) const PATH: &str = "/Microsoft-Server-ActiveSync";

/// A server with the accounts `ann` and `bob` of `example.test`, whose passwords are their names.
pub(super) struct Home {
    pub(super) eas: Arc<Eas>,
    pub(super) clock: Clock,
    pub(super) ann: AccountId,
    pub(super) bob: AccountId,
}

impl Home {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let clock = Clock::set(1_800_000_000_000);
        let store = Store::in_memory().unwrap();
        let mailbox = Mailbox::new(store.clone(), clock.clone());
        let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1, scram_iterations: 0 };
        let limits = AuthLimits { cost, ..AuthLimits::default() };
        let directory = Directory::new(store, clock.clone(), limits).unwrap();
        directory.insert_domain("example.test").await.unwrap();
        let mut config = Config::default();
        configure(&mut config);
        let (shutdown, metrics) = (Shutdown::new(), Metrics::new());
        let resolver = Arc::new(SystemResolver::default());
        let delivery = Delivery::new(
            mailbox.clone(),
            Objects::default(),
            config.smtp.clone(),
            resolver,
            metrics.clone(),
        );
        let eas = Arc::new(Eas::new(mailbox, directory, delivery, Arc::new(config), shutdown, metrics));
        let ann = account(&eas, "ann", "Ann Able").await;
        let bob = account(&eas, "bob", "Bob Baker").await;
        Self { eas, clock, ann, bob }
    }

    pub(super) fn phone(&self, device: &str) -> Phone {
        Phone {
            router: router(self.eas.clone()),
            user: "ann".into(),
            password: "ann".into(),
            device: device.into(),
            version: "16.1",
            key: 0,
        }
    }

    /// A phone that has applied the policy.
    pub(super) async fn ready(&self, device: &str) -> Phone {
        let mut phone = self.phone(device);
        phone.provision().await;
        phone
    }
}

async fn account(eas: &Eas, name: &str, display_name: &str) -> AccountId {
    let new = NewAccount {
        address: format!("{name}@example.test"),
        display_name: display_name.into(),
        ..NewAccount::default()
    };
    let id = eas.directory.insert_account(new, Some(name)).await.unwrap().id;
    let made = eas
        .mailbox
        .write(Acting::System, Origin::OTHER, move |tx| tx.create_owner(OwnerId(id.0), None))
        .await;
    made.unwrap();
    id
}

/// A phone.
#[derive(Clone)]
pub(super) struct Phone {
    pub(super) router: Router,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) device: String,
    pub(super) version: &'static str,
    pub(super) key: u32,
}

/// What a phone gets.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) http: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn tree(&self) -> Element<'static> {
        assert_eq!(self.http, 200, "{self:?}");
        decode(&self.body, &Limits::default()).unwrap().into_owned()
    }

    /// The Status in the root, or the HTTP status where there is no document.
    pub(super) fn status(&self) -> u16 {
        if self.http != 200 {
            return self.http.as_u16();
        }
        let tree = self.tree();
        let status = tree.children().iter().find(|child| child.tag().name() == "Status");
        status.unwrap_or_else(|| panic!("no Status in {tree:?}")).parse().unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Phone {
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }

    pub(super) fn query(&self, command: &str) -> String {
        format!("{PATH}?Cmd={command}&User={}&DeviceId={}&DeviceType=Phone", self.user, self.device)
    }

    /// A request with what every request has.
    pub(super) fn request(&self, method: &str, target: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(target)
            .header("Authorization", self.basic())
            .header("User-Agent", "Phone/1")
            .header("MS-ASProtocolVersion", self.version)
            .header("X-MS-PolicyKey", self.key)
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if !body.is_empty() && parts.status == 200 {
            assert!(parts.headers.contains_key("content-type"), "a body without a type");
        }
        Answer { http: parts.status, headers: parts.headers, body }
    }

    pub(super) async fn post_bytes(&self, command: &str, body: Vec<u8>) -> Answer {
        let request = self
            .request("POST", &self.query(command))
            .header("Content-Type", "application/vnd.ms-sync.wbxml")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub(super) async fn post(&self, command: &str, request: &Element<'_>) -> Answer {
        self.post_bytes(command, encode(request)).await
    }

    /// Asks for the policy; the temporary key.
    pub(super) async fn ask_policy(&self) -> u32 {
        let answer = self.post("Provision", &policy(&[])).await.tree();
        let policy = answer.at(&[provision::POLICIES, provision::POLICY]).unwrap();
        assert_eq!(policy.text_of(provision::STATUS), Some("1"));
        assert!(policy.at(&[provision::DATA, provision::EAS_PROVISION_DOC]).is_some());
        policy.parse_of(provision::POLICY_KEY).unwrap().unwrap()
    }

    /// Acknowledges the policy; the policy's status and the final key.
    pub(super) async fn acknowledge(&self, key: u32, status: u8) -> (u8, Option<u32>) {
        let asked = policy(&[(provision::POLICY_KEY, key), (provision::STATUS, status.into())]);
        let answer = self.post("Provision", &asked).await.tree();
        let policy = answer.at(&[provision::POLICIES, provision::POLICY]).unwrap();
        assert!(!policy.has(provision::DATA));
        let status = policy.parse_of(provision::STATUS).unwrap().unwrap();
        (status, policy.parse_of(provision::POLICY_KEY).unwrap())
    }

    /// Both phases.
    pub(super) async fn provision(&mut self) {
        let temporary = self.ask_policy().await;
        let (status, key) = self.acknowledge(temporary, 1).await;
        assert_eq!(status, 1);
        self.key = key.unwrap();
    }

    pub(super) async fn folder_sync(&self, key: &str) -> Answer {
        let request = Element::new(folderhierarchy::FOLDER_SYNC).with_text(folderhierarchy::SYNC_KEY, key);
        self.post("FolderSync", &request).await
    }
}

/// A Provision about the one policy.
pub(super) fn policy(more: &[(Tag, u32)]) -> Element<'static> {
    let policy = Element::new(provision::POLICY)
        .with_text(provision::POLICY_TYPE, "MS-EAS-Provisioning-WBXML")
        .with_all(more.iter().map(|(tag, value)| Element::number(*tag, *value)));
    Element::new(provision::PROVISION).with(Element::new(provision::POLICIES).with(policy))
}
