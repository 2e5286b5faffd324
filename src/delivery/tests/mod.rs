//! The whole of delivery against a sink: what goes out, what is tried again, what comes back.

mod reports;
mod retries;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::route::tests::Table;
use super::sink::{ALL, Script, Sink};
use super::town::Town;
use super::*;
use crate::clock::Clock;
use crate::config::{Smarthost, SmarthostTls};
use crate::objects::Objects;
use crate::store::Store;
use crate::store::keys::{Key, Table as Rows};

mod away;
mod invite;

const MINUTE: i64 = 60_000;

struct World {
    delivery: Delivery,
    town: Town,
    store: Store,
    clock: Clock,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn config() -> config::Smtp {
    config::Smtp { hostname: "mail.example.test".into(), ..config::Smtp::default() }
}

fn routed(sink: &Sink) -> config::Smtp {
    let routes =
        ["other.test", "b\u{fc}cher.test"].map(|domain| (domain.to_owned(), sink.address.to_string()));
    config::Smtp { routes: BTreeMap::from(routes), ..config() }
}

/// A delivery over `store` whose worker runs.
async fn world(config: config::Smtp, store: Store, clock: Clock) -> World {
    let town = Town::new(store.clone(), clock.clone()).await;
    let connectors = Connectors::with_roots(rustls::RootCertStore::empty());
    let timeouts = Timeouts { connect: Duration::from_secs(2), ..Timeouts::default() };
    let (mailbox, resolver) = (town.mailbox.clone(), Arc::new(Table::default()));
    let delivery =
        Delivery::with(mailbox, Objects::default(), config, resolver, Metrics::new(), connectors, timeouts);
    let stop = CancellationToken::new();
    let (running, stopped) = (delivery.clone(), stop.clone());
    tokio::spawn(async move { running.run(stopped.cancelled()).await });
    World { delivery, town, store, clock, stop }
}

async fn fresh(config: config::Smtp) -> World {
    let clock = Clock::set(1_000_000_000);
    world(config, Store::in_memory_at(&clock).unwrap(), clock).await
}

fn script() -> Script {
    Script { ehlo: Some(ALL.to_vec()), ..Script::default() }
}

impl World {
    fn incoming(&self, from: &str, to: &[&str], body: &str) -> Incoming {
        let recipient = |to: &&str| {
            let addressee = Addressee::new(to.parse().unwrap());
            let place = self.delivery.locate(&addressee.address).unwrap();
            Recipient { addressee, place }
        };
        let sender = (!from.is_empty()).then(|| from.parse().unwrap());
        let smtputf8 = to.iter().any(|to| !to.is_ascii());
        Incoming {
            envelope: Envelope { sender, smtputf8, ..Envelope::default() },
            recipients: to.iter().map(recipient).collect(),
            trace: Trace { via: None, with: "ESMTPSA".into() },
            submitter: None,
            answers: Answers::One,
            body: Bytes::from(body.to_owned()),
        }
    }

    async fn send(&self, from: &str, to: &[&str], body: &str) -> Receipt {
        self.delivery.accept(self.incoming(from, to, body)).await.unwrap()
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{what} never came true; queue {:?}", self.queue());
    }

    fn queue(&self) -> Vec<Entry> {
        self.delivery.queued().unwrap()
    }

    /// Lets time pass and waits until the queue's first message was tried again.
    async fn later(&self, by: i64) {
        let before = self.queue()[0].attempts;
        self.clock.advance(by);
        self.delivery.inner.work.wake();
        self.until("another attempt", |w| w.queue().first().is_none_or(|e| e.attempts > before)).await;
    }

    fn mail_of(&self, n: usize) -> Vec<String> {
        self.town.mail_of(n)
    }

