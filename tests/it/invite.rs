//! Meetings over the wire: an organizer, a colleague with a phone, a room, and somebody at another server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use folkmoot::directory::Kind;
use folkmoot::doors::admin::Command;
use folkmoot::net::Listener;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use wbxml::{Element, meetingresponse};

use crate::dav_client::Dav;
use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const PASSWORD: &str = "correct horse battery";
const ANNA: &str = "anna@example.test";
const BERTA: &str = "berta@example.test";
const ROOM: &str = "room@example.test";
const BOB: &str = "bob@other.test";

/// Anna's server and Bob's, each of which sends the other its mail.
struct Two {
    here: TestServer,
    there: TestServer,
    anna: Dav,
    bob: Dav,
}

impl Two {
    async fn start() -> Self {
        // Whoever is started first does not know where the other will be.
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let routes = |domain: &str, to: SocketAddr| BTreeMap::from([(domain.to_owned(), to.to_string())]);
        let to_here = routes("example.test", door.local_addr().unwrap());
        let there = TestServer::start_with(|config| config.smtp.routes = to_here).await;
        let to_there = routes("other.test", there.address(Listener::Smtp));
        let here = TestServer::start_with(|config| config.smtp.routes = to_there).await;
        tokio::spawn(pass(door, here.address(Listener::Smtp)));
        for user in [ANNA, BERTA] {
            here.account(user, PASSWORD).await;
        }
        here.admin(Command::AccountAdd {
            address: ROOM.into(),
            name: None,
            password: None,
            kind: Kind::Room,
        })
        .await;
        there.account(BOB, PASSWORD).await;
        let anna = Dav::new(here.address(Listener::Http), ANNA, PASSWORD);
        let bob = Dav::new(there.address(Listener::Http), BOB, PASSWORD);
        Self { here, there, anna, bob }
    }

    /// Waits until nothing is on its way any more.
    async fn settled(&self) {
        for _ in 0..2_000 {
            let left = |server: &TestServer| server.running.services().delivery.queued().unwrap().len();
            if left(&self.here) + left(&self.there) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("mail is left");
    }
}

async fn pass(door: TcpListener, to: SocketAddr) {
    while let Ok((mut from, _)) = door.accept().await {
        tokio::spawn(async move {
            let mut to = TcpStream::connect(to).await.unwrap();
            let _ = copy_bidirectional(&mut from, &mut to).await;
        });
    }
}

/// A phone that has caught up with its Inbox.
async fn phone(server: &TestServer, user: &str, version: &'static str) -> Phone {
    let mut phone = Phone::new(server.address(Listener::Http), user, PASSWORD, "PHONE").version(version);
    phone.provision().await;
    phone.folder_sync().await;
    phone
}

/// The items of a folder on a phone.
async fn items(phone: &mut Phone, kind: u8) -> (String, BTreeMap<String, BTreeMap<String, String>>) {
    let id = phone.folder(kind);
    while !phone.sync_all(&id, &Ask::default()).await {}
    let items = phone.collection(&id).items.clone();
    (id, items)
}

/// How many mails with a subject are in an Inbox.
async fn told(phone: &mut Phone, subject: &str) -> usize {
    let (_, items) = items(phone, 2).await;
    items.values().filter(|item| item.get("Email:Subject").is_some_and(|is| is == subject)).count()
}

/// Answers the invitation whose subject is given. MS-ASCMD §2.2.1.11.
async fn answer(phone: &mut Phone, subject: &str, with: u8) {
    let (inbox, items) = items(phone, 2).await;
    let mail = items.iter().find(|(_, item)| item["Email:Subject"] == subject).expect("the invitation").0;
    let request = Element::new(meetingresponse::REQUEST)
        .with_number(meetingresponse::USER_RESPONSE, with)
        .with_text(meetingresponse::COLLECTION_ID, inbox)
        .with_text(meetingresponse::REQUEST_ID, mail.clone())
        .with_empty(meetingresponse::SEND_RESPONSE);
    let body = Element::new(meetingresponse::MEETING_RESPONSE).with(request);
    let done = phone.post("MeetingResponse", &body).await.unwrap();
    let status = done.at(&[meetingresponse::RESULT, meetingresponse::STATUS]).and_then(Element::text);
    assert_eq!(status, Some("1"), "{done}");
}

/// The only object of a user's calendar, unfolded; empty when there is none.
async fn meeting(dav: &Dav) -> (String, String) {
    let calendar = dav.path("calendars", "calendar/");
    let answer = dav.propfind(&calendar, "1", "<D:getetag/>").await.is(207);
    let Some(href) = answer.hrefs().into_iter().nth(1).map(str::to_owned) else { return Default::default() };
    let got = dav.get(&href).await.is(200);
    (href, got.body.replace("\r\n ", ""))
}

/// What an attendee has answered, in a meeting or the component of one.
fn part_stat(text: &str, who: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("ATTENDEE") && line.ends_with(who));
    let found =
        line.and_then(|line| line.split("PARTSTAT=").nth(1)).map(|rest| rest.split([';', ':']).next());
    found.flatten().unwrap_or("NEEDS-ACTION").to_owned()
}

