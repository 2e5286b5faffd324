use super::*;

const OWN: &[&str] = &["org@a.test"];
const ANN: &[&str] = &["ann@b.test"];
/// 2026-11-24T10:00:00Z.
const NOW: i64 = 1_795_514_400;

fn by<'a>(own: &'a [&'a str], now: i64) -> Change<'a> {
    Change { own, now, quiet: false }
}

fn object(events: &str) -> Object {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test\n{events}END:VCALENDAR\n");
    Object::parse(text.as_bytes()).unwrap()
}

/// A weekly meeting of Tuesdays from 2026-12-01, 10:00 to 11:00 in Berlin, ten times.
fn meeting(more: &str) -> String {
    format!(
        "BEGIN:VEVENT\nUID:m1\nDTSTAMP:20261124T090000Z\nDTSTART;TZID=Europe/Berlin:20261201T100000\n\
         DTEND;TZID=Europe/Berlin:20261201T110000\nRRULE:FREQ=WEEKLY;COUNT=10\nSUMMARY:Plan\nX-MINE:1\n\
         CATEGORIES:secret\nORGANIZER:mailto:org@a.test\nATTENDEE;PARTSTAT=ACCEPTED:mailto:org@a.test\n\
         ATTENDEE:mailto:ann@b.test\nATTENDEE;SCHEDULE-STATUS=1.1:mailto:bob@b.test\n{more}\
         BEGIN:VALARM\nTRIGGER:-PT5M\nACTION:DISPLAY\nEND:VALARM\nEND:VEVENT\n"
    )
}

/// The third instance, of 2026-12-15, moved to the afternoon.
fn moved(hour: u8) -> String {
    format!(
        "BEGIN:VEVENT\nUID:m1\nRECURRENCE-ID;TZID=Europe/Berlin:20261215T100000\nDTSTAMP:20261124T090000Z\n\
         DTSTART;TZID=Europe/Berlin:20261215T{hour}0000\nDURATION:PT1H\nSUMMARY:Plan\n\
         ORGANIZER:mailto:org@a.test\nATTENDEE;PARTSTAT=ACCEPTED:mailto:org@a.test\n\
         ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@b.test\nATTENDEE:mailto:bob@b.test\nEND:VEVENT\n"
    )
}

fn text(object: &Object) -> String {
    String::from_utf8(object.write()).unwrap().replace("\r\n", "\n")
}

/// The components of a message in short: name of the method, recipients, instances and sequences.
fn short(messages: &[Outgoing]) -> Vec<String> {
    let one = |message: &Outgoing| {
        let parts = message.object.calendar().unwrap().components().filter(|c| meeting::is_part(c));
        let parts = parts.map(|part| {
            let id = part.line("RECURRENCE-ID").map_or("all", |line| line.value());
            format!("{id}#{}", meeting::sequence(part))
        });
        let parts: Vec<_> = parts.collect();
        format!("{} {} {}", message.method, message.to.join(","), parts.join(" "))
    };
    messages.iter().map(one).collect()
}

fn with(object: &Object, from: &str, to: &str) -> Object {
    let (before, after) = (text(object), text(object).replace(from, to));
    assert_ne!(before, after, "{from} is not in it");
    Object::parse(after.as_bytes()).unwrap()
}

fn part_stat(object: &Object, address: &str, id: Option<i64>) -> PartStat {
    let meeting = meeting::Meeting::of(object).unwrap();
    meeting::answer(meeting::attendee(meeting.part(id).unwrap(), address).unwrap())
}

/// The instant of the third instance.
const THIRD: i64 = 1_797_325_200;

fn stored(arrival: Arrival) -> Object {
    match arrival {
        Arrival::Store(object) => *object,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_meeting_is_told_to_its_attendees_without_what_is_private() {
    let new = object(&meeting("X-OTHER:2\n"));
    let outcome = change(None, Some(&new), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REQUEST ann@b.test,bob@b.test all#0"]);
    let told = text(&outcome.messages[0].object);
    for absent in ["VALARM", "X-MINE", "X-OTHER", "CATEGORIES", "SCHEDULE-STATUS"] {
        assert!(!told.contains(absent), "{absent} in {told}");
    }
    assert!(told.contains("METHOD:REQUEST\n") && told.contains("BEGIN:VTIMEZONE\nTZID:Europe/Berlin\n"));
    assert!(
        told.contains("DTSTAMP:20261124T100000Z\n") && told.contains("ATTENDEE;RSVP=TRUE:mailto:ann@b.test")
    );
    let kept = text(&outcome.object.unwrap());
    assert_eq!(kept, text(&new).replace("T090000Z", "T100000Z"));
}

#[test]
fn the_same_again_sends_nothing_and_leaves_the_bytes() {
    let new = object(&meeting(""));
    let one = change(None, Some(&new), &by(OWN, NOW)).unwrap().object.unwrap();
    let private = with(&one, "TRIGGER:-PT5M", "TRIGGER:-PT9M");
    for again in [&one, &private] {
        let outcome = change(Some(&one), Some(again), &by(OWN, NOW + 60)).unwrap();
        assert_eq!(short(&outcome.messages), [""; 0]);
        assert_eq!(outcome.object.unwrap().write(), again.write());
    }
}

#[test]
fn a_change_of_time_voids_answers_and_a_change_of_place_does_not() {
    let old = object(&meeting("").replace("ATTENDEE:mailto:ann", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann"));
    let place = with(&old, "SUMMARY:Plan", "SUMMARY:Plan\nLOCATION:Hall");
    let outcome = change(Some(&old), Some(&place), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REQUEST ann@b.test,bob@b.test all#0"]);
    assert_eq!(outcome.messages[0].changed, ["LOCATION"]);
    assert_eq!(part_stat(&outcome.object.unwrap(), "ann@b.test", None), PartStat::Accepted);
    let time = with(&old, "20261201T110000", "20261201T113000");
    let outcome = change(Some(&old), Some(&time), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REQUEST ann@b.test,bob@b.test all#1"]);
    let kept = outcome.object.unwrap();
    assert_eq!(part_stat(&kept, "ann@b.test", None), PartStat::NeedsAction);
    assert_eq!(part_stat(&kept, "org@a.test", None), PartStat::Accepted);
    // A client that has not heard of the answer does not undo it.
    let stale = with(&place, ";PARTSTAT=ACCEPTED:mailto:ann", ":mailto:ann");
    let outcome = change(Some(&place), Some(&stale), &by(OWN, NOW)).unwrap();
    assert_eq!(outcome.messages, []);
    assert_eq!(part_stat(&outcome.object.unwrap(), "ann@b.test", None), PartStat::Accepted);
}

#[test]
fn one_moved_or_cancelled_instance_is_all_that_is_sent() {
    let old = object(&meeting(""));
    let new = object(&(meeting("") + &moved(15)));
    let outcome = change(Some(&old), Some(&new), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REQUEST ann@b.test,bob@b.test 20261215T100000#1"]);
    assert_eq!(outcome.messages[0].changed, ["DTEND", "DTSTART"]);
    let kept = outcome.object.unwrap();
    assert_eq!(part_stat(&kept, "ann@b.test", Some(THIRD)), PartStat::NeedsAction);
    // An alarm of its own is nobody's business.
    let plain = object(&(meeting("") + &moved(10).replace("ann@b.test", "ann@b.test\nX-A:1")));
    let outcome = change(Some(&old), Some(&plain), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), [""; 0]);
    let off = object(&meeting("EXDATE;TZID=Europe/Berlin:20261215T100000\n"));
    for before in [&old, &kept] {
        let outcome = change(Some(before), Some(&off), &by(OWN, NOW)).unwrap();
        let sequence = if *before == old { 1 } else { 2 };
        let expected = format!("CANCEL ann@b.test,bob@b.test 20261215T100000#{sequence}");
        assert_eq!(short(&outcome.messages), [expected]);
        assert!(text(&outcome.messages[0].object).contains("STATUS:CANCELLED\n"));
    }
    let back = change(Some(&off), Some(&old), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&back.messages), ["REQUEST ann@b.test,bob@b.test all#1"]);
}

#[test]
fn who_comes_and_who_goes() {
    let old = object(&meeting(""));
    let new = with(&old, "ATTENDEE:mailto:ann@b.test", "ATTENDEE:mailto:new@c.test");
    let outcome = change(Some(&old), Some(&new), &by(OWN, NOW)).unwrap();
    assert_eq!(
        short(&outcome.messages),
        ["CANCEL ann@b.test all#0", "REQUEST new@c.test all#0", "REQUEST bob@b.test all#0"]
    );
    assert!(!text(&outcome.messages[0].object).contains("bob@b.test"));
    let outcome = change(Some(&old), None, &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["CANCEL ann@b.test,bob@b.test all#1"]);
    assert_eq!(outcome.object, None);
    // Somebody for one instance only, and one who is not wanted there.
    let single = moved(10).replace("ATTENDEE:mailto:bob@b.test", "ATTENDEE:mailto:new@c.test");
    let outcome = change(Some(&old), Some(&object(&(meeting("") + &single))), &by(OWN, NOW)).unwrap();
    assert_eq!(
        short(&outcome.messages),
        [
            "CANCEL bob@b.test 20261215T100000#1",
            "REQUEST new@c.test 20261215T100000#0",
            "REQUEST ann@b.test 20261215T100000#0"
        ]
    );
}

#[test]
fn agents_forced_sends_and_organizers() {
    let old = object(&meeting(""));
    let client = with(&old, "ATTENDEE:mailto:ann", "ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:ann");
    let outcome = change(None, Some(&client), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REQUEST bob@b.test all#0"]);
    let forced = with(&old, "ATTENDEE:mailto:ann", "ATTENDEE;SCHEDULE-FORCE-SEND=REQUEST:mailto:ann");
    let outcome = change(Some(&old), Some(&forced), &by(OWN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REQUEST ann@b.test all#0"]);
    assert!(!text(&outcome.object.unwrap()).contains("FORCE"));
    let other = with(&old, "ORGANIZER:mailto:org@a.test", "ORGANIZER:mailto:new@a.test");
    assert_eq!(change(Some(&old), Some(&other), &by(OWN, NOW)), Err(Refusal::OrganizerChange));
    let lost = with(&old, "ORGANIZER:mailto:org@a.test\n", "");
    let outcome = change(Some(&old), Some(&lost), &by(OWN, NOW)).unwrap();
    assert!(outcome.messages.is_empty() && text(&outcome.object.unwrap()).contains("ORGANIZER:"));
    let two = object(&(meeting("") + &moved(15).replace("org@a.test", "x@a.test")));
    assert_eq!(change(Some(&old), Some(&two), &by(OWN, NOW)), Err(Refusal::SameOrganizer));
    // What was long ago comes from an import.
    let past = Object::parse(text(&old).replace("2026", "2025").replace("COUNT=10", "COUNT=2").as_bytes());
    assert_eq!(change(None, Some(&past.unwrap()), &by(OWN, NOW)).unwrap().messages, []);
}

#[test]
fn an_attendees_edit_leaves_what_is_the_organizers() {
    let old = object(&meeting(""));
    let edit = with(&old, "SUMMARY:Plan", "SUMMARY:Mine\nTRANSP:TRANSPARENT");
    let edit = with(&edit, "ORGANIZER:mailto:org@a.test", "ORGANIZER:mailto:ann@b.test");
    let edit = with(&edit, "ATTENDEE:mailto:ann", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann");
    let edit = with(&edit, "20261201T100000", "20261201T090000");
    let edit = with(&edit, "-PT5M", "-PT9M");
    let outcome = change(Some(&old), Some(&edit), &by(ANN, NOW)).unwrap();
    assert_eq!(outcome.undone, ["DTSTART", "ORGANIZER", "SUMMARY"]);
    assert_eq!(short(&outcome.messages), ["REPLY org@a.test all#0"]);
    let told = text(&outcome.messages[0].object);
    assert!(told.contains("ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@b.test\n") && !told.contains("bob@"));
    let kept = outcome.object.unwrap();
    let expected = text(&old)
        .replace("ATTENDEE:mailto:ann", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann")
        .replace("-PT5M", "-PT9M")
        .replace("bob@b.test\n", "bob@b.test\nTRANSP:TRANSPARENT\n");
    assert_eq!(text(&kept), expected);
    let again = change(Some(&kept), Some(&kept), &by(ANN, NOW)).unwrap();
    assert_eq!((again.messages, again.undone), (vec![], vec![]));
    // Gone for good means declined, once.
    let gone = change(Some(&kept), None, &by(ANN, NOW)).unwrap();
    assert_eq!(short(&gone.messages), ["REPLY org@a.test all#0"]);
    assert!(text(&gone.messages[0].object).contains("PARTSTAT=DECLINED"));
    let declined = with(&kept, "PARTSTAT=ACCEPTED:mailto:ann", "PARTSTAT=DECLINED:mailto:ann");
    assert_eq!(change(Some(&declined), None, &by(ANN, NOW)).unwrap().messages, []);
}

#[test]
fn an_attendee_answers_and_leaves_single_instances() {
    let old = object(&meeting(""));
    let one = object(&(meeting("") + &moved(10)));
    let outcome = change(Some(&old), Some(&one), &by(ANN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REPLY org@a.test 20261215T100000#0"]);
    assert_eq!(outcome.undone, [""; 0]);
    assert_eq!(part_stat(outcome.object.as_ref().unwrap(), "ann@b.test", Some(THIRD)), PartStat::Accepted);
    let out = object(&meeting("EXDATE;TZID=Europe/Berlin:20261215T100000\n"));
    let outcome = change(Some(&old), Some(&out), &by(ANN, NOW)).unwrap();
    assert_eq!(short(&outcome.messages), ["REPLY org@a.test 20261215T100000#0"]);
    assert!(text(&outcome.messages[0].object).contains("PARTSTAT=DECLINED"));
    assert!(text(&outcome.object.unwrap()).contains("EXDATE;TZID=Europe/Berlin:20261215T100000\n"));
    // One that is no instance is not made.
    let odd = object(&(meeting("") + &moved(10).replace("20261215T1", "20261216T1")));
    let outcome = change(Some(&old), Some(&odd), &by(ANN, NOW)).unwrap();
    assert_eq!((outcome.messages, outcome.undone), (vec![], vec!["RECURRENCE-ID".to_owned()]));
}

fn answer(with: PartStat) -> Answer {
    Answer { with, instance: None, comment: None, proposed: None }
}

#[test]
fn answers_are_told_once_and_proposals_as_counter() {
    let old = object(&meeting(""));
    let yes = respond(&old, &answer(PartStat::Accepted), &by(ANN, NOW)).unwrap();
    assert_eq!(short(&yes.messages), ["REPLY org@a.test all#0"]);
    let kept = yes.object.unwrap();
    assert_eq!(respond(&kept, &answer(PartStat::Accepted), &by(ANN, NOW)).unwrap().messages, []);
    let third = Some(crate::Moment::At(crate::DateTime::parse("20261215T090000Z", None).unwrap()));
    let no = Answer { instance: third, comment: Some("Ill".into()), ..answer(PartStat::Declined) };
    let no = respond(&kept, &no, &by(ANN, NOW)).unwrap();
    assert_eq!(short(&no.messages), ["REPLY org@a.test 20261215T100000#0"]);
    assert!(text(&no.messages[0].object).contains("COMMENT:Ill\n"));
    let later = Answer { proposed: Some((NOW, NOW + 1800)), ..answer(PartStat::Tentative) };
    let later = respond(&kept, &later, &by(ANN, NOW)).unwrap();
    assert_eq!(short(&later.messages), ["COUNTER org@a.test all#0"]);
    assert!(text(&later.messages[0].object).contains("DTSTART;TZID=Europe/Berlin:20261124T110000\n"));
    assert_eq!(respond(&old, &answer(PartStat::Accepted), &by(&["x@y"], NOW)), Err(Refusal::NotInvited));
    let never = Some(crate::Moment::At(crate::DateTime::parse("20261216T090000Z", None).unwrap()));
    let never = Answer { instance: never, ..answer(PartStat::Accepted) };
    assert_eq!(respond(&old, &never, &by(ANN, NOW)), Err(Refusal::NoSuchInstance));
}

#[test]
fn an_invitation_travels_and_its_answer_comes_back() {
    let new = object(&meeting(""));
    let sent = change(None, Some(&new), &by(OWN, NOW)).unwrap();
    let request = &sent.messages[0].object;
    let anns = stored(receive(None, request, ANN, &["org@a.test"], NOW));
    assert!(method_of(&anns).is_none());
    assert_eq!(receive(Some(&anns), request, ANN, &["org@a.test"], NOW), Arrival::Ignored(Ignored::Old));
    let yes = respond(&anns, &answer(PartStat::Accepted), &by(ANN, NOW + 5)).unwrap();
    let (anns, reply) = (yes.object.unwrap(), &yes.messages[0].object);
    let kept = sent.object.unwrap();
    let told = receive(Some(&kept), reply, OWN, &["eve@x.test"], NOW);
    assert_eq!(told, Arrival::Ignored(Ignored::Stranger));
    let heard = stored(receive(Some(&kept), reply, OWN, &["ann@b.test"], NOW));
    assert_eq!(part_stat(&heard, "ann@b.test", None), PartStat::Accepted);
    assert_eq!(receive(Some(&heard), reply, OWN, &["ann@b.test"], NOW), Arrival::Ignored(Ignored::Old));
    // A later version leaves alarms and the answer as they are, and an older one changes nothing.
    let place = with(&heard, "SUMMARY:Plan", "SUMMARY:Plan\nLOCATION:Hall");
    let update = change(Some(&heard), Some(&place), &by(OWN, NOW + 9)).unwrap();
    let mine = with(&anns, "END:VEVENT", "BEGIN:VALARM\nTRIGGER:-PT1M\nEND:VALARM\nEND:VEVENT");
    let anns = stored(receive(Some(&mine), &update.messages[0].object, ANN, &["org@a.test"], NOW));
    assert!(text(&anns).contains("LOCATION:Hall\n") && text(&anns).contains("TRIGGER:-PT1M"));
    assert_eq!(part_stat(&anns, "ann@b.test", None), PartStat::Accepted);
    assert_eq!(receive(Some(&anns), request, ANN, &["org@a.test"], NOW), Arrival::Ignored(Ignored::Old));
}

#[test]
fn strangers_change_nothing() {
    let new = object(&meeting(""));
    let sent = change(None, Some(&new), &by(OWN, NOW)).unwrap();
    let anns = stored(receive(None, &sent.messages[0].object, ANN, &["org@a.test"], NOW));
    let off = change(sent.object.as_ref(), None, &by(OWN, NOW + 9)).unwrap().messages.remove(0).object;
    let stranger = receive(Some(&anns), &off, ANN, &["eve@x.test"], NOW);
    assert_eq!(stranger, Arrival::Ignored(Ignored::Stranger));
    let eves = Object::parse(
        text(&off).replace("ORGANIZER:mailto:org@a.test", "ORGANIZER:mailto:eve@x.test").as_bytes(),
    );
    let stranger = receive(Some(&anns), &eves.unwrap(), ANN, &["eve@x.test"], NOW);
    assert_eq!(stranger, Arrival::Ignored(Ignored::Stranger));
    assert_eq!(receive(None, &off, ANN, &["org@a.test"], NOW), Arrival::Ignored(Ignored::Unknown));
    let gone = stored(receive(Some(&anns), &off, ANN, &["org@a.test"], NOW));
    assert!(text(&gone).contains("STATUS:CANCELLED\n"));
    assert_eq!(receive(Some(&gone), &off, ANN, &["org@a.test"], NOW), Arrival::Ignored(Ignored::Old));
    // Somebody who is not invited has no answer.
    let eve = text(&sent.messages[0].object)
        .replace("METHOD:REQUEST", "METHOD:REPLY")
        .replace("ann@b.test", "eve@x.test");
    let eve = Object::parse(eve.as_bytes()).unwrap();
    let kept = sent.object.unwrap();
    assert_eq!(receive(Some(&kept), &eve, OWN, &["eve@x.test"], NOW), Arrival::Ignored(Ignored::Stranger));
}

#[test]
fn single_instances_by_message() {
    let new = object(&meeting(""));
    let sent = change(None, Some(&new), &by(OWN, NOW)).unwrap();
    let kept = sent.object.unwrap();
    let anns = stored(receive(None, &sent.messages[0].object, ANN, &["org@a.test"], NOW));
    let later = Object::parse(
        (text(&kept).replace("END:VCALENDAR\n", "") + &moved(15) + "END:VCALENDAR\n").as_bytes(),
    )
    .unwrap();
    let move_one = change(Some(&kept), Some(&later), &by(OWN, NOW + 5)).unwrap();
    let one = &move_one.messages[0].object;
    let alone = stored(receive(None, one, ANN, &["org@a.test"], NOW));
    assert_eq!(part_stat(&alone, "ann@b.test", Some(THIRD)), PartStat::NeedsAction);
    let both = stored(receive(Some(&anns), one, ANN, &["org@a.test"], NOW));
    assert!(text(&both).contains("20261215T150000") && text(&both).contains("RRULE"));
    let joined = stored(receive(Some(&alone), &sent.messages[0].object, ANN, &["org@a.test"], NOW));
    assert!(text(&joined).contains("20261215T150000") && text(&joined).contains("RRULE"));
    let off = object(&meeting("EXDATE;TZID=Europe/Berlin:20261215T100000\n"));
    let cancel = change(move_one.object.as_ref(), Some(&off), &by(OWN, NOW + 9)).unwrap();
    let out = stored(receive(Some(&both), &cancel.messages[0].object, ANN, &["org@a.test"], NOW));
    assert!(
        text(&out).contains("EXDATE;TZID=Europe/Berlin:20261215T100000\n") && !text(&out).contains("T150000")
    );
    for late in [one, &sent.messages[0].object, &cancel.messages[0].object] {
        assert_eq!(receive(Some(&out), late, ANN, &["org@a.test"], NOW), Arrival::Ignored(Ignored::Old));
    }
}

#[test]
fn refresh_add_and_what_is_for_reading() {
    let kept = object(&meeting(""));
    let ask = |method: &str| {
        let text = text(&kept).replace("VERSION:2.0", &format!("VERSION:2.0\nMETHOD:{method}"));
        Object::parse(text.as_bytes()).unwrap()
    };
    let only_ann = with(&ask("REFRESH"), "ATTENDEE;SCHEDULE-STATUS=1.1:mailto:bob@b.test\n", "");
    match receive(Some(&kept), &only_ann, OWN, &["ann@b.test"], NOW) {
        Arrival::Send(messages) => assert_eq!(short(&messages), ["REQUEST ann@b.test all#0"]),
        other => panic!("{other:?}"),
    }
    let more = with(&ask("ADD"), "20261201T1", "20261202T1");
    let added = stored(receive(Some(&kept), &more, ANN, &["org@a.test"], NOW));
    assert!(text(&added).contains("RDATE;TZID=Europe/Berlin:20261202T100000\n"));
    assert_eq!(receive(Some(&added), &more, ANN, &["org@a.test"], NOW), Arrival::Ignored(Ignored::Old));
    for method in ["PUBLISH", "DECLINECOUNTER"] {
        let read = receive(Some(&kept), &ask(method), ANN, &["org@a.test"], NOW);
        assert_eq!(read, Arrival::Ignored(Ignored::ForReading));
    }
    let counter = with(&ask("COUNTER"), "ATTENDEE:mailto:ann", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:ann");
    let heard = stored(receive(Some(&kept), &counter, OWN, &["ann@b.test"], NOW));
    assert_eq!(part_stat(&heard, "ann@b.test", None), PartStat::Tentative);
    assert!(!text(&heard).contains("DTSTART;TZID=Europe/Berlin:20261202"));
}
