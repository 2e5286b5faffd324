//! The places that the class has for what a card holds several of, and for its plain texts.

use caldav::card::{Address, Card, CardMut, PersonName, PhoneKind, Place, Relation};
use wbxml::{Tag, contacts, contacts2};

use super::super::{Change, Refused};
use super::said;

type NamePart = fn(&mut PersonName) -> &mut String;
type AddressPart = fn(&mut Address) -> &mut String;

/// The parts of a name.
pub(super) const NAMES: [(Tag, NamePart); 5] = [
    (contacts::FIRST_NAME, |name| &mut name.given),
    (contacts::LAST_NAME, |name| &mut name.family),
    (contacts::MIDDLE_NAME, |name| &mut name.additional),
    (contacts::TITLE, |name| &mut name.prefix),
    (contacts::SUFFIX, |name| &mut name.suffix),
];

/// Texts, and the properties that hold them: the first that is there, or else the first is made.
pub(super) const TEXTS: [(Tag, &[&str]); 12] = [
    (contacts::JOB_TITLE, &["TITLE"]),
    (contacts::OFFICE_LOCATION, &["X-OFFICE", "X-EVOLUTION-OFFICE", "X-MS-OFFICE"]),
    (contacts::YOMI_FIRST_NAME, &["X-PHONETIC-FIRST-NAME"]),
    (contacts::YOMI_LAST_NAME, &["X-PHONETIC-LAST-NAME"]),
    (contacts::YOMI_COMPANY_NAME, &["X-PHONETIC-ORG", "X-PHONETIC-ORGANIZATION"]),
    (contacts::ALIAS, &["X-FOLKMOOT-ALIAS"]),
    (contacts::WEIGHTED_RANK, &["X-FOLKMOOT-WEIGHTED-RANK"]),
    (contacts2::NICK_NAME, &["NICKNAME"]),
    (contacts2::CUSTOMER_ID, &["X-CUSTOMERID"]),
    (contacts2::GOVERNMENT_ID, &["X-GOVERNMENTID"]),
    (contacts2::ACCOUNT_NAME, &["X-ACCOUNTNAME"]),
    (contacts2::MMS, &["X-MMS"]),
];

/// Those who have one place each, and are first of their kind.
pub(super) const RELATIONS: [(Tag, Relation); 3] = [
    (contacts::SPOUSE, Relation::Spouse),
    (contacts::ASSISTANT_NAME, Relation::Assistant),
    (contacts2::MANAGER_NAME, Relation::Manager),
];

/// Places for telephone numbers: how many of a kind there are, and which kind fills those that are left.
pub(super) const PHONES: [(PhoneKind, Option<PhoneKind>, &[Tag]); 10] = [
    (PhoneKind::Mobile, None, &[contacts::MOBILE_PHONE_NUMBER]),
    (PhoneKind::Home, Some(PhoneKind::Other), &[contacts::HOME_PHONE_NUMBER, contacts::HOME2_PHONE_NUMBER]),
    (PhoneKind::Work, None, &[contacts::BUSINESS_PHONE_NUMBER, contacts::BUSINESS2_PHONE_NUMBER]),
    (PhoneKind::HomeFax, None, &[contacts::HOME_FAX_NUMBER]),
    (PhoneKind::WorkFax, Some(PhoneKind::OtherFax), &[contacts::BUSINESS_FAX_NUMBER]),
    (PhoneKind::Pager, None, &[contacts::PAGER_NUMBER]),
    (PhoneKind::Car, None, &[contacts::CAR_PHONE_NUMBER]),
    (PhoneKind::Radio, None, &[contacts::RADIO_PHONE_NUMBER]),
    (PhoneKind::Assistant, None, &[contacts::ASSISTANT_PHONE_NUMBER]),
    (PhoneKind::Company, None, &[contacts2::COMPANY_MAIN_PHONE]),
];

pub(super) const EMAILS: [Tag; 3] =
    [contacts::EMAIL1_ADDRESS, contacts::EMAIL2_ADDRESS, contacts::EMAIL3_ADDRESS];

pub(super) const MESSENGERS: [Tag; 3] =
    [contacts2::IM_ADDRESS, contacts2::IM_ADDRESS2, contacts2::IM_ADDRESS3];

/// The parts of each place's address.
pub(super) const ADDRESSES: [(Place, [(Tag, AddressPart); 5]); 3] = [
    (
        Place::Home,
        parts([
            contacts::HOME_ADDRESS_STREET,
            contacts::HOME_ADDRESS_CITY,
            contacts::HOME_ADDRESS_STATE,
            contacts::HOME_ADDRESS_POSTAL_CODE,
            contacts::HOME_ADDRESS_COUNTRY,
        ]),
    ),
    (
        Place::Work,
        parts([
            contacts::BUSINESS_ADDRESS_STREET,
            contacts::BUSINESS_ADDRESS_CITY,
            contacts::BUSINESS_ADDRESS_STATE,
            contacts::BUSINESS_ADDRESS_POSTAL_CODE,
            contacts::BUSINESS_ADDRESS_COUNTRY,
        ]),
    ),
    (
        Place::Other,
        parts([
            contacts::OTHER_ADDRESS_STREET,
            contacts::OTHER_ADDRESS_CITY,
            contacts::OTHER_ADDRESS_STATE,
            contacts::OTHER_ADDRESS_POSTAL_CODE,
            contacts::OTHER_ADDRESS_COUNTRY,
        ]),
    ),
];

