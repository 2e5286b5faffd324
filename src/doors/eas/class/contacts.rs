//! Contacts, kept as vCards. MS-ASCNTC §2.2.2; RFC 6350; RFC 2426.
//!
//! A card may hold more than the class has places for: a second mobile number, a fourth address. What has no
//! place is not shown and stays; when a place becomes free the next one moves up.

mod fields;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use caldav::card::{Card, CardDate, CardMut, Photo, Relation};
use caldav::{Component, ContentLine, Date, Object};
use wbxml::{Element, contacts};

use super::body::Sent;
use super::out::{Out, clean};
use super::{Asker, CONVERSION, Change, Refused, Said, ical};
use crate::doors::eas::render::parse_time;
use fields::{ADDRESSES, EMAILS, MESSENGERS, NAMES, TEXTS};

/// Most octets of a Picture, in base64. MS-ASCNTC §2.2.2.58.
const PICTURE_MAX: usize = 48 << 10;
/// Most children. MS-ASCNTC §2.2.2.21.
const CHILDREN_MAX: usize = 300;
/// The time of day of a day: midday, so that it is the same day in most zones. MS-ASCNTC §2.2.2.6.
const MIDDAY: &str = "T11:59:00.000Z";
/// The year that stands for an unknown one, as on Apple's phones.
const NO_YEAR: u16 = 1604;
/// What a contact is filed as, where that is not its name.
const FILE_AS: [&str; 2] = ["X-FILE-AS", "X-EVOLUTION-FILE-AS"];

/// Shows a contact. Groups of contacts are none.
pub(super) fn show(object: &Object, out: &mut Out<'_>) -> bool {
    let Some(card) = object.card().map(Card::new).filter(|card| card.kind() != "group") else { return false };
    let name = card.name();
    for (tag, part) in NAMES {
        out.text(tag, part(&mut name.clone()));
    }
    out.text(contacts::FILE_AS, &file_as(card));
    let organization = card.organization();
    out.text(contacts::COMPANY_NAME, &organization.name);
    out.text(contacts::DEPARTMENT, organization.units.first().map_or("", String::as_str));
    for (tag, names) in TEXTS {
        out.text(tag, &card.text_of(names).unwrap_or_default());
    }
    for (tag, number) in fields::phones(card) {
        out.text(tag, &number);
    }
    for (tag, email) in EMAILS.into_iter().zip(card.emails()) {
        out.text(tag, &email.value);
    }
    for (tag, address) in MESSENGERS.into_iter().zip(card.messengers()) {
        out.text(tag, &address.value);
    }
    for (place, tags) in ADDRESSES {
        let mut address = card.address(place).unwrap_or_default();
        for (tag, part) in tags {
            out.text(tag, part(&mut address));
        }
    }
    for (tag, date) in [(contacts::BIRTHDAY, card.birthday()), (contacts::ANNIVERSARY, card.anniversary())] {
        out.add_all(date.and_then(day).map(|day| Element::leaf(tag, day)));
    }
    for (tag, relation) in fields::RELATIONS {
        out.text(tag, card.related(relation).first().map_or("", String::as_str));
    }
    out.text(contacts::WEB_PAGE, card.urls().first().map_or("", |url| url.value.as_str()));
    show_children(card, out);
    ical::show_categories(&card.categories(), (contacts::CATEGORIES, contacts::CATEGORY), out);
    if let Some(picture) = picture(card) {
        out.add(Element::leaf(contacts::PICTURE, picture));
    }
    out.body(&card.text("NOTE").unwrap_or_default(), None);
    true
}

/// What stands in for a contact that cannot be read.
pub(super) fn stand_in(out: &mut Out<'_>) {
    out.text(contacts::FILE_AS, "(damaged contact)");
    out.text(contacts::LAST_NAME, "(damaged contact)");
    out.body(
        "This contact cannot be shown: it is damaged on the server, or cannot be read at the moment.",
        None,
    );
}

/// What a contact is filed as: what a client said, or its name.
fn file_as(card: Card<'_>) -> String {
    card.text_of(&FILE_AS).unwrap_or_else(|| card.display_name())
}

fn show_children(card: Card<'_>, out: &mut Out<'_>) {
    let names = card.related(Relation::Child);
    let names = names.iter().take(CHILDREN_MAX).map(|name| Element::leaf(contacts::CHILD, clean(name)));
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        out.add(Element::new(contacts::CHILDREN).with_all(names));
    }
}

