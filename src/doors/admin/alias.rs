//! `account alias add | list | delete`.

use super::Answer;
use super::account::by_address;
use super::reply::Failure;
use crate::directory::{self, Address};
use crate::services::Services;

pub(super) async fn add(services: &Services, account: String, alias: String) -> Result<Answer, Failure> {
    let text = format!("{alias} leads to {account} too");
    let write = services.store.write_async(move |tx| {
        let account = by_address(tx, &account)?;
        directory::add_alias(tx, account.id, &alias).map_err(|e| Failure::of_alias(&alias, e))
    });
    write.await?;
    Ok(Answer::Done { text })
}

pub(super) fn list(services: &Services, account: &str) -> Result<Answer, Failure> {
    let account = by_address(&services.store.read()?, account)?;
    Ok(Answer::Aliases { aliases: account.aliases.iter().map(Address::to_string).collect() })
}

pub(super) async fn delete(services: &Services, account: String, alias: String) -> Result<Answer, Failure> {
    let text = format!("{alias} leads to {account} no more");
    let write = services.store.shrink_async(move |tx| {
        let account = by_address(tx, &account)?;
        directory::remove_alias(tx, account.id, &alias).map_err(|e| match e {
            directory::Error::Missing => Failure::NoAlias,
            e => e.into(),
        })
    });
    write.await?;
    Ok(Answer::Done { text })
}
