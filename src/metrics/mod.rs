//! What the server counts, for Prometheus. Every label comes from a closed set, so no peer can make the
//! figures grow; nothing here names a user.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The counters of one server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    connections: Family<ListenerLabel, Counter>,
    open: Family<ListenerLabel, Gauge>,
    messages: Family<MessageLabel, Counter>,
    eas: Family<EasLabel, Counter>,
    eas_seconds: Family<EasCommandLabel, Histogram>,
    parked: Family<ListenerLabel, Gauge>,
    commits: Histogram,
    commit_seconds: Histogram,
    auth_failures: Family<ServiceLabel, Counter>,
    store_failed: Gauge,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ListenerLabel {
    listener: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ServiceLabel {
    service: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct MessageLabel {
    event: Message,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EasCommandLabel {
    command: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EasLabel {
    command: &'static str,
    status: EasStatus,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the names are the label's values")]
pub enum Message {
    /// Taken over from a peer or a client, durable.
    accepted,
    /// Put into a local mailbox.
    delivered,
    /// Handed to another server.
    relayed,
    /// Tried in vain, to be tried again.
    deferred,
    /// Given up; its sender was told.
    bounced,
    /// Refused before it was taken over.
    refused,
}

/// How an ActiveSync command ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the names are the label's values")]
pub enum EasStatus {
    /// Answered with success.
    ok,
    /// The client must synchronise or provision first, or wait: 449, SyncKey refused, limits.
    again,
    /// The request was wrong.
    client,
    /// Ours to fix.
    server,
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Self {
        let inner = Inner {
            registry: Registry::with_prefix("folkmoot"),
            connections: Family::default(),
            open: Family::default(),
            messages: Family::default(),
            eas: Family::default(),
            eas_seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 8))),
            parked: Family::default(),
            commits: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            auth_failures: Family::default(),
            store_failed: Gauge::default(),
        };
        Self(Arc::new(inner.registered()))
    }

    /// Counts a connection, open until the answer is dropped.
    pub fn connection(&self, listener: &'static str) -> OpenConnection {
        let label = ListenerLabel { listener };
        self.0.connections.get_or_create(&label).inc();
        OpenConnection(Held::new(&self.0.open.get_or_create_owned(&label)))
    }

    /// Counts a request or connection that waits for news (EAS Ping and Sync, IMAP IDLE), until the
    /// answer is dropped.
    pub fn parked(&self, listener: &'static str) -> Parked {
        Parked(Held::new(&self.0.parked.get_or_create_owned(&ListenerLabel { listener })))
    }

    /// Counts what became of `count` messages (one per recipient).
    pub fn messages(&self, event: Message, count: u64) {
        self.0.messages.get_or_create(&MessageLabel { event }).inc_by(count);
    }

    /// Counts an ActiveSync command and the time it took; for one that waited, without the wait.
    pub fn eas_command(&self, command: &'static str, status: EasStatus, took: Duration) {
        self.0.eas.get_or_create(&EasLabel { command, status }).inc();
        self.0.eas_seconds.get_or_create(&EasCommandLabel { command }).observe(took.as_secs_f64());
    }

    /// Counts one durable commit of `transactions`.
    pub fn commit(&self, transactions: usize, took: Duration) {
        let transactions = u32::try_from(transactions).unwrap_or(u32::MAX);
        self.0.commits.observe(f64::from(transactions));
        self.0.commit_seconds.observe(took.as_secs_f64());
    }

    /// Counts a login that was refused.
    pub fn auth_failure(&self, service: &'static str) {
        self.0.auth_failures.get_or_create(&ServiceLabel { service }).inc();
    }

    /// Notes that the store takes no more writes.
    pub fn store_failed(&self) {
        self.0.store_failed.set(1);
    }

    /// All figures as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Inner {
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        r.register("connections", "Connections accepted", self.connections.clone());
        r.register("connections_open", "Connections open now", self.open.clone());
        r.register("messages", "Messages by what became of them, one per recipient", self.messages.clone());
        r.register("eas_commands", "ActiveSync commands by how they ended", self.eas.clone());
        r.register_with_unit(
            "eas_command",
            "Time of ActiveSync commands, without waiting for news",
            Unit::Seconds,
            self.eas_seconds.clone(),
        );
        r.register("parked", "Requests and connections that wait for news now", self.parked.clone());
        r.register("commit_transactions", "Transactions of one commit", self.commits.clone());
        r.register_with_unit(
            "commit",
            "Time until a commit is durable",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        r.register("auth_failures", "Logins refused", self.auth_failures.clone());
        r.register("store_failed", "1 once the store takes no more writes", self.store_failed.clone());
        self
    }
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
#[must_use = "it is counted as open only while this lives"]
pub struct OpenConnection(#[expect(dead_code, reason = "held for its Drop")] Held);

/// A parked request, counted until it is dropped.
#[derive(Debug)]
#[must_use = "it is counted as parked only while this lives"]
pub struct Parked(#[expect(dead_code, reason = "held for its Drop")] Held);

#[derive(Debug)]
struct Held(Gauge);

impl Held {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_counted_and_shown() {
        let metrics = Metrics::new();
        let open = metrics.connection("http");
        drop(metrics.connection("http"));
        let parked = metrics.parked("http");
        metrics.messages(Message::delivered, 3);
        metrics.eas_command("Sync", EasStatus::ok, Duration::from_millis(2));
        metrics.commit(16, Duration::from_millis(1));
        metrics.auth_failure("eas");
        let text = metrics.text();
        for line in [
            "folkmoot_connections_total{listener=\"http\"} 2",
            "folkmoot_connections_open{listener=\"http\"} 1",
            "folkmoot_parked{listener=\"http\"} 1",
            "folkmoot_messages_total{event=\"delivered\"} 3",
            "folkmoot_eas_commands_total{command=\"Sync\",status=\"ok\"} 1",
            "folkmoot_commit_transactions_count 1",
            "folkmoot_auth_failures_total{service=\"eas\"} 1",
            "folkmoot_store_failed 0",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
        drop((open, parked));
        assert!(metrics.text().contains("folkmoot_connections_open{listener=\"http\"} 0"));
    }
}
