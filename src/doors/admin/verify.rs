//! `verify`: everything derived is computed again from the items, every body is read and hashed, and the
//! directory, the mailboxes and the queue are held against each other.

use std::collections::BTreeSet;

use super::Answer;
use super::account::of_domain;
use super::reply::Failure;
use crate::directory::{self, Account, AccountId, DomainId};
use crate::mailbox::{Acting, Error, OwnerId, STANDARD};
use crate::services::Services;
use crate::store::{Depth, Read};
use crate::{delivery, mailbox, objects};

/// Most problems in an answer; a store that is damaged all over has more than anyone reads.
const TOLD: usize = 1000;

/// Checks a snapshot; the server goes on meanwhile. Takes as long as reading everything does.
pub(super) fn verify(services: &Services) -> Result<Answer, Failure> {
    let report = services.store.verify(Depth::Bodies)?;
    let view = services.mailbox.view(Acting::System)?;
    let reader = view.reader();
    let mut further: Vec<String> = mailbox::verify(reader)?.iter().map(ToString::to_string).collect();
    further.extend(delivery::verify(reader)?);
    further.extend(directory::verify(reader)?);
    further.extend(objects::verify(&view)?);
    further.extend(homes(&view)?);
    let found = report.problems.saturating_add(u64::try_from(further.len()).unwrap_or(u64::MAX));
    let mut problems = report.described;
    problems.extend(further);
    problems.truncate(TOLD);
    Ok(Answer::Verified { bodies: report.bodies, body_bytes: report.body_bytes, found, problems })
}

/// Every account has its mailbox with the standard folders, and every mailbox its account.
fn homes(view: &mailbox::View) -> Result<Vec<String>, Failure> {
    let reader = view.reader();
    let owners: BTreeSet<OwnerId> = mailbox::owners(reader)?.into_iter().collect();
    let mut found = Vec::new();
    // What is damaged was reported by the directory's own check.
    for domain in directory::domains(reader).unwrap_or_default() {
        for account in of_domain(reader, domain.id).unwrap_or_default() {
            found.extend(wanting(view, &account, &owners)?);
        }
    }
    for owner in owners {
        if !is_known(reader, owner)? {
            found.push(format!("owner {}: its mailbox belongs to no account", owner.0));
        }
    }
    Ok(found)
}

/// What an account's mailbox wants.
fn wanting(
    view: &mailbox::View,
    account: &Account,
    owners: &BTreeSet<OwnerId>,
) -> Result<Option<String>, Failure> {
    let owner = OwnerId(account.id.0);
    if !owners.contains(&owner) {
        return Ok(Some(format!("account {}: it has no mailbox", account.address)));
    }
    let roles: Vec<_> = match view.folders(owner) {
        Ok(folders) => folders.into_iter().map(|seen| seen.folder.role).collect(),
        // Damage was reported by the mailbox's own check.
        Err(Error::Store(crate::store::Error::Damaged(_))) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let missing: Vec<&str> =
        STANDARD.iter().filter(|(_, _, role)| !roles.contains(role)).map(|(name, _, _)| *name).collect();
    Ok((!missing.is_empty())
        .then(|| format!("account {}: it has no {}", account.address, missing.join(", "))))
}

fn is_known(reader: &impl Read, owner: OwnerId) -> Result<bool, Failure> {
    Ok(directory::account(reader, AccountId(owner.0)).map_or(true, |account| account.is_some())
        || directory::domain(reader, DomainId(owner.0))?.is_some())
}
