//! Properties of items.

use caldav::dav::{Name, Namespace, PropertyResponse, Value};

use super::Props;
use crate::doors::dav::node::{self, Collection, Home};
use crate::doors::dav::reply::Failure;
use crate::doors::dav::{data, dead, schedule};
use crate::mailbox::Item;
use crate::objects;
use crate::policy::Rights;

impl Props<'_> {
    pub(super) fn of_item(
        &self,
        at: &Collection,
        item: &Item,
        name: &Name,
        out: &mut PropertyResponse<'_>,
    ) -> Result<bool, Failure> {
        match (name.namespace(), name.local()) {
            (Namespace::Dav, "getetag") => out.value(name, &Value::Text(&objects::etag(item))),
            (Namespace::Dav, "getcontenttype") => {
                out.value(name, &Value::Text(&data::media_type(self.view, at, item)?));
            }
            (Namespace::Dav, "getcontentlength") => out.value(name, &Value::Number(item.size)),
            (Namespace::Dav, "getlastmodified") => out.value(name, &Value::Modified(data::modified(item))),
            (Namespace::Dav, "creationdate") => {
                out.value(name, &Value::Created(item.internal_date.div_euclid(1000)));
            }
            (Namespace::Dav, "owner") => {
                let owner = node::owner_of(self.session, at.folder())?;
                let href: Vec<_> = owner.iter().map(node::principal_href).collect();
                out.value(name, &Value::Hrefs(&href));
            }
            (Namespace::CalDav, "calendar-data") if at.home == Home::Calendars && at.may(Rights::READ) => {
                let text = data::calendar(self, at, item)?;
                out.value(name, &Value::Data { text: &text, kind: None });
            }
            (Namespace::CalDav, "schedule-tag") => {
                let Some(tag) = schedule::tag(self.session, self.view, at, item)? else { return Ok(false) };
                out.value(name, &Value::Text(&tag));
            }
            (Namespace::CardDav, "address-data") if at.is_card() && at.may(Rights::READ) => {
                let (text, version) = data::card(self, item)?;
                out.value(name, &Value::Data { text: &text, kind: Some(("text/vcard", version)) });
            }
            _ => {
                let Some(fragment) = dead::of_item(item, name) else { return Ok(false) };
                out.value(name, &Value::Dead(&fragment));
            }
        }
        Ok(true)
    }
}
