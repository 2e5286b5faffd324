//! The keeper over a store in memory, by a clock that the tests set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::*;
use crate::clock::Clock;
use crate::mailbox::{Flags, NewFolder, NewItem, Placed, Role, ThreadKeys, expunged};
use crate::store::faulty::{Fault, Faulty};
use crate::store::{Change, Depth, Engine, Memory, Snapshot, Store};

const OWNER: OwnerId = OwnerId(7);

struct Case {
    clock: Clock,
    mailbox: Mailbox,
    keeper: Keeper,
}

impl Case {
    fn new() -> Self {
        Self::over(Arc::new(Memory::default()))
    }

    fn over(engine: Arc<dyn Engine>) -> Self {
        let clock = Clock::set(1_800_000_000_000);
        let mailbox = Mailbox::new(Store::over_at(engine, &clock).unwrap(), clock.clone());
        let graces = Graces { dying: MINUTE, orphan: DAY };
        let case = Self { clock, keeper: Keeper::over(mailbox.clone(), Ages::default(), graces), mailbox };
        case.act(|tx| tx.create_owner(OWNER, None));
        case
    }

    fn act<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut MailTx<'_, '_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.keeper.change(f).unwrap()
    }

    fn inbox(&self, owner: OwnerId) -> FolderId {
        self.mailbox.view(Acting::System).unwrap().by_role(owner, Role::Inbox).unwrap().id
    }

    fn item(&self, text: &str) -> NewItem {
        let store = self.mailbox.store();
        NewItem {
            body: store.stage_body(&store.body_key(0), &Bytes::copy_from_slice(text.as_bytes())).unwrap(),
            prefix: Bytes::new(),
            record: Bytes::from_static(b"record"),
            internal_date: self.clock.now(),
            filter_date: None,
            flags: Flags::NONE,
            keywords: Vec::new(),
            thread: ThreadKeys { message_id: Some(text.len() as u64), ..ThreadKeys::default() },
            dav_name: None,
            ical_uid: None,
            properties: Vec::new(),
        }
    }

    fn add(&self, folder: FolderId, text: &str) -> Placed {
        let item = self.item(text);
        self.act(move |tx| {
            let to = tx.granted(folder)?;
            tx.append(&to, item)
        })
    }

    fn expunge(&self, item: Placed) {
        self.act(move |tx| {
            let at = tx.granted(item.folder)?;
            tx.expunge(&at, item.uid)
        });
    }

    fn rows(&self, table: Table) -> usize {
        sweep(&self.mailbox.store().read().unwrap(), table, None, 1_000_000, |_, _| Some(()))
            .unwrap()
            .found
            .len()
    }

    /// A day goes by, at whose end the keeper has done its work.
    fn days(&mut self, days: i64) {
        self.clock.advance(days * DAY);
        self.keeper.pass();
        self.check();
    }

    fn check(&self) {
        let differences = mailbox::verify(&self.mailbox.store().read().unwrap()).unwrap();
        assert!(differences.is_empty(), "{differences:#?}");
        let report = self.mailbox.store().verify(Depth::Bodies).unwrap();
        assert!(report.is_sound(), "{report:#?}");
    }
}

#[test]
fn expunged_items_go_when_their_time_is_over_and_their_bodies_after_them() {
    let mut case = Case::new();
    let inbox = case.inbox(OWNER);
    let kept = case.add(inbox, "kept");
    let first = case.add(inbox, "the first");
    case.expunge(first);
    case.days(7);
    let second = case.add(inbox, "and the second");
    case.expunge(second);
    let left = |case: &Case| expunged(&case.mailbox.store().read().unwrap(), OWNER, 10).unwrap().len();
    case.days(7);
    assert_eq!((left(&case), case.rows(Table::Body)), (2, 3), "14 days are not over");
    case.days(1);
    assert_eq!(left(&case), 1);
    case.days(1);
    assert_eq!(case.rows(Table::Body), 2, "a grace after it was marked, the body is gone");
    case.days(14);
    case.days(1);
    assert_eq!((left(&case), case.rows(Table::Body), case.rows(Table::BodyReference)), (0, 1, 1));
    let view = case.mailbox.view(Acting::System).unwrap();
    let folder = view.readable(inbox).unwrap();
    let item = view.item(&folder, kept.uid).unwrap().unwrap();
    assert_eq!(case.mailbox.message(&view, &folder, &item).unwrap(), "kept");
}

