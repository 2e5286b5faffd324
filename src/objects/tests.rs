//! Objects put, found and searched, against a store in memory.

use std::ops::Range;

use bytes::Bytes;
use caldav::{Bounds, Zone};
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::mailbox::{
    self, Acting, Folder, FolderId, Kind, Knew, Mailbox, NewFolder, Origin, OwnerId, Placed, Role, Uid,
};
use crate::store::Store;

const OWNER: OwnerId = OwnerId(7);

struct Home {
    mailbox: Mailbox,
    objects: Objects,
}

impl Home {
    async fn new() -> Self {
        let clock = Clock::set(1_800_000_000_000);
        let mailbox = Mailbox::new(Store::in_memory_at(&clock).unwrap(), clock);
        let made = mailbox.write(Acting::System, Origin::OTHER, |tx| tx.create_owner(OWNER, None)).await;
        made.unwrap();
        Self { mailbox, objects: Objects::default() }
    }

    fn me() -> Acting {
        Acting::account(OWNER.0)
    }

    fn view(&self) -> mailbox::View {
        self.mailbox.view(Self::me()).unwrap()
    }

    fn role(&self, role: Role) -> Folder {
        self.view().by_role(OWNER, role).unwrap()
    }

    fn fresh(&self, folder: &Folder) -> Folder {
        self.view().folder(folder.id).unwrap().folder
    }

    async fn put(
        &self,
        at: &Folder,
        target: Target,
        expected: Expected,
        text: &str,
    ) -> Result<Placed, Error> {
        let prepared = Prepared::of(at.kind, Bytes::from(text.to_owned()), &Limits::default()).unwrap();
        let new = prepared.stage(self.mailbox.store(), 1).unwrap();
        let id = at.id;
        let write = self.mailbox.write(Self::me(), Origin::OTHER, move |tx| {
            let at = tx.granted(id)?;
            put(tx, &at, &target, expected, &new, Knew::default())
        });
        write.await
    }

    async fn add(&self, at: &Folder, name: &str, text: &str) -> Uid {
        let target = Target::New { name: Some(name.to_owned()) };
        self.put(at, target, Expected::Any, text).await.unwrap().uid
    }

    fn sound(&self) {
        let view = self.mailbox.view(Acting::System).unwrap();
        assert_eq!(mailbox::verify(view.reader()).unwrap(), []);
        assert_eq!(verify(&view).unwrap(), [""; 0]);
    }
}

fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn refused(kind: Kind, text: &str) -> Refused {
    Prepared::of(kind, Bytes::from(text.to_owned()), &Limits::default()).unwrap_err()
}

#[tokio::test]
async fn an_object_is_put_replaced_and_removed_as_expected() {
    let home = Home::new().await;
    let calendar = home.role(Role::Calendar);
    let first = event("1", "DTSTART:20270101T100000Z\r\nSUMMARY:One");
    let uid = home.add(&calendar, "a.ics", &first).await;
    let object = read(&home.view(), &calendar, uid).unwrap();
    assert_eq!(object.bytes, first.as_bytes());
    assert_eq!(object.entry.as_ref().unwrap().summary, "One");
    assert_eq!(object.item.filter_date, 1_798_797_600_000);
    let since = Expected::Unchanged(object.item.content_modseq);

    let second = event("1", "DTSTART:20270101T110000Z\r\nSUMMARY:Two");
    let placed = home.put(&calendar, Target::Of(uid), since, &second).await.unwrap();
    assert!(placed.changed);
    let again = home.put(&calendar, Target::Of(uid), Expected::Any, &second).await.unwrap();
    assert!(!again.changed, "the same bytes are no change");
    let late = home.put(&calendar, Target::Of(uid), since, &first).await;
    assert!(matches!(late, Err(Error::Changed)), "{late:?}");
    let absent = home.put(&calendar, Target::Of(uid), Expected::Absent, &first).await;
    assert!(matches!(absent, Err(Error::Changed)));
    let other = event("2", "DTSTART:20270101T110000Z");
    let other = home.put(&calendar, Target::Of(uid), Expected::Any, &other).await;
    assert!(matches!(other, Err(Error::UidDiffers)));
    let taken = home.put(&calendar, Target::New { name: None }, Expected::Any, &first).await;
    assert!(matches!(taken, Err(Error::UidTaken(of)) if of == uid));
    let name = Target::New { name: Some("a.ics".into()) };
    let named = event("3", "DTSTART:20270101T110000Z");
    assert!(matches!(home.put(&calendar, name, Expected::Any, &named).await, Err(Error::Changed)));

    assert_eq!(by_name(&home.view(), &calendar, "a.ics").unwrap().unwrap().uid, uid);
    assert_eq!(by_uid(&home.view(), &calendar, "1").unwrap().unwrap().uid, uid);
    home.sound();
    let id = calendar.id;
    let gone = home.mailbox.write(Home::me(), Origin::OTHER, move |tx| {
        let at = tx.granted(id)?;
        remove(tx, &at, uid, Expected::Any)
    });
    gone.await.unwrap();
    let calendar = home.fresh(&calendar);
    assert!(by_name(&home.view(), &calendar, "a.ics").unwrap().is_none());
    assert_eq!(home.view().gone_dav_name(&calendar, uid).unwrap().unwrap(), "a.ics");
    home.sound();
}