const fn parts(tags: [Tag; 5]) -> [(Tag, AddressPart); 5] {
    let [street, city, state, code, country] = tags;
    [
        (street, |address| &mut address.street),
        (city, |address| &mut address.locality),
        (state, |address| &mut address.region),
        (code, |address| &mut address.code),
        (country, |address| &mut address.country),
    ]
}

/// A place for a telephone number, and which number stands in it.
struct Slot {
    tag: Tag,
    kind: PhoneKind,
    number: Option<(PhoneKind, usize, String)>,
}

fn slots(card: Card<'_>) -> Vec<Slot> {
    let phones = card.phones();
    let of = |kind: PhoneKind| {
        let own = phones.iter().filter(move |phone| PhoneKind::of(&phone.types) == kind);
        own.enumerate().map(move |(n, phone)| (kind, n, phone.value.clone()))
    };
    let mut slots = Vec::new();
    for (kind, filler, tags) in PHONES {
        let mut numbers = of(kind).chain(filler.into_iter().flat_map(of));
        slots.extend(tags.iter().map(|tag| Slot { tag: *tag, kind, number: numbers.next() }));
    }
    slots
}

/// The telephone numbers that have a place.
pub(super) fn phones(card: Card<'_>) -> impl Iterator<Item = (Tag, String)> {
    slots(card).into_iter().filter_map(|slot| Some((slot.tag, slot.number?.2)))
}

/// Takes over the telephone numbers: each changes in its line, new ones come after, and only then those go
/// that are taken away, so that none takes another's place meanwhile.
pub(super) fn set_phones(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    let mut gone = Vec::new();
    for Slot { tag, kind, number } in slots(card.card()) {
        match (said(change, tag)?, number) {
            (None, _) | (Some(None), None) => {}
            (Some(Some(text)), Some((kind, n, had))) => {
                if text != had {
                    card.set_phone(kind, n, Some(&text))?;
                }
            }
            (Some(Some(text)), None) => card.set_phone(kind, usize::MAX, Some(&text))?,
            (Some(None), Some((kind, n, _))) => gone.push((kind, n)),
        }
    }
    for (kind, n) in gone.into_iter().rev() {
        card.set_phone(kind, n, None)?;
    }
    Ok(())
}

/// As [`set_phones`], for e-mail addresses. Some send them with a name: `"Ada" <ada@example.net>`.
pub(super) fn set_emails(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    let had = card.card().emails();
    let mut gone = Vec::new();
    for (n, tag) in EMAILS.into_iter().enumerate() {
        match said(change, tag)? {
            None => {}
            Some(None) => gone.push(n),
            Some(Some(text)) => {
                let text = bare(&text);
                if had.get(n).is_none_or(|had| had.value != text) {
                    card.set_email(n, Some(text))?;
                }
            }
        }
    }
    gone.into_iter().rev().filter(|n| *n < had.len()).try_for_each(|n| Ok(card.set_email(n, None)?))
}

/// The address without the name in front of it.
pub(super) fn bare(text: &str) -> &str {
    let within = text.rsplit_once('<').and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
    within.map(str::trim).filter(|address| address.contains('@')).unwrap_or(text)
}

/// As [`set_phones`], for instant messengers.
pub(super) fn set_messengers(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    let had = card.card().messengers();
    let mut gone = Vec::new();
    for (n, tag) in MESSENGERS.into_iter().enumerate() {
        match said(change, tag)? {
            None => {}
            Some(None) => gone.push(n),
            Some(Some(text)) if had.get(n).is_some_and(|had| had.value == text) => {}
            Some(Some(text)) => card.set_messenger(n, Some(&text))?,
        }
    }
    gone.into_iter().rev().filter(|n| *n < had.len()).try_for_each(|n| Ok(card.set_messenger(n, None)?))
}

/// Takes over the parts of addresses; post office boxes and flats stay as long as the address does.
pub(super) fn set_addresses(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    for (place, tags) in ADDRESSES {
        let mut address = card.card().address(place).unwrap_or_default();
        let before = address.clone();
        for (tag, part) in tags {
            if let Some(text) = said(change, tag)? {
                *part(&mut address) = text.unwrap_or_default();
            }
        }
        if address != before {
            let left = tags.iter().any(|(_, part)| !part(&mut address).is_empty());
            card.set_address(place, left.then_some(&address))?;
        }
    }
    Ok(())
}

/// Takes over company and department; further units stay.
pub(super) fn set_organization(card: &mut CardMut<'_>, change: &Change<'_>) -> Result<(), Refused> {
    let mut organization = card.card().organization();
    let before = organization.clone();
    if let Some(name) = said(change, contacts::COMPANY_NAME)? {
        organization.name = name.unwrap_or_default();
    }
    if let Some(department) = said(change, contacts::DEPARTMENT)? {
        match (department, organization.units.first_mut()) {
            (Some(department), Some(first)) => *first = department,
            (Some(department), None) => organization.units.push(department),
            (None, Some(_)) => drop(organization.units.remove(0)),
            (None, None) => {}
        }
    }
    if organization != before {
        card.set_organization(&organization)?;
    }
    Ok(())
}
