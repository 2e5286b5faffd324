//! `verify`: everything derived is computed again from the items, every body is read and hashed.

use super::Answer;
use super::reply::Failure;
use crate::services::Services;
use crate::store::Depth;
use crate::{delivery, mailbox};

/// Most problems in an answer; a store that is damaged all over has more than anyone reads.
const TOLD: usize = 1000;

/// Checks a snapshot; the server goes on meanwhile. Takes as long as reading everything does.
pub(super) fn verify(services: &Services) -> Result<Answer, Failure> {
    let report = services.store.verify(Depth::Bodies)?;
    let reader = services.store.read()?;
    let differences = mailbox::verify(&reader)?;
    let queue = delivery::verify(&reader)?;
    let further = differences.len().saturating_add(queue.len());
    let found = report.problems.saturating_add(u64::try_from(further).unwrap_or(u64::MAX));
    let mut problems = report.described;
    problems.extend(differences.iter().map(ToString::to_string));
    problems.extend(queue);
    problems.truncate(TOLD);
    Ok(Answer::Verified { bodies: report.bodies, body_bytes: report.body_bytes, found, problems })
}