#[tokio::test]
async fn each_item_gets_a_name_and_keeps_one_where_it_goes() {
    let home = Home::new().await;
    let calendar = home.role(Role::Calendar);
    let whole_day = event("1", "DTSTART;VALUE=DATE:20270101");
    let uid = home.put(&calendar, Target::New { name: None }, Expected::Any, &whole_day);
    let uid = uid.await.unwrap().uid;
    let name = home.view().item(&calendar, uid).unwrap().unwrap().dav_name.unwrap();
    assert!(name.len() == 20 && name.ends_with(".ics"), "{name}");
    let make = home.mailbox.write(Home::me(), Origin::OTHER, |tx| {
        let new = NewFolder { parent: FolderId::TOP, name: "Other", kind: Kind::Calendar };
        create(tx, OWNER, &new, &[(COLOR.to_owned(), Some(b"#FF0000FF".to_vec()))])
    });
    let other = make.await.unwrap();
    let other = home.view().folder(other).unwrap().folder;
    assert_eq!(other.property(COLOR), Some(&b"#FF0000FF"[..]));
    assert_eq!(components(&other).to_string(), "VEVENT");
    let blocker = event("2", "DTSTART:20270101T000000Z");
    home.add(&other, &name, &blocker).await;
    let (from, to) = (calendar.id, other.id);
    let moved = home.mailbox.write(Home::me(), Origin::OTHER, move |tx| {
        let (from, to) = (tx.granted(from)?, tx.granted(to)?);
        let there = tx.move_to(&from, uid, &to)?;
        let renamed = tx.move_named(&to, there.uid, &to, "mine.ics")?;
        let taken = tx.copy_named(&to, renamed.uid, &from, "mine.ics")?;
        assert!(matches!(tx.copy_named(&to, renamed.uid, &from, "else.ics"), Err(mailbox::Error::Exists)));
        Ok::<_, mailbox::Error>((there, renamed, taken))
    });
    let (there, renamed, copy) = moved.await.unwrap();
    let (view, other) = (home.view(), home.fresh(&other));
    let was = view.gone_dav_name(&other, there.uid).unwrap().unwrap();
    assert!(was != name && was.ends_with(".ics"));
    assert_eq!(view.item(&other, renamed.uid).unwrap().unwrap().dav_name.as_deref(), Some("mine.ics"));
    let calendar = home.fresh(&calendar);
    assert_eq!(view.item(&calendar, copy.uid).unwrap().unwrap().dav_name.as_deref(), Some("mine.ics"));
    home.sound();
}

