//! Reading a card.

use std::collections::HashMap;

use super::entry::{Entry, types_of};
use super::{Address, CardDate, CardVersion, Organization, PersonName, PhoneKind, Photo, Place, Relation};
use crate::{Component, ContentLine};

/// Names that an anniversary has with those who wrote before vCard 4.0 did.
pub(crate) const ANNIVERSARIES: [&str; 5] = [
    "ANNIVERSARY",
    "X-ANNIVERSARY",
    "X-EVOLUTION-ANNIVERSARY",
    "X-MS-ANNIVERSARY",
    "X-KADDRESSBOOK-X-ANNIVERSARY",
];

/// Properties of instant messengers from before IMPP, with the schemes of their addresses. RFC 4770.
pub(crate) const MESSENGERS: [&str; 11] = [
    "IMPP",
    "X-AIM",
    "X-ICQ",
    "X-JABBER",
    "X-MSN",
    "X-YAHOO",
    "X-SKYPE",
    "X-SKYPE-USERNAME",
    "X-GTALK",
    "X-GADUGADU",
    "X-MS-IMADDRESS",
];

/// A vCard, to be read.
///
/// ```
/// use caldav::Object;
/// use caldav::card::{Card, PhoneKind};
///
/// let object = Object::parse(
///     b"BEGIN:VCARD\nVERSION:3.0\nUID:1\nFN:Ann Doe\nN:Doe;Ann;;;\nTEL;TYPE=CELL,pref:+1 2\nEND:VCARD\n",
/// )?;
/// let card = Card::new(object.card().unwrap());
/// assert_eq!(card.name().family, "Doe");
/// assert_eq!(card.phone(PhoneKind::Mobile, 0).as_deref(), Some("+1 2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Card<'c> {
    component: &'c Component,
}

impl<'c> Card<'c> {
    /// The view of a VCARD.
    pub fn new(component: &'c Component) -> Self {
        Self { component }
    }

