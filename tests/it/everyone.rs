//! One account, all doors: random things are done by mail, IMAP, ActiveSync and CalDAV, and after each of them
//! every door shows what a plain model says, and shows it of itself, without anybody starting again.

mod calendar;

use std::collections::BTreeMap;

use folkmoot::net::Listener;
use wbxml::{Element, airsync, calendar as tags, email};

use self::calendar::Calendar;
use crate::dav_client::Dav;
use crate::imap_client::Imap;
use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const USER: &str = "alice@everyone.test";
const PASSWORD: &str = "correct horse battery";
const STEPS: usize = 60;
/// The folders that mail is moved between: their names, and their types on the phone (MS-ASCMD §2.2.3.186.3).
const FOLDERS: [(&str, u8); 2] = [("INBOX", 2), ("Trash", 4)];
const CALENDAR: u8 = 8;

/// What there is.
#[derive(Default, Debug)]
struct Model {
    /// In each folder, by subject, whether a message is read and whether it is flagged.
    mail: [BTreeMap<String, (bool, bool)>; 2],
    /// By title, the hour of the day at which an event begins, on 2027-03-01, UTC.
    events: BTreeMap<String, u32>,
    made: u32,
}

/// The doors, each with a client that has been there from the start.
struct Doors {
    lmtp: Lmtp,
    imap: Imap,
    phone: Phone,
    calendar: Calendar,
    dice: Dice,
}

