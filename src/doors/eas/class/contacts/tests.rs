//! Contacts: every element both ways at every version, and what a phone does not know.

use proptest::prelude::*;
use wbxml::{Element, Tag, Version, airsync, airsyncbase, contacts, contacts2};

use super::super::sample::{Class, VERSIONS, body, data, leaf, wishes};
use super::super::{CONVERSION, Refused, Supported};
use super::{PICTURE_MAX, day_of};
use crate::doors::eas::render::{BodyPreference, Wishes};
use crate::mailbox::Kind;

/// Every element with one text.
const TEXTS: [Tag; 56] = [
    contacts::ALIAS,
    contacts::ASSISTANT_NAME,
    contacts::ASSISTANT_PHONE_NUMBER,
    contacts::BUSINESS_ADDRESS_CITY,
    contacts::BUSINESS_ADDRESS_COUNTRY,
    contacts::BUSINESS_ADDRESS_POSTAL_CODE,
    contacts::BUSINESS_ADDRESS_STATE,
    contacts::BUSINESS_ADDRESS_STREET,
    contacts::BUSINESS_FAX_NUMBER,
    contacts::BUSINESS_PHONE_NUMBER,
    contacts::BUSINESS2_PHONE_NUMBER,
    contacts::CAR_PHONE_NUMBER,
    contacts::COMPANY_NAME,
    contacts::DEPARTMENT,
    contacts::EMAIL1_ADDRESS,
    contacts::EMAIL2_ADDRESS,
    contacts::EMAIL3_ADDRESS,
    contacts::FILE_AS,
    contacts::FIRST_NAME,
    contacts::HOME_ADDRESS_CITY,
    contacts::HOME_ADDRESS_COUNTRY,
    contacts::HOME_ADDRESS_POSTAL_CODE,
    contacts::HOME_ADDRESS_STATE,
    contacts::HOME_ADDRESS_STREET,
    contacts::HOME_FAX_NUMBER,
    contacts::HOME_PHONE_NUMBER,
    contacts::HOME2_PHONE_NUMBER,
    contacts::JOB_TITLE,
    contacts::LAST_NAME,
    contacts::MIDDLE_NAME,
    contacts::MOBILE_PHONE_NUMBER,
    contacts::OFFICE_LOCATION,
    contacts::OTHER_ADDRESS_CITY,
    contacts::OTHER_ADDRESS_COUNTRY,
    contacts::OTHER_ADDRESS_POSTAL_CODE,
    contacts::OTHER_ADDRESS_STATE,
    contacts::OTHER_ADDRESS_STREET,
    contacts::PAGER_NUMBER,
    contacts::RADIO_PHONE_NUMBER,
    contacts::SPOUSE,
    contacts::SUFFIX,
    contacts::TITLE,
    contacts::WEB_PAGE,
    contacts::YOMI_COMPANY_NAME,
    contacts::YOMI_FIRST_NAME,
    contacts::YOMI_LAST_NAME,
    contacts2::ACCOUNT_NAME,
    contacts2::COMPANY_MAIN_PHONE,
    contacts2::CUSTOMER_ID,
    contacts2::GOVERNMENT_ID,
    contacts2::IM_ADDRESS,
    contacts2::IM_ADDRESS2,
    contacts2::IM_ADDRESS3,
    contacts2::MANAGER_NAME,
    contacts2::MMS,
    contacts2::NICK_NAME,
];

fn class(version: Version) -> Class {
    Class::new(Kind::Contacts, version)
}

fn categories(names: &[&str]) -> Element<'static> {
    Element::new(contacts::CATEGORIES).with_all(names.iter().map(|name| leaf(contacts::CATEGORY, name)))
}

