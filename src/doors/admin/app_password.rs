//! `account app-password add | list | delete`.

use super::account::by_address;
use super::queue::time;
use super::reply::Failure;
use super::{Answer, AppPasswordLine, Secret};
use crate::directory::{self, AppPassword, Error, Service};
use crate::services::Services;

pub(super) async fn add(
    services: &Services,
    account: String,
    label: String,
    names: Vec<String>,
) -> Result<Answer, Failure> {
    let for_services = set(&names)?;
    let now = services.clock.now();
    let write = services.store.write_async(move |tx| {
        let account = by_address(tx, &account)?;
        let (_, password) = directory::add_app_password(tx, now, account.id, &label, for_services)?;
        Ok::<_, Failure>((account.address.to_string(), password))
    });
    let (address, password) = write.await?;
    Ok(Answer::Password { address, password: Secret::new(password) })
}

pub(super) fn list(services: &Services, account: &str) -> Result<Answer, Failure> {
    let reader = services.store.read()?;
    let account = by_address(&reader, account)?;
    let app_passwords = directory::app_passwords(&reader, account.id)?.into_iter().map(line).collect();
    Ok(Answer::AppPasswords { app_passwords })
}

pub(super) async fn delete(services: &Services, account: String, id: u64) -> Result<Answer, Failure> {
    let write = services.store.shrink_async(move |tx| {
        let account = by_address(tx, &account)?;
        directory::revoke_app_password(tx, account.id, id).map_err(|e| match e {
            Error::Missing => Failure::NoAppPassword,
            e => e.into(),
        })
    });
    write.await?;
    Ok(Answer::Done { text: format!("app password {id} lets nobody in any more") })
}

/// The services with these names; all that take app passwords when there are none.
fn set(names: &[String]) -> Result<directory::Services, Failure> {
    if names.is_empty() {
        return Ok(directory::Services::ALL);
    }
    names.iter().try_fold(directory::Services::NONE, |set, name| {
        let service = programs().find(|service| service.name() == name).ok_or(Failure::NoService)?;
        Ok(set.with(service))
    })
}

/// Where an app password may be used.
fn programs() -> impl Iterator<Item = Service> {
    Service::ALL.into_iter().filter(|service| service.takes_app_passwords())
}

fn line(app: AppPassword) -> AppPasswordLine {
    let services = programs().filter(|service| app.services.has(*service));
    AppPasswordLine {
        id: app.id,
        label: app.label,
        created: time(app.created),
        services: services.map(|service| service.name().to_owned()).collect(),
    }
}
