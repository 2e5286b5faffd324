//! The server is killed while an organizer makes and moves meetings and a guest answers them, both by CalDAV:
//! what was acknowledged is so, and everybody got one mail for each change, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use folkmoot::clock::instant;
use parking_lot::Mutex;

use crate::crash::{Site, dice};
use crate::dav_client::Dav;
use crate::imap_client::Imap;

const ROUNDS: usize = 12;
const ORGANIZERS: usize = 4;
const ANNA: &str = "anna@crash.test";
const BOB: &str = "bob@crash.test";
const PASSWORD: &str = "correct horse battery";
/// Longest wait until all mail has arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    next: u64,
    /// Meetings, with the latest hour that each was moved to, if it was.
    made: BTreeMap<String, Option<u64>>,
    /// Meetings whose latest change has an unknown outcome.
    unknown: BTreeSet<String>,
    accepted: BTreeSet<String>,
}

type Shared = Arc<Mutex<Ledger>>;

/// Makes meetings and moves some of them, until the server is gone. Those that are moved are no others than
/// those that are answered.
async fn organize(anna: Dav, ledger: Shared) {
    loop {
        let number = {
            let mut ledger = ledger.lock();
            ledger.next += 1;
            ledger.next
        };
        let is_moved = number.is_multiple_of(2);
        let title = format!("{}-{number}-", if is_moved { "moved" } else { "answered" });
        let path = anna.path("calendars", &format!("calendar/{title}.ics"));
        let Some(made) = anna.try_ask("PUT", &path, &[("if-none-match", "*")], &meeting(&title, 8)).await
        else {
            return;
        };
        made.is(201);
        ledger.lock().made.insert(title.clone(), None);
        if !is_moved {
            continue;
        }
        for hour in 9..9 + dice(3) {
            ledger.lock().unknown.insert(title.clone());
            let moved = meeting(&title, hour);
            let Some(answer) = anna.try_ask("PUT", &path, &[], &moved).await else { return };
            answer.is(204);
            let mut ledger = ledger.lock();
            ledger.unknown.remove(&title);
            ledger.made.insert(title.clone(), Some(hour));
        }
    }
}

/// Accepts what he is invited to, until the server is gone.
async fn answer(bob: Dav, ledger: Shared) {
    let calendar = bob.path("calendars", "calendar/");
    let mut done = BTreeSet::new();
    loop {
        let body = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:getetag/></D:prop></D:propfind>";
        let Some(all) = bob.try_ask("PROPFIND", &calendar, &[("depth", "1")], body).await else { return };
        for path in all.hrefs().into_iter().filter(|path| *path != calendar) {
            if !done.insert(path.to_owned()) {
                continue;
            }
            let Some(event) = bob.try_ask("GET", path, &[], "").await else { return };
            let Some(etag) = event.field("etag").map(str::to_owned) else { continue };
            let title = title_of(&event.body);
            if !title.starts_with("answered") || !event.body.contains("NEEDS-ACTION") {
                continue;
            }
            let accepted = event.body.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
            let Some(put) = bob.try_ask("PUT", path, &[("if-match", &etag)], &accepted).await else { return };
            put.is(204);
            ledger.lock().accepted.insert(title);
        }
    }
}

fn meeting(title: &str, hour: u64) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{title}\r\n\
         DTSTAMP:20270101T000000Z\r\nDTSTART:20270301T{hour:02}0000Z\r\nDURATION:PT1H\r\nSUMMARY:{title}\r\n\
         ORGANIZER:mailto:{ANNA}\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{BOB}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// An object without the folding of its lines.
fn unfolded(object: &str) -> String {
    object.replace("\r\n ", "")
}

fn value<'o>(object: &'o str, name: &str) -> Option<&'o str> {
    object.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn title_of(object: &str) -> String {
    value(object, "SUMMARY").unwrap().to_owned()
}

