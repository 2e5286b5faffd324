//! `account add | list | set-password | quota | delete`.

use super::reply::{Failure, refusal};
use super::{AccountLine, Answer, QuotaChange, QuotaLine, Secret};
use crate::clock::{Millis, random};
use crate::directory::{self, Account, AccountId, Address, DomainId, Error, Kind, NewAccount};
use crate::mailbox::{self, Acting, Mailbox, Origin, OwnerId, Place};
use crate::services::Services;
use crate::store::{Read, Tx};

/// Accounts read from the store at a time.
const PAGE: usize = 1000;

pub(super) async fn add(
    services: &Services,
    address: String,
    name: Option<String>,
    password: Option<Secret>,
    kind: Kind,
) -> Result<Answer, Failure> {
    let (password, made) = given_or_made(password)?;
    let prepared = services.directory.prepare_password(password.expose()).await?;
    let new = NewAccount {
        address,
        display_name: name.unwrap_or_default(),
        password: Some(prepared),
        kind,
        ..NewAccount::default()
    };
    let (mailbox, now) = (services.mailbox.clone(), services.clock.now());
    let account = services.store.write_async(move |tx| insert(&mailbox, tx, now, &new)).await?;
    Ok(answered(&account, password, made, "added"))
}

/// Makes a domain with accounts, given as the part before the `@` and the name shown to people, and returns
/// their addresses and passwords. All in one transaction: whoever interrupts it can begin again.
///
/// # Errors
/// Why not, for people.
pub async fn found(
    services: &Services,
    domain: &str,
    names: &[(&str, &str)],
) -> Result<Vec<(String, Secret)>, String> {
    let mut made = Vec::new();
    let mut accounts = Vec::new();
    for (local, name) in names {
        let (password, _) = given_or_made(None).map_err(|e| why(domain, &e))?;
        let prepared = services.directory.prepare_password(password.expose()).await;
        let address = format!("{local}@{domain}");
        accounts.push(NewAccount {
            address: address.clone(),
            display_name: (*name).to_owned(),
            password: Some(prepared.map_err(|e| why(domain, &e.into()))?),
            ..NewAccount::default()
        });
        made.push((address, password));
    }
    let (mailbox, now, name) = (services.mailbox.clone(), services.clock.now(), domain.to_owned());
    let write = services.store.write_async(move |tx| {
        directory::insert_domain(tx, now, &name)?;
        accounts.iter().try_for_each(|new| insert(&mailbox, tx, now, new).map(|_| ()))
    });
    write.await.map_err(|e| why(domain, &e))?;
    Ok(made)
}

fn why(subject: &str, failure: &Failure) -> String {
    match refusal(subject, failure) {
        Answer::Refused { why, .. } => why,
        _ => String::new(),
    }
}

/// An account with its folders: there is never one without.
fn insert(mailbox: &Mailbox, tx: &mut Tx<'_>, now: Millis, new: &NewAccount) -> Result<Account, Failure> {
    let account = directory::insert_account(tx, now, new)?;
    mailbox.within(tx, Acting::System, Origin::OTHER, |mail| {
        mail.create_owner(OwnerId(account.id.0), account.quota_bytes)
    })?;
    Ok(account)
}

pub(super) fn list(services: &Services, domain: Option<&str>) -> Result<Answer, Failure> {
    let reader = services.store.read()?;
    let domains = match domain {
        Some(name) => vec![directory::domain_by_name(&reader, name)?.ok_or(Error::Missing)?],
        None => directory::domains(&reader)?,
    };
    let mut accounts = Vec::new();
    for domain in domains {
        accounts.extend(of_domain(&reader, domain.id)?.into_iter().map(|account| AccountLine {
            address: account.address.to_string(),
            name: account.display_name,
            aliases: account.aliases.iter().map(Address::to_string).collect(),
            enabled: account.enabled,
        }));
    }
    Ok(Answer::Accounts { accounts })
}

pub(super) async fn set_password(
    services: &Services,
    address: String,
    password: Option<Secret>,
) -> Result<Answer, Failure> {
    let (password, made) = given_or_made(password)?;
    let prepared = services.directory.prepare_password(password.expose()).await?;
    let now = services.clock.now();
    // A password that is known to others is changed while the disk is full, too.
    let account = services
        .store
        .shrink_async(move |tx| {
            let account = by_address(tx, &address)?;
            directory::set_password(tx, now, account.id, Some(&prepared))?;
            Ok::<_, Failure>(account)
        })
        .await?;
    // A phone that waits must not sit out its heartbeat under the old one.
    services.mailbox.notifier().wake(Place::Tree(OwnerId(account.id.0)));
    Ok(answered(&account, password, made, "has a new password"))
}