    /// Messages in the queue, after a look that all of it fits together.
    fn left(&self) -> usize {
        self.town.check();
        assert_eq!(verify(&self.store.read().unwrap()).unwrap(), [""; 0]);
        self.queue().len()
    }
}

#[tokio::test]
async fn local_and_remote_recipients_of_one_message() {
    let sink = Sink::start(script()).await;
    let world = fresh(routed(&sink)).await;
    let to = ["berta@example.test", "bob@other.test", "carl@other.test", "berta+detail@example.test"];
    let receipt = world.send("anna@example.test", &to, "Subject: hi\r\n\r\n.dot\r\n..\r\n").await;
    assert_eq!(receipt.verdicts, [Ok(()); 4]);
    let local = world.mail_of(2);
    assert_eq!(local.len(), 1, "one copy for two addresses of one account");
    assert!(local[0].starts_with(
        "Return-Path: <anna@example.test>\r\nDelivered-To: berta@example.test\r\nReceived: by mail.example.test \
         (Folkmoot) with ESMTPSA id "
    ));
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    let [taken] = &sink.taken()[..] else { panic!("{:?}", sink.taken()) };
    assert!(taken.mail.starts_with("MAIL FROM:<anna@example.test> SIZE="), "{}", taken.mail);
    assert_eq!(taken.rcpt, ["RCPT TO:<bob@other.test>", "RCPT TO:<carl@other.test>"]);
    assert!(taken.text.starts_with("Received: by mail.example.test (Folkmoot) with ESMTPSA id "));
    assert!(!taken.text.contains("for <"), "no recipient learns of another");
    assert!(taken.text.ends_with("\r\nSubject: hi\r\n\r\n..dot\r\n...\r\n"));
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn a_damaged_mailbox_costs_nobody_else_their_mail() {
    let sink = Sink::start(Script { rcpt: vec![("bob", "450 4.2.1 greylisted")], ..script() }).await;
    let world = fresh(routed(&sink)).await;
    let Place::Account { account, .. } =
        world.delivery.locate(&"berta@example.test".parse().unwrap()).unwrap()
    else {
        panic!()
    };
    let row = Key::of(Rows::Owner).u64(account).done();
    let whole = crate::store::Read::get(&world.store.read().unwrap(), &row).unwrap().unwrap();
    let put = |row: Vec<u8>, value: Bytes| {
        let put = world.store.write_async(move |tx| {
            tx.put(row, value);
            Ok::<_, crate::store::Error>(())
        });
        async move { put.await.unwrap() }
    };
    put(row.clone(), Bytes::from_static(&[99])).await;
    let to = ["anna@example.test", "berta@example.test", "bob@other.test"];
    let receipt = world.send("anna@example.test", &to, "Subject: x\r\n\r\n").await;
    assert_eq!(receipt.verdicts, [Ok(()), Err(Refusal::Unavailable), Ok(())]);
    assert_eq!(world.mail_of(1).len(), 1);
    let alone = world.send("anna@example.test", &["berta@example.test"], "Subject: x\r\n\r\n").await;
    assert_eq!(alone.verdicts, [Err(Refusal::Unavailable)]);
    world.until("both were tried", |w| w.queue().iter().all(|e| e.attempts == 1)).await;
    put(row, whole).await;
    world.clock.advance(5 * MINUTE);
    sink.set(script());
    world.delivery.inner.work.wake();
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!((world.mail_of(1).len(), world.mail_of(2).len(), sink.taken().len()), (1, 1, 1));
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn a_mailbox_that_is_full_beside_others_gets_the_message_when_it_has_room() {
    let world = fresh(config()).await;
    let receipt = world.send("anna@example.test", &["berta@example.test", "full@example.test"], "x").await;
    assert!(receipt.accepted());
    assert_eq!(receipt.verdicts, [Ok(()), Err(Refusal::OverQuota)]);
    world.until("an attempt", |w| w.queue()[0].attempts == 1).await;
    let last = world.queue()[0].recipients[0].last.clone().unwrap();
    assert_eq!((last.permanent, last.status.to_string().as_str()), (false, "4.2.2"));
    let receipt = world.send("anna@example.test", &["full@example.test"], "x").await;
    assert!(!receipt.accepted());
    assert_eq!(world.left(), 1, "the client was told");
    let Place::Account { account, .. } =
        world.delivery.locate(&"full@example.test".parse().unwrap()).unwrap()
    else {
        panic!()
    };
    let owner = crate::mailbox::OwnerId(account);
    let (acting, origin) = (crate::mailbox::Acting::System, crate::mailbox::Origin::OTHER);
    world.town.mailbox.write(acting, origin, move |tx| tx.set_quota(owner, None)).await.unwrap();
    world.later(5 * MINUTE).await;
    assert_eq!(world.left(), 0);
    assert_eq!(world.mail_of(3).len(), 1);
    assert!(world.mail_of(1).is_empty(), "nobody was told of anything");
}

#[tokio::test]
async fn what_the_server_can_take_is_respected() {
    let sink = Sink::start(Script { ehlo: Some(vec!["SIZE 300"]), ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("anna@example.test", &["b\u{f6}b@b\u{fc}cher.test"], "Subject: x\r\n\r\n").await;
    world.send("anna@example.test", &["bob@other.test"], &"0123456789".repeat(40)).await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    let mut mail = world.mail_of(1);
    mail.sort_by_key(|m| m.contains("Status: 5.6.7"));
    assert!(mail[0].contains("\r\nStatus: 5.3.4\r\n"), "{mail:?}");
    assert!(mail[1].contains("\r\nFinal-Recipient: utf-8; b\u{f6}b@xn--bcher-kva.test\r\n"), "{mail:?}");
    assert!(sink.taken().is_empty());
    sink.set(Script { ehlo: None, ..script() });
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(sink.taken()[0].mail, "MAIL FROM:<anna@example.test>");
    assert!(sink.said().iter().any(|line| line == "HELO mail.example.test"));
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n\u{fc}\r\n").await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    world.send("anna@example.test", &["bob@b\u{fc}cher.test"], "Subject: x\r\n\r\n\u{fc}\r\n").await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(sink.taken()[2].rcpt, ["RCPT TO:<bob@xn--bcher-kva.test>"], "a domain needs no SMTPUTF8");
    world.send("anna@example.test", &["bob@b\u{fc}cher.test"], "Subject: \u{fc}\r\n\r\n").await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert_eq!(sink.taken().len(), 3, "a header does");
    assert!(sink.taken()[1].text.ends_with("Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"));
}

fn certificate() -> (tokio_rustls::TlsAcceptor, rustls::RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), roots)
}

#[tokio::test]
async fn tls_is_used_where_it_is_offered_and_checked_where_it_is_required() {
    let (acceptor, _) = certificate();
    let sink = Sink::start(Script { tls: Some(acceptor), ehlo: Some(vec!["AUTH PLAIN"]), ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert!(sink.taken()[0].tls, "a certificate that nobody signed is better than none");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\nnot this\n").unwrap();
    let smarthost = Smarthost {
        address: sink.address.to_string(),
        tls: SmarthostTls::StartTls,
        user: Some("relay".into()),
        password_file: Some(file.path().into()),
    };
    let strict = fresh(config::Smtp { smarthost: Some(smarthost.clone()), ..config() }).await;
    strict.send("anna@example.test", &["bob@anywhere.test"], "Subject: x\r\n\r\n").await;
    strict.until("an attempt", |w| w.queue()[0].attempts == 1).await;
    let last = strict.queue()[0].recipients[0].last.clone().unwrap();
    assert_eq!((last.permanent, last.status.to_string().as_str()), (false, "4.7.5"), "{last}");
    assert!(
        !sink.said().iter().any(|line| line.starts_with("AUTH")),
        "no password without a valid certificate"
    );

    let lax = Smarthost { tls: SmarthostTls::Opportunistic, ..smarthost };
    let world = fresh(config::Smtp { smarthost: Some(lax), ..config() }).await;
    world
        .send("anna@example.test", &["bob@anywhere.test", "carl@elsewhere.test"], "Subject: x\r\n\r\n")
        .await;
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    assert!(sink.said().iter().any(|line| line == "AUTH PLAIN AHJlbGF5AHNlY3JldA=="));
    assert_eq!(sink.taken()[1].rcpt.len(), 2, "a smarthost gets a message once");
}

#[tokio::test]
async fn a_message_in_circles_is_refused() {
    let world = fresh(config()).await;
    let body = "Received: x\r\n".repeat(100);
    let incoming = world.incoming("x@other.test", &["anna@example.test"], &body);
    assert!(matches!(world.delivery.accept(incoming).await, Err(Error::Loop)));
    world.send("x@other.test", &["anna@example.test"], &"Received: x\r\n".repeat(99)).await;
}

#[tokio::test]
async fn a_users_message_is_completed_and_its_from_is_checked() {
    let world = fresh(config()).await;
    let Place::Account { account, domain } =
        world.delivery.locate(&"anna@example.test".parse().unwrap()).unwrap()
    else {
        panic!()
    };
    let submitted = |body: &str| Incoming {
        submitter: Some(Submitter { account, domain }),
        ..world.incoming("anna@example.test", &["berta@example.test"], body)
    };
    for from in ["berta@example.test", "Anna <anna@other.test>", "anna@example.test, berta@example.test"] {
        let outcome = world.delivery.accept(submitted(&format!("From: {from}\r\n\r\n"))).await;
        assert!(matches!(outcome, Err(Error::FromNotYours)), "{from}");
    }
    let anna = "From: anna@example.test\r\n";
    let hidden = "X: y\r\n".repeat(3_000);
    for (header, spoofed) in [
        (format!("{hidden}From: berta@example.test\r\n\r\n"), true),
        (format!("X: {}\r\nFrom: berta@example.test\r\n\r\n", "y".repeat(1 << 20)), true),
        (format!("{anna}{hidden}From: berta@example.test\r\n\r\n"), false),
        (format!("{anna}From : berta@example.test\r\n\r\n"), false),
        ("Subject: x\r\n\r\nFrom: anna@example.test\r\n".to_owned(), false),
        ("From: undisclosed:;\r\n\r\n".to_owned(), false),
        (format!("From: {}\r\n\r\n", "anna@example.test, ".repeat(10_001)), false),
    ] {
        let outcome = world.delivery.accept(submitted(&header)).await;
        let expected =
            matches!((&outcome, spoofed), (Err(Error::FromNotYours), true) | (Err(Error::BadFrom), false));
        assert!(expected, "{outcome:?} for {}", &header[..header.len().min(100)]);
    }
    for from in ["anna@example.test", "\"Berta\" <ANNA+x@example.test>"] {
        world.delivery.accept(submitted(&format!("From: {from}\r\nSubject: x\r\n\r\n"))).await.unwrap();
    }
    let whole = "Message-ID: <1@x>\r\nDATE: x\r\nFrom: anna@example.test\r\n\r\n";
    world.delivery.accept(submitted(whole)).await.unwrap();
    let mail = world.mail_of(2);
    assert_eq!(mail.len(), 3);
    assert!(
        mail[0].contains("\r\nDate: Mon, 12 Jan 1970 13:46:40 +0000\r\nMessage-ID: <3b9aca00-"),
        "{}",
        mail[0]
    );
    assert!(mail[2].ends_with(&format!("+0000\r\n{whole}")), "{}", mail[2]);
    world.town.check();
}

#[tokio::test]
async fn large_messages_and_many_recipients_go_all_ways() {
    let sink = Sink::start(script()).await;
    let world = fresh(routed(&sink)).await;
    let body = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(10_000));
    let mut to = vec!["anna@example.test".to_owned()];
    to.extend((0..250).map(|n| format!("user{n}@other.test")));
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let receipt = world.send("berta@example.test", &to, &body).await;
    assert!(receipt.verdicts.iter().all(Result::is_ok));
    world.until("the queue is empty", |w| w.queue().is_empty()).await;
    let taken = sink.taken();
    let mut recipients: Vec<_> = taken.iter().map(|taken| taken.rcpt.len()).collect();
    recipients.sort_unstable();
    assert_eq!(recipients, [50, 100, 100]);
    assert!(taken[0].text.ends_with(&body[body.len() - 100_000..]));
    assert!(world.mail_of(1)[0].ends_with(&body));
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn a_transaction_of_the_callers_keeps_all_or_nothing() {
    let world = fresh(config()).await;
    let incoming = Incoming {
        answers: Answers::None,
        ..world.incoming(
            "anna@example.test",
            &["berta@example.test", "ghost@example.test", "bob@none.test"],
            "x",
        )
    };
    let prepared = Arc::new(world.delivery.prepare(incoming).await.unwrap());
    let (delivery, again) = (world.delivery.clone(), prepared.clone());
    let undone: Result<(), crate::store::Error> = world
        .store
        .write_async(move |tx| {
            delivery.place(tx, &again)?;
            Err(crate::store::Error::Full)
        })
        .await;
    assert!(undone.is_err());
    assert!(world.mail_of(2).is_empty() && world.queue().is_empty());
    let delivery = world.delivery.clone();
    let receipt = world.store.write_async(move |tx| delivery.place(tx, &prepared)).await.unwrap();
    assert_eq!(receipt.verdicts, [Ok(()), Err(Refusal::NoSuchUser), Ok(())]);
    assert_eq!(world.mail_of(2).len(), 1);
    world.until("both reports", |w| w.mail_of(1).len() == 2).await;
    assert_eq!(world.left(), 0);
}

#[tokio::test]
async fn a_queue_that_does_not_fit_together_is_told() {
    let sink = Sink::start(Script { mail: Some("451 4.3.2 tomorrow"), ..script() }).await;
    let world = fresh(routed(&sink)).await;
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the first attempt", |w| w.queue()[0].attempts == 1).await;
    assert_eq!(world.left(), 1);
    let id = world.queue()[0].id.0;
    let damaged = world.store.write_async(move |tx| {
        tx.delete(Key::of(Rows::Queue).u64(id).done());
        tx.put(Key::of(Rows::Queue).u64(id + 1).done(), vec![99]);
        Ok::<_, crate::store::Error>(())
    });
    damaged.await.unwrap();
    let told = verify(&world.store.read().unwrap()).unwrap();
    assert_eq!(told.len(), 3, "{told:?}");
    // The worker passes over what it cannot read.
    world.clock.advance(60 * MINUTE);
    world.send("anna@example.test", &["bob@other.test"], "Subject: x\r\n\r\n").await;
    world.until("the next is tried", |w| w.queue().iter().any(|e| e.attempts == 1)).await;
}
