//! Delivery: what comes in goes to the accounts it is for and, for others, into the queue, in one
//! transaction; what stands in the queue goes out until it is delivered or returned.
//!
//! [`Delivery::accept`] takes a message from a door. [`Delivery::prepare`] and [`Delivery::place`] do the
//! same within a transaction of the caller, so that a sent copy or a ClientId belongs to it.
//! [`Delivery::run`] is the queue's worker: it sleeps until a message is due or somebody wakes it.
//!
//! A message leaves the queue in the transaction that notes its delivery, so that it can come twice only
//! when the process dies between the other server's answer and that commit.

mod address;
mod answer;
mod attempt;
mod bounce;
mod client;
mod dns;
mod entry;
mod envelope;
mod error;
mod invite;
mod item;
mod local;
mod note;
mod place;
mod prepare;
mod queue;
mod report;
mod responder;
mod route;
mod schedule;
mod seven_bit;
#[cfg(test)]
mod sink;
mod stuff;
#[cfg(test)]
mod tests;
mod tls;
#[cfg(test)]
pub(crate) mod town;
mod trace;
mod verify;
mod work;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use address::{Address, AddressError, DOMAIN_MAX, Domain, LOCAL_MAX};
pub use dns::{Answer, DnsError, Mx, Resolve, SystemResolver};
pub use entry::{Destination, Entry, Failure, QueueId, QueuedRecipient, Status, StatusCode};
pub use envelope::{
    Addressee, ENVID_MAX, Envelope, Notify, OriginalRecipient, Ret, decode_xtext, encode_xtext,
};
pub use error::{Error, Refusal};
pub use invite::Outbound;
pub use item::Parsed;
pub use place::{Answers, Incoming, Place, Receipt, Recipient, Submitter};
pub use prepare::Prepared;
pub use trace::{Trace, Via};
pub use verify::verify;

use crate::clock::{Clock, Millis};
use crate::config;
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::objects::Objects;
use crate::store::Store;
use client::Timeouts;
use local::Inboxes;
use route::Routes;
use tls::Connectors;
use work::Work;

/// The delivery of mail. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    mailbox: Mailbox,
    /// The parsed objects that all who ask about time share.
    objects: Objects,
    metrics: Metrics,
    config: Arc<config::Smtp>,
    routes: Routes,
    connectors: Connectors,
    timeouts: Timeouts,
    inboxes: Inboxes,
    work: Work,
    /// Counts messages, so that two of one millisecond have names of their own.
    count: AtomicU64,
}

impl Delivery {
    /// The delivery into `mailbox`, and of its queue; nothing goes out before [`Delivery::run`].
    pub fn new(
        mailbox: Mailbox,
        objects: Objects,
        config: config::Smtp,
        resolver: Arc<dyn Resolve>,
        metrics: Metrics,
    ) -> Self {
        Self::with(mailbox, objects, config, resolver, metrics, Connectors::default(), Timeouts::default())
    }

    fn with(
        mailbox: Mailbox,
        objects: Objects,
        config: config::Smtp,
        resolver: Arc<dyn Resolve>,
        metrics: Metrics,
        connectors: Connectors,
        timeouts: Timeouts,
    ) -> Self {
        let config = Arc::new(config);
        let inner = Inner {
            store: mailbox.store().clone(),
            clock: mailbox.clock().clone(),
            mailbox,
            objects,
            metrics,
            routes: Routes::new(resolver, config.clone()),
            config,
            connectors,
            timeouts,
            inboxes: Inboxes::default(),
            work: Work::default(),
            count: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The parsed objects that questions about free and busy time share.
    pub fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    /// This server's name towards others.
    pub fn host_name(&self) -> &str {
        &self.inner.config.hostname
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery")
    }
}

impl Inner {
    /// A name for a message that is taken over at `now`, for our logs and its trace.
    fn message_name(&self, now: Millis) -> String {
        format!("{now:x}-{:x}", self.count.fetch_add(1, Ordering::Relaxed))
    }
}
