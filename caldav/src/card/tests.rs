use proptest::prelude::*;

use super::*;
use crate::Object;

fn wrap(text: &str) -> String {
    format!("BEGIN:VCARD\n{text}END:VCARD\n")
}

/// The card after an edit, without its BEGIN and END.
fn edited(text: &str, edit: impl FnOnce(&mut CardMut<'_>) -> Result<(), Invalid>) -> String {
    let mut object = Object::parse(wrap(text).as_bytes()).unwrap();
    edit(&mut CardMut::new(object.card_mut().unwrap())).unwrap();
    let text = String::from_utf8(object.write()).unwrap();
    text.strip_prefix("BEGIN:VCARD\n").and_then(|t| t.strip_suffix("END:VCARD\n")).unwrap().to_owned()
}

fn read<T>(text: &str, read: impl FnOnce(Card<'_>) -> T) -> T {
    let object = Object::parse(wrap(text).as_bytes()).unwrap();
    read(Card::new(object.card().unwrap()))
}

const APPLE: &str = "VERSION:3.0\nN:Doe;Ann;M,N;Dr.;\nFN:Dr. Ann Doe\nORG:Acme\\, Inc.;R\\;D;\n\
    item1.EMAIL;type=INTERNET;type=pref:a@x\nitem1.X-ABLabel:Chess club\nEMAIL;TYPE=HOME:b@x\n\
    TEL;type=CELL;type=VOICE;type=pref:1\nTEL;type=HOME;type=FAX:2\nTEL;type=WORK:3\nTEL;type=WORK:4\n\
    item2.TEL:5\nitem2.X-ABLabel:_$!<HomeFAX>!$_\n\
    item3.ADR;type=HOME:;;1 Way\\nHouse;Town;;123;Land\nitem3.X-ABADR:de\n\
    item4.X-ABRELATEDNAMES:Bob\nitem4.X-ABLabel:_$!<Spouse>!$_\n\
    item5.X-ABDATE;type=pref:2001-02-03\nitem5.X-ABLabel:_$!<Anniversary>!$_\n\
    BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\nIMPP;X-SERVICE-TYPE=Jabber:xmpp:a@x\nX-AIM:aim1\n\
    PHOTO;ENCODING=b;TYPE=JPEG:AA\n AA\nCATEGORIES:One,Two\\,Three\nNOTE:a\\nb\n";

#[test]
fn what_apple_writes_is_read() {
    read(APPLE, |card| {
        assert_eq!(card.version(), Some(CardVersion::V3));
        let name = card.name();
        assert_eq!(
            (name.family.as_str(), name.additional.as_str(), name.prefix.as_str()),
            ("Doe", "M,N", "Dr.")
        );
        assert_eq!(
            card.organization(),
            Organization { name: "Acme, Inc.".into(), units: vec!["R;D".into()] }
        );
        let emails = card.emails();
        assert_eq!((emails[0].value.as_str(), emails[0].preference), ("a@x", Some(1)));
        assert_eq!(emails[0].label.as_deref(), Some("Chess club"));
        assert_eq!(Place::of(&emails[1].types), Place::Home);
        for (kind, n, number) in [
            (PhoneKind::Mobile, 0, Some("1")),
            (PhoneKind::HomeFax, 0, Some("2")),
            (PhoneKind::HomeFax, 1, Some("5")),
            (PhoneKind::Work, 1, Some("4")),
            (PhoneKind::Work, 2, None),
            (PhoneKind::Home, 0, None),
        ] {
            assert_eq!(card.phone(kind, n).as_deref(), number, "{kind:?} {n}");
        }
        assert_eq!(card.address(Place::Home).unwrap().street, "1 Way\nHouse");
        assert_eq!(card.address(Place::Work), None);
        assert_eq!(card.related(Relation::Spouse), ["Bob"]);
        assert_eq!(card.anniversary().and_then(|d| d.date()), crate::Date::new(2001, 2, 3).ok());
        assert_eq!(card.birthday(), Some(CardDate { year: None, month: Some(4), day: Some(12) }));
        let im: Vec<_> = card.messengers().into_iter().map(|entry| entry.value).collect();
        assert_eq!(im, ["xmpp:a@x", "aim1"]);
        let photo = Photo::Inline { media_type: "image/jpeg".into(), base64: "AAAA".into() };
        assert_eq!(card.photo(), Some(photo));
        assert_eq!(card.categories(), ["One", "Two,Three"]);
        assert_eq!(card.text("NOTE").as_deref(), Some("a\nb"));
    });
}

#[test]
fn what_version_4_has_is_read() {
    let text = "VERSION:4.0\nFN:A\nTEL;VALUE=uri;TYPE=\"cell,voice\";PREF=2:tel:+1-2\nRELATED;TYPE=spouse;VALUE=text:Bob\n\
        RELATED;TYPE=child:urn:uuid:1\nBDAY:--0412\nANNIVERSARY:20010203\nPHOTO:data:image/png;base64,AA==\n\
        IMPP:im:joe\nADR;TYPE=work;LABEL=\"x\":;;S;L;R;C;C\nTEL;TYPE=work,fax:9\n";
    read(text, |card| {
        assert_eq!(card.phone(PhoneKind::Mobile, 0).as_deref(), Some("+1-2"));
        assert_eq!(card.phones()[0].preference, Some(2));
        assert_eq!(card.phone(PhoneKind::WorkFax, 0).as_deref(), Some("9"));
        assert_eq!((card.related(Relation::Spouse).len(), card.related(Relation::Child).len()), (1, 0));
        assert_eq!(card.birthday().unwrap().year, None);
        assert!(card.anniversary().is_some());
        assert_eq!(
            card.photo(),
            Some(Photo::Inline { media_type: "image/png".into(), base64: "AA==".into() })
        );
        assert_eq!(card.messengers()[0].value, "joe");
        assert_eq!(card.address(Place::Work).unwrap().region, "R");
    });
}

#[test]
fn setting_what_is_there_changes_nothing() {
    let same = edited(APPLE, |card| {
        let (name, organization) = (card.card().name(), card.card().organization());
        card.set_name(&name)?;
        card.set_organization(&organization)?;
        card.set_email(0, Some("a@x"))?;
        card.set_phone(PhoneKind::HomeFax, 1, Some("5"))?;
        card.set_phone(PhoneKind::Car, 0, None)?;
        let address = card.card().address(Place::Home);
        card.set_address(Place::Home, address.as_ref())?;
        card.set_address(Place::Work, None)?;
        card.set_related(Relation::Spouse, ["Bob"])?;
        let (birthday, anniversary) = (card.card().birthday(), card.card().anniversary());
        card.set_birthday(birthday)?;
        card.set_anniversary(anniversary)?;
        let photo = card.card().photo();
        card.set_photo(photo.as_ref())?;
        card.set_categories(["Two,Three", "One"])?;
        card.set_messenger(1, Some("aim1"))?;
        card.set_text("NOTE", Some("a\nb"))?;
        card.set_uri("URL", None)
    });
    assert_eq!(same, APPLE);
}

#[test]
fn an_edit_touches_its_line_alone() {
    let text = edited(APPLE, |card| {
        let name = PersonName { given: "Eve".into(), ..card.card().name() };
        card.set_name(&name)?;
        card.set_email(0, Some("c@x"))?;
        card.set_email(1, None)?;
        card.set_phone(PhoneKind::HomeFax, 1, Some("6"))?;
        card.set_phone(PhoneKind::Mobile, 1, Some("7"))?;
        card.set_related(Relation::Spouse, [])?;
        card.set_related(Relation::Child, ["C, 1", "C2"])?;
        card.set_birthday(crate::Date::new(1990, 1, 2).ok().map(CardDate::new))?;
        card.set_anniversary(None)
    });
    let want = APPLE
        .replace("N:Doe;Ann;M,N;", "N:Doe;Eve;M,N;")
        .replace("pref:a@x", "pref:c@x")
        .replace("EMAIL;TYPE=HOME:b@x\n", "")
        .replace("item2.TEL:5", "item2.TEL:6")
        .replace("item4.X-ABRELATEDNAMES:Bob\nitem4.X-ABLabel:_$!<Spouse>!$_\n", "")
        .replace("item5.X-ABDATE;type=pref:2001-02-03\nitem5.X-ABLabel:_$!<Anniversary>!$_\n", "")
        .replace("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12", "BDAY:1990-01-02");
    let added = "TEL;TYPE=CELL:7\nitem4.X-ABRELATEDNAMES:C\\, 1\nitem4.X-ABLabel:_$!<Child>!$_\n\
        item6.X-ABRELATEDNAMES:C2\nitem6.X-ABLabel:_$!<Child>!$_\n";
    assert_eq!(text, want + added);
}

#[test]
fn an_empty_card_is_filled_in_both_versions() {
    let fill = |card: &mut CardMut<'_>| {
        card.set_name(&PersonName { family: "D;oe".into(), ..PersonName::default() })?;
        card.set_phone(PhoneKind::HomeFax, 0, Some("1"))?;
        card.set_phone(PhoneKind::Assistant, 0, Some("2"))?;
        card.set_address(Place::Work, Some(&Address { street: "a, b".into(), ..Address::default() }))?;
        card.set_related(Relation::Manager, ["M"])?;
        card.set_email(5, Some("a@x"))?;
        card.set_birthday(Some(CardDate { year: None, month: Some(4), day: Some(12) }))?;
        card.set_messenger(0, Some("joe"))?;
        card.set_photo(Some(&Photo::Inline { media_type: "image/png".into(), base64: "A\nA==".into() }))
    };
    assert_eq!(
        edited("VERSION:3.0\n", fill),
        "VERSION:3.0\nN:D\\;oe;;;;\nTEL;TYPE=HOME,FAX:1\nTEL;TYPE=X-ASSISTANT:2\nADR;TYPE=WORK:;;a\\, b;;;;\n\
         item1.X-ABRELATEDNAMES:M\nitem1.X-ABLabel:_$!<Manager>!$_\nEMAIL;TYPE=INTERNET:a@x\n\
         BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\nIMPP:im:joe\nPHOTO;ENCODING=b;TYPE=PNG:AA==\n"
    );
    assert_eq!(
        edited("VERSION:4.0\n", fill),
        "VERSION:4.0\nN:D\\;oe;;;;\nTEL;TYPE=home,fax:1\nTEL;TYPE=x-assistant:2\nADR;TYPE=work:;;a\\, b;;;;\n\
         RELATED;VALUE=text;TYPE=x-manager:M\nEMAIL:a@x\nBDAY:--0412\nIMPP:im:joe\n\
         PHOTO:data:image/png;base64,AA==\n"
    );
}

fn lines() -> impl Strategy<Value = String> {
    let line = "(item[12]\\.)?(TEL|EMAIL|X-ABLabel|ADR|N|BDAY|X-ABRELATEDNAMES|RELATED|CATEGORIES|NOTE|IMPP|PHOTO)\
        (;TYPE=(home|work|fax|cell|pref))?(;VALUE=text)?(;PREF=[0-9]{1,3})?:[a-c;,\\\\0-9T:-]{0,12}\n";
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    /// What is set is read, whatever stood there; and nothing is left of it when it is taken away.
    #[test]
    fn what_is_set_is_read(text in lines(), v4: bool, value in "[a-c;,\\\\é]([a-c;,\\\\é\n]{0,4}[a-c;,\\\\é])?", n in 0..3_usize) {
        let text = format!("VERSION:{}\n{text}", if v4 { "4.0" } else { "3.0" });
        let mut object = Object::parse(wrap(&text).as_bytes()).unwrap();
        let mut card = CardMut::new(object.card_mut().unwrap());
        let had = card.card().phones().into_iter().filter(|p| PhoneKind::of(&p.types) == PhoneKind::Work).count();
        card.set_phone(PhoneKind::Work, n, Some(&value)).unwrap();
        prop_assert_eq!(card.card().phone(PhoneKind::Work, n.min(had)), Some(value.clone()));
        card.set_text("NOTE", Some(&value)).unwrap();
        prop_assert_eq!(card.card().component().line("NOTE").map(ContentLine::to_text), Some(value.clone()));
        let name = PersonName { family: value.clone(), suffix: value.clone(), ..card.card().name() };
        card.set_name(&name).unwrap();
        prop_assert_eq!(card.card().name(), name);
        let address = Address { street: value.clone(), ..card.card().address(Place::Home).unwrap_or_default() };
        card.set_address(Place::Home, Some(&address)).unwrap();
        prop_assert_eq!(card.card().address(Place::Home), Some(address));
        card.set_related(Relation::Spouse, [value.as_str(), "x"]).unwrap();
        prop_assert_eq!(card.card().related(Relation::Spouse), [value.as_str(), "x"]);
        card.set_related(Relation::Spouse, []).unwrap();
        prop_assert!(card.card().related(Relation::Spouse).is_empty());
        card.set_categories([value.as_str()]).unwrap();
        prop_assert_eq!(card.card().categories(), [value.as_str()]);
        card.set_birthday(crate::Date::new(1990, 1, 2).ok().map(CardDate::new)).unwrap();
        prop_assert_eq!(card.card().birthday().and_then(|d| d.date()), crate::Date::new(1990, 1, 2).ok());
        // What was written reads back the same.
        let again = Object::parse(&object.write()).unwrap();
        prop_assert_eq!(again.card().unwrap(), object.card().unwrap());
    }

    #[test]
    fn any_line_is_read(text in "[A-Z:;,.=\"\\\\ -]{0,60}", line in lines()) {
        let text = wrap(&format!("{line}{text}\n"));
        let object = Object::parse(text.as_bytes()).unwrap();
        if let Some(component) = object.card() {
            let card = Card::new(component);
            let _ = (card.display_name(), card.phones(), card.addresses(), card.messengers(), card.birthday());
            let _ = (card.anniversary(), card.photo(), card.related(Relation::Child), card.kind(), card.urls());
        }
    }
}
