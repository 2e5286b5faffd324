//! Entries of the address list as ActiveSync shows them. MS-ASCMD §2.2.3.79 and its neighbours.

use wbxml::{Element, gal, search};

use super::reply::{Failure, Status};
use super::session::Session;
use crate::directory::GalEntry;

/// Most entries that one question finds: the list is for looking somebody up, not for taking home.
pub(super) const FOUND_MAX: usize = 100;

/// The entries of the account's own domain that a question finds, at most `most`.
pub(super) fn find(session: &Session, query: &str, most: usize) -> Result<Vec<GalEntry>, Failure> {
    Ok(session.eas.directory.search_gal(&[session.login.domain.id], query, most.min(FOUND_MAX))?)
}

/// The properties of an entry; those it lacks are left out. With `picture` it says that there is none.
pub(super) fn properties(entry: &GalEntry, picture: bool) -> Vec<Element<'static>> {
    let profile = &entry.profile;
    let text = |tag, text: &str| (!text.is_empty()).then(|| Element::leaf(tag, text.to_owned()));
    let maybe = |tag, value: &Option<String>| value.as_deref().and_then(|value| text(tag, value));
    let all = [
        text(gal::DISPLAY_NAME, &entry.display_name),
        maybe(gal::PHONE, &profile.phone),
        maybe(gal::OFFICE, &profile.office),
        maybe(gal::TITLE, &profile.title),
        maybe(gal::COMPANY, &profile.company),
        text(gal::ALIAS, entry.address.local()),
        maybe(gal::FIRST_NAME, &profile.first_name),
        maybe(gal::LAST_NAME, &profile.last_name),
        maybe(gal::HOME_PHONE, &profile.home_phone),
        maybe(gal::MOBILE_PHONE, &profile.mobile_phone),
        text(gal::EMAIL_ADDRESS, &entry.address.to_string()),
        picture.then(|| Element::new(gal::PICTURE).with_number(gal::STATUS, Status::NoPicture.code())),
    ];
    all.into_iter().flatten().collect()
}

/// An entry as Search's Properties.
pub(super) fn searched(entry: &GalEntry, picture: bool) -> Element<'static> {
    Element::new(search::PROPERTIES).with_all(properties(entry, picture))
}
