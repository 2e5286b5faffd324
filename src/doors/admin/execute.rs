//! Running a command.

use super::reply::{Failure, refusal};
use super::{Answer, Command, account, alias, app_password, device, domain, queue, verify};
use crate::services::Services;

/// Runs one command. Never fails: a refusal is an answer too.
pub async fn execute(services: &Services, command: Command) -> Answer {
    let subject = subject(&command);
    let done = match command {
        Command::DomainAdd { name } => domain::add(services, name).await,
        Command::DomainList {} => read(services, domain::list).await,
        Command::DomainDelete { name, force } => domain::delete(services, name, force).await,
        Command::AccountAdd { address, name, password, kind } => {
            account::add(services, address, name, password, kind).await
        }
        Command::AccountList { domain } => read(services, move |s| account::list(s, domain.as_deref())).await,
        Command::AccountSetPassword { address, password } => {
            account::set_password(services, address, password).await
        }
        Command::AccountQuota { address, change } => account::quota(services, address, change).await,
        Command::AccountDelete { address } => account::delete(services, address).await,
        Command::AliasAdd { account, alias } => alias::add(services, account, alias).await,
        Command::AliasList { account } => read(services, move |s| alias::list(s, &account)).await,
        Command::AliasDelete { account, alias } => alias::delete(services, account, alias).await,
        Command::AppPasswordAdd { account, label, services: names } => {
            app_password::add(services, account, label, names).await
        }
        Command::AppPasswordList { account } => {
            read(services, move |s| app_password::list(s, &account)).await
        }
        Command::AppPasswordDelete { account, id } => app_password::delete(services, account, id).await,
        Command::DeviceList { account } => read(services, move |s| device::list(s, account.as_deref())).await,
        Command::DeviceWipe { account, device, account_only } => {
            device::wipe(services, account, device, account_only).await
        }
        Command::DeviceCancelWipe { account, device } => device::cancel_wipe(services, account, device).await,
        Command::DeviceBlock { account, device } => device::block(services, account, device).await,
        Command::DeviceRecoveryPassword { account, device } => {
            read(services, move |s| device::recovery_password(s, &account, device)).await
        }
        Command::DeviceAllow { account, device } => device::allow(services, account, device).await,
        Command::DeviceForget { account, device } => device::forget(services, account, device).await,
        Command::QueueList {} => read(services, queue::list).await,
        Command::QueueShow { id } => read(services, move |s| queue::show(s, &id)).await,
        Command::QueueRetry { id } => queue::retry(services, id).await,
        Command::QueueDelete { id } => queue::delete(services, &id).await,
        Command::Verify {} => read(services, verify::verify).await,
    };
    done.unwrap_or_else(|failure| refusal(&subject, &failure))
}

/// What a refusal names.
fn subject(command: &Command) -> String {
    match command {
        Command::DomainAdd { name } | Command::DomainDelete { name, .. } => name.clone(),
        Command::AccountAdd { address, .. }
        | Command::AccountSetPassword { address, .. }
        | Command::AccountQuota { address, .. }
        | Command::AccountDelete { address } => address.clone(),
        Command::AccountList { domain } => domain.clone().unwrap_or_default(),
        Command::DeviceList { account } => account.clone().unwrap_or_default(),
        Command::DeviceWipe { account, .. }
        | Command::AliasAdd { account, .. }
        | Command::AliasList { account }
        | Command::AliasDelete { account, .. }
        | Command::AppPasswordAdd { account, .. }
        | Command::AppPasswordList { account }
        | Command::AppPasswordDelete { account, .. }
        | Command::DeviceCancelWipe { account, .. }
        | Command::DeviceBlock { account, .. }
        | Command::DeviceRecoveryPassword { account, .. }
        | Command::DeviceAllow { account, .. }
        | Command::DeviceForget { account, .. } => account.clone(),
        Command::QueueShow { id } | Command::QueueDelete { id } => id.clone(),
        Command::QueueRetry { id } => id.clone().unwrap_or_default(),
        Command::DomainList {} | Command::QueueList {} | Command::Verify {} => String::new(),
    }
}

/// Reads from the store on a thread that may wait for the disk.
async fn read(
    services: &Services,
    f: impl FnOnce(&Services) -> Result<Answer, Failure> + Send + 'static,
) -> Result<Answer, Failure> {
    let services = services.clone();
    tokio::task::spawn_blocking(move || f(&services))
        .await
        .unwrap_or(Err(Failure::Store(crate::store::Error::Stopped)))
}