#[test]
fn deleted_folders_go_when_their_time_is_over() {
    let mut case = Case::new();
    let folders: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let kind = mailbox::Kind::Mail;
            case.act(move |tx| tx.create_folder(OWNER, &NewFolder { parent: FolderId::TOP, name, kind }))
        })
        .collect();
    for n in 0..CHANGE + 50 {
        case.add(folders[0], &n.to_string());
    }
    case.add(folders[1], "in the other");
    let deleted = folders[0];
    case.act(move |tx| {
        for folder in folders {
            let state = Key::of(Table::CollectionState).u64(OWNER.0).text("device").u64(folder.0).done();
            tx.store().put(state, vec![1]);
        }
        let folder = tx.granted(deleted)?;
        tx.delete_folder(&folder)
    });
    case.days(14);
    assert_eq!((case.rows(Table::Item), case.rows(Table::CollectionState)), (CHANGE + 51, 2));
    case.days(1);
    assert_eq!(case.rows(Table::CollectionState), 1, "what a device kept of it is gone, too");
    assert_eq!((case.rows(Table::Item), case.rows(Table::Folder)), (1, mailbox::STANDARD.len() + 1));
}

#[test]
fn tombstones_go_after_a_longer_time() {
    let mut case = Case::new();
    let inbox = case.inbox(OWNER);
    for n in 0..CHANGE * 2 {
        let item = case.add(inbox, &n.to_string());
        case.expunge(item);
    }
    let head = case.mailbox.view(Acting::System).unwrap().readable(inbox).unwrap().highest;
    case.add(inbox, "kept");
    case.days(90);
    assert_eq!(case.rows(Table::ChangeLog), CHANGE * 2 + 1);
    assert_eq!(case.mailbox.view(Acting::System).unwrap().readable(inbox).unwrap().purged.0, 0);
    case.days(1);
    assert_eq!(case.rows(Table::ChangeLog), 1);
    assert_eq!(case.mailbox.view(Acting::System).unwrap().readable(inbox).unwrap().purged, head);
}

#[test]
fn conversations_and_client_ids_out_of_use_are_forgotten() {
    let mut case = Case::new();
    let inbox = case.inbox(OWNER);
    case.add(inbox, "1");
    let client_id = |n: u64| Key::of(Table::SentClientId).u64(7).text("device").u64(n).done();
    let now = case.clock.now();
    case.act(move |tx| {
        tx.store().put(client_id(1), record::encode(1, &(now, [7_u8; 32])));
        tx.store().put(client_id(2), record::encode(1, &(now + 10 * DAY, [7_u8; 32])));
        tx.store().put(client_id(3), vec![1]);
        Ok(())
    });
    case.keeper.pass();
    assert_eq!(case.rows(Table::SentClientId), 2, "one that cannot be read is of no use");
    let answered = |n: u64| Key::of(Table::AnsweredSender).u64(7).u64(n).done();
    case.act(move |tx| {
        tx.store().put(answered(1), record::encode(1, &(now, now)));
        tx.store().put(answered(2), record::encode(1, &(now + 5 * DAY, now)));
        Ok(())
    });
    case.days(8);
    assert_eq!(case.rows(Table::AnsweredSender), 1);
    case.days(23);
    assert_eq!((case.rows(Table::SentClientId), case.rows(Table::Thread)), (1, 1));
    case.days(370);
    assert_eq!((case.rows(Table::SentClientId), case.rows(Table::Thread)), (0, 0));
}

#[test]
fn nothing_is_left_of_a_removed_owner() {
    let mut case = Case::new();
    let other = OwnerId(8);
    case.act(move |tx| tx.create_owner(other, None));
    for n in 0..CHANGE + 5 {
        let item = case.add(case.inbox(other), &n.to_string());
        if n % 3 == 0 {
            case.expunge(item);
        }
    }
    case.add(case.inbox(OWNER), "mine");
    case.act(move |tx| {
        for table in Table::OF_DEVICES {
            for owner in [OWNER, other] {
                for n in 0..CHANGE as u64 + 3 {
                    let value = record::encode(1, &(1_900_000_000_000_i64, n));
                    tx.store().put(Key::of(table).u64(owner.0).text("device").u64(n).done(), value);
                }
            }
        }
        tx.remove_owner(other)
    });
    case.check();
    case.keeper.pass();
    case.check();
    assert_eq!(case.rows(Table::RemovedOwner), 0);
    assert_eq!((case.rows(Table::Owner), case.rows(Table::Item), case.rows(Table::Expunged)), (1, 1, 0));
    // The states of folders that never were are not kept for anybody.
    for table in Table::OF_DEVICES.into_iter().filter(|table| *table != Table::CollectionState) {
        assert_eq!(case.rows(table), CHANGE + 3, "{table:?}");
    }
    case.days(1);
    case.days(1);
    assert_eq!(case.rows(Table::Body), 1);
}