#[test]
fn every_element_alone_comes_back() {
    for version in VERSIONS {
        for tag in TEXTS.into_iter().filter(|tag| tag.is_in(version)) {
            // An element that stands in a row needs those before it.
            let before: &[Tag] = match tag {
                contacts::EMAIL2_ADDRESS => &[contacts::EMAIL1_ADDRESS],
                contacts::EMAIL3_ADDRESS => &[contacts::EMAIL1_ADDRESS, contacts::EMAIL2_ADDRESS],
                contacts::HOME2_PHONE_NUMBER => &[contacts::HOME_PHONE_NUMBER],
                contacts::BUSINESS2_PHONE_NUMBER => &[contacts::BUSINESS_PHONE_NUMBER],
                contacts2::IM_ADDRESS2 => &[contacts2::IM_ADDRESS],
                contacts2::IM_ADDRESS3 => &[contacts2::IM_ADDRESS, contacts2::IM_ADDRESS2],
                _ => &[],
            };
            let before = before.iter().map(|tag| leaf(*tag, "before"));
            let named = leaf(contacts::LAST_NAME, "Lovelace");
            let filed = leaf(contacts::FILE_AS, "Lovelace");
            let others = [named, filed].into_iter().filter(|other| other.tag() != tag);
            let one = leaf(tag, "a; b, c\\d \u{20ac}");
            class(version).survives(&data(others.chain(before).chain([one])));
        }
    }
}

#[test]
fn containers_days_and_pictures_come_back() {
    for version in VERSIONS {
        let children = ["Ann", "Bob, jr."].map(|name| leaf(contacts::CHILD, name));
        let sent = data([
            leaf(contacts::FILE_AS, "Ada"),
            leaf(contacts::FIRST_NAME, "Ada"),
            leaf(contacts::BIRTHDAY, "1990-12-10T11:59:00.000Z"),
            leaf(contacts::ANNIVERSARY, "2012-02-29T00:00:00.000Z"),
            Element::new(contacts::CHILDREN).with_all(children),
            categories(&["Friends, old", "Work"]),
            leaf(contacts::PICTURE, "/9j/4AAQSkZJRgABAQEASABIAAD/2w=="),
            body(1, "Line one\r\nLine two; with, signs"),
        ]);
        let stored = class(version).survives(&sent);
        assert!(stored.contains("BDAY:1990-12-10\r\n"), "{stored}");
        assert!(stored.contains("2012-02-29"), "{stored}");
    }
}

/// The day counts and not the time, and midnight in the zone of the phone is the day there.
#[test]
fn birthdays_do_not_shift() {
    for (sent, day) in [
        ("1990-12-10T00:00:00.000Z", "19901210"),
        ("1990-12-10T11:00:00.000Z", "19901210"),
        ("1990-12-10T11:59:00.000Z", "19901210"),
        ("1990-12-10T12:00:00.000Z", "19901210"),
        ("1990-12-09T23:00:00.000Z", "19901210"),
        ("1990-12-09T15:00:00.000Z", "19901210"),
        ("1990-12-10T05:00:00.000Z", "19901210"),
        ("19901210T000000Z", "19901210"),
    ] {
        assert_eq!(day_of(sent), Some(day.parse().unwrap()), "{sent}");
    }
    let class = class(Version::V16_1);
    let shown = |bday: &str| {
        let card = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:A\r\n{bday}\r\nEND:VCARD\r\n");
        class.show(card.as_bytes()).unwrap().text_of(contacts::BIRTHDAY).map(str::to_owned)
    };
    assert_eq!(shown("BDAY:19901210").as_deref(), Some("1990-12-10T11:59:00.000Z"));
    assert_eq!(shown("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12").as_deref(), Some("1604-04-12T11:59:00.000Z"));
    assert_eq!(shown("BDAY:circa 1800"), None);
    // What is sent back as it was shown is as it was stored.
    let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\nFN:A\r\nN:;A;;;\r\nBDAY:--0412\r\nEND:VCARD\r\n";
    let told = class.show(card.as_bytes()).unwrap();
    assert_eq!(class.apply(Some(card.as_bytes()), &told).unwrap(), card);
}

