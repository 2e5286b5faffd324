//! One request's user and device, as the commands see them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::cmd::sync::Requests;
use super::parked::Parked;
use super::policy;
use super::reply::{Failure, Status};
use super::request::{Query, Version};
use crate::clock::instant;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::directory::device::{self, Device, PolicyDigest};
use crate::directory::{Directory, Login};
use crate::mailbox::{Acting, Mailbox, Origin, OwnerId};
use crate::metrics::{self, Metrics};
use crate::net::{ConnectionId, MailAuthorities, Shutdown};

/// Store reads and other work off the sockets' threads at the same time; more wait their turn.
const BLOCKING_MAX: usize = 16;
/// Searches through messages at the same time: each may keep a core busy for seconds.
const SCANS_MAX: usize = 2;

/// What the door stands on.
pub struct Eas {
    /// The shared folders.
    pub mailbox: Mailbox,
    /// Who is who.
    pub directory: Directory,
    /// Where mail goes.
    pub delivery: Delivery,
    /// The settings.
    pub config: Arc<Config>,
    /// Requests that wait for a change.
    pub parked: Parked,
    /// Sync requests that others repeat.
    pub(super) sync_requests: Requests,
    /// How the server ends.
    pub shutdown: Shutdown,
    /// What is counted.
    pub metrics: Metrics,
    /// What a device has applied when it has applied today's policy.
    pub(super) policy: PolicyDigest,
    blocking: Semaphore,
    scans: Semaphore,
    requests: AtomicU64,
    authorities: OnceLock<Option<MailAuthorities>>,
}

impl Eas {
    /// The door over a server's folders and directory.
    pub fn new(
        mailbox: Mailbox,
        directory: Directory,
        delivery: Delivery,
        config: Arc<Config>,
        shutdown: Shutdown,
        metrics: Metrics,
    ) -> Self {
        let policy = policy::digest_of(&config.eas.policy);
        Self {
            mailbox,
            directory,
            delivery,
            config,
            parked: Parked::default(),
            sync_requests: Requests::default(),
            shutdown,
            metrics,
            policy,
            blocking: Semaphore::new(BLOCKING_MAX),
            scans: Semaphore::new(SCANS_MAX),
            requests: AtomicU64::new(0),
            authorities: OnceLock::new(),
        }
    }

    /// As [`Eas::blocking`], for work that may take seconds.
    ///
    /// # Errors
    /// Those of `work`.
    ///
    /// # Panics
    /// As `work` does.
    pub(super) async fn scanning<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(_place) = self.scans.acquire().await else {
            return Err(Status::ServerErrorRetryLater.into());
        };
        self.blocking(work).await
    }

    /// Who may issue certificates for mail; `None` when the file with them cannot be read. Reads files when it
    /// is first asked.
    pub(super) fn mail_authorities(&self) -> Option<&MailAuthorities> {
        let read = || {
            let read = MailAuthorities::new(self.config.eas.mail_authorities.as_deref());
            read.inspect_err(|error| tracing::error!(%error, "eas.mail_authorities")).ok()
        };
        self.authorities.get_or_init(read).as_ref()
    }

    /// The number of a request that begins, for the log.
    pub(super) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Runs `work`, which reads more than a few rows or computes for long, where it does not hold up
    /// the sockets.
    ///
    /// # Errors
    /// Those of `work`.
    ///
    /// # Panics
    /// As `work` does.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(_place) = self.blocking.acquire().await else {
            return Err(Status::ServerErrorRetryLater.into());
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(e) => match e.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being shut down.
                Err(_) => Err(Status::ServerErrorRetryLater.into()),
            },
        }
    }
}

/// An authenticated request.
#[derive(Clone)]
pub struct Session {
    /// What the door stands on.
    pub eas: Arc<Eas>,
    /// Who is logged in, and how: to see that it still holds.
    pub login: Login,
    /// The device's number in the store, drawn when it was first seen; [`Origin::OTHER`] for a probe,
    /// of which nothing is kept.
    pub device: Origin,
    /// What is known of the device.
    pub registered: Device,
    /// The protocol version of this request.
    pub version: Version,
    /// What the request line said.
    pub query: Query,
    /// The request body where it is a message and not a WBXML document: SendMail, SmartReply and
    /// SmartForward before 14.0 (MS-ASCMD §2.2.1.17).
    pub message: Bytes,
    /// The connection, if the client itself is at its other end: who goes on asking on it has received the
    /// answers before.
    pub connection: Option<ConnectionId>,
    /// How long the request waited for news, in milliseconds.
    pub waited: Arc<AtomicU64>,
}

/// A request that waits for news; counted until it is dropped.
pub(super) struct Waits {
    since: Instant,
    waited: Arc<AtomicU64>,
    _parked: metrics::Parked,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let waited = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waited.fetch_add(waited, Ordering::Relaxed);
    }
}

impl Session {
    /// Whose folders the account's own are.
    pub fn owner(&self) -> OwnerId {
        OwnerId(self.login.account.id.0)
    }

    /// The account as it acts.
    pub fn acting(&self) -> Acting {
        Acting::account(self.login.account.id.0)
    }

    /// True from this version on.
    pub fn at_least(&self, version: Version) -> bool {
        self.version >= version
    }

    /// Marks the request as waiting.
    pub(super) fn waits(&self) -> Waits {
        let _parked = self.eas.metrics.parked("http");
        Waits { since: instant(), waited: self.waited.clone(), _parked }
    }

    /// True when the login does not hold any more, or the device was blocked or is to be wiped since the
    /// request began: one that waits ends, for its next request is told.
    pub(super) fn is_shut_out(&self) -> Result<bool, Failure> {
        if !self.eas.directory.is_current(&self.login)? {
            return Ok(true);
        }
        let read = self.eas.mailbox.store().read()?;
        let device = device::device(&read, self.login.account.id, &self.query.device_id)?;
        // One that was forgotten begins anew.
        Ok(device.is_none_or(|device| device.blocked || device.wipe_due().is_some()))
    }

    /// True for Android's try before it sets an account up, whose device id is the same on every phone:
    /// nothing is kept of it.
    pub fn is_probe(&self) -> bool {
        self.query.is_probe()
    }
}