/// Changes the room of a mailbox, if that is asked for, and tells how much it has and takes.
pub(super) async fn quota(
    services: &Services,
    address: String,
    change: Option<QuotaChange>,
) -> Result<Answer, Failure> {
    let account = by_address(&services.store.read()?, &address)?;
    let owner = OwnerId(account.id.0);
    if let Some(change) = change {
        let quota = match change {
            QuotaChange::Lift => None,
            QuotaChange::Bytes(bytes) => Some(bytes),
        };
        let mailbox = services.mailbox.clone();
        let changed = services.store.write_async(move |tx| {
            let account = directory::account(tx, account.id)?.ok_or(Error::Missing)?;
            directory::update_account(tx, &Account { quota_bytes: quota, ..account })?;
            mailbox.within(tx, Acting::System, Origin::OTHER, |mail| mail.set_quota(owner, quota))?;
            Ok::<_, Failure>(())
        });
        changed.await?;
    }
    let row = services.mailbox.view(Acting::System)?.owner(owner)?;
    let quota = QuotaLine {
        address: account.address.to_string(),
        used: row.bytes,
        items: row.items,
        quota: row.quota,
        expunged: row.expunged_bytes,
    };
    Ok(Answer::Quota { quota })
}

pub(super) async fn delete(services: &Services, address: String) -> Result<Answer, Failure> {
    let mailbox = services.mailbox.clone();
    let removed = services
        .store
        .shrink_async(move |tx| {
            let account = by_address(tx, &address)?;
            let removed = directory::delete_account(tx, account.id)?;
            remove_mailbox(&mailbox, tx, account.id)?;
            Ok::<_, Failure>(removed)
        })
        .await?;
    Ok(Answer::Done { text: format!("account {} deleted", removed.account.address) })
}

/// Takes the mailbox of a deleted account away from everybody, in the same transaction. What it holds and
/// what is kept for the account's devices is removed by the keeper; nobody else sees it any more, since
/// ids are never given again.
pub(super) fn remove_mailbox(mailbox: &Mailbox, tx: &mut Tx<'_>, id: AccountId) -> Result<(), Failure> {
    let removed = mailbox.within(tx, Acting::System, Origin::OTHER, |mail| mail.remove_owner(OwnerId(id.0)));
    match removed {
        // An account without a mailbox can be deleted too.
        Err(mailbox::Error::Missing) => Ok(()),
        other => Ok(other?),
    }
}

/// All accounts of a domain.
pub(super) fn of_domain(read: &impl Read, domain: DomainId) -> Result<Vec<Account>, Failure> {
    let mut all: Vec<Account> = Vec::new();
    loop {
        let page = directory::accounts(read, domain, all.last().map(|account| account.id), PAGE)?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// The account with this address; a bare name is completed with the primary domain.
pub(super) fn by_address(read: &impl Read, address: &str) -> Result<Account, Failure> {
    let address = match address.contains('@') {
        true => Address::parse(address)?,
        false => {
            let primary = directory::primary_domain(read)?.ok_or(Error::Missing)?;
            Address::of_parts(address, &primary.name)?
        }
    };
    Ok(directory::account_by_address(read, &address)?.ok_or(Error::Missing)?)
}

/// The password, and whether it was made here.
fn given_or_made(password: Option<Secret>) -> Result<(Secret, bool), Failure> {
    match password {
        Some(password) => Ok((password, false)),
        None => Ok((Secret::new(made().map_err(Error::from)?), true)),
    }
}

fn answered(account: &Account, password: Secret, made: bool, done: &str) -> Answer {
    match made {
        true => Answer::Password { address: account.address.to_string(), password },
        false => Answer::Done { text: format!("account {} {done}", account.address) },
    }
}

/// A password of 80 random bits that can be read out: no letters that look alike.
fn made() -> Result<String, crate::clock::NoEntropy> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut password = String::new();
    for (at, byte) in random::<16>()?.into_iter().enumerate() {
        if at != 0 && at % 4 == 0 {
            password.push('-');
        }
        let letter = LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'x');
        password.push(char::from(letter));
    }
    Ok(password)
}
