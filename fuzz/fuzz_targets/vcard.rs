//! Any octets are a vCard: it is read, edited in place and made one of the other version.

#![no_main]

use caldav::Object;
use caldav::card::{Card, CardMut, CardVersion, PhoneKind, Place, Relation, check, convert};
use libfuzzer_sys::fuzz_target;

/// Longest input, in bytes. Within `-timeout` only what takes time in proportion to its length gets through.
const LONGEST: usize = 64 << 10;

fuzz_target!(|raw: &[u8]| {
    if raw.len() > LONGEST {
        return;
    }
    let Ok(object) = Object::parse(raw) else { return };
    assert_eq!(object.write(), raw);
    let _ = check(&object);
    let Some(component) = object.card() else { return };
    let card = Card::new(component);
    let _ = (card.display_name(), card.messengers(), card.urls(), card.photo(), card.categories(), card.kind());

    // Setting what is there changes no octet.
    let mut same = object.clone();
    let mut edit = CardMut::new(same.card_mut().expect("it has one"));
    edit.set_name(&card.name()).expect("it was read");
    edit.set_organization(&card.organization()).expect("it was read");
    edit.set_address(Place::Home, card.address(Place::Home).as_ref()).expect("it was read");
    edit.set_birthday(card.birthday().or(None)).expect("it was read");
    if component.line("N").is_some() && (card.birthday().is_some() || component.line("BDAY").is_none()) {
        assert_eq!(same.write(), raw);
    }

    let mut changed = object.clone();
    let mut edit = CardMut::new(changed.card_mut().expect("it has one"));
    edit.set_phone(PhoneKind::Work, 0, Some("+1 2")).expect("it has no controls");
    assert_eq!(edit.card().phone(PhoneKind::Work, 0).as_deref(), Some("+1 2"));
    edit.set_related(Relation::Spouse, ["Bob"]).expect("it has no controls");
    assert_eq!(edit.card().related(Relation::Spouse), ["Bob"]);
    edit.set_related(Relation::Spouse, []).expect("there is none");
    assert!(edit.card().related(Relation::Spouse).is_empty());

    for version in [CardVersion::V3, CardVersion::V4] {
        let mut other = object.clone();
        convert(other.card_mut().expect("it has one"), version);
        let _ = Object::parse(&other.write());
    }
});