/// The picture, if it is one that the protocol can carry.
fn picture(card: Card<'_>) -> Option<String> {
    match card.photo()? {
        Photo::Inline { base64, .. } => Some(base64).filter(|base64| base64.len() <= PICTURE_MAX),
        Photo::Uri(_) => None,
    }
}

/// A day as a dateTime; what lacks its month or day is none.
fn day(date: CardDate) -> Option<String> {
    let whole = CardDate { year: Some(date.year.unwrap_or(NO_YEAR)), ..date }.date()?;
    Some(format!("{:04}-{:02}-{:02}{MIDDAY}", whole.year(), whole.month(), whole.day()))
}

/// The day that a dateTime means. Its time is to be ignored, but some clients send midnight of their own
/// zone: what is later than midday in UTC is midnight of the next day somewhere to the east.
pub(super) fn day_of(text: &str) -> Option<Date> {
    let time = parse_time(text)?;
    let noon_after = time.checked_add(12 * 3_600_000 - 1_000)?;
    let time = jiff::Timestamp::from_millisecond(noon_after).ok()?;
    time.strftime("%Y%m%d").to_string().parse().ok()
}

/// Takes a client's change over.
pub(super) fn apply(
    current: Option<&Object>,
    change: &Change<'_>,
    asker: Asker<'_>,
) -> Result<Vec<u8>, Refused> {
    let mut object = match current {
        Some(current) => current.clone(),
        None => new_card(change.unique)?.into(),
    };
    let component = object.card_mut().ok_or(Refused(CONVERSION))?;
    let before = component.clone();
    let mut card = CardMut::new(component);
    let (shown_as, was_called) = (file_as(card.card()), card.card().name());
    set_name(&mut card, change)?;
    fields::set_organization(&mut card, change)?;
    for (tag, names) in TEXTS {
        if let Some(text) = said(change, tag)? {
            card.set_text_of(names, text.as_deref())?;
        }
    }
    fields::set_phones(&mut card, change)?;
    fields::set_emails(&mut card, change)?;
    fields::set_messengers(&mut card, change)?;
    fields::set_addresses(&mut card, change)?;
    set_days(&mut card, change)?;
    set_related(&mut card, change)?;
    if let Some(url) = said(change, contacts::WEB_PAGE)? {
        card.set_uri("URL", url.as_deref())?;
    }
    match change.said(contacts::CATEGORIES) {
        Said::Leave => {}
        Said::Gone => card.set_categories([])?,
        Said::Is(element) => {
            let names = ical::sent_categories(element, contacts::CATEGORY)?;
            card.set_categories(names.iter().map(String::as_str))?;
        }
    }
    set_picture(&mut card, change)?;
    if let Some(sent) = Sent::read(change.data)? {
        let text = ical::printable(sent.text.trim_end());
        card.set_text("NOTE", Some(text.as_str()).filter(|text| !text.is_empty()))?;
    }
    set_display_name(&mut card, change, &shown_as, &was_called)?;
    if current.is_none() || *component != before {
        component.set(ContentLine::new("REV", ical::compact(asker.now))?);
    }
    Ok(object.write())
}

fn new_card(unique: u128) -> Result<Component, Refused> {
    let mut card = Component::new("VCARD")?;
    card.push(ContentLine::new("VERSION", "3.0")?);
    card.push(ContentLine::new("PRODID", ical::PRODID)?);
    card.push(ContentLine::new("UID", ical::uid(unique))?);
    card.push(ContentLine::new("FN", "")?);
    card.push(ContentLine::new("N", ";;;;")?);
    Ok(card)
}

