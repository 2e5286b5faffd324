//! `device list | wipe | block | allow | forget | recovery-password`.

use super::account::{by_address, of_domain};
use super::queue::time;
use super::reply::Failure;
use super::{Answer, DeviceLine, Secret, WipeLine};
use crate::directory::device::{self, Device, WipeState};
use crate::directory::{self, Account, Error};
use crate::mailbox::{OwnerId, Place};
use crate::services::Services;
use crate::store::{Read, Tx};

pub(super) fn list(services: &Services, account: Option<&str>) -> Result<Answer, Failure> {
    let reader = services.store.read()?;
    let accounts = match account {
        Some(address) => vec![by_address(&reader, address)?],
        None => {
            let mut all = Vec::new();
            for domain in directory::domains(&reader)? {
                all.extend(of_domain(&reader, domain.id)?);
            }
            all
        }
    };
    let mut lines = Vec::new();
    for account in accounts {
        lines.extend(of_account(&reader, &account)?);
    }
    Ok(Answer::Devices { devices: lines })
}

pub(super) async fn wipe(
    services: &Services,
    account: String,
    device: String,
    account_only: bool,
) -> Result<Answer, Failure> {
    let (now, what) = (services.clock.now(), if account_only { "loses the account" } else { "is wiped" });
    let done = format!("device {device} {what} when it next comes");
    change(services, account, move |tx, account| {
        device::request_wipe(tx, now, account.id, &device, account_only)
    })
    .await?;
    Ok(Answer::Done { text: done })
}

pub(super) async fn cancel_wipe(
    services: &Services,
    account: String,
    device: String,
) -> Result<Answer, Failure> {
    let done = format!("device {device} is not wiped, unless it was told to already");
    change(services, account, move |tx, account| device::cancel_wipe(tx, account.id, &device)).await?;
    Ok(Answer::Done { text: done })
}

pub(super) async fn block(services: &Services, account: String, device: String) -> Result<Answer, Failure> {
    let done = format!("device {device} is refused from now on");
    change(services, account, move |tx, account| device::block(tx, account.id, &device)).await?;
    Ok(Answer::Done { text: done })
}

pub(super) fn recovery_password(services: &Services, account: &str, id: String) -> Result<Answer, Failure> {
    let reader = services.store.read()?;
    let account = by_address(&reader, account)?;
    let device = device::device(&reader, account.id, &id)?.ok_or(Failure::NoDevice)?;
    let password = device.recovery_password.ok_or(Failure::NoRecoveryPassword)?;
    Ok(Answer::RecoveryPassword { device: id, password: Secret::new(password.0) })
}

pub(super) async fn allow(services: &Services, account: String, device: String) -> Result<Answer, Failure> {
    let done = format!("device {device} may come again, unless it is still to be wiped");
    change(services, account, move |tx, account| device::allow(tx, account.id, &device)).await?;
    Ok(Answer::Done { text: done })
}

pub(super) async fn forget(services: &Services, account: String, device: String) -> Result<Answer, Failure> {
    let done = format!("device {device} forgotten");
    change(services, account, move |tx, account| device::forget(tx, account.id, &device)).await?;
    Ok(Answer::Done { text: done })
}

/// Changes a device of an account; a lost phone is wiped while the disk is full, too.
async fn change(
    services: &Services,
    address: String,
    f: impl FnOnce(&mut Tx<'_>, &Account) -> Result<(), Error> + Send + 'static,
) -> Result<(), Failure> {
    let write = services.store.shrink_async(move |tx| {
        let account = by_address(tx, &address)?;
        f(tx, &account).map_err(|e| match e {
            Error::Missing => Failure::NoDevice,
            e => e.into(),
        })?;
        Ok::<_, Failure>(account.id)
    });
    let account = write.await?;
    // A lost phone must not sit out its heartbeat.
    services.mailbox.notifier().wake(Place::Tree(OwnerId(account.0)));
    Ok(())
}

fn of_account(read: &dyn Read, account: &Account) -> Result<Vec<DeviceLine>, Failure> {
    let all = device::devices(read, account.id)?;
    Ok(all.into_iter().map(|device| line(account, device)).collect())
}

fn line(account: &Account, device: Device) -> DeviceLine {
    DeviceLine {
        account: account.address.to_string(),
        id: device.id,
        device_type: device.device_type,
        model: device.information.model,
        user_agent: device.user_agent,
        version: device.version,
        first_seen: time(device.first_seen),
        last_seen: time(device.last_seen),
        provisioned: device.policy.key.is_some(),
        blocked: device.blocked,
        recovery_password: device.recovery_password.is_some(),
        wipe: device.wipe.map(|wipe| WipeLine {
            account_only: wipe.account_only,
            state: match wipe.state {
                WipeState::Requested => "requested",
                WipeState::Sent => "sent",
                WipeState::Acknowledged => "acknowledged",
                WipeState::Failed => "failed",
            }
            .into(),
            since: time(wipe.at),
        }),
    }
}