const RICH: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:rich\r\nFN:Dr. Ada King\r\nN:King;Ada;;Dr.;\r\n\
    X-SKIN:1\r\nTEL;TYPE=cell:+1 1\r\nTEL;TYPE=cell:+1 2\r\nTEL;TYPE=home,voice:+1 3\r\n\
    TEL;TYPE=home,voice:+1 4\r\nTEL;TYPE=home,voice:+1 5\r\nitem1.TEL:+1 6\r\nitem1.X-ABLabel:Boat\r\n\
    EMAIL;X-A=1:a@x.test\r\nEMAIL:b@x.test\r\nEMAIL:c@x.test\r\nEMAIL:d@x.test\r\n\
    ADR;TYPE=home:Box 1;;Main St;Ely;;CB7;UK\r\nADR;TYPE=home:;;Second St;;;;\r\nORG:Engines;Analysis;Cards\r\n\
    IMPP:xmpp:ada@x.test\r\nNOTE;LANGUAGE=en:Note\r\nEND:VCARD\r\n";

/// What has no place on the phone stays, whatever the phone changes.
#[test]
fn what_a_phone_does_not_know_survives() {
    for version in VERSIONS {
        let class = class(version);
        let told = class.show(RICH.as_bytes()).unwrap();
        assert_eq!(class.apply(Some(RICH.as_bytes()), &told).unwrap(), RICH, "nothing changed");
        let renamed = told.clone().into_children().into_iter().map(|element| match element.tag() {
            contacts::FIRST_NAME => leaf(contacts::FIRST_NAME, "Augusta"),
            contacts::MOBILE_PHONE_NUMBER => leaf(contacts::MOBILE_PHONE_NUMBER, "+1 9"),
            contacts::EMAIL2_ADDRESS => leaf(contacts::EMAIL2_ADDRESS, "z@x.test"),
            contacts::HOME_ADDRESS_CITY => leaf(contacts::HOME_ADDRESS_CITY, "Bath"),
            contacts::DEPARTMENT => leaf(contacts::DEPARTMENT, "Looms"),
            _ => element,
        });
        let stored = class.apply(Some(RICH.as_bytes()), &data(renamed)).unwrap();
        let expected = RICH
            .replace("N:King;Ada;;Dr.;", "N:King;Augusta;;Dr.;")
            .replace("FN:Dr. Ada King", "FN:Dr. Augusta King")
            .replace("cell:+1 1", "cell:+1 9")
            .replace("b@x.test", "z@x.test")
            .replace(";Ely;", ";Bath;")
            .replace("Analysis", "Looms");
        let stored: Vec<&str> =
            stored.lines().filter(|l| !l.starts_with("REV") && !l.starts_with("X-FILE-AS")).collect();
        assert_eq!(stored, expected.lines().collect::<Vec<_>>());
    }
}

/// Numbers of one kind are not lost: the third moves up when one before it is taken away.
#[test]
fn numbers_of_one_kind() {
    let class = class(Version::V16_1);
    let told = class.show(RICH.as_bytes()).unwrap();
    let number = |told: &Element<'_>, tag| told.text_of(tag).map(str::to_owned);
    assert_eq!(number(&told, contacts::HOME_PHONE_NUMBER).as_deref(), Some("+1 3"));
    assert_eq!(number(&told, contacts::HOME2_PHONE_NUMBER).as_deref(), Some("+1 4"));
    let less = told.into_children().into_iter().filter(|e| e.tag() != contacts::HOME_PHONE_NUMBER);
    let stored = class.apply(Some(RICH.as_bytes()), &data(less)).unwrap();
    assert!(!stored.contains("+1 3") && stored.contains("+1 2") && stored.contains("+1 6"), "{stored}");
    let told = class.show(stored.as_bytes()).unwrap();
    assert_eq!(number(&told, contacts::HOME_PHONE_NUMBER).as_deref(), Some("+1 4"));
    assert_eq!(number(&told, contacts::HOME2_PHONE_NUMBER).as_deref(), Some("+1 5"));
    // One without a kind stands where there is room.
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:A\r\nTEL:+2 1\r\nEND:VCARD\r\n";
    let told = class.show(card.as_bytes()).unwrap();
    assert_eq!(number(&told, contacts::HOME_PHONE_NUMBER).as_deref(), Some("+2 1"));
    let changed = data([leaf(contacts::FILE_AS, "A"), leaf(contacts::HOME_PHONE_NUMBER, "+2 2")]);
    assert!(class.apply(Some(card.as_bytes()), &changed).unwrap().contains("TEL:+2 2\r\n"));
}

