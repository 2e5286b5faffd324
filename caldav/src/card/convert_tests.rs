use proptest::prelude::*;

use super::*;
use crate::Object;
use crate::card::{Card, PhoneKind, Place};

fn converted(text: &str, version: CardVersion) -> String {
    let mut object = Object::parse(format!("BEGIN:VCARD\n{text}END:VCARD\n").as_bytes()).unwrap();
    convert(object.card_mut().unwrap(), version);
    let text = String::from_utf8(object.write()).unwrap().replace("\n ", "");
    text.strip_prefix("BEGIN:VCARD\n").and_then(|t| t.strip_suffix("END:VCARD\n")).unwrap().to_owned()
}

#[test]
fn upward() {
    for (old, new) in [
        ("BDAY:1985-04-12\n", "BDAY:19850412\n"),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\n", "BDAY:--0412\n"),
        ("BDAY:1953-10-15T23:10:00Z\n", "BDAY:19531015T231000Z\n"),
        ("REV:1995-10-31T22:27:10Z\n", "REV:19951031T222710Z\n"),
        ("EMAIL;TYPE=INTERNET,PREF;X-A=1:a@x\n", "EMAIL;X-A=1;PREF=1:a@x\n"),
        ("TEL;type=CELL;type=VOICE;type=pref:1\n", "TEL;TYPE=cell,voice;PREF=1:1\n"),
        ("TEL;TYPE=HOME:1\n", "TEL;TYPE=HOME:1\n"),
        ("PHOTO;ENCODING=b;TYPE=JPEG;X-A=1:AAAA\n", "PHOTO;X-A=1:data:image/jpeg;base64,AAAA\n"),
        ("PHOTO;VALUE=uri:http://x/y\n", "PHOTO:http://x/y\n"),
        ("GEO:37.5;-122.25\n", "GEO:geo:37.5,-122.25\n"),
        ("TZ:-05:00\n", "TZ;VALUE=utc-offset:-0500\n"),
        ("a.X-ABRELATEDNAMES:Bob\na.X-ABLabel:_$!<Spouse>!$_\n", "RELATED;VALUE=text;TYPE=spouse:Bob\n"),
        ("a.X-ABDATE:2001-02-03\na.X-ABLabel:_$!<Anniversary>!$_\n", "ANNIVERSARY:20010203\n"),
        ("a.TEL:1\na.X-ABLabel:Boat\n", "a.TEL:1\na.X-ABLabel:Boat\n"),
        ("X-ADDRESSBOOKSERVER-KIND:group\n", "KIND:group\n"),
        ("ADR;TYPE=HOME:;;S;;;;\nLABEL;TYPE=home:S\\nT\n", "ADR;TYPE=HOME;LABEL=S^nT:;;S;;;;\n"),
        ("LABEL;TYPE=WORK:S\n", "LABEL;TYPE=WORK:S\n"),
        ("N:Doe;;;;\nSORT-STRING:D\n", "N;SORT-AS=D:Doe;;;;\n"),
        ("X-SKIN:1\nCLASS:PRIVATE\n", "X-SKIN:1\nCLASS:PRIVATE\n"),
    ] {
        assert_eq!(converted(&format!("VERSION:3.0\n{old}"), CardVersion::V4), format!("VERSION:4.0\n{new}"));
    }
}

