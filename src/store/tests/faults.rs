//! Full disks and broken ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::store::faulty::{Fault, Faulty};

fn row(tx: &mut super::super::Tx<'_>) -> Result<(), Error> {
    tx.put(b"\xF0row".to_vec(), "v");
    Ok(())
}

struct Case {
    engine: Arc<Faulty>,
    store: Store,
    room: Arc<AtomicBool>,
}

fn case() -> Case {
    let engine = Arc::new(Faulty::over(Arc::new(Memory::default())));
    let room = Arc::new(AtomicBool::new(true));
    let asked = room.clone();
    let store = Store::over(engine.clone(), Box::new(move || asked.load(Ordering::Acquire))).unwrap();
    Case { engine, store, room }
}

#[test]
fn below_the_watermark_only_shrinking_goes_on() {
    let case = case();
    write(&case.store, row).unwrap();
    case.room.store(false, Ordering::Release);
    assert!(matches!(write(&case.store, row), Err(Error::Full)));
    let body = Bytes::from(vec![0; super::super::INLINE_MAX + 1]);
    assert!(matches!(case.store.stage_body(&case.store.body_key(1), &body), Err(Error::Full)));
    let removed = case.store.shrink::<_, Error>(|tx| {
        tx.delete(b"\xF0row".to_vec());
        Ok(())
    });
    removed.unwrap();
    assert_eq!(case.store.read().unwrap().get(b"\xF0row").unwrap(), None);
    case.room.store(true, Ordering::Release);
    write(&case.store, row).unwrap();
    assert!(!case.store.failed());
}

#[test]
fn a_refusal_for_want_of_space_is_clean() {
    let case = case();
    case.engine.plan([Fault::Refused(Error::Full)]);
    assert!(matches!(write(&case.store, row), Err(Error::Full)));
    assert_eq!(case.store.read().unwrap().get(b"\xF0row").unwrap(), None);
    write(&case.store, row).unwrap();
    assert_eq!(case.engine.recoveries(), 0);
}

/// A refusal that rests on a transaction of the same group, which was not kept, is none.
#[test]
fn a_refusal_in_a_group_that_was_not_kept_is_not_told_as_certain() {
    let case = case();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let gate = case.store.write_async::<_, Error, _>(move |_| {
        // The sender lives until the group is queued.
        let _ = wait.recv();
        Ok(())
    });
    let first = case.store.write_async(row);
    let second = case.store.write_async::<(), _, _>(|tx| match tx.get(b"\xF0row")? {
        Some(_) => Err(Error::Unusable("it is there already".into())),
        None => Ok(()),
    });
    case.engine.plan([Fault::Refused(Error::Full)]);
    drop(go);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcomes = runtime.block_on(async { (gate.await, first.await, second.await) });
    assert!(matches!(outcomes.1, Err(Error::Full)));
    assert!(matches!(outcomes.2, Err(Error::Full)), "{:?}", outcomes.2);
}

#[test]
fn an_unknown_outcome_is_told_as_such_and_stops_the_store() {
    let case = case();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let failed = case.store.wait_failed();
    case.engine.plan([Fault::Applied(Error::Unknown("fsync".into()))]);
    let unfinished = case.store.write::<(), Error>(|tx| {
        tx.after_commit(|| unreachable!("nobody may be told"));
        row(tx)
    });
    assert!(matches!(unfinished, Err(Error::Unknown(_))));
    assert!(case.store.failed());
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), failed).await }).unwrap();
    assert!(matches!(write(&case.store, row), Err(Error::Stopped)));
    let shrunk = case.store.shrink(row);
    assert!(matches!(shrunk, Err(Error::Stopped)));
    assert!(case.store.read().unwrap().get(b"\xF0row").is_ok());
}

#[test]
fn nobody_waits_for_a_failure_of_a_healthy_store() {
    let case = case();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let failed = case.store.wait_failed();
    drop(case);
    let waited = runtime.block_on(async { tokio::time::timeout(Duration::from_millis(20), failed).await });
    assert!(waited.is_err(), "a stopped store has not failed");
}

#[test]
fn a_full_disk_is_waited_out() {
    let case = case();
    case.engine.set_recovery(Ok(()));
    case.engine.plan([Fault::Refused(Error::Unknown("no space left".into()))]);
    let room = case.room.clone();
    let unfinished = case.store.write::<(), Error>(move |tx| {
        // The disk fills up while the group runs.
        room.store(false, Ordering::Release);
        row(tx)
    });
    assert!(matches!(unfinished, Err(Error::Unknown(_))));
    assert!(!case.store.failed());
    assert!(matches!(write(&case.store, row), Err(Error::Full)));
    assert_eq!(case.engine.recoveries(), 0);
    case.room.store(true, Ordering::Release);
    // Attempts keep a second's distance.
    let mut outcome = write(&case.store, row);
    for _ in 0..100 {
        if outcome.is_ok() {
            break;
        }
        assert!(matches!(outcome, Err(Error::Full)));
        std::thread::sleep(Duration::from_millis(50));
        outcome = write(&case.store, row);
    }
    outcome.unwrap();
    assert_eq!(case.engine.recoveries(), 1);
    assert!(!case.store.failed());
}

#[test]
fn an_engine_that_cannot_recover_has_failed() {
    let case = case();
    case.engine.plan([Fault::Refused(Error::Unknown("no space left".into()))]);
    let room = case.room.clone();
    let unfinished = case.store.write::<(), Error>(move |tx| {
        room.store(false, Ordering::Release);
        row(tx)
    });
    assert!(unfinished.is_err());
    case.room.store(true, Ordering::Release);
    for _ in 0..100 {
        if case.store.failed() {
            break;
        }
        assert!(write(&case.store, row).is_err());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(case.store.failed());
}

#[cfg(feature = "failpoints")]
#[test]
fn fail_points_make_a_commit_fail() {
    use crate::store::failpoint::{Action, arm, disarm};
    let case = case();
    arm("before-commit", Action::Full);
    assert!(matches!(write(&case.store, row), Err(Error::Full)));
    disarm("before-commit");
    write(&case.store, row).unwrap();
    arm("body-after-write", Action::Error);
    let body = Bytes::from(vec![0; super::super::INLINE_MAX + 1]);
    assert!(matches!(case.store.stage_body(&case.store.body_key(1), &body), Err(Error::Unknown(_))));
    assert!(case.store.failed());
}

/// An engine that panics must not leave writers waiting for ever.
#[test]
fn a_panic_of_the_engine_is_a_failure() {
    struct Broken(Memory);
    impl Engine for Broken {
        fn snapshot(&self) -> Result<Box<dyn crate::store::Snapshot>, Error> {
            self.0.snapshot()
        }
        fn commit(&self, batch: Vec<Change>) -> Result<(), Error> {
            assert!(batch.iter().all(|c| c.key != b"\xF0row"), "a bug in the engine");
            self.0.commit(batch)
        }
    }
    let store = Store::over(Arc::new(Broken(Memory::default())), Box::new(|| true)).unwrap();
    assert!(matches!(write(&store, row), Err(Error::Unknown(_))));
    // One that comes while the committer ends is lost with its queue.
    assert!(matches!(write(&store, row), Err(Error::Stopped | Error::Unknown(_))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(5), store.wait_failed()).await })
        .unwrap();
    assert!(store.failed());
}
