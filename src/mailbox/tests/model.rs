//! The model test of synchronisation: several devices, random operations, windows, filters that move,
//! moves and returns, own additions with a backlog, lost answers, clocks that jump, restores of a backup.
//! A naive model keeps for each device the full list of what its phone holds; after every step the two are
//! compared.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::mailbox::sync::{Collection, Given, Round, State, Step, SyncKey, would_tell};
use crate::store::Change;

/// What a phone knows of an item: the text and whether it is seen.
type Copy = (String, bool);

/// A phone: what it holds, and the key and answer that the server thinks it may have.
#[derive(Clone)]
struct Phone {
    device: Origin,
    holds: BTreeMap<Uid, Copy>,
    key: SyncKey,
    filter: i64,
    /// The store was restored since it last began: its key is void.
    void: bool,
}

/// A copy of the store, and of the rows that a door keeps in it.
struct Backup {
    rows: Vec<Change>,
    collections: Vec<Collection>,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Op {
    Deliver { age: i64 },
    Edit { pick: usize, seen: bool },
    Replace { pick: usize },
    Redate { pick: usize, age: i64 },
    RedateTwice { pick: usize, ages: [i64; 2] },
    Expunge { pick: usize },
    MoveAway { pick: usize },
    MoveBack { pick: usize },
    Sync { phone: usize, window: usize, lost: bool },
    PhoneEdit { phone: usize, pick: usize, seen: bool, lost: bool, again: bool },
    PhoneAdd { phone: usize, age: i64, lost: bool, again: bool },
    PhoneDelete { phone: usize, pick: usize, lost: bool, again: bool },
    Filter { phone: usize, days: i64 },
    Restart { phone: usize },
    Jump { days: i64 },
    Backup,
    Restore,
}

const DAY: i64 = 86_400_000;

fn op() -> impl Strategy<Value = Op> {
    let pick = 0..64_usize;
    let phone = 0..3_usize;
    let age = 0..30_i64;
    prop_oneof![
        6 => age.clone().prop_map(|age| Op::Deliver { age }),
        3 => (pick.clone(), any::<bool>()).prop_map(|(pick, seen)| Op::Edit { pick, seen }),
        1 => pick.clone().prop_map(|pick| Op::Replace { pick }),
        2 => (pick.clone(), age.clone()).prop_map(|(pick, age)| Op::Redate { pick, age }),
        // Often out of a filter and back into it, between two synchronisations.
        3 => (pick.clone(), [0..60_i64, 0..40_i64]).prop_map(|(pick, ages)| Op::RedateTwice { pick, ages }),
        2 => pick.clone().prop_map(|pick| Op::Expunge { pick }),
        1 => pick.clone().prop_map(|pick| Op::MoveAway { pick }),
        1 => pick.clone().prop_map(|pick| Op::MoveBack { pick }),
        8 => (phone.clone(), 1..6_usize, any::<bool>())
            .prop_map(|(phone, window, lost)| Op::Sync { phone, window, lost }),
        3 => (phone.clone(), pick.clone(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(phone, pick, seen, lost, again)| Op::PhoneEdit { phone, pick, seen, lost, again }),
        3 => (phone.clone(), age, any::<bool>(), any::<bool>())
            .prop_map(|(phone, age, lost, again)| Op::PhoneAdd { phone, age, lost, again }),
        2 => (phone.clone(), pick, any::<bool>(), any::<bool>())
            .prop_map(|(phone, pick, lost, again)| Op::PhoneDelete { phone, pick, lost, again }),
        1 => (phone.clone(), prop_oneof![Just(40_i64), 1..20_i64])
            .prop_map(|(phone, days)| Op::Filter { phone, days }),
        1 => phone.prop_map(|phone| Op::Restart { phone }),
        1 => (-40..40_i64).prop_map(|days| Op::Jump { days }),
        1 => Just(Op::Backup),
        1 => Just(Op::Restore),
    ]
}

/// The server side of the collections, as a door keeps it, and the world around it.
struct World {
    home: Home,
    now: i64,
    folder: FolderId,
    elsewhere: FolderId,
    rows: Vec<Collection>,
    phones: Vec<Phone>,
    nonce: u64,
    texts: u64,
    backup: Option<Backup>,
}

/// A command of a phone.
#[derive(Clone, PartialEq, Debug)]
enum Command {
    Seen(Uid, bool),
    Add(String, i64),
    Delete(Uid),
}

impl Command {
    fn digest(&self) -> u64 {
        let digest = ring::digest::digest(&ring::digest::SHA256, format!("{self:?}").as_bytes());
        u64::from_be_bytes(*digest.as_ref().first_chunk().unwrap())
    }
}

impl World {
    async fn new() -> Self {
        let home = Home::new().await;
        let now = home.mailbox.clock().now();
        let (folder, elsewhere) = (home.role(Role::Inbox).id, home.role(Role::Trash).id);
        let mut world = Self {
            home,
            now,
            folder,
            elsewhere,
            rows: Vec::new(),
            phones: Vec::new(),
            nonce: 1,
            texts: 0,
            backup: None,
        };
        for n in 0..3 {
            world.add(world.folder, &format!("before {n}"), n).await;
        }
        for n in 0..3_u64 {
            let row = world.begin();
            world.phones.push(Phone {
                device: Origin(100 + n),
                holds: BTreeMap::new(),
                key: row.key,
                filter: 40,
                void: false,
            });
            world.rows.push(row);
        }
        world
    }

    fn begin(&mut self) -> Collection {
        let folder = self.inbox();
        let nonce = self.next_nonce();
        Collection::begin(nonce, State::new(folder.highest), self.now, self.epoch(), folder.uid_validity)
    }

    fn epoch(&self) -> u64 {
        self.home.mailbox.store().epoch().unwrap()
    }

    /// Has a phone begin anew.
    fn restart(&mut self, phone: usize) {
        let row = self.begin();
        let phone_is = &mut self.phones[phone];
        (phone_is.key, phone_is.void) = (row.key, false);
        phone_is.holds.clear();
        self.rows[phone] = row;
    }

    /// Whether a phone's key is good, as a door finds out; else the phone begins anew, which only a restore
    /// may have it do.
    fn accepts(&mut self, phone: usize) -> bool {
        let (epoch, uid_validity) = (self.epoch(), self.inbox().uid_validity);
        let (row, key) = (&mut self.rows[phone], self.phones[phone].key);
        let good = row.epoch == epoch && row.uid_validity == uid_validity && row.accept(key);
        assert_eq!(good, !self.phones[phone].void, "a key is good until a restore, and no longer");
        if !good {
            self.restart(phone);
        }
        good
    }

    fn back_up(&mut self) {
        let rows = copy_of(self.home.mailbox.store());
        self.backup = Some(Backup { rows, collections: self.rows.clone() });
    }

    /// Copies the backup back. No folder gives out again what it has given out since.
    fn restore(&mut self) {
        let Some(Backup { rows, collections }) = self.backup.take() else { return };
        let before = [self.folder, self.elsewhere].map(|id| self.home.folder(id));
        self.home = self.home.with_rows(rows);
        self.home.mailbox.restored().unwrap();
        self.rows = collections;
        self.phones.iter_mut().for_each(|phone| phone.void = true);
        for was in before {
            let is = self.home.folder(was.id);
            assert!(is.uid_validity > was.uid_validity && is.highest > was.highest);
            assert!(is.uid_next > was.uid_next);
        }
    }

    fn inbox(&self) -> Folder {
        self.home.role(Role::Inbox)
    }

    fn next_nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    fn text(&mut self) -> String {
        self.texts += 1;
        format!("text {}", self.texts)
    }

    async fn add(&mut self, folder: FolderId, text: &str, age: i64) {
        self.home.add(folder, text, self.now - age * DAY).await;
    }

    fn uids(&self, folder: FolderId) -> Vec<Uid> {
        let view = self.home.view();
        let folder = view.readable(folder).unwrap();
        let mut uids = Vec::new();
        view.items(&folder, Uid(0), &mut |item| {
            uids.push(item.uid);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        uids
    }

    fn pick(&self, folder: FolderId, pick: usize) -> Option<Uid> {
        let uids = self.uids(folder);
        uids.get(pick % uids.len().max(1)).copied()
    }

    fn render(&self, uid: Uid) -> Copy {
        let view = self.home.view();
        let folder = view.readable(self.folder).unwrap();
        let item = view.item(&folder, uid).unwrap().unwrap();
        let message = self.home.mailbox.message(&view, &folder, &item).unwrap();
        let text = String::from_utf8(message.to_vec()).unwrap();
        (text.split_once("\r\n").unwrap().1.to_owned(), item.flags.has(Flags::SEEN))
    }

    /// A phone's request as a door serves it; `None` when the key is not known.
    async fn request(&mut self, phone: usize, commands: &[Command], window: usize) -> Answer {
        let (device, filter) = (self.phones[phone].device, self.phones[phone].filter);
        let given = std::mem::take(&mut self.rows[phone].given);
        let mut done = Vec::new();
        let mut adds = Vec::new();
        for command in commands {
            let digest = command.digest();
            let known = given.iter().find(|g| g.digest == digest).cloned();
            let outcome = match known {
                Some(outcome) => outcome,
                None => self.apply(phone, command, digest).await,
            };
            if let (Command::Add(text, _), Some((uid, _))) = (command, outcome.done) {
                adds.push((uid, text.clone()));
            }
            done.push(outcome);
        }
        for forgotten in given.iter().filter(|g| !done.iter().any(|d| d.digest == g.digest)) {
            self.disown(device, forgotten).await;
        }
        self.rows[phone].given = done;
        let wanted = self.now - filter * DAY;
        let view = self.home.view();
        let folder = view.readable(self.folder).unwrap();
        let synced = view.synced(&folder);
        let quiet = would_tell(&synced, device, wanted, &self.rows[phone].state).unwrap();
        let told = Round { device, wanted, window }.run(&synced, &self.rows[phone].state).unwrap();
        if let Some(state) = quiet {
            let soft = |s: &Step| matches!(s, Step::SoftDelete(_));
            assert!(told.steps.iter().all(soft), "a wait would have slept through {:?}", told.steps);
            assert_eq!(state.cursor, folder.highest);
        }
        assert!(told.steps.len() <= window.max(1));
        let nonce = self.next_nonce();
        let key = self.rows[phone].answer(nonce, told.state);
        let steps = told.steps;
        let copies = steps
            .iter()
            .filter_map(|step| match step {
                Step::Add(uid) | Step::Change { uid, .. } => Some((*uid, self.render(*uid))),
                Step::Delete(_) | Step::SoftDelete(_) => None,
            })
            .collect();
        Answer { key, steps, copies, adds, more: told.more }
    }

    async fn apply(&mut self, phone: usize, command: &Command, digest: u64) -> Given {
        let device = self.phones[phone].device;
        let knew = Knew(Some(self.rows[phone].state.cursor));
        let folder = self.folder;
        let command = command.clone();
        let new = match &command {
            Command::Add(text, date) => Some(self.home.item(text, *date)),
            _ => None,
        };
        let placed = self
            .home
            .act(device, move |tx| {
                let at = tx.granted(folder)?;
                match (command, new) {
                    (Command::Seen(uid, seen), _) => {
                        let (set, clear) =
                            if seen { (Flags::SEEN, Flags::NONE) } else { (Flags::NONE, Flags::SEEN) };
                        tx.edit(&at, uid, &Edit { set, clear, ..Edit::default() }, knew)
                    }
                    (Command::Delete(uid), _) => tx.expunge(&at, uid),
                    (Command::Add(..), Some(new)) => tx.append(&at, new),
                    (Command::Add(..), None) => Err(Error::Missing),
                }
            })
            .await;
        let changed = placed.ok().filter(|placed| placed.changed);
        Given { digest, status: 1, done: changed.map(|p| (p.uid, p.modseq)) }
    }

    async fn disown(&mut self, device: Origin, given: &Given) {
        let Some((uid, at)) = given.done else { return };
        let folder = self.folder;
        self.home
            .act(device, move |tx| {
                let granted = tx.granted(folder)?;
                tx.disown(&granted, uid, at)
            })
            .await
            .unwrap();
    }

    /// What a phone with the filter should hold when it is up to date.
    fn expected(&self, filter: i64) -> BTreeMap<Uid, Copy> {
        let view = self.home.view();
        let folder = view.readable(self.folder).unwrap();
        let mut uids = BTreeSet::new();
        view.items(&folder, Uid(0), &mut |item| {
            if item.filter_date >= self.now - filter * DAY {
                uids.insert(item.uid);
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        uids.into_iter().map(|uid| (uid, self.render(uid))).collect()
    }
}

struct Answer {
    key: SyncKey,
    steps: Vec<Step>,
    copies: BTreeMap<Uid, Copy>,
    adds: Vec<(Uid, String)>,
    more: bool,
}

impl Phone {
    /// The phone takes an answer in; every step must make sense to it.
    fn take(&mut self, answer: Answer, commands: &[Command]) {
        for command in commands {
            match command {
                Command::Seen(uid, seen) => {
                    if let Some(copy) = self.holds.get_mut(uid) {
                        copy.1 = *seen;
                    }
                }
                Command::Delete(uid) => {
                    self.holds.remove(uid);
                }
                Command::Add(..) => {}
            }
        }
        for (uid, text) in answer.adds {
            assert!(self.holds.insert(uid, (text, false)).is_none(), "two items with one id");
        }
        let mut named = BTreeSet::new();
        for step in &answer.steps {
            let (Step::Add(uid) | Step::Change { uid, .. } | Step::Delete(uid) | Step::SoftDelete(uid)) =
                step;
            assert!(named.insert(*uid), "{uid:?} twice in {:?}", answer.steps);
            match step {
                Step::Add(uid) => {
                    let copy = answer.copies[uid].clone();
                    assert!(self.holds.insert(*uid, copy).is_none(), "Add of {uid:?}, which the phone has");
                }
                Step::Change { uid, .. } => {
                    let copy = answer.copies[uid].clone();
                    assert!(self.holds.insert(*uid, copy).is_some(), "Change of {uid:?}, which it lacks");
                }
                Step::Delete(uid) | Step::SoftDelete(uid) => {
                    self.holds.remove(uid);
                }
            }
        }
        self.key = answer.key;
    }
}

async fn exchange(world: &mut World, phone: usize, commands: &[Command], window: usize, lost: bool) {
    if !world.accepts(phone) {
        return;
    }
    let answer = world.request(phone, commands, window).await;
    if !lost {
        world.phones[phone].take(answer, commands);
    }
}

/// Sends commands; when the answer is lost the phone either asks the same again or thinks better of it.
async fn command(world: &mut World, phone: usize, commands: Vec<Command>, lost: bool, again: bool) {
    exchange(world, phone, &commands, 3, lost).await;
    if lost {
        let repeated = if again { commands.as_slice() } else { &[] };
        exchange(world, phone, repeated, 3, false).await;
    }
}

async fn step(world: &mut World, op: Op) {
    let folder = world.folder;
    match op {
        Op::Deliver { age } => {
            let text = world.text();
            world.add(folder, &text, age).await;
        }
        Op::Edit { pick, seen } => {
            let Some(uid) = world.pick(folder, pick) else { return };
            let (set, clear) = if seen { (Flags::SEEN, Flags::NONE) } else { (Flags::NONE, Flags::SEEN) };
            let edit = Edit { set, clear, ..Edit::default() };
            act(world, move |tx, at| tx.edit(at, uid, &edit, Knew(None))).await;
        }
        Op::Replace { pick } => replace(world, pick, None).await,
        Op::Redate { pick, age } => {
            let date = world.now - age * DAY;
            replace(world, pick, Some(date)).await;
        }
        Op::RedateTwice { pick, ages } => {
            for age in ages {
                let date = world.now - age * DAY;
                replace(world, pick, Some(date)).await;
            }
        }
        Op::Expunge { pick } => {
            let Some(uid) = world.pick(folder, pick) else { return };
            act(world, move |tx, at| tx.expunge(at, uid)).await;
        }
        Op::MoveAway { pick } => {
            let Some(uid) = world.pick(folder, pick) else { return };
            let elsewhere = world.elsewhere;
            act(world, move |tx, at| {
                let to = tx.granted(elsewhere)?;
                tx.move_to(at, uid, &to)
            })
            .await;
        }
        Op::MoveBack { pick } => {
            let elsewhere = world.elsewhere;
            let Some(uid) = world.pick(elsewhere, pick) else { return };
            act(world, move |tx, at| {
                let from = tx.granted(elsewhere)?;
                tx.move_to(&from, uid, at)
            })
            .await;
        }
        Op::Sync { phone, window, lost } => exchange(world, phone, &[], window, lost).await,
        Op::PhoneEdit { phone, pick, seen, lost, again } => {
            let Some(uid) = held(&world.phones[phone], pick) else { return };
            command(world, phone, vec![Command::Seen(uid, seen)], lost, again).await;
        }
        Op::PhoneAdd { phone, age, lost, again } => {
            let text = world.text();
            let add = Command::Add(text, world.now - age * DAY);
            command(world, phone, vec![add], lost, again).await;
        }
        Op::PhoneDelete { phone, pick, lost, again } => {
            let Some(uid) = held(&world.phones[phone], pick) else { return };
            command(world, phone, vec![Command::Delete(uid)], lost, again).await;
        }
        Op::Filter { phone, days } => world.phones[phone].filter = days,
        Op::Restart { phone } => world.restart(phone),
        Op::Jump { days } => {
            world.home.mailbox.clock().advance(days * DAY);
            world.now += days * DAY;
        }
        Op::Backup => world.back_up(),
        Op::Restore => world.restore(),
    }
}

fn held(phone: &Phone, pick: usize) -> Option<Uid> {
    phone.holds.keys().nth(pick % phone.holds.len().max(1)).copied()
}

async fn act(
    world: &World,
    f: impl for<'t, 'g> FnOnce(&mut MailTx<'t, 'g>, &Granted<'g>) -> Result<Placed, Error> + Send + 'static,
) {
    let folder = world.folder;
    world
        .home
        .act(Origin::OTHER, move |tx| {
            let at = tx.granted(folder)?;
            f(tx, &at)
        })
        .await
        .unwrap();
}

async fn replace(world: &mut World, pick: usize, date: Option<i64>) {
    let Some(uid) = world.pick(world.folder, pick) else { return };
    let text = world.text();
    let new = world.home.item(&text, 0);
    let content = NewContent {
        body: new.body,
        prefix: new.prefix,
        record: new.record,
        filter_date: date,
        properties: Vec::new(),
    };
    act(world, move |tx, at| tx.replace(at, uid, content, Knew(None))).await;
}

/// Lets every phone catch up and compares it with the folder.
async fn settle(world: &mut World) {
    for phone in 0..world.phones.len() {
        for round in 0.. {
            assert!(round < 400, "a phone never gets to the end");
            world.accepts(phone);
            let answer = world.request(phone, &[], 4).await;
            let (more, quiet) = (answer.more, answer.steps.is_empty());
            world.phones[phone].take(answer, &[]);
            if quiet && !more {
                break;
            }
        }
        let expected = world.expected(world.phones[phone].filter);
        assert_eq!(world.phones[phone].holds, expected, "phone {phone}");
    }
    world.home.check();
}

/// An item that left the filter and came back into a page that is still to come, all in one round.
#[tokio::test]
async fn an_item_that_is_taken_away_and_enters_again_comes_in_the_next_round() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    for date in [10, 9, 20] {
        home.add(inbox, &date.to_string(), date).await;
    }
    let moved = Uid(3);
    let mut state = State::new(home.folder(inbox).highest);
    let mut told = |window| {
        let view = home.view();
        let folder = view.readable(inbox).unwrap();
        let round = Round { device: Origin(5), wanted: 5, window };
        let told = round.run(&view.synced(&folder), &state).unwrap();
        state = told.state;
        (told.steps, told.more)
    };
    assert_eq!(told(1), (vec![Step::Add(moved)], true));
    for date in [1, 15] {
        let new = home.item(&date.to_string(), 0);
        let content = NewContent {
            body: new.body,
            prefix: new.prefix,
            record: new.record,
            filter_date: Some(date),
            properties: Vec::new(),
        };
        home.act(Origin::OTHER, move |tx| {
            let at = tx.granted(inbox)?;
            tx.replace(&at, moved, content, Knew(None))
        })
        .await
        .unwrap();
    }
    assert_eq!(told(9), (vec![Step::SoftDelete(moved)], true));
    assert_eq!(told(9), (vec![Step::Add(moved), Step::Add(Uid(1)), Step::Add(Uid(2))], false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_phone_ends_with_the_folders_items(ops in prop::collection::vec(op(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for (n, op) in ops.into_iter().enumerate() {
                step(&mut world, op).await;
                if n % 20 == 19 {
                    settle(&mut world).await;
                }
            }
            settle(&mut world).await;
        });
    }
}
