//! Settings: the out-of-office message, the device and the user. MS-ASCMD §2.2.1.18.

mod oof;

use wbxml::{Element, Tag, settings as tags};

use super::super::information;
use super::super::reply::{Failure, Reply};
use super::super::request::Version;
use super::super::session::Session;
use crate::directory::Error;
use crate::directory::device::{self, Device, RecoveryPassword};

/// Statuses. MS-ASCMD §2.2.3.177.15.
const OK: u16 = 1;
const PROTOCOL: u16 = 2;
const INVALID: u16 = 5;
const CONFLICTING: u16 = 6;
/// DevicePassword: the policy does not have the password stored.
const RECOVERY_OFF: u16 = 7;
/// RightsManagementInformation: there is none. MS-ASCMD §2.2.2.
const RIGHTS_MANAGEMENT_OFF: u16 = 168;

/// Longest recovery password, in characters.
const PASSWORD_MAX: usize = 256;

/// Handles Settings. Each property has a status of its own, and one that fails does not undo others.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let asked = request.map(Element::children).unwrap_or_default();
    let fits = |child: &Element<'_>| PROPERTIES.contains(&child.tag()) && child.tag().is_in(session.version);
    let twice = |tag: &Tag| asked.iter().filter(|child| child.tag() == *tag).count() > 1;
    if asked.is_empty() || !asked.iter().all(fits) || PROPERTIES.iter().any(twice) {
        return Ok(Reply::Document(status_of(tags::SETTINGS, PROTOCOL)));
    }
    let mut answer = status_of(tags::SETTINGS, OK);
    for property in asked {
        answer.push(match property.tag() {
            tags::OOF => oof::run(session, property).await?,
            tags::DEVICE_INFORMATION => device_information(session, property).await?,
            tags::DEVICE_PASSWORD => password(session, property).await?,
            tags::USER_INFORMATION => user(session, property),
            _ => rights_management(property),
        });
    }
    Ok(Reply::Document(answer))
}

/// What a request may hold. MS-ASCMD §2.2.3.168.2.
const PROPERTIES: [Tag; 5] = [
    tags::OOF,
    tags::DEVICE_INFORMATION,
    tags::DEVICE_PASSWORD,
    tags::USER_INFORMATION,
    tags::RIGHTS_MANAGEMENT_INFORMATION,
];

fn status_of(tag: Tag, status: u16) -> Element<'static> {
    Element::new(tag).with_number(tags::STATUS, status)
}

/// MS-ASCMD §2.2.3.45.
async fn device_information(session: &Session, property: &Element<'_>) -> Result<Element<'static>, Failure> {
    let [set] = property.children() else { return Ok(status_of(property.tag(), PROTOCOL)) };
    if set.tag() != tags::SET {
        return Ok(status_of(property.tag(), PROTOCOL));
    }
    let mut said = session.registered.information.clone();
    information::take(&mut said, set);
    if said != session.registered.information {
        update(session, move |device| device.information = said).await?;
    }
    Ok(status_of(property.tag(), OK))
}

/// Keeps the password that unlocks the device, if the policy says so. MS-ASCMD §2.2.3.46.
async fn password(session: &Session, property: &Element<'_>) -> Result<Element<'static>, Failure> {
    let given = property.child(tags::SET).and_then(|set| set.text_of(tags::PASSWORD));
    let Some(given) = given else { return Ok(status_of(property.tag(), PROTOCOL)) };
    let status = if !session.eas.config.eas.policy.password_recovery_enabled {
        RECOVERY_OFF
    } else if given.chars().count() > PASSWORD_MAX {
        INVALID
    } else {
        let kept = Some(given).filter(|text| !text.is_empty()).map(|text| RecoveryPassword(text.to_owned()));
        update(session, move |device| device.recovery_password = kept).await?;
        OK
    };
    Ok(status_of(property.tag(), status))
}

/// The account's addresses. MS-ASCMD §2.2.3.192.
fn user(session: &Session, property: &Element<'_>) -> Element<'static> {
    if !property.has(tags::GET) {
        return status_of(property.tag(), PROTOCOL);
    }
    let account = &session.login.account;
    let mut addresses = Element::new(tags::EMAIL_ADDRESSES)
        .with_all(account.addresses().map(|address| Element::leaf(tags::SMTP_ADDRESS, address.to_string())));
    let get = if session.at_least(Version::V14_1) {
        addresses.push(Element::leaf(tags::PRIMARY_SMTP_ADDRESS, account.address.to_string()));
        // The account itself; an AccountId would be for further ones beside it.
        let itself = Element::new(tags::ACCOUNT)
            .with_text(tags::USER_DISPLAY_NAME, account.display_name.clone())
            .with(addresses);
        Element::new(tags::GET).with(Element::new(tags::ACCOUNTS).with(itself))
    } else {
        Element::new(tags::GET).with(addresses)
    };
    status_of(property.tag(), OK).with(get)
}

/// There are no rights-management templates here. MS-ASRM §3.2.5.1.
fn rights_management(property: &Element<'_>) -> Element<'static> {
    let status = if property.has(tags::GET) { RIGHTS_MANAGEMENT_OFF } else { PROTOCOL };
    status_of(property.tag(), status)
}

/// Changes the device's row; of a probe nothing is kept.
async fn update(session: &Session, change: impl FnOnce(&mut Device) + Send + 'static) -> Result<(), Error> {
    if session.is_probe() {
        return Ok(());
    }
    let (account, id) = (session.login.account.id, session.registered.id.clone());
    let write = session.eas.mailbox.store().write_async(move |tx| {
        device::update(tx, account, &id, |device| {
            change(device);
            Ok(())
        })
    });
    write.await
}
