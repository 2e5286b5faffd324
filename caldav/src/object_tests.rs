use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Object {
    Object::parse(text.as_bytes()).unwrap()
}

fn text(object: &Object) -> String {
    String::from_utf8(object.write()).unwrap()
}

#[test]
fn broken_objects_are_kept_and_said_to_be_broken() {
    let whole = "BEGIN:VCALENDAR\r\nBEGIN:vevent\r\nX:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert!(parse(whole).is_whole());
    for broken in [
        "",
        " ",
        "\n",
        "X:1\r\n",
        "BEGIN:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nno line\r\nEND:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\nEND:VCALENDAR\r\n",
        "BEGIN:\r\nEND:\r\n",
    ] {
        let object = parse(broken);
        assert!(!object.is_whole(), "{broken:?}");
        assert_eq!(text(&object), broken);
    }
    let unclosed =
        parse("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nX:1\r\nEND:VCALENDAR\r\nBEGIN:VCARD\r\nEND:VCARD");
    let event = unclosed.calendar().unwrap().component("VEVENT").unwrap();
    assert_eq!(event.line("X").unwrap().value(), "1");
    assert!(unclosed.card().unwrap().is_whole());
}

#[test]
fn soft_breaks_of_vcard_2_1_are_one_line() {
    let card =
        "BEGIN:VCARD\r\nNOTE;ENCODING=quoted-printable:a=\r\nB:b=\r\n\r\nTEL;HOME;VOICE:1\r\nEND:VCARD\r\n";
    let object = parse(card);
    let card_component = object.card().unwrap();
    assert_eq!(card_component.line("NOTE").unwrap().value(), "aB:b");
    assert_eq!(card_component.lines().count(), 2);
    assert_eq!(text(&object), card);
    // `=` at the end of base64 is no such break.
    let photo = parse("BEGIN:VCARD\r\nPHOTO;ENCODING=b:YQ==\r\nTEL:1\r\nEND:VCARD\r\n");
    assert_eq!(photo.card().unwrap().line("TEL").unwrap().value(), "1");
}

#[test]
fn every_bound_is_kept() {
    let limits = Limits { bytes: 200, line: 30, lines: 10, properties: 4, depth: 2 };
    let check = |text: &str| Object::parse_within(text.as_bytes(), &limits).map(|_| ());
    assert_eq!(check(&"X".repeat(201)), Err(TooLarge::Bytes));
    assert_eq!(check("X:1\r\n 23456789012345\r\n 23456789012345\r\n"), Err(TooLarge::Line));
    assert_eq!(check(&"BEGIN:A\nEND:A\n".repeat(6)), Err(TooLarge::Lines));
    assert_eq!(check(&"X:1\n".repeat(5)), Err(TooLarge::Properties));
    assert_eq!(check("BEGIN:A\nBEGIN:A\nBEGIN:A\n"), Err(TooLarge::Depth));
    assert_eq!(check("BEGIN:A\nBEGIN:A\nEND:A\nBEGIN:A\nX:1\nX:1\nX:1\nX:1\n"), Ok(()));
}

#[test]
fn edits_touch_only_their_lines() {
    let mut object = parse(
        "BEGIN:VEVENT\nDTSTART;X-A=1;TZID=Old:20261124T100000\nATTENDEE;X-B=\"2\":mailto:a@x\nSUMMARY:a\n b\n\
         SUMMARY:c\nBEGIN:VALARM\nX: y\nEND:VALARM\nEND:VEVENT",
    );
    let event = object.components_mut().next().unwrap();
    event.set(ContentLine::new("DTSTART", "20261125").unwrap().with("VALUE", "DATE").unwrap());
    event.set(ContentLine::new("SUMMARY", "ab").unwrap());
    event.set(ContentLine::new("X-NEW", "e".repeat(80)).unwrap());
    assert_eq!(event.remove("ATTENDEE"), 1);
    assert_eq!(event.remove("ATTENDEE"), 0);
    let expected = format!(
        "BEGIN:VEVENT\nDTSTART;VALUE=DATE;X-A=1:20261125\nSUMMARY:a\n b\nX-NEW:{}\n {}\n\
         BEGIN:VALARM\nX: y\nEND:VALARM\nEND:VEVENT",
        "e".repeat(69),
        "e".repeat(11)
    );
    assert_eq!(text(&object), expected);
    let event = object.components_mut().next().unwrap();
    assert_eq!(event.retain_components(|component| !component.is("VALARM")), 1);
    assert!(!text(&object).contains("VALARM"));
}