/// However much there is to do, one step is small, and everything has its turn.
#[test]
fn steps_are_bounded_and_take_turns() {
    let mut case = Case::new();
    let inbox = case.inbox(OWNER);
    for n in 0..CHANGE * 3 {
        let item = case.add(inbox, &n.to_string());
        case.expunge(item);
    }
    case.clock.advance(400 * DAY);
    let mut steps = 0;
    let mut before = (case.rows(Table::Expunged), case.rows(Table::ChangeLog));
    let mut fell = (0_usize, 0_usize);
    loop {
        let rest = case.keeper.step();
        let after = (case.rows(Table::Expunged), case.rows(Table::ChangeLog));
        assert!(before.0 - after.0 <= CHANGE && before.1 - after.1 <= CHANGE);
        if fell.0 == 0 && after.0 < before.0 {
            fell.0 = steps;
        }
        if fell.1 == 0 && after.1 < before.1 {
            fell.1 = steps;
        }
        before = after;
        steps += 1;
        if !rest.is_zero() {
            break;
        }
    }
    assert_eq!(before, (0, 0));
    assert!(fell.0.abs_diff(fell.1) < Task::ALL.len(), "{fell:?}");
    // Nothing is due for a while, and the rest is as long.
    assert!(case.keeper.step() >= Duration::from_secs(1));
}

/// A clock that goes back, as one does that was wrong, puts nothing off for longer than usual.
#[test]
fn a_clock_that_goes_back_puts_nothing_off() {
    let mut case = Case::new();
    case.clock.advance(1000 * DAY);
    case.keeper.pass();
    case.clock.advance(-1000 * DAY);
    let item = case.add(case.inbox(OWNER), "x");
    case.expunge(item);
    assert!(case.keeper.step() <= Duration::from_secs(10));
    case.clock.advance(15 * DAY);
    while case.keeper.step().is_zero() {}
    assert_eq!(case.rows(Table::Expunged), 0);
}

#[test]
fn work_that_the_store_refuses_for_now_is_done_later() {
    let engine = Arc::new(Faulty::over(Arc::new(Memory::default())));
    let mut case = Case::over(engine.clone());
    let item = case.add(case.inbox(OWNER), "x");
    case.expunge(item);
    case.clock.advance(15 * DAY);
    engine.plan([Fault::Refused(store::Error::Full)]);
    while case.keeper.step().is_zero() {}
    assert_eq!(case.rows(Table::Expunged), 1);
    case.clock.advance(AFTER_REFUSAL);
    while case.keeper.step().is_zero() {}
    assert_eq!(case.rows(Table::Expunged), 0, "within a minute, not in the next round");
}

/// An engine whose readers meet a bug when told to.
struct Buggy(Memory, AtomicBool);

impl Engine for Buggy {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, store::Error> {
        assert!(!self.1.load(Ordering::Acquire), "a bug");
        self.0.snapshot()
    }

    fn commit(&self, batch: Vec<Change>) -> Result<(), store::Error> {
        self.0.commit(batch)
    }
}

#[test]
fn a_bug_ends_a_round_and_not_the_keeper() {
    let engine = Arc::new(Buggy(Memory::default(), AtomicBool::new(false)));
    let mut case = Case::over(engine.clone());
    let item = case.add(case.inbox(OWNER), "x");
    case.expunge(item);
    case.clock.advance(15 * DAY);
    engine.1.store(true, Ordering::Release);
    while case.keeper.step().is_zero() {}
    engine.1.store(false, Ordering::Release);
    assert_eq!((case.rows(Table::Expunged), case.keeper.rounds.len()), (1, Task::ALL.len()));
    case.keeper.pass();
    assert_eq!(case.rows(Table::Expunged), 0);
}

/// One owner's damaged row does not keep the keeper from the others.
#[test]
fn what_cannot_be_done_is_passed_over() {
    let mut case = Case::new();
    case.act(|tx| tx.create_owner(OwnerId(9), None));
    let damaged = case.add(case.inbox(OWNER), "x");
    case.expunge(damaged);
    let sound = case.add(case.inbox(OwnerId(9)), "y");
    case.expunge(sound);
    case.act(move |tx| {
        tx.store().put(Key::of(Table::Owner).u64(OWNER.0).done(), vec![9, 9]);
        Ok(())
    });
    case.clock.advance(15 * DAY);
    case.keeper.pass();
    let reader = case.mailbox.store().read().unwrap();
    assert_eq!(expunged(&reader, OwnerId(9), 10).unwrap().len(), 0);
    assert_eq!(expunged(&reader, OWNER, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn it_runs_by_itself_and_ends_with_the_server() {
    let (case, end) = tokio::task::spawn_blocking(|| {
        let case = Case::new();
        let item = case.add(case.inbox(OWNER), "x");
        case.expunge(item);
        case.clock.advance(15 * DAY);
        (case, Shutdown::new())
    })
    .await
    .unwrap();
    let Case { keeper, mailbox, .. } = case;
    end.spawn(keeper.run_after(Duration::ZERO, end.clone()));
    let gone = || expunged(&mailbox.store().read().unwrap(), OWNER, 10).unwrap().is_empty();
    let began = clock::instant();
    while !gone() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does nothing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(end.finish(Duration::from_secs(30)).await);
}
