//! Whether a device may do what it asks: it is not blocked, has no wipe ahead and has applied today's
//! policy. Asked once for each request, after the login and before the command.

use wbxml::{Element, settings};

use super::reply::Status;
use super::request::{Command, Version};
use crate::directory::device::{Device, PolicyDigest, WipeState};

/// What the decision is based on.
pub(super) struct Asked<'r> {
    pub(super) device: &'r Device,
    pub(super) command: Command,
    pub(super) version: Version,
    /// The policy key it shows; `None` for none and for 0.
    pub(super) key: Option<u32>,
    pub(super) request: Option<&'r Element<'r>>,
}

/// `Err` says what the device must do first. MS-ASPROV §3.2.5.1, MS-ASCMD §2.2.2.
///
/// `policy` is today's, `required` whether a device must have applied it.
pub(super) fn check(asked: &Asked<'_>, policy: PolicyDigest, required: bool) -> Result<(), Status> {
    wipe(asked)?;
    if !required || asked.command == Command::Provision || tells_about_itself(asked) {
        return Ok(());
    }
    let applied = &asked.device.policy;
    match (asked.key, applied.key) {
        (None, _) => Err(Status::DeviceNotProvisioned),
        (Some(shown), Some(given)) if shown == given => {
            if applied.applied == Some(policy) {
                Ok(())
            } else {
                Err(Status::PolicyRefresh)
            }
        }
        (Some(_), _) => Err(Status::InvalidPolicyKey),
    }
}

fn wipe(asked: &Asked<'_>) -> Result<(), Status> {
    let device = asked.device;
    let provisions = asked.command == Command::Provision;
    match device.wipe {
        // Its acknowledgement may have been answered in vain: it is answered again, and nothing else.
        Some(wipe) if wipe.state == WipeState::Acknowledged && provisions => Ok(()),
        _ if device.blocked => Err(Status::DeviceIsBlockedForThisUser),
        // It no longer speaks the version that could tell it: it gets nothing all the same.
        Some(wipe) if wipe.account_only && asked.version < Version::V16_1 => {
            Err(Status::DeviceIsBlockedForThisUser)
        }
        Some(_) if !provisions => Err(Status::RemoteWipeRequested),
        _ => Ok(()),
    }
}

/// Settings with device information and nothing else: versions before 14.1 send it on its own, some of
/// them before they provision. It tells the client nothing.
fn tells_about_itself(asked: &Asked<'_>) -> bool {
    asked.command == Command::Settings
        && asked.request.is_some_and(|request| {
            let all = request.children();
            !all.is_empty() && all.iter().all(|child| child.tag() == settings::DEVICE_INFORMATION)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;
    use crate::directory::device::{Came, PolicyState, Wipe};
    use crate::doors::eas::policy::digest_of;

    fn today() -> PolicyDigest {
        digest_of(&Policy::default())
    }

    fn yesterday() -> PolicyDigest {
        digest_of(&Policy { allow_camera: false, ..Policy::default() })
    }

    fn device() -> Device {
        let came = Came { id: "A", device_type: "Phone", user_agent: "", version: "16.1" };
        let mut device = Device::new(&came, 0);
        device.policy = PolicyState {
            key: Some(7),
            applied: Some(today()),
            offered: Some((9, today())),
            acknowledged: false,
        };
        device
    }

    fn ask(device: &Device, command: Command, key: Option<u32>) -> Result<(), Status> {
        let asked = Asked { device, command, version: Version::V16_1, key, request: None };
        check(&asked, today(), true)
    }

    #[test]
    fn only_the_final_key_opens() {
        let device = device();
        assert_eq!(ask(&device, Command::Sync, Some(7)), Ok(()));
        assert_eq!(ask(&device, Command::Sync, None), Err(Status::DeviceNotProvisioned));
        assert_eq!(ask(&device, Command::Sync, Some(8)), Err(Status::InvalidPolicyKey));
        assert_eq!(ask(&device, Command::Sync, Some(9)), Err(Status::InvalidPolicyKey), "the temporary one");
        for key in [None, Some(8)] {
            assert_eq!(ask(&device, Command::Provision, key), Ok(()));
        }
    }

    #[test]
    fn a_changed_policy_is_fetched_again() {
        let mut device = device();
        device.policy.applied = Some(yesterday());
        assert_eq!(ask(&device, Command::Ping, Some(7)), Err(Status::PolicyRefresh));
    }

    #[test]
    fn without_the_requirement_all_may_come_but_those_to_be_wiped() {
        let mut device = device();
        let ask = |device: &Device| {
            let asked =
                Asked { device, command: Command::Sync, version: Version::V14_1, key: None, request: None };
            check(&asked, today(), false)
        };
        assert_eq!(ask(&device), Ok(()));
        device.wipe = Some(Wipe { account_only: false, state: WipeState::Requested, at: 0 });
        assert_eq!(ask(&device), Err(Status::RemoteWipeRequested));
        device.wipe = Some(Wipe { account_only: true, state: WipeState::Requested, at: 0 });
        assert_eq!(ask(&device), Err(Status::DeviceIsBlockedForThisUser), "14.1 cannot be told");
    }

    #[test]
    fn wiped_devices_stay_out() {
        let mut device = device();
        for state in [WipeState::Requested, WipeState::Sent, WipeState::Failed] {
            device.wipe = Some(Wipe { account_only: false, state, at: 0 });
            assert_eq!(ask(&device, Command::Sync, Some(7)), Err(Status::RemoteWipeRequested));
            assert_eq!(ask(&device, Command::Provision, None), Ok(()));
        }
        device.wipe = Some(Wipe { account_only: false, state: WipeState::Acknowledged, at: 0 });
        device.blocked = true;
        assert_eq!(ask(&device, Command::Sync, Some(7)), Err(Status::DeviceIsBlockedForThisUser));
        assert_eq!(ask(&device, Command::Provision, None), Ok(()), "the acknowledgement is answered again");
        device.wipe = None;
        assert_eq!(ask(&device, Command::Provision, None), Err(Status::DeviceIsBlockedForThisUser));
    }

    #[test]
    fn device_information_alone_passes() {
        let device = device();
        let information = Element::new(settings::SETTINGS)
            .with(Element::new(settings::DEVICE_INFORMATION).with_empty(settings::SET));
        let mut asked = Asked {
            device: &device,
            command: Command::Settings,
            version: Version::V14_0,
            key: None,
            request: Some(&information),
        };
        assert_eq!(check(&asked, today(), true), Ok(()));
        let more = information.clone().with_empty(settings::OOF);
        asked.request = Some(&more);
        assert_eq!(check(&asked, today(), true), Err(Status::DeviceNotProvisioned));
    }
}