fn object(more: &str, overrides: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\n{}{overrides}END:VCALENDAR\r\n",
        event(&format!(
            "DTSTART:20270105T100000Z\r\nDTEND:20270105T110000Z\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\n{more}"
        ))
    )
}

fn event(times: &str) -> String {
    format!(
        "BEGIN:VEVENT\r\nUID:plan@example.test\r\nDTSTAMP:20260101T000000Z\r\n{times}SUMMARY:Plan\r\n\
         ORGANIZER:mailto:{ANNA}\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:{ANNA}\r\nATTENDEE:mailto:{BERTA}\r\n\
         ATTENDEE:mailto:{BOB}\r\nATTENDEE;CUTYPE=ROOM:mailto:{ROOM}\r\nEND:VEVENT\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_with_a_phone_a_room_and_another_server() {
    let two = Two::start().await;
    let path = two.anna.path("calendars", "calendar/plan.ics");
    two.anna.put(&path, &object("", "")).await.is(201);
    two.anna.put(&path, &object("", "")).await.is(204);
    two.settled().await;
    // The phone has the mail once and the event; so has Bob's calendar. The room has answered.
    let mut berta = phone(&two.here, BERTA, "16.1").await;
    assert_eq!(told(&mut berta, "Invitation: Plan").await, 1);
    let (_, events) = items(&mut berta, 8).await;
    assert_eq!(events.len(), 1);
    assert!(events.values().all(|event| event["Calendar:Subject"] == "Plan"), "{events:?}");
    let (href, bobs) = meeting(&two.bob).await;
    assert!(bobs.contains("RRULE") && !bobs.contains("METHOD"), "{bobs}");
    let annas = two.anna.get(&path).await.is(200).body.replace("\r\n ", "");
    assert_eq!(part_stat(&annas, ROOM), "ACCEPTED");
    // Berta accepts by phone, twice; Bob by CalDAV.
    answer(&mut berta, "Invitation: Plan", 1).await;
    let accepted =
        bobs.replace(&format!("RSVP=TRUE:mailto:{BOB}"), &format!("PARTSTAT=TENTATIVE:mailto:{BOB}"));
    assert_ne!(accepted, bobs);
    two.bob.put(&href, &accepted).await.is(204);
    two.bob.put(&href, &accepted).await.is(204);
    two.settled().await;
    let annas = two.anna.get(&path).await.is(200).body.replace("\r\n ", "");
    assert_eq!(
        (part_stat(&annas, BERTA).as_str(), part_stat(&annas, BOB).as_str()),
        ("ACCEPTED", "TENTATIVE")
    );
    let mut annas_phone = phone(&two.here, ANNA, "16.1").await;
    for (subject, times) in [("Accepted: Plan", 2), ("Tentative: Plan", 1)] {
        assert_eq!(told(&mut annas_phone, subject).await, times, "{subject}: the room, Berta, Bob");
    }
    // One occurrence is moved, one cancelled: exactly that is told.
    let moved =
        event("RECURRENCE-ID:20270112T100000Z\r\nDTSTART:20270112T120000Z\r\nDTEND:20270112T130000Z\r\n");
    two.anna.put(&path, &object("", &moved)).await.is(204);
    two.settled().await;
    let (_, bobs) = meeting(&two.bob).await;
    assert!(bobs.contains("DTSTART:20270112T120000Z") && bobs.contains("RRULE"), "{bobs}");
    two.anna.put(&path, &object("EXDATE:20270119T100000Z\r\n", &moved)).await.is(204);
    two.settled().await;
    let (_, bobs) = meeting(&two.bob).await;
    assert!(bobs.contains("EXDATE:20270119T100000Z") && bobs.contains("DTSTART:20270112T120000Z"), "{bobs}");
    assert_eq!(told(&mut berta, "Changed: Plan").await, 1);
    assert_eq!(told(&mut berta, "Cancelled: Plan").await, 1);
    // All of it is cancelled.
    two.anna.delete(&path).await.is(204);
    two.settled().await;
    let (_, bobs) = meeting(&two.bob).await;
    assert!(bobs.contains("STATUS:CANCELLED"), "{bobs}");
    assert_eq!(told(&mut berta, "Cancelled: Plan").await, 2);
    assert!(two.here.running.shutdown().await && two.there.running.shutdown().await);
}

/// Hands a message over by SMTP.
async fn send(server: SocketAddr, from: &str, to: &str, text: &str) {
    let mut stream = BufReader::new(TcpStream::connect(server).await.unwrap());
    let text = format!("{}\r\n.\r\n", text.replace("\r\n.", "\r\n.."));
    let commands = [
        "",
        "EHLO c.test\r\n",
        &format!("MAIL FROM:<{from}>\r\n"),
        &format!("RCPT TO:<{to}>\r\n"),
        "DATA\r\n",
        &text,
    ];
    for (command, code) in commands.into_iter().zip(["220", "250", "250", "250", "354", "250"]) {
        stream.get_mut().write_all(command.as_bytes()).await.unwrap();
        let mut line = String::new();
        while line.as_bytes().get(3) != Some(&b' ') {
            line.clear();
            assert!(stream.read_line(&mut line).await.unwrap() > 0);
        }
        assert!(line.starts_with(code), "{command:?}: {line}");
    }
}

fn invitation(from: &str, method: &str, object: &str) -> String {
    let object = object.replace("VERSION:2.0", &format!("VERSION:2.0\r\nMETHOD:{method}"));
    format!(
        "From: {from}\r\nTo: {ANNA}\r\nSubject: {method}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nCome.\r\n--b\r\n\
         Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n{object}\r\n--b--\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_by_mail_is_an_event_and_strangers_change_nothing() {
    let two = Two::start().await;
    let smtp = two.here.address(Listener::Smtp);
    let bobs =
        object("", "").replace(&format!("ORGANIZER:mailto:{ANNA}"), &format!("ORGANIZER:mailto:{BOB}"));
    let bobs = bobs.replace(&format!("PARTSTAT=ACCEPTED:mailto:{ANNA}"), &format!("RSVP=TRUE:mailto:{ANNA}"));
    send(smtp, BOB, ANNA, &invitation(BOB, "REQUEST", &bobs)).await;
    let (_, event) = meeting(&two.anna).await;
    assert_eq!(part_stat(&event, ANNA), "NEEDS-ACTION");
    for (from, method, object) in [
        ("eve@evil.test", "CANCEL", bobs.as_str()),
        ("eve@evil.test", "REQUEST", &bobs.replace("SUMMARY:Plan", "SUMMARY:Trap")),
        (BOB, "REQUEST", "VERSION:2.0\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART"),
    ] {
        send(smtp, from, ANNA, &invitation(from, method, object)).await;
        assert_eq!(meeting(&two.anna).await.1, event, "{from} {method}");
    }
    for version in ["14.1", "16.1"] {
        let mut anna = phone(&two.here, ANNA, version).await;
        let (_, mails) = items(&mut anna, 2).await;
        assert_eq!(mails.len(), 4, "broken calendars are mail still");
        let (_, events) = items(&mut anna, 8).await;
        assert_eq!(events.len(), 1);
    }
    let mut anna = phone(&two.here, ANNA, "16.1").await;
    answer(&mut anna, "REQUEST", 1).await;
    two.settled().await;
    assert_eq!(part_stat(&meeting(&two.anna).await.1, ANNA), "ACCEPTED");
    let mut bob = phone(&two.there, BOB, "16.1").await;
    assert_eq!(told(&mut bob, "Accepted: Plan").await, 1);
}