#[test]
fn what_is_left_out_goes_or_stays_as_supported_says() {
    let mut class = class(Version::V14_1);
    let told = class.show(RICH.as_bytes()).unwrap();
    let only_name = data([leaf(contacts::FIRST_NAME, "Ada"), leaf(contacts::LAST_NAME, "King")]);
    let stored = class.apply(Some(RICH.as_bytes()), &only_name).unwrap();
    assert!(!stored.contains(":a@x.test") && !stored.contains("Main St"), "{stored}");
    assert!(
        stored.contains("d@x.test") && stored.contains("X-SKIN:1") && stored.contains("NOTE"),
        "{stored}"
    );
    class.supported = Supported::read(Some(
        &Element::new(airsync::SUPPORTED)
            .with_empty(contacts::EMAIL1_ADDRESS)
            .with_empty(contacts::FIRST_NAME),
    ));
    let stored = class.apply(Some(RICH.as_bytes()), &only_name).unwrap();
    assert!(!stored.contains(":a@x.test") && stored.contains("b@x.test"), "{stored}");
    assert!(stored.contains("Main St") && stored.contains("Engines"), "{stored}");
    assert!(stored.contains("N:King;Ada;;Dr.;"), "{stored}");
    assert!(told.has(contacts::COMPANY_NAME));
}

#[test]
fn hostile_values_are_refused() {
    let class = class(Version::V16_1);
    let refused = |element: Element<'static>| {
        assert_eq!(class.apply(None, &data([element])), Err(Refused(CONVERSION)));
    };
    refused(leaf(contacts::BIRTHDAY, "yesterday"));
    refused(leaf(contacts::BIRTHDAY, "99999-01-01T00:00:00Z"));
    refused(leaf(contacts::PICTURE, "not base64!"));
    refused(leaf(contacts::PICTURE, &"AAAA".repeat(PICTURE_MAX / 4 + 1)));
    refused(leaf(contacts::JOB_TITLE, &"x".repeat(40_000)));
    refused(body(3, "rtf"));
    refused(body(9, "x"));
    refused(Element::new(contacts::JOB_TITLE).with(leaf(contacts::JOB_TITLE, "nested")));
    refused(Element::new(contacts::CHILDREN).with_all((0..301).map(|_| leaf(contacts::CHILD, "c"))));
    let largest = leaf(contacts::PICTURE, &"AAAA".repeat(PICTURE_MAX / 4));
    assert!(class.apply(None, &data([largest])).is_ok());
    // One that is kept but cannot be carried is neither shown nor taken away.
    let card = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:A\r\nPHOTO;ENCODING=b:{}\r\nEND:VCARD\r\n",
        "AAAA".repeat(PICTURE_MAX)
    );
    assert!(!class.show(card.as_bytes()).unwrap().has(contacts::PICTURE));
    let empty = data([leaf(contacts::FILE_AS, "A"), Element::new(contacts::PICTURE)]);
    assert!(class.apply(Some(card.as_bytes()), &empty).unwrap().len() > PICTURE_MAX);
}

#[test]
fn addresses_with_names_and_groups_of_contacts() {
    let class = class(Version::V14_0);
    let sent = data([leaf(contacts::EMAIL1_ADDRESS, "\"Ada King\" <ada@x.test>")]);
    assert!(class.apply(None, &sent).unwrap().contains(":ada@x.test\r\n"));
    let group = b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\nFN:G\r\nKIND:group\r\nEND:VCARD\r\n";
    assert_eq!(class.show(group), None);
}

