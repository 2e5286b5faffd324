//! Properties of folders.

use caldav::dav::{Ace, Name, Namespace, Principal, Privilege, PropertyResponse, Value};

use super::{Props, TRANSPARENT, text};
use crate::directory::AccountId;
use crate::doors::dav::dead;
use crate::doors::dav::node::{self, Collection, Home};
use crate::doors::dav::reply::Failure;
use crate::mailbox::Folder;
use crate::objects::{self, COLOR, DESCRIPTION, DISPLAY_NAME, Limits, ORDER, TIME_ZONE};
use crate::policy::Rights;

/// What texts are compared by in filters. RFC 4791 §7.5; RFC 6352 §8.3.
pub(super) const COLLATIONS: [&str; 3] = ["i;ascii-casemap", "i;octet", "i;unicode-casemap"];

impl Props<'_> {
    pub(super) fn of_collection(
        &self,
        at: &Collection,
        name: &Name,
        out: &mut PropertyResponse<'_>,
    ) -> Result<bool, Failure> {
        let folder = at.folder();
        let kept = |property: &str| folder.property(property).and_then(text);
        let is_calendar = at.home == Home::Calendars;
        match (name.namespace(), name.local()) {
            (Namespace::Dav, "displayname") => {
                out.value(name, &Value::Text(kept(DISPLAY_NAME).unwrap_or(&folder.name)));
            }
            (Namespace::Dav, "owner") => {
                let owner = node::owner_of(self.session, folder)?;
                let href: Vec<_> = owner.iter().map(node::principal_href).collect();
                out.value(name, &Value::Hrefs(&href));
            }
            (Namespace::Dav, "creationdate") => {
                out.value(name, &Value::Created(i64::from(folder.uid_validity)));
            }
            (Namespace::Dav, "acl") if at.may(Rights::ADMIN) => {
                out.value(name, &Value::Acl(&self.acl(folder)?));
            }
            (Namespace::Dav, "sync-token") | (Namespace::CalendarServer, "getctag") => {
                out.value(name, &Value::Text(&token(self.epoch, folder, folder.highest.0)));
            }
            (Namespace::Dav, "quota-available-bytes" | "quota-used-bytes") if at.may(Rights::ADMIN) => {
                return self.quota(folder.owner, name, out);
            }
            (Namespace::CalDav, "calendar-description") if is_calendar => {
                return Ok(some_text(kept(DESCRIPTION), name, out));
            }
            (Namespace::CardDav, "addressbook-description") if at.is_card() => {
                return Ok(some_text(kept(DESCRIPTION), name, out));
            }
            (Namespace::CalDav, _) if is_calendar => return Ok(of_calendar(folder, name, out)),
            (Namespace::CardDav, _) if at.is_card() => return Ok(of_address_book(name, out)),
            (Namespace::AppleIcal, "calendar-color") => return Ok(some_text(kept(COLOR), name, out)),
            (Namespace::AppleIcal, "calendar-order") => return Ok(some_text(kept(ORDER), name, out)),
            _ => {
                let Some(fragment) = dead::of_folder(folder, name) else { return Ok(false) };
                out.value(name, &Value::Dead(&fragment));
            }
        }
        Ok(true)
    }

    /// Who may do what. RFC 3744 §5.5.
    fn acl(&self, folder: &Folder) -> Result<Vec<Ace>, Failure> {
        let ace = |principal, grant, privileges| Ace {
            principal,
            grant,
            privileges,
            protected: true,
            inherited: None,
        };
        let mut all = vec![ace(Principal::Owner, true, vec![Privilege::All])];
        for grant in &folder.grants {
            let principal = match grant.grantee {
                0 => Principal::Authenticated,
                id => match self.session.services().directory.account(AccountId(id))? {
                    Some(account) => Principal::Href(node::principal_href(&account)),
                    None => continue,
                },
            };
            for (rights, allows) in [(grant.allow, true), (grant.deny, false)] {
                if !rights.is_none() {
                    all.push(ace(principal.clone(), allows, super::of_rights(rights)));
                }
            }
        }
        Ok(all)
    }
}

/// RFC 4791 §5.2.
fn of_calendar(folder: &Folder, name: &Name, out: &mut PropertyResponse<'_>) -> bool {
    let limits = Limits::default();
    match name.local() {
        "calendar-timezone" => return some_text(folder.property(TIME_ZONE).and_then(text), name, out),
        "supported-calendar-component-set" => {
            let names: Vec<_> = objects::components(folder).iter().map(objects::Kept::name).collect();
            out.value(name, &Value::Components(&names));
        }
        "supported-calendar-data" => out.value(name, &Value::CalendarData(&[("text/calendar", "2.0")])),
        "max-resource-size" => out.value(name, &Value::Number(limits.bytes as u64)),
        "max-attendees-per-instance" => out.value(name, &Value::Number(limits.attendees as u64)),
        "supported-collation-set" => out.value(name, &Value::Collations(&COLLATIONS)),
        "schedule-calendar-transp" => {
            let transparent = folder.property(TRANSPARENT).is_some();
            let word = if transparent { "transparent" } else { "opaque" };
            out.value(name, &Value::Names(&[Name::caldav(word)]));
        }
        _ => return false,
    }
    true
}

/// RFC 6352 §6.2.
fn of_address_book(name: &Name, out: &mut PropertyResponse<'_>) -> bool {
    match name.local() {
        "supported-address-data" => {
            out.value(name, &Value::AddressData(&[("text/vcard", "3.0"), ("text/vcard", "4.0")]));
        }
        "max-resource-size" => out.value(name, &Value::Number(Limits::default().bytes as u64)),
        "supported-collation-set" => out.value(name, &Value::CardCollations(&COLLATIONS)),
        _ => return false,
    }
    true
}

fn some_text(text: Option<&str>, name: &Name, out: &mut PropertyResponse<'_>) -> bool {
    match text {
        Some(text) => out.value(name, &Value::Text(text)),
        None => return false,
    }
    true
}

/// What a client knows who knows a folder's changes up to a modseq. RFC 6578 §4.
pub(in crate::doors::dav) fn token(epoch: u64, folder: &Folder, modseq: u64) -> String {
    format!("urn:folkmoot:sync:{epoch:x}-{:x}-{:x}-{modseq:x}", folder.id.0, folder.uid_validity)
}

/// The modseq of a token; `None` for one of another folder, of another incarnation of it, or made up.
/// One that the folder has forgotten too much for, or never reached, is refused as well. RFC 6578 §3.2.
pub(in crate::doors::dav) fn modseq_of(token: &str, epoch: u64, folder: &Folder) -> Option<u64> {
    let mut parts = token.strip_prefix("urn:folkmoot:sync:")?.split('-');
    let mut next = || u64::from_str_radix(parts.next()?, 16).ok();
    let known = (next()?, next()?, next()?) == (epoch, folder.id.0, u64::from(folder.uid_validity));
    let modseq = next()?;
    let is_whole = token == self::token(epoch, folder, modseq);
    let in_reach = modseq >= folder.purged.0 && modseq <= folder.highest.0;
    (known && is_whole && in_reach).then_some(modseq)
}