/// What the client says of a text: `None` for nothing, `Some(None)` to take it away.
fn said(change: &Change<'_>, tag: wbxml::Tag) -> Result<Option<Option<String>>, Refused> {
    Ok(match change.said(tag) {
        Said::Leave => None,
        Said::Gone => Some(None),
        Said::Is(element) => {
            let text = ical::text_of(element)?;
            Some(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
        }
    })
}

fn set_name(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    let mut name = card.card().name();
    for (tag, part) in NAMES {
        if let Some(text) = said(change, tag)? {
            *part(&mut name) = text.unwrap_or_default();
        }
    }
    Ok(card.set_name(&name)?)
}

/// FN follows the name, and what the contact is filed as is kept where it is something else.
fn set_display_name(
    card: &mut CardMut<'_>,
    change: &Change<'_>,
    shown_as: &str,
    was_called: &caldav::card::PersonName,
) -> Result<(), Refused> {
    let filed_as = said(change, contacts::FILE_AS)?;
    let name = card.card().name();
    let has_one = card.card().text("FN").is_some();
    if name != *was_called || !has_one {
        let full = Some(name.full()).filter(|full| !full.is_empty());
        let organization = || Some(card.card().organization().name).filter(|name| !name.is_empty());
        let email = || card.card().emails().into_iter().next().map(|email| email.value);
        let filed_as = || filed_as.clone().flatten();
        let called = full.or_else(filed_as).or_else(organization).or_else(email).unwrap_or_default();
        // A card must have it, be it empty. RFC 2426 §3.1.1.
        card.component().set(ContentLine::text("FN", &called)?);
    }
    match filed_as {
        None => {}
        Some(Some(text)) if text == shown_as && card.card().text_of(&FILE_AS).is_some() => {}
        Some(text) => {
            let text = text.filter(|text| *text != card.card().display_name());
            card.set_text_of(&FILE_AS, text.as_deref())?;
        }
    }
    Ok(())
}

fn set_days(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    if let Some(date) = sent_day(change, contacts::BIRTHDAY, card.card().birthday())? {
        card.set_birthday(date)?;
    }
    if let Some(date) = sent_day(change, contacts::ANNIVERSARY, card.card().anniversary())? {
        card.set_anniversary(date)?;
    }
    Ok(())
}

/// What the client says of a day; nothing where it says what it was shown.
fn sent_day(
    change: &Change<'_>,
    tag: wbxml::Tag,
    had: Option<CardDate>,
) -> Result<Option<Option<CardDate>>, Refused> {
    let Some(text) = said(change, tag)? else { return Ok(None) };
    let shown = had.and_then(day);
    match text {
        // A day that could not be shown is not taken away by one who did not see it.
        None if had.is_some() && shown.is_none() => Ok(None),
        None => Ok(Some(None)),
        Some(text) => {
            let date = day_of(&text).ok_or(Refused(CONVERSION))?;
            let mut date = CardDate::new(date);
            date.year = date.year.filter(|year| *year != NO_YEAR);
            Ok((Some(date) != had).then_some(Some(date)))
        }
    }
}

fn set_related(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    for (tag, relation) in fields::RELATIONS {
        let Some(text) = said(change, tag)? else { continue };
        let mut names = card.card().related(relation);
        match text {
            Some(text) if names.is_empty() => names.push(text),
            Some(text) => names.iter_mut().take(1).for_each(|first| text.clone_into(first)),
            None if names.is_empty() => {}
            None => drop(names.remove(0)),
        }
        card.set_related(relation, names.iter().map(String::as_str))?;
    }
    let children = match change.said(contacts::CHILDREN) {
        Said::Leave => return Ok(()),
        Said::Gone => Vec::new(),
        Said::Is(element) => {
            let names = element.children_of(contacts::CHILD).take(CHILDREN_MAX + 1).map(ical::text_of);
            names.collect::<Result<Vec<_>, _>>()?
        }
    };
    if children.len() > CHILDREN_MAX {
        return Err(Refused(CONVERSION));
    }
    Ok(card.set_related(Relation::Child, children.iter().map(|name| name.trim()))?)
}

fn set_picture(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    let Some(element) = change.element(contacts::PICTURE) else { return Ok(()) };
    let base64: String = match element.content() {
        // Some send the octets themselves.
        wbxml::Content::Opaque(octets) if element.text().is_none() => STANDARD.encode(octets),
        _ => element.text().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect(),
    };
    if base64.is_empty() {
        // One that was too large to be shown is not taken away by one who did not see it.
        let hidden = card.card().photo().is_some() && picture(card.card()).is_none();
        return if hidden { Ok(()) } else { Ok(card.set_photo(None)?) };
    }
    if base64.len() > PICTURE_MAX || STANDARD.decode(&base64).is_err() {
        return Err(Refused(CONVERSION));
    }
    if picture(card.card()).is_some_and(|shown| shown == base64) {
        return Ok(());
    }
    let media_type = media_type(&base64).to_owned();
    Ok(card.set_photo(Some(&Photo::Inline { media_type, base64 }))?)
}

/// What the first octets of a picture say.
fn media_type(base64: &str) -> &'static str {
    match base64 {
        _ if base64.starts_with("iVBORw0KGgo") => "image/png",
        _ if base64.starts_with("R0lGOD") => "image/gif",
        _ => "image/jpeg",
    }
}
