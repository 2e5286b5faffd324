//! `queue list | show | retry | delete`.

use jiff::Timestamp;

use super::reply::Failure;
use super::{Answer, QueueLine, QueuedRecipientLine};
use crate::clock::Millis;
use crate::delivery::{Address, Entry, QueueId, Status};
use crate::services::Services;

/// Octets of a message that are read to show its header, and most of those shown.
const SHOWN: u64 = 16 << 10;

pub(super) fn list(services: &Services) -> Result<Answer, Failure> {
    let messages = services.delivery.queued()?.iter().map(line).collect();
    Ok(Answer::Queue { messages })
}

pub(super) fn show(services: &Services, id: &str) -> Result<Answer, Failure> {
    let entry = services.delivery.queued_message(parse(id)?)?.ok_or(Failure::NotQueued)?;
    let text = services.delivery.queued_text(&entry, SHOWN)?;
    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
    let header = text.split_once("\n\n").map_or(text.as_str(), |(header, _)| header).to_owned();
    Ok(Answer::QueuedMessage { message: line(&entry), header })
}

pub(super) async fn retry(services: &Services, id: Option<String>) -> Result<Answer, Failure> {
    let ids = match &id {
        Some(id) => vec![parse(id)?],
        None => services.delivery.queued()?.iter().map(|entry| entry.id).collect(),
    };
    let count = services.delivery.retry(ids).await?;
    if id.is_some() && count == 0 {
        return Err(Failure::NotQueued);
    }
    Ok(Answer::Done { text: format!("messages to be tried now: {count}") })
}

pub(super) async fn delete(services: &Services, id: &str) -> Result<Answer, Failure> {
    let id = parse(id)?;
    if !services.delivery.delete_queued(id).await? {
        return Err(Failure::NotQueued);
    }
    Ok(Answer::Done { text: format!("message {id} deleted; nobody is told of it") })
}

fn parse(id: &str) -> Result<QueueId, Failure> {
    id.parse().map_err(|_| Failure::NotQueued)
}

fn line(entry: &Entry) -> QueueLine {
    let recipient = |recipient: &crate::delivery::QueuedRecipient| QueuedRecipientLine {
        address: recipient.addressee.address.to_string(),
        status: match recipient.status {
            Status::Pending => "pending",
            Status::Done | Status::Delivered => "done",
            Status::Failed => "failed",
        }
        .into(),
        last_failure: recipient.last.as_ref().map(ToString::to_string),
    };
    QueueLine {
        id: entry.id.to_string(),
        sender: entry.envelope.sender.as_ref().map(Address::to_string).unwrap_or_default(),
        recipients: entry.recipients.iter().map(recipient).collect(),
        destination: entry.destination.to_string(),
        size: entry.size,
        created: time(entry.created),
        next_attempt: time(entry.due),
        attempts: entry.attempts,
    }
}

/// RFC 3339, in UTC and whole seconds.
pub(super) fn time(at: Millis) -> String {
    Timestamp::from_second(at.div_euclid(1000)).map(|at| at.to_string()).unwrap_or_default()
}
