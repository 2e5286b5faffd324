//! What the door stands on, and one request's user.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::reply::Failure;
use crate::directory::{Account, Login};
use crate::mailbox::{Acting, Origin, OwnerId, View};
use crate::services::Services;

/// Requests at work off the sockets' threads at the same time; more wait their turn.
const BLOCKING_MAX: usize = 32;

/// The door.
pub(super) struct Dav {
    pub(super) services: Arc<Services>,
    blocking: Semaphore,
    requests: AtomicU64,
}

impl Dav {
    pub(super) fn new(services: &Arc<Services>) -> Self {
        Self {
            services: services.clone(),
            blocking: Semaphore::new(BLOCKING_MAX),
            requests: AtomicU64::new(0),
        }
    }

    /// The number of a request that begins, for the log.
    pub(super) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Runs `work`, which reads, computes and commits, where it does not hold up the sockets. A bug that makes
    /// it panic ends this request and nothing else.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(_place) = self.blocking.acquire().await else { return Err(Failure::Later) };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(e) if e.is_panic() => {
                tracing::error!("a request ended in a bug");
                Err(Failure::Bug)
            }
            // The runtime is being shut down.
            Err(_) => Err(Failure::Later),
        }
    }
}

/// An authenticated request's user. Cheap to clone.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) dav: Arc<Dav>,
    pub(super) login: Arc<Login>,
}

impl Session {
    pub(super) fn services(&self) -> &Services {
        &self.dav.services
    }

    pub(super) fn account(&self) -> &Account {
        &self.login.account
    }

    /// Whose folders the account's own are.
    pub(super) fn owner(&self) -> OwnerId {
        OwnerId(self.account().id.0)
    }

    /// The account as it acts.
    pub(super) fn acting(&self) -> Acting {
        Acting::account(self.account().id.0)
    }

    pub(super) fn view(&self) -> Result<View, Failure> {
        Ok(self.services().mailbox.view(self.acting())?)
    }

    /// Whether an address is one of the account's own.
    pub(super) fn is_me(&self, address: &str) -> bool {
        let Ok(address) = crate::directory::Address::parse(address) else { return false };
        self.account().addresses().any(|own| own.folded() == address.folded())
    }

    /// Runs a change to its durable end. Blocks.
    pub(super) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut crate::mailbox::MailTx<'_, '_>) -> Result<T, crate::objects::Error>
        + Send
        + 'static,
    ) -> Result<T, crate::objects::Error> {
        let mailbox = self.services().mailbox.clone();
        let acting = self.acting();
        let store = mailbox.store().clone();
        store.write(move |tx| mailbox.within(tx, acting, Origin::OTHER, change))
    }
}
