//! The model test over the wire: several phones do what phones do, at random and with answers that get
//! lost. A naive expectation is kept from the operations alone; once the phones have caught up, each
//! must hold exactly that, under the very ids that the server must have given, and IMAP must show it.

use std::collections::{BTreeMap, BTreeSet};

use folkmoot::clock::{Clock, Millis, random};
use folkmoot::net::Listener;
use wbxml::{Element, airsync, email};

use crate::imap_client::Imap;
use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Form, Phone};
use crate::support::TestServer;

const USER: &str = "alice@example.test";
const PASSWORD: &str = "correct horse battery";
const DAY: Millis = 86_400_000;
const STEPS: u32 = 135;
/// Steps after which the phones catch up.
const SETTLE: u32 = 15;
/// Inbox and Trash by their types (MS-ASCMD §2.2.3.186.3), as IMAP names them.
const FOLDERS: [(u8, &str); 2] = [(2, "INBOX"), (4, "Trash")];

#[tokio::test(flavor = "multi_thread")]
async fn phones_of_16_1_hold_what_the_folders_hold() {
    World::run(1, ["16.1"; 3]).await;
    World::run(2, ["16.1"; 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_of_14_1_hold_what_the_folders_hold() {
    World::run(3, ["14.1"; 3]).await;
    World::run(4, ["14.1"; 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_of_12_1_hold_what_the_folders_hold() {
    World::run(5, ["12.1"; 3]).await;
    World::run(6, ["12.1"; 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_of_different_versions_hold_what_the_folders_hold() {
    World::run(67_053_886, ["16.1", "12.1", "14.1"]).await;
    let seed = std::env::var("FOLKMOOT_TEST_SEED")
        .map_or_else(|_| u64::from_be_bytes(random().unwrap()), |seed| seed.parse().unwrap());
    World::run(seed, ["16.1", "12.1", "14.1"]).await;
}

/// Chance that can be repeated: xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % n
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A message as everybody should see it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mail {
    subject: String,
    read: bool,
    arrived: Millis,
}

/// A folder as it should be.
struct Folder {
    id: String,
    next: u32,
    mails: BTreeMap<u32, Mail>,
}

impl Folder {
    fn take(&mut self, mail: Mail) -> String {
        let uid = self.next;
        self.next += 1;
        self.mails.insert(uid, mail);
        self.id(uid)
    }

    fn id(&self, uid: u32) -> String {
        format!("{}:{uid}", self.id)
    }

    /// The number in an item's id.
    fn uid(id: &str) -> u32 {
        id.split_once(':').unwrap().1.parse().unwrap()
    }
}

/// Commands that were sent and whose answer was lost, and the failures that it told.
struct Pending {
    ask: Ask,
    failures: Vec<(String, u16)>,
}

impl Pending {
    fn sent(&self, command: &Element<'_>) -> bool {
        self.ask.commands.iter().any(|sent| wbxml::encode(sent) == wbxml::encode(command))
    }

    fn failure(&self, command: &Element<'_>) -> Option<(String, u16)> {
        let id = command.text_of(airsync::SERVER_ID);
        self.failures.iter().find(|(failed, _)| Some(failed.as_str()) == id).cloned()
    }
}

/// A phone and what it has in mind for each folder.
struct User {
    phone: Phone,
    filters: [u8; 2],
    pending: [Option<Pending>; 2],
}

struct World {
    server: TestServer,
    clock: Clock,
    lmtp: Lmtp,
    chance: Chance,
    folders: [Folder; 2],
    users: Vec<User>,
    subjects: u32,
    /// Syncs without a word that brought something.
    short_syncs: u32,
}

impl World {
    async fn run(seed: u64, versions: [&'static str; 3]) {
        println!("seed {seed}, versions {versions:?}");
        let mut world = Self::new(seed, versions).await;
        for n in 1..=STEPS {
            world.step().await;
            if n % SETTLE == 0 {
                world.settle().await;
            }
        }
        println!("{} short requests brought something", world.short_syncs);
        assert!(world.server.running.shutdown().await, "something had to be cut");
    }

    async fn new(seed: u64, versions: [&'static str; 3]) -> Self {
        let clock = Clock::set(1_800_000_000_000);
        let server = TestServer::start_at(clock.clone()).await;
        server.account(USER, PASSWORD).await;
        let mut users = Vec::new();
        for (n, version) in versions.into_iter().enumerate() {
            let device = format!("PHONE{n}");
            let phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, &device);
            let mut phone = phone.version(version);
            phone.provision().await;
            phone.folder_sync().await;
            users.push(User { phone, filters: [0; 2], pending: [None, None] });
        }
        let folder = |kind| Folder { id: users[0].phone.folder(kind), next: 1, mails: BTreeMap::new() };
        let folders = FOLDERS.map(|(kind, _)| folder(kind));
        let lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
        Self { server, clock, lmtp, chance: Chance(seed | 1), folders, users, subjects: 0, short_syncs: 0 }
    }

    async fn step(&mut self) {
        let user = self.chance.below(self.users.len());
        let at = usize::from(self.chance.once_in(3));
        let lost = self.chance.once_in(3);
        match self.chance.below(36) {
            0..8 => self.deliver().await,
            30.. => self.short(user, lost).await,
            8 => self.clock.advance(DAY + 3_600_000),
            9..16 => self.exchange(user, at, Vec::new(), lost).await,
            16..23 => {
                let commands = self.commands(user, at);
                self.exchange(user, at, commands, lost).await;
            }
            23..26 => self.move_item(user, at, lost).await,
            26..28 => {
                let filter = self.chance.below(4);
                self.users[user].filters[at] = u8::try_from(filter).unwrap();
            }
            _ => self.start_again(user, at).await,
        }
    }

    async fn deliver(&mut self) {
        self.subjects += 1;
        let subject = format!("mail-{}", self.subjects);
        let code = self.lmtp.deliver(USER, &message(&subject, "Some text.")).await.unwrap();
        assert_eq!(code, 250);
        let mail = Mail { subject, read: false, arrived: self.clock.now() };
        self.folders[0].take(mail);
    }

    /// Reads, flags and deletions of some of the items that a phone has.
    fn commands(&mut self, user: usize, at: usize) -> Vec<Element<'static>> {
        let (phone, id) = (&mut self.users[user].phone, &self.folders[at].id);
        let held: Vec<String> = phone.collection(id).items.keys().cloned().collect();
        if held.is_empty() {
            return Vec::new();
        }
        let picked: BTreeSet<_> =
            (0..=self.chance.below(3)).map(|_| held[self.chance.below(held.len())].clone()).collect();
        let command = |id: String| match self.chance.below(5) {
            0 | 1 => Element::new(airsync::DELETE).with_text(airsync::SERVER_ID, id),
            n => Element::new(airsync::CHANGE)
                .with_text(airsync::SERVER_ID, id)
                .with(Element::new(airsync::APPLICATION_DATA).with_number(email::READ, i128::from(n != 2))),
        };
        picked.into_iter().map(command).collect()
    }

    /// One Sync: with commands whose answer got lost the last time, or without ever mentioning them
    /// again, or with new ones.
    async fn exchange(&mut self, user: usize, at: usize, commands: Vec<Element<'static>>, lost: bool) {
        let id = self.folders[at].id.clone();
        if self.users[user].phone.collection(&id).key == "0" {
            let ask = Ask { lost, ..Ask::default() };
            assert_eq!(self.users[user].phone.sync(&id, &ask).await.status, 1);
            return;
        }
        let pending = self.users[user].pending[at].take();
        let window = 1 + self.chance.below(4);
        let (window, filter) = (u32::try_from(window).unwrap(), self.users[user].filters[at]);
        let Pending { ask, failures } = match pending {
            Some(pending) if self.chance.once_in(2) => {
                let ask = Ask { window, filter, lost, ..pending.ask };
                Pending { ask, ..pending }
            }
            forgotten => {
                let for_good = self.chance.once_in(4);
                let does = |c: &Element<'static>| match &forgotten {
                    // By chance the very command that was forgotten: nobody can tell it from a repetition.
                    Some(lost) if lost.sent(c) => lost.failure(c),
                    _ => self.does(at, c, for_good),
                };
                let failures = commands.iter().filter_map(does).collect();
                let ask = Ask { window, filter, commands, for_good, lost, ..Ask::default() };
                Pending { ask, failures }
            }
        };
        let brought = self.users[user].phone.sync(&id, &ask).await;
        assert_eq!(brought.status, 1, "no phone has to start again");
        if lost {
            self.users[user].pending[at] = Some(Pending { ask, failures });
        } else {
            assert_eq!(brought.responses, failures);
            let told = brought.added.len() + brought.changed.len() + brought.deleted.len();
            assert!(told <= usize::try_from(window).unwrap(), "more than the window");
        }
    }

    /// A Sync that leaves everything to the server's memory of the last one, at any moment: the server
    /// goes on from what the phone has, or asks for the whole request.
    async fn short(&mut self, user: usize, lost: bool) {
        if self.chance.once_in(2) {
            self.ask_for_both(user).await;
            self.deliver().await;
        }
        let user = &mut self.users[user];
        let form = if self.chance.once_in(2) { Form::Empty } else { Form::Partial };
        let window = 1 + u32::try_from(self.chance.below(4)).unwrap();
        let ask = Ask { form, window, lost, ..Ask::default() };
        for (id, brought) in user.phone.sync_many(&[], &ask).await {
            if id.is_empty() {
                assert_eq!(brought.status, 13);
                continue;
            }
            assert_eq!(brought.status, 1, "no phone has to start again");
            let at = self.folders.iter().position(|folder| folder.id == id).unwrap();
            let pending = user.pending[at].as_ref();
            assert!(pending.is_none_or(|pending| pending.ask.commands.is_empty()), "commands were forgotten");
            assert!(brought.responses.is_empty());
            self.short_syncs += 1;
        }
    }

    /// A whole request for both folders, after which the phone has all that they hold.
    async fn ask_for_both(&mut self, user: usize) {
        for at in 0..self.folders.len() {
            if self.users[user].pending[at].is_some() {
                return;
            }
            self.catch_up(user, at).await;
        }
        let (user, [one, two]) = (&mut self.users[user], &self.folders);
        let brought = user.phone.sync_many(&[&one.id, &two.id], &Ask { filter: 3, ..Ask::default() }).await;
        assert!(brought.values().all(|brought| brought.status == 1), "{brought:?}");
        user.filters = [3; 2];
    }

    /// What a command does to the folders; a failure that is to be told.
    fn does(&mut self, at: usize, command: &Element<'_>, for_good: bool) -> Option<(String, u16)> {
        let id = command.text_of(airsync::SERVER_ID).unwrap().to_owned();
        let uid = Folder::uid(&id);
        let Some(mail) = self.folders[at].mails.get_mut(&uid) else { return Some((id, 8)) };
        match command.child(airsync::APPLICATION_DATA) {
            Some(data) => mail.read = data.text_of(email::READ) == Some("1"),
            None => {
                let mail = self.folders[at].mails.remove(&uid).unwrap();
                if at == 0 && !for_good {
                    self.folders[1].take(mail);
                }
            }
        }
        None
    }

    /// MoveItems to the other folder, asked again when its answer gets lost.
    async fn move_item(&mut self, user: usize, at: usize, lost: bool) {
        let (from, to) = (self.folders[at].id.clone(), self.folders[1 - at].id.clone());
        let phone = &mut self.users[user].phone;
        let held: Vec<String> = phone.collection(&from).items.keys().cloned().collect();
        if held.is_empty() {
            return;
        }
        let item = held[self.chance.below(held.len())].clone();
        let mut told = phone.move_item(&item, &from, &to).await;
        if lost {
            told = phone.move_item(&item, &from, &to).await;
        }
        match self.folders[at].mails.remove(&Folder::uid(&item)) {
            Some(mail) => {
                let id = self.folders[1 - at].take(mail);
                assert_eq!(told, (3, Some(id)), "{item}");
            }
            // It is gone, unless the phone itself moved it by a command whose answer got lost.
            None => match told {
                (1, None) => {}
                (3, Some(id)) => {
                    let subject = phone.collection(&from).items[&item].get("Email:Subject").cloned();
                    let there = self.folders[1 - at].mails.get(&Folder::uid(&id));
                    assert_eq!(there.map(|mail| &mail.subject), subject.as_ref(), "{item} as {id}");
                }
                told => panic!("{item}: {told:?}"),
            },
        }
        if told.0 == 3 {
            phone.collection(&from).items.remove(&item);
        }
    }

    /// The phone forgets a folder and begins with key 0, now and then twice.
    async fn start_again(&mut self, user: usize, at: usize) {
        let id = self.folders[at].id.clone();
        for _ in 0..=self.chance.below(2) {
            let lost = self.chance.once_in(2);
            let user = &mut self.users[user];
            user.pending[at] = None;
            user.phone.collections.remove(&id);
            assert_eq!(user.phone.sync(&id, &Ask { lost, ..Ask::default() }).await.status, 1);
        }
    }

    /// Lets every phone catch up and compares what they hold, and what IMAP shows.
    async fn settle(&mut self) {
        for user in 0..self.users.len() {
            for at in 0..self.folders.len() {
                while self.users[user].pending[at].is_some() {
                    let lost = self.chance.once_in(3);
                    self.exchange(user, at, Vec::new(), lost).await;
                }
                self.catch_up(user, at).await;
            }
        }
        let server = self.server.address(Listener::Imap);
        let mut imap = Imap::login(server, USER, PASSWORD).await;
        for (folder, (_, name)) in self.folders.iter().zip(FOLDERS) {
            let expected: BTreeMap<_, _> =
                folder.mails.iter().map(|(uid, mail)| (*uid, (mail.subject.clone(), mail.read))).collect();
            assert_eq!(imap.look(name).await, expected, "{name} as IMAP shows it");
        }
    }

    async fn catch_up(&mut self, user: usize, at: usize) {
        let window = 1 + u32::try_from(self.chance.below(8)).unwrap();
        let now = self.clock.now();
        let (folder, user) = (&self.folders[at], &mut self.users[user]);
        let ask = Ask { window, filter: user.filters[at], ..Ask::default() };
        assert!(user.phone.sync_all(&folder.id, &ask).await, "no phone has to start again");
        let since = match ask.filter {
            0 => Millis::MIN,
            1 => now - DAY,
            2 => now - 3 * DAY,
            _ => now - 7 * DAY,
        };
        let seen = folder.mails.iter().filter(|(_, mail)| mail.arrived >= since);
        let expected: BTreeMap<_, _> =
            seen.map(|(uid, mail)| (folder.id(*uid), (mail.subject.clone(), mail.read))).collect();
        let items = &user.phone.collection(&folder.id).items;
        let holds: BTreeMap<_, _> = items
            .iter()
            .map(|(id, fields)| (id.clone(), (fields["Email:Subject"].clone(), fields["Email:Read"] == "1")))
            .collect();
        assert_eq!(holds, expected, "folder {} with filter {}", folder.id, ask.filter);
    }
}