#[test]
fn bodies_as_they_are_wanted() {
    let class = class(Version::V14_1);
    let card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:A\r\nNOTE:one\\n<two>\\nthree\r\nEND:VCARD\r\n";
    let body =
        |wishes: &Wishes| class.show_with(card, wishes).unwrap().child(airsyncbase::BODY).unwrap().clone();
    let text = body(&wishes(1));
    assert_eq!(text.text_of(airsyncbase::DATA), Some("one\r\n<two>\r\nthree"));
    assert_eq!(text.text_of(airsyncbase::ESTIMATED_DATA_SIZE), Some("17"));
    assert!(!text.has(airsyncbase::TRUNCATED));
    let html = body(&wishes(2));
    assert_eq!(html.text_of(airsyncbase::TYPE), Some("2"));
    assert!(html.text_of(airsyncbase::DATA).unwrap().contains("&lt;two&gt;"));
    // A message it is not, and who asks for nothing else gets the text.
    assert_eq!(body(&wishes(4)).text_of(airsyncbase::TYPE), Some("1"));
    let mut short = wishes(1);
    short.bodies =
        vec![BodyPreference { kind: 1, truncation: Some(5), all_or_none: false, preview: Some(4) }];
    let cut = body(&short);
    assert_eq!(cut.text_of(airsyncbase::TRUNCATED), Some("1"));
    assert_eq!(cut.text_of(airsyncbase::PREVIEW), Some("one"));
    short.bodies[0] = BodyPreference { kind: 1, truncation: Some(20), all_or_none: true, preview: None };
    assert_eq!(body(&short).text_of(airsyncbase::DATA), Some("one\r\n<two>\r\nthree"));
    short.bodies[0].truncation = Some(3);
    assert!(!body(&short).has(airsyncbase::DATA));
}

fn value() -> impl Strategy<Value = String> {
    "[ -~äöß€漢字]{1,30}".prop_filter("says something", |text| {
        let text = text.trim();
        !text.is_empty() && !text.contains('<')
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a phone sends of a contact comes back to it.
    #[test]
    fn what_is_sent_comes_back(
        values in proptest::collection::vec(proptest::option::of(value()), TEXTS.len()),
        year in 1605..2100_u32, month in 1..13_u32, day in 1..29_u32,
        note in "[ -~\\n]{0,60}",
        version in 0..VERSIONS.len(),
    ) {
        let version = VERSIONS[version];
        let present = |tag: Tag| TEXTS.iter().position(|t| *t == tag).is_some_and(|at| values[at].is_some());
        let needs = |tag: Tag| match tag {
            contacts::EMAIL2_ADDRESS => present(contacts::EMAIL1_ADDRESS),
            contacts::EMAIL3_ADDRESS => present(contacts::EMAIL1_ADDRESS) && present(contacts::EMAIL2_ADDRESS),
            contacts::HOME2_PHONE_NUMBER => present(contacts::HOME_PHONE_NUMBER),
            contacts::BUSINESS2_PHONE_NUMBER => present(contacts::BUSINESS_PHONE_NUMBER),
            contacts2::IM_ADDRESS2 => present(contacts2::IM_ADDRESS),
            contacts2::IM_ADDRESS3 => present(contacts2::IM_ADDRESS) && present(contacts2::IM_ADDRESS2),
            // The one that is always shown.
            contacts::FILE_AS => false,
            _ => true,
        };
        let texts = TEXTS.into_iter().zip(&values).filter(|(tag, _)| tag.is_in(version) && needs(*tag));
        let texts = texts.filter_map(|(tag, value)| Some(leaf(tag, value.as_ref()?.trim())));
        let born = format!("{year:04}-{month:02}-{day:02}T11:59:00.000Z");
        let others = [leaf(contacts::FILE_AS, "Filed, as"), leaf(contacts::BIRTHDAY, &born), body(1, note.trim_end())];
        class(version).survives(&data(texts.chain(others)));
    }
}
