//! `domain add | list | delete`.

use super::reply::Failure;
use super::{Answer, DomainLine};
use crate::directory::{self, Error};
use crate::services::Services;

pub(super) async fn add(services: &Services, name: String) -> Result<Answer, Failure> {
    let domain = services.directory.insert_domain(&name).await?;
    Ok(Answer::Done { text: format!("domain {} added", directory::domain_for_display(&domain.name)) })
}

pub(super) fn list(services: &Services) -> Result<Answer, Failure> {
    let reader = services.store.read()?;
    let primary = directory::primary_domain(&reader)?.map(|domain| domain.id);
    let mut domains = Vec::new();
    for domain in directory::domains(&reader)? {
        let accounts = super::account::of_domain(&reader, domain.id)?.len();
        domains.push(DomainLine {
            name: domain.name,
            accounts: u64::try_from(accounts).unwrap_or(u64::MAX),
            primary: primary == Some(domain.id),
        });
    }
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Answer::Domains { domains })
}

pub(super) async fn delete(services: &Services, name: String, force: bool) -> Result<Answer, Failure> {
    let text = format!("domain {name} deleted");
    let mailbox = services.mailbox.clone();
    services
        .store
        .shrink_async(move |tx| {
            let domain = directory::domain_by_name(tx, &name)?.ok_or(Error::Missing)?;
            for removed in directory::delete_domain(tx, domain.id, force)? {
                super::account::remove_mailbox(&mailbox, tx, removed.account.id)?;
            }
            Ok::<_, Failure>(())
        })
        .await?;
    Ok(Answer::Done { text })
}