#[test]
fn what_is_added_after_an_end_without_a_line_end_begins_a_line() {
    let mut object = parse("BEGIN:VCALENDAR\r\nX:1");
    let calendar = object.calendar_mut().unwrap();
    calendar.push(ContentLine::new("Y", "2").unwrap());
    assert_eq!(text(&object), "BEGIN:VCALENDAR\r\nX:1\r\nY:2\r\n");
    assert_eq!(text(&Object::from(Component::new("VCARD").unwrap())), "BEGIN:VCARD\r\nEND:VCARD\r\n");
}

#[test]
fn large_objects_take_time_in_proportion() {
    // Each of these was quadratic in some parser.
    let folds = format!("X:{}", "\n a".repeat(2_000_000));
    let soft = format!("X;QUOTED-PRINTABLE:{}", "=\n".repeat(2_000_000));
    let ends = format!("BEGIN:A\n{}", "END:B\n".repeat(9_000));
    let parameters = format!("X{}:", ";A=\"b\"".repeat(1_000_000));
    for text in [folds, soft, ends, parameters] {
        assert_eq!(Object::parse(text.as_bytes()).unwrap().write(), text.as_bytes());
    }
}

/// A last line that would take the next for its own does not get one.
#[test]
fn what_is_added_stands_on_its_own() {
    let cut = b"BEGIN:VCARD\nX;ENCODING=QUOTED-PRINTABLE:a=\n";
    let mut object = Object::parse(cut).unwrap();
    assert_eq!(object.write(), cut);
    object.card_mut().unwrap().set(ContentLine::new("X-NEW", "b").unwrap());
    let again = Object::parse(&object.write()).unwrap();
    assert_eq!(again.card().unwrap().line("X-NEW").unwrap().value(), "b");
    // Base64 ends like that as well, and is whole.
    let whole = b"BEGIN:VCARD\nPHOTO;ENCODING=b:YQ==\nEND:VCARD\n";
    let mut object = Object::parse(whole).unwrap();
    object.card_mut().unwrap().set(ContentLine::new("X-NEW", "b").unwrap());
    assert_eq!(object.write(), b"BEGIN:VCARD\nPHOTO;ENCODING=b:YQ==\nX-NEW:b\nEND:VCARD\n");
}

/// Pieces that objects are made of, and what breaks them.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"BEGIN:VCALENDAR\r\n"[..],
        b"END:VCALENDAR\r\n",
        b"begin:vevent\n",
        b"END:VEVENT",
        b"X;A=\"b",
        b"item1.TEL;TYPE=home:1",
        b";ENCODING=QUOTED-PRINTABLE:=\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\"",
        b"^n",
        b"\xc3\xa4",
        b"\xff",
        b"\0",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_again(bytes in prop_oneof![pieces(), prop::collection::vec(any::<u8>(), 0..200)]) {
        let limits = Limits { depth: 100, ..Limits::default() };
        prop_assert_eq!(Object::parse_within(&bytes, &limits).unwrap().write(), bytes);
    }

    /// Whatever an edit meets, its line comes out whole, and nothing else is changed.
    #[test]
    fn an_edit_of_anything_is_one_line(bytes in pieces(), value in "[a-z ]{0,200}") {
        let limits = Limits { depth: 100, ..Limits::default() };
        let mut object = Object::parse_within(&bytes, &limits).unwrap();
        let Some(component) = object.components_mut().next() else { return Ok(()) };
        component.set(ContentLine::new("X-NEW", value.clone()).unwrap());
        let written = object.write();
        let again = Object::parse_within(&written, &limits).unwrap();
        let line = again.components().next().unwrap().line("X-NEW").unwrap();
        prop_assert_eq!(line.value(), value);
        let component = object.components_mut().next().unwrap();
        component.remove("X-NEW");
        prop_assert!(object.write() == bytes || object.write().len() >= bytes.len());
    }
}