/// Numbers that a seed decides, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        // Knuth's MMIX generator; its upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// One of the keys.
    fn pick<V>(&mut self, map: &BTreeMap<String, V>) -> Option<String> {
        let at = self.below(map.len().max(1));
        map.keys().nth(at).cloned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_sees_the_same_whoever_does_what() {
    for seed in [1, 2, 3] {
        let server = TestServer::start().await;
        server.account(USER, PASSWORD).await;
        let mut doors = Doors::open(&server, seed).await;
        let mut model = Model::default();
        for step in 0..STEPS {
            let did = doors.step(&mut model).await;
            doors.compare(&model, &format!("seed {seed}, step {step}: {did}")).await;
        }
        assert!(server.running.shutdown().await, "something had to be cut");
    }
}

impl Doors {
    async fn open(server: &TestServer, seed: u64) -> Self {
        let http = server.address(Listener::Http);
        let mut phone = Phone::new(http, USER, PASSWORD, "EVERYONE");
        phone.provision().await;
        phone.folder_sync().await;
        let calendar = Calendar::new(Dav::new(http, USER, PASSWORD));
        Self {
            lmtp: Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap(),
            imap: Imap::login(server.address(Listener::Imap), USER, PASSWORD).await,
            phone,
            calendar,
            dice: Dice(seed),
        }
    }

    /// Does one thing through one door; what it was.
    async fn step(&mut self, model: &mut Model) -> String {
        match self.dice.below(12) {
            0 | 1 => self.deliver(model).await,
            2 => self.append(model).await,
            3 => self.store(model).await,
            4 => self.transfer(model).await,
            5 => self.expunge(model).await,
            6 => self.read_on_phone(model).await,
            7 => self.move_on_phone(model).await,
            8 => self.put(model).await,
            9 => self.remove(model).await,
            10 => self.add_on_phone(model).await,
            _ => self.change_on_phone(model).await,
        }
    }

    async fn deliver(&mut self, model: &mut Model) -> String {
        let subject = model.name("mail");
        let code = self.lmtp.deliver(USER, &message(&subject, "Some text.")).await.unwrap();
        assert_eq!(code, 250);
        model.mail[0].insert(subject.clone(), (false, false));
        format!("LMTP delivers {subject}")
    }

    async fn append(&mut self, model: &mut Model) -> String {
        let subject = model.name("mail");
        let folder = self.dice.below(2);
        let (seen, flagged) = (self.dice.coin(), self.dice.coin());
        let text = message(&subject, "Some text.");
        let flags = flags(seen, flagged);
        let command = format!("APPEND {} ({flags}) {{{}+}}\r\n{text}", FOLDERS[folder].0, text.len());
        self.imap.ask(&command).await;
        model.mail[folder].insert(subject.clone(), (seen, flagged));
        format!("IMAP appends {subject} to {}", FOLDERS[folder].0)
    }

    async fn store(&mut self, model: &mut Model) -> String {
        let folder = self.dice.below(2);
        let Some(subject) = self.dice.pick(&model.mail[folder]) else { return "nothing".into() };
        let (seen, flagged) = (self.dice.coin(), self.dice.coin());
        let uid = self.select(folder, &subject).await;
        self.imap.ask(&format!("UID STORE {uid} FLAGS.SILENT ({})", flags(seen, flagged))).await;
        model.mail[folder].insert(subject.clone(), (seen, flagged));
        format!("IMAP stores flags of {subject}")
    }

    async fn transfer(&mut self, model: &mut Model) -> String {
        let folder = self.dice.below(2);
        let Some(subject) = self.dice.pick(&model.mail[folder]) else { return "nothing".into() };
        let uid = self.select(folder, &subject).await;
        self.imap.ask(&format!("UID MOVE {uid} {}", FOLDERS[1 - folder].0)).await;
        let flags = model.mail[folder].remove(&subject).unwrap();
        model.mail[1 - folder].insert(subject.clone(), flags);
        format!("IMAP moves {subject} from {}", FOLDERS[folder].0)
    }

    async fn expunge(&mut self, model: &mut Model) -> String {
        let Some(subject) = self.dice.pick(&model.mail[1]) else { return "nothing".into() };
        let uid = self.select(1, &subject).await;
        self.imap.ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await;
        self.imap.ask(&format!("UID EXPUNGE {uid}")).await;
        model.mail[1].remove(&subject);
        format!("IMAP expunges {subject}")
    }

    /// Selects a folder; the UID of the message with a subject.
    async fn select(&mut self, folder: usize, subject: &str) -> u32 {
        self.imap.ask(&format!("SELECT {}", FOLDERS[folder].0)).await;
        let told = self.imap.ask(&format!("UID SEARCH SUBJECT \"{subject}\"")).await;
        told.trim_end().rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn read_on_phone(&mut self, model: &mut Model) -> String {
        let Some(subject) = self.dice.pick(&model.mail[0]) else { return "nothing".into() };
        let read = self.dice.coin();
        let (folder, id) = self.on_phone(FOLDERS[0].1, "Email:Subject", &subject);
        let data = Element::new(airsync::APPLICATION_DATA).with_number(email::READ, i128::from(read));
        self.command(&folder, change(&id, data)).await;
        model.mail[0].get_mut(&subject).unwrap().0 = read;
        format!("the phone reads {subject}: {read}")
    }

    async fn move_on_phone(&mut self, model: &mut Model) -> String {
        let Some(subject) = self.dice.pick(&model.mail[0]) else { return "nothing".into() };
        let (folder, id) = self.on_phone(FOLDERS[0].1, "Email:Subject", &subject);
        if self.dice.coin() {
            let delete = Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id);
            self.command(&folder, delete).await;
        } else {
            let trash = self.phone.folder(FOLDERS[1].1);
            assert_eq!(self.phone.move_item(&id, &folder, &trash).await.0, 3);
        }
        let flags = model.mail[0].remove(&subject).unwrap();
        model.mail[1].insert(subject.clone(), flags);
        format!("the phone takes {subject} away")
    }

    async fn put(&mut self, model: &mut Model) -> String {
        let known = self.dice.pick(&model.events).filter(|_| self.dice.coin());
        let hour = u32::try_from(self.dice.below(20)).unwrap();
        let (name, title) = match known {
            Some(title) => {
                let path = self.path(&title);
                (path.rsplit('/').next().unwrap().to_owned(), title)
            }
            None => {
                let title = model.name("event");
                (format!("{title}.ics"), title)
            }
        };
        let object = match self.calendar.objects.values().find(|(_, object)| summary(object) == title) {
            Some((_, object)) => moved(object, hour),
            None => event(&title, hour),
        };
        self.calendar.put(&name, &object).await;
        model.events.insert(title.clone(), hour);
        format!("CalDAV puts {title} at {hour}")
    }

    async fn remove(&mut self, model: &mut Model) -> String {
        let Some(title) = self.dice.pick(&model.events) else { return "nothing".into() };
        self.calendar.delete(&self.path(&title)).await;
        model.events.remove(&title);
        format!("CalDAV deletes {title}")
    }

    async fn add_on_phone(&mut self, model: &mut Model) -> String {
        let title = model.name("event");
        let hour = u32::try_from(self.dice.below(20)).unwrap();
        let folder = self.phone.folder(CALENDAR);
        let data = times(Element::new(airsync::APPLICATION_DATA), hour)
            .with_text(tags::SUBJECT, title.clone())
            .with_number(tags::BUSY_STATUS, 2)
            .with_number(tags::ALL_DAY_EVENT, 0);
        let add = Element::new(airsync::ADD).with_text(airsync::CLIENT_ID, title.clone()).with(data);
        let id = self.command(&folder, add).await;
        let shown = [("Calendar:Subject", title.clone()), ("Calendar:StartTime", start(hour))];
        let items = &mut self.phone.collection(&folder).items;
        items.entry(id).or_default().extend(shown.map(|(name, value)| (name.to_owned(), value)));
        model.events.insert(title.clone(), hour);
        format!("the phone adds {title} at {hour}")
    }

    async fn change_on_phone(&mut self, model: &mut Model) -> String {
        let Some(title) = self.dice.pick(&model.events) else { return "nothing".into() };
        let (folder, id) = self.on_phone(CALENDAR, "Calendar:Subject", &title);
        if self.dice.below(3) == 0 {
            let delete = Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id);
            self.command(&folder, delete).await;
            model.events.remove(&title);
            return format!("the phone deletes {title}");
        }
        let hour = u32::try_from(self.dice.below(20)).unwrap();
        let data =
            times(Element::new(airsync::APPLICATION_DATA), hour).with_text(tags::SUBJECT, title.clone());
        self.command(&folder, change(&id, data)).await;
        model.events.insert(title.clone(), hour);
        format!("the phone moves {title} to {hour}")
    }

    /// Sends a command of the phone's, which must be done; the item's id where it is told.
    async fn command(&mut self, folder: &str, command: Element<'static>) -> String {
        let ask = Ask { commands: vec![command], ..Ask::default() };
        let brought = self.phone.sync(folder, &ask).await;
        assert_eq!(brought.status, 1);
        let (id, status) = brought.responses.into_iter().next().unwrap_or_default();
        assert!(matches!(status, 0 | 1), "{id}: {status}");
        id
    }

    /// Where the phone has an item.
    fn on_phone(&mut self, kind: u8, field: &str, value: &str) -> (String, String) {
        let folder = self.phone.folder(kind);
        let items = &self.phone.collection(&folder).items;
        let found = items.iter().find(|(_, item)| item.get(field).is_some_and(|v| v == value));
        let id = found.unwrap_or_else(|| panic!("the phone lacks {value}")).0.clone();
        (folder, id)
    }

    fn path(&self, title: &str) -> String {
        let mut objects = self.calendar.objects.iter();
        objects.find(|(_, (_, object))| summary(object) == title).unwrap().0.clone()
    }

    /// Each client takes in what is new, and has what the model says.
    async fn compare(&mut self, model: &Model, after: &str) {
        for (n, (name, kind)) in FOLDERS.into_iter().enumerate() {
            self.imap.ask(&format!("SELECT {name}")).await;
            let told = self.imap.ask("UID FETCH 1:* (FLAGS ENVELOPE)").await;
            let shown: BTreeMap<_, _> = told.lines().filter(|l| l.contains(" FETCH (")).map(mail).collect();
            assert_eq!(shown, model.mail[n], "IMAP, {name}, {after}");
            let folder = self.phone.folder(kind);
            assert!(self.phone.sync_all(&folder, &Ask::default()).await, "starts again {after}");
            let items = self.phone.collection(&folder).items.values();
            let shown: BTreeMap<_, _> =
                items.map(|i| (i["Email:Subject"].clone(), i["Email:Read"] == "1")).collect();
            let read: BTreeMap<_, _> =
                model.mail[n].iter().map(|(s, (read, _))| (s.clone(), *read)).collect();
            assert_eq!(shown, read, "the phone, {name}, {after}");
        }
        let events: BTreeMap<_, _> = model.events.iter().map(|(t, hour)| (t.clone(), start(*hour))).collect();
        let folder = self.phone.folder(CALENDAR);
        assert!(self.phone.sync_all(&folder, &Ask::default()).await, "starts again {after}");
        let items = self.phone.collection(&folder).items.values();
        let shown: BTreeMap<_, _> =
            items.map(|i| (i["Calendar:Subject"].clone(), i["Calendar:StartTime"].clone())).collect();
        assert_eq!(shown, events, "the phone's calendar, {after}");
        self.calendar.sync().await;
        let objects = self.calendar.objects.values();
        let shown: BTreeMap<_, _> =
            objects.map(|(_, o)| (summary(o), line(o, "DTSTART").to_owned())).collect();
        assert_eq!(shown, events, "CalDAV, {after}");
    }
}