#[test]
fn what_is_refused_names_its_precondition() {
    use Refused::*;
    let calendar = |text: &str| refused(Kind::Calendar, text);
    assert_eq!(calendar("BEGIN:VCARD\nEND:VCARD\n"), SupportedData);
    assert!(matches!(calendar("no calendar"), ValidData(_)));
    assert!(matches!(
        calendar(event("1", "no line\u{7f}\r\nDTSTART:20270101T100000Z").as_str()),
        ValidData(_)
    ));
    assert!(matches!(calendar(&event("1", "SUMMARY:no time")), ValidData(_)));
    assert!(matches!(calendar(&event("1", "DTSTART:20270101T100000Z\r\nRRULE:FREQ=NEVER")), ValidData(_)));
    assert!(matches!(calendar(&event("", "DTSTART:20270101T100000Z")), ValidObject(_)));
    let two = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20270101T100000Z\nEND:VEVENT\n\
               BEGIN:VEVENT\nUID:2\nDTSTART:20270101T100000Z\nEND:VEVENT\nEND:VCALENDAR\n";
    assert!(matches!(calendar(two), ValidObject(_)));
    assert!(matches!(calendar(&two.replace("UID:2", "UID:1")), ValidObject(_)), "two masters");
    assert!(matches!(
        calendar(&two.replace("BEGIN:VCALENDAR", "BEGIN:VCALENDAR\nMETHOD:REQUEST")),
        ValidObject(_)
    ));
    assert!(matches!(calendar("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), ValidObject(_)));
    let timer = event("1", "").replace("VEVENT", "VFREEBUSY");
    assert_eq!(calendar(&timer), SupportedComponent);
    assert_eq!(refused(Kind::Tasks, &event("1", "DTSTART:20270101T100000Z")), SupportedComponent);
    let many = "ATTENDEE:mailto:a@example.test\r\n".repeat(2_001) + "DTSTART:20270101T100000Z";
    assert_eq!(calendar(&event("1", &many)), Attendees(2_000));
    let long = "X".repeat(11 << 20);
    assert_eq!(calendar(&event("1", &long)), TooLarge(10 << 20));
    let card = |lines: &str| format!("BEGIN:VCARD\n{lines}\nEND:VCARD\n");
    assert_eq!(refused(Kind::Contacts, &card("VERSION:2.1\nUID:1\nFN:A")), SupportedData);
    assert!(matches!(refused(Kind::Contacts, &card("VERSION:3.0\nFN:A")), ValidData(_)));
    assert!(matches!(refused(Kind::Contacts, &(card("VERSION:3.0\nUID:1\nFN:A") + "x")), ValidData(_)));
}

#[test]
fn a_to_do_needs_no_time() {
    let to_do = event("1", "SUMMARY:Think").replace("VEVENT", "VTODO");
    let prepared = Prepared::of(Kind::Tasks, Bytes::from(to_do), &Limits::default()).unwrap();
    assert_eq!((prepared.entry().kept, prepared.entry().start), (Kept::ToDo, None));
}

#[tokio::test]
async fn the_cache_keeps_to_its_bound() {
    let home = Home::new().await;
    let objects = Objects::new(20_000);
    let calendar = home.role(Role::Calendar);
    for n in 0..50 {
        let text = event(&n.to_string(), "DTSTART:20270101T100000Z\r\nRRULE:FREQ=DAILY");
        home.add(&calendar, &format!("{n}.ics"), &text).await;
    }
    let calendar = home.fresh(&calendar);
    let day = 1_798_761_600;
    for _ in 0..3 {
        let found = objects.in_range(&home.view(), &calendar, &(day..day + 86_400), &Zone::utc()).unwrap();
        assert_eq!(found.len(), 50);
        assert!(objects.cache.bytes() <= 20_000, "{}", objects.cache.bytes());
    }
}

/// Some event within a year, of any form.
fn some_event() -> impl Strategy<Value = String> {
    let start = (0_i64..8_760, 0_u8..4).prop_map(|(hour, form)| {
        let at = Zone::utc().local(1_798_761_600 + hour * 3600);
        match form {
            0 => format!("DTSTART:{at}Z"),
            1 => format!("DTSTART:{at}"),
            2 => format!("DTSTART;TZID=America/New_York:{at}"),
            _ => format!("DTSTART;VALUE=DATE:{}", at.date),
        }
    });
    let length = prop_oneof![
        Just(String::new()),
        (1_u32..100).prop_map(|hours| format!("\r\nDURATION:PT{hours}H")),
        (1_u32..9).prop_map(|days| format!("\r\nDURATION:P{days}D")),
    ];
    let rule = prop_oneof![
        4 => Just(String::new()),
        1 => (1_u32..20, 1_u32..9).prop_map(|(n, every)| format!("\r\nRRULE:FREQ=WEEKLY;INTERVAL={every};COUNT={n}")),
        1 => (1_u32..90).prop_map(|every| format!("\r\nRRULE:FREQ=DAILY;INTERVAL={every}")),
        1 => Just("\r\nRRULE:FREQ=MONTHLY;UNTIL=20270601T000000Z".to_owned()),
    ];
    (start, length, rule).prop_map(|(start, length, rule)| format!("{start}{length}{rule}"))
}

fn naive(texts: &[String], range: &Range<i64>, zone: &Zone) -> Vec<usize> {
    let hit = |text: &String| {
        let parsed = Parsed::of(text.as_bytes()).unwrap();
        let all = parsed.series.unwrap().expand(range.clone(), zone, &Bounds::default());
        !all.instances.is_empty()
    };
    texts.iter().enumerate().filter(|(_, text)| hit(text)).map(|(n, _)| n).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_range_has_what_a_look_at_all_finds(
        events in proptest::collection::vec(some_event(), 1..30),
        from in -200_i64..9_000,
        hours in 1_i64..400,
        zone in prop_oneof![Just("Etc/UTC"), Just("Pacific/Kiritimati"), Just("America/Los_Angeles")],
    ) {
        let zone = Zone::iana(zone).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new().await;
            let calendar = home.role(Role::Calendar);
            let texts: Vec<String> = events.iter().enumerate().map(|(n, e)| event(&n.to_string(), e)).collect();
            let mut uids = Vec::new();
            for (n, text) in texts.iter().enumerate() {
                uids.push(home.add(&calendar, &n.to_string(), text).await);
            }
            let start = 1_798_761_600 + from * 3600;
            let range = start..start + hours * 3600;
            let calendar = home.fresh(&calendar);
            let found = home.objects.in_range(&home.view(), &calendar, &range, &zone).unwrap();
            let wanted: Vec<Uid> = naive(&texts, &range, &zone).into_iter().map(|n| uids[n]).collect();
            assert_eq!(found, wanted);
            home.sound();
        });
    }
}