    /// The component itself.
    pub fn component(&self) -> &'c Component {
        self.component
    }

    /// VERSION; `None` for one that is not kept here.
    pub fn version(&self) -> Option<CardVersion> {
        CardVersion::of(self.component.line("VERSION")?.value())
    }

    /// UID.
    pub fn uid(&self) -> Option<&'c str> {
        self.component.line("UID").map(|line| line.value().trim()).filter(|uid| !uid.is_empty())
    }

    /// The text of the first property called `name`; `None` when it is missing or empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let mut texts = self.component.lines_named(name).map(ContentLine::to_text);
        texts.find(|text| !text.trim().is_empty())
    }

    /// The text of the first of these properties that says something.
    pub fn text_of(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// FN, or else what N, ORG, NICKNAME or EMAIL say instead; empty when none does.
    pub fn display_name(&self) -> String {
        self.text("FN")
            .or_else(|| Some(self.name().full()).filter(|name| !name.is_empty()))
            .or_else(|| Some(self.organization().name).filter(|name| !name.is_empty()))
            .or_else(|| self.text("NICKNAME"))
            .or_else(|| self.emails().into_iter().next().map(|email| email.value))
            .unwrap_or_default()
    }

    /// N.
    pub fn name(&self) -> PersonName {
        self.component.line("N").map(PersonName::of).unwrap_or_default()
    }

    /// ORG.
    pub fn organization(&self) -> Organization {
        self.component.line("ORG").map(Organization::of).unwrap_or_default()
    }

    /// EMAIL, in their order.
    pub fn emails(&self) -> Vec<Entry<String>> {
        self.entries(&["EMAIL"], |line| {
            Some(line.to_text().trim().to_owned()).filter(|text| !text.is_empty())
        })
    }

    /// TEL, in their order; a `tel:` is taken away.
    pub fn phones(&self) -> Vec<Entry<String>> {
        self.entries(&["TEL"], |line| Some(phone_of(line)).filter(|text| !text.is_empty()))
    }

    /// The telephone number that is the `n`th of a kind, from 0.
    pub fn phone(&self, kind: PhoneKind, n: usize) -> Option<String> {
        let phones = self.phones().into_iter();
        phones.filter(|phone| PhoneKind::of(&phone.types) == kind).nth(n).map(|phone| phone.value)
    }

    /// ADR, in their order.
    pub fn addresses(&self) -> Vec<Entry<Address>> {
        self.entries(&["ADR"], |line| Some(Address::of(line)).filter(|address| !address.is_empty()))
    }

    /// The first address of a place.
    pub fn address(&self, place: Place) -> Option<Address> {
        self.addresses().into_iter().find(|entry| Place::of(&entry.types) == place).map(|entry| entry.value)
    }

    /// URL, in their order.
    pub fn urls(&self) -> Vec<Entry<String>> {
        self.entries(&["URL"], |line| Some(line.value().trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// Addresses of instant messengers: IMPP, and what was there before it; an `im:` is taken away.
    pub fn messengers(&self) -> Vec<Entry<String>> {
        self.entries(&MESSENGERS, |line| Some(messenger_of(line)).filter(|text| !text.is_empty()))
    }

    /// BDAY, when it is a date.
    pub fn birthday(&self) -> Option<CardDate> {
        self.component.line("BDAY").and_then(CardDate::of)
    }

    /// ANNIVERSARY, or what others call it.
    pub fn anniversary(&self) -> Option<CardDate> {
        let line = self.anniversary_line()?;
        self.component.lines().nth(line).and_then(CardDate::of)
    }

    /// CATEGORIES, those of all lines.
    pub fn categories(&self) -> Vec<String> {
        let all = self.component.lines_named("CATEGORIES").flat_map(ContentLine::texts);
        all.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }

    /// PHOTO.
    pub fn photo(&self) -> Option<Photo> {
        self.component.lines_named("PHOTO").find_map(Photo::of)
    }

    /// The names of those who stand in a relation to the person.
    pub fn related(&self, relation: Relation) -> Vec<String> {
        self.related_lines(relation).into_iter().map(|(_, name)| name).collect()
    }

    /// KIND, in lower case; what groups are in vCard 3.0 for Apple, too. RFC 6350 §6.1.4.
    pub fn kind(&self) -> String {
        let kind = self.text_of(&["KIND", "X-ADDRESSBOOKSERVER-KIND"]);
        kind.map_or_else(|| "individual".to_owned(), |kind| kind.trim().to_ascii_lowercase())
    }

    /// The lines of these names that say something, with their TYPEs and labels.
    pub(crate) fn entries<T>(
        &self,
        names: &[&str],
        value: impl Fn(&ContentLine) -> Option<T>,
    ) -> Vec<Entry<T>> {
        let labels = self.labels();
        let lines = self.component.lines().enumerate();
        let named = lines.filter(|(_, line)| names.iter().any(|name| line.is(name)));
        named
            .filter_map(|(n, line)| {
                let value = value(line)?;
                let (mut types, preference) = types_of(line);
                let label = line.group().and_then(|group| labels.get(&group.to_ascii_uppercase()));
                let own = label.and_then(|label| builtin_label(label));
                types.extend(own.map(str::to_ascii_uppercase));
                let label = label.filter(|_| own.is_none()).map(|label| (*label).to_owned());
                Some(Entry { value, types, label, preference, line: n })
            })
            .collect()
    }

    /// The labels of groups, by their names in upper case.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let labels = self.component.lines_named("X-ABLABEL");
        labels.filter_map(|line| Some((line.group()?.to_ascii_uppercase(), line.to_text()))).collect()
    }

    pub(crate) fn anniversary_line(&self) -> Option<usize> {
        let own = self.component.lines().position(|line| ANNIVERSARIES.iter().any(|name| line.is(name)));
        own.or_else(|| {
            let dates = self.entries(&["X-ABDATE"], CardDate::of);
            dates.into_iter().find(|date| date.types.iter().any(|t| t == "ANNIVERSARY")).map(|date| date.line)
        })
    }
}

/// A label that Apple translates: `_$!<HomeFAX>!$_`.
pub(crate) fn builtin_label(label: &str) -> Option<&str> {
    label.trim().strip_prefix("_$!<")?.strip_suffix(">!$_")
}

fn phone_of(line: &ContentLine) -> String {
    let text = line.to_text();
    let text = text.trim();
    match text.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:")) {
        Some(_) => text.get(4..).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}

pub(crate) fn messenger_of(line: &ContentLine) -> String {
    let text = line.to_text();
    let text = text.trim();
    match text.get(..3).filter(|scheme| scheme.eq_ignore_ascii_case("im:")) {
        Some(_) => text.get(3..).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}