/// A user's events by title, each of which is there once.
async fn events(user: &Dav) -> BTreeMap<String, String> {
    let calendar = user.path("calendars", "calendar/");
    let (all, _) = user.sync(&calendar, "").await;
    let mut events = BTreeMap::new();
    for path in all.hrefs() {
        let object = unfolded(&user.get(path).await.is(200).body);
        let title = title_of(&object);
        assert!(events.insert(title.clone(), object).is_none(), "{title} is there twice");
    }
    events
}

/// How many mails there are about each meeting.
async fn mails(imap: &mut Imap) -> BTreeMap<String, u64> {
    let mut count = BTreeMap::new();
    for (subject, _) in imap.look("INBOX").await.into_values() {
        let (_, title) = subject.split_once(": ").unwrap();
        *count.entry(title.to_owned()).or_default() += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_meetings_are_made_and_answered() {
    let site = Site::new();
    let ledger = Shared::default();
    for round in 0..ROUNDS {
        let mut server = site.serve().await;
        if round == 0 {
            site.ok(&["domain", "add", "crash.test"], "");
            for user in [ANNA, BOB] {
                site.ok(&["account", "add", user, "--password-stdin"], &format!("{PASSWORD}\n"));
            }
        }
        let (anna, bob) = (Dav::new(server.http, ANNA, PASSWORD), Dav::new(server.http, BOB, PASSWORD));
        let mut working: Vec<_> =
            (0..ORGANIZERS).map(|_| tokio::spawn(organize(anna.clone(), ledger.clone()))).collect();
        working.push(tokio::spawn(answer(bob, ledger.clone())));
        tokio::time::sleep(Duration::from_millis(150 + dice(400))).await;
        server.kill();
        for work in working {
            work.await.unwrap();
        }
    }
    site.ok(&["verify"], "");
    let server = site.serve().await;
    let (anna, bob) = (Dav::new(server.http, ANNA, PASSWORD), Dav::new(server.http, BOB, PASSWORD));
    let made = events(&anna).await;
    check_made(&made, &ledger.lock());
    // One mail for the invitation and one for each change, which is what SEQUENCE counts.
    let sent: BTreeMap<String, u64> = made
        .iter()
        .map(|(title, object)| {
            (title.clone(), 1 + value(object, "SEQUENCE").map_or(0, |n| n.parse::<u64>().unwrap()))
        })
        .collect();
    let mut inbox = Imap::login(server.imap, BOB, PASSWORD).await;
    let began = instant();
    while mails(&mut inbox).await != sent && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(mails(&mut inbox).await, sent, "a mail for each change");
    let invited = events(&bob).await;
    assert_eq!(invited.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (title, object) in &made {
        assert_eq!(value(object, "DTSTART"), value(&invited[title], "DTSTART"), "{title}");
    }
    let accepted: BTreeMap<String, u64> = invited
        .iter()
        .filter(|(_, o)| o.contains("PARTSTAT=ACCEPTED"))
        .map(|(t, _)| (t.clone(), 1))
        .collect();
    let acknowledged = ledger.lock().accepted.clone();
    assert!(acknowledged.iter().all(|title| accepted.contains_key(title)), "an answer is lost");
    let mut inbox = Imap::login(server.imap, ANNA, PASSWORD).await;
    while mails(&mut inbox).await != accepted && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(mails(&mut inbox).await, accepted, "a reply for each answer");
    for (title, object) in events(&anna).await {
        assert_eq!(object.contains("PARTSTAT=ACCEPTED"), accepted.contains_key(&title), "{title}");
    }
    let moves = sent.values().filter(|mails| **mails > 1).count();
    assert!(made.len() > 60 && moves > 10 && accepted.len() > 10, "too little was done");
}

/// All that was acknowledged is there, as it was acknowledged.
fn check_made(made: &BTreeMap<String, String>, ledger: &Ledger) {
    for (title, hour) in &ledger.made {
        let object = made.get(title).unwrap_or_else(|| panic!("{title} is lost"));
        if !ledger.unknown.contains(title) {
            let start = format!("20270301T{:02}0000Z", hour.unwrap_or(8));
            assert_eq!(value(object, "DTSTART"), Some(start.as_str()), "{title}");
        }
    }
}