#[test]
fn downward() {
    for (old, new) in [
        ("BDAY:19850412\n", "BDAY:1985-04-12\n"),
        ("BDAY:--0412\n", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\n"),
        ("BDAY;VALUE=text:once\n", "BDAY;VALUE=text:once\n"),
        ("ANNIVERSARY:20010203\n", "X-ANNIVERSARY:2001-02-03\n"),
        ("EMAIL;PREF=1:a@x\nEMAIL;PREF=2:b@x\n", "EMAIL;TYPE=PREF:a@x\nEMAIL;PREF=2:b@x\n"),
        ("TEL;VALUE=uri;TYPE=\"cell,voice\":tel:+1-2\n", "TEL;TYPE=CELL,VOICE:+1-2\n"),
        ("PHOTO:data:image/png;base64,AA==\n", "PHOTO;ENCODING=b;TYPE=PNG:AA==\n"),
        ("PHOTO:http://x/y\n", "PHOTO;VALUE=uri:http://x/y\n"),
        ("GEO:geo:37.5,-122.25;u=1\n", "GEO:37.5;-122.25\n"),
        ("TZ;VALUE=utc-offset:-0500\n", "TZ:-05:00\n"),
        (
            "RELATED;TYPE=child;VALUE=text:Bob\nRELATED;TYPE=child;VALUE=text:Eve\n",
            "item1.X-ABRELATEDNAMES:Bob\nitem1.X-ABLabel:_$!<Child>!$_\nitem2.X-ABRELATEDNAMES:Eve\n\
             item2.X-ABLabel:_$!<Child>!$_\n",
        ),
        ("RELATED;TYPE=friend:urn:uuid:1\n", "RELATED;TYPE=friend:urn:uuid:1\n"),
        ("RELATED;TYPE=agent:mailto:a@x\n", "AGENT;VALUE=uri:mailto:a@x\n"),
        (
            "KIND:group\nMEMBER:urn:uuid:1\n",
            "X-ADDRESSBOOKSERVER-KIND:group\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:1\n",
        ),
        ("ADR;TYPE=home;LABEL=\"S^nT\":;;S;;;;\n", "ADR;TYPE=home:;;S;;;;\nLABEL;TYPE=home:S\\nT\n"),
        ("GENDER:F\nX-SKIN:1\n", "GENDER:F\nX-SKIN:1\n"),
    ] {
        let want = format!("VERSION:3.0\n{new}N:;;;;\n");
        assert_eq!(converted(&format!("VERSION:4.0\n{old}"), CardVersion::V3), want);
    }
    assert_eq!(
        converted("VERSION:4.0\nN;SORT-AS=D:Doe;;;;\n", CardVersion::V3),
        "VERSION:3.0\nN:Doe;;;;\nSORT-STRING:D\n"
    );
}

#[test]
fn other_versions_stay() {
    for text in ["VERSION:2.1\nTEL;PREF:1\n", "TEL;TYPE=pref:1\n", "VERSION:4.0\nTEL;TYPE=pref:1\n"] {
        assert_eq!(converted(text, CardVersion::V4), text);
    }
}

fn lines() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "N:D\\;oe;Ann;M,N;;\n",
        "EMAIL;TYPE=INTERNET,HOME:a@x\n",
        "EMAIL;TYPE=pref:b@x\n",
        "TEL;TYPE=CELL,pref:1\n",
        "TEL;TYPE=WORK;TYPE=FAX:2\\,3\n",
        "TEL;TYPE=X-ASSISTANT:4\n",
        "ADR;TYPE=HOME:;;S\\nT;L;R;C;C\n",
        "ADR;TYPE=WORK,POSTAL:;;S;L;R;C;C\n",
        "LABEL;TYPE=HOME:S\n",
        "BDAY:1985-04-12\n",
        "BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\n",
        "X-ANNIVERSARY:2001-02-03\n",
        "X-SPOUSE:Bo\\, b\n",
        "X-MS-CHILD:C1\n",
        "X-CHILD:C2\n",
        "a.X-ABRELATEDNAMES:M\na.X-ABLabel:_$!<Manager>!$_\n",
        "PHOTO;ENCODING=b;TYPE=JPEG:AAAA\n",
        "CATEGORIES:a,b\\,c\n",
        "NOTE:x\\;y\\nz\n",
        "URL:http://x/?a;b,c\n",
        "IMPP:xmpp:a@x\n",
        "X-AIM:aim\n",
        "ORG:A;B\n",
        "b.TEL:9\nb.X-ABLabel:Boat\n",
        "NICKNAME:n\n",
        "KEY:text\n",
    ]);
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

/// Everything that is read of a card.
fn meaning(text: &str) -> String {
    let object = Object::parse(format!("BEGIN:VCARD\n{text}END:VCARD\n").as_bytes()).unwrap();
    let card = Card::new(object.card().unwrap());
    let mut related: Vec<_> = [Relation::Spouse, Relation::Manager, Relation::Assistant, Relation::Child]
        .into_iter()
        .map(|relation| card.related(relation))
        .collect();
    related.iter_mut().for_each(|names| names.sort());
    let emails: Vec<_> =
        card.emails().into_iter().map(|e| (e.value, Place::of(&e.types), e.preference)).collect();
    let phones = card.phones().into_iter();
    let phones: Vec<_> = phones.map(|p| (PhoneKind::of(&p.types), p.value, p.label, p.preference)).collect();
    let addresses: Vec<_> = card.addresses().into_iter().map(|a| (Place::of(&a.types), a.value)).collect();
    let im: Vec<_> = card.messengers().into_iter().map(|entry| entry.value).collect();
    format!(
        "{:?} {emails:?} {phones:?} {addresses:?} {:?} {:?} {related:?} {:?} {:?} {:?} {:?} {im:?} {:?} {:?}",
        card.name(),
        card.birthday(),
        card.anniversary(),
        card.photo(),
        card.categories(),
        card.text("NOTE"),
        card.urls().into_iter().map(|entry| entry.value).collect::<Vec<_>>(),
        card.organization(),
        card.text("NICKNAME"),
    )
}

proptest! {
    /// What is read of a card is the same in both versions, and when it comes back.
    #[test]
    fn meanings_survive(lines in lines()) {
        let old = format!("VERSION:3.0\n{lines}");
        let new = converted(&old, CardVersion::V4);
        prop_assert_eq!(meaning(&new), meaning(&old));
        let back = converted(&new, CardVersion::V3);
        prop_assert_eq!(meaning(&back), meaning(&old));
    }

    #[test]
    fn nothing_makes_it_panic(text in "([A-Z]{1,6}(;[A-Z]{1,5}=[a-z,:\"]{0,6})?:[ -~]{0,12}\n){0,5}", v4: bool) {
        let (from, to) = if v4 { ("3.0", CardVersion::V4) } else { ("4.0", CardVersion::V3) };
        let _ = converted(&format!("VERSION:{from}\n{text}"), to);
    }
}
