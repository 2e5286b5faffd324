//! Delivery: what comes in goes to the accounts it is for and, for others, into the queue, in one
//! transaction; what stands in the queue goes out until it is delivered or returned.
//!
//! [`Delivery::accept`] takes a message from a door. [`Delivery::place`] does the same within a
//! transaction of the caller, so that a sent copy or a ClientId belongs to it. [`Delivery::run`] is the
//! queue's worker: it sleeps until a message is due or somebody wakes it.
//!
//! A message leaves the queue in the transaction that notes its delivery, so that it can come twice only
//! when the process dies between the other server's answer and that commit.

mod address;
mod attempt;
mod body;
mod bounce;
mod client;
mod dns;
mod entry;
mod envelope;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod local;
mod place;
mod queue;
mod route;
mod schedule;
mod settings;
#[cfg(test)]
mod sink;
mod stuff;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use address::{AddressError, DOMAIN_MAX, Domain, LOCAL_MAX, Mailbox};
pub use dns::{Answer, DnsError, Mx, Resolve, SystemResolver};
pub use entry::{Destination, Entry, Failure, QueueId, QueuedRecipient, Status, StatusCode};
pub use envelope::{
    Addressee, ENVID_MAX, Envelope, Notify, OriginalRecipient, Ret, decode_xtext, encode_xtext,
};
pub use error::{Error, Refusal};
pub use local::{Account, Accounts, Copy, Credentials, Login, Pending, Resolution};
pub use place::{Answers, Incoming, Place, Receipt, Recipient};
pub use settings::{Encryption, Settings, Smarthost};
pub use trace::{Trace, Via};

use crate::clock::Clock;
use crate::store::Store;
use client::Timeouts;
use route::Routes;
use tls::Connectors;
use worker::Work;

/// The delivery of mail. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    host_name: String,
    settings: Arc<Settings>,
    accounts: Arc<dyn Accounts>,
    routes: Routes,
    connectors: Connectors,
    timeouts: Timeouts,
    work: Work,
    /// Counts messages, so that two of one millisecond have names of their own.
    count: AtomicU64,
}

/// What delivery stands on.
pub struct Parts {
    /// Where the queue is kept.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// This server's name towards others.
    pub host_name: String,
    /// Limits and ways out.
    pub settings: Settings,
    /// Who lives here.
    pub accounts: Arc<dyn Accounts>,
    /// The DNS.
    pub resolver: Arc<dyn Resolve>,
}

impl Delivery {
    /// Makes the delivery; nothing goes out before [`Delivery::run`].
    pub fn new(parts: Parts) -> Result<Self, rustls::Error> {
        Ok(Self::with(parts, Connectors::new()?, Timeouts::default()))
    }

    fn with(parts: Parts, connectors: Connectors, timeouts: Timeouts) -> Self {
        let Parts { store, clock, host_name, settings, accounts, resolver } = parts;
        let settings = Arc::new(settings);
        let routes = Routes::new(resolver, settings.clone(), &host_name);
        let work = Work::default();
        let count = AtomicU64::new(0);
        let inner =
            Inner { store, clock, host_name, settings, accounts, routes, connectors, timeouts, work, count };
        Self { inner: Arc::new(inner) }
    }

    /// This server's name towards others.
    pub fn host_name(&self) -> &str {
        &self.inner.host_name
    }
}