impl Model {
    /// A name that nothing has.
    fn name(&mut self, kind: &str) -> String {
        self.made += 1;
        // With its end marked: no name is part of another.
        format!("{kind}-{}-", self.made)
    }
}

fn change(id: &str, data: Element<'static>) -> Element<'static> {
    Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.to_owned()).with(data)
}

fn flags(seen: bool, flagged: bool) -> String {
    let names = [(seen, "\\Seen"), (flagged, "\\Flagged")];
    names.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// A message as FETCH tells of it.
fn mail(line: &str) -> (String, (bool, bool)) {
    let after = |mark: &str| line.split_once(mark).unwrap().1;
    let flags = after("FLAGS (").split(')').next().unwrap();
    let subject = after("ENVELOPE (").split('"').nth(3).unwrap().to_owned();
    (subject, (flags.contains("\\Seen"), flags.contains("\\Flagged")))
}

fn start(hour: u32) -> String {
    format!("20270301T{hour:02}0000Z")
}

fn times(data: Element<'static>, hour: u32) -> Element<'static> {
    data.with_text(tags::START_TIME, start(hour)).with_text(tags::END_TIME, start(hour + 1))
}

fn event(title: &str, hour: u32) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{title}\r\n\
         DTSTAMP:20270101T000000Z\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:{title}\r\nX-OWN:kept\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
        start(hour),
        start(hour + 1)
    )
}

/// The same event at another hour.
fn moved(object: &str, hour: u32) -> String {
    let lines = object.lines().map(|line| match line.split_once(':') {
        Some(("DTSTART", _)) => format!("DTSTART:{}\r\n", start(hour)),
        Some(("DTEND", _)) => format!("DTEND:{}\r\n", start(hour + 1)),
        _ => format!("{line}\r\n"),
    });
    lines.collect()
}

/// The value of an object's line.
fn line<'o>(object: &'o str, name: &str) -> &'o str {
    let found = object.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name} in {object}"))
}

fn summary(object: &str) -> String {
    line(object, "SUMMARY").to_owned()
}
