//! Properties of accounts as principals. RFC 3744 §4; RFC 4791 §6.2.1; RFC 6352 §7.1.1; RFC 6638 §2.4.

use caldav::dav::{Href, Name, Namespace, PropertyResponse, Value};

use super::Props;
use crate::directory::{Account, Kind};
use crate::doors::dav::node::{self, Home, INBOX, OUTBOX, ROOT};
use crate::doors::dav::reply::Failure;
use crate::doors::dav::schedule;

impl Props<'_> {
    pub(super) fn of_account(
        &self,
        account: &Account,
        name: &Name,
        out: &mut PropertyResponse<'_>,
    ) -> Result<bool, Failure> {
        let me = account.id == self.session.account().id;
        let home = |home: Home| Href::new([ROOT, home.segment(), &account.address.to_string()], true);
        match (name.namespace(), name.local()) {
            (Namespace::Dav, "displayname") => out.value(name, &Value::Text(&account.display_name)),
            (Namespace::Dav, "principal-URL" | "owner") => {
                out.value(name, &Value::Hrefs(&[node::principal_href(account)]));
            }
            (Namespace::Dav, "alternate-URI-set") => {
                out.value(name, &Value::Hrefs(&mailto(account)));
            }
            (Namespace::Dav, "group-membership" | "group-member-set") => out.value(name, &Value::Hrefs(&[])),
            (Namespace::Dav, "quota-available-bytes" | "quota-used-bytes") if me => {
                return self.quota(self.session.owner(), name, out);
            }
            (Namespace::CalDav, "calendar-home-set") if me => {
                out.value(name, &Value::Hrefs(&[home(Home::Calendars)]));
            }
            (Namespace::CalDav, "schedule-inbox-URL") if me => {
                out.value(name, &Value::Hrefs(&[schedule::box_href(self.session, INBOX)]));
            }
            (Namespace::CalDav, "schedule-outbox-URL") if me => {
                out.value(name, &Value::Hrefs(&[schedule::box_href(self.session, OUTBOX)]));
            }
            (Namespace::CardDav, "addressbook-home-set") if me => {
                out.value(name, &Value::Hrefs(&[home(Home::Contacts)]));
            }
            (Namespace::CalDav, "calendar-user-address-set") => {
                let mut hrefs = mailto(account);
                hrefs.push(node::principal_href(account));
                out.value(name, &Value::Hrefs(&hrefs));
            }
            (Namespace::CalDav, "calendar-user-type") => {
                let kind = match account.kind {
                    Kind::Room => "ROOM",
                    Kind::Equipment => "RESOURCE",
                    _ => "INDIVIDUAL",
                };
                out.value(name, &Value::Text(kind));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn mailto(account: &Account) -> Vec<Href> {
    account.addresses().map(|address| Href::uri(format!("mailto:{address}"))).collect()
}
