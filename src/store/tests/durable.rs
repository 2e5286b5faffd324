//! What is acknowledged is there after the process was killed, and one process at a time uses a folder.
//!
//! The child process is this test binary with `FOLKMOOT_TEST_CHILD` set.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::clock::Clock;
use crate::store::{Depth, INLINE_MAX, Referrer, SCHEMA, keys, probe};

const FOLDER: &str = "FOLKMOOT_TEST_CHILD";

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(path, &options(), &Clock::system())
}

fn row(n: u64) -> Vec<u8> {
    [&[0xF0], &n.to_be_bytes()[..]].concat()
}

fn body(n: u64) -> Bytes {
    // Every tenth is an object of its own.
    let length = if n.is_multiple_of(10) { INLINE_MAX + 1 } else { 4096 };
    Bytes::from(n.to_be_bytes().repeat(length / 8 + 1))
}

/// Not a test by itself: writes until it is killed, and says what is durable.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder)).unwrap();
    let next = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                    let staged = store.stage_body(&store.body_key(1), &body(n)).unwrap();
                    let item = Referrer::Item { folder: n, uid: 1 };
                    write(&store, move |tx| {
                        tx.put(row(n), staged.id().0.to_vec());
                        tx.attach_body(&staged, item)
                    })
                    .unwrap();
                    println!("durable {n}");
                }
            });
        }
    });
}

fn start_child(folder: &Path, failpoints: &str) -> (Child, impl Iterator<Item = u64> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "store::tests::durable::child"])
        .env(FOLDER, folder)
        .env("FOLKMOOT_FAILPOINTS", failpoints)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = lines.map_while(Result::ok).filter_map(|line| {
        // The harness may have begun the line.
        line.rsplit_once("durable ")?.1.parse().ok()
    });
    (child, acknowledged)
}

/// Everything acknowledged is there with its body, and nothing is there by half.
fn check(folder: &Path, acknowledged: &[u64]) {
    let store = open(folder).unwrap();
    let reader = store.read().unwrap();
    for n in acknowledged {
        assert!(reader.get(&row(*n)).unwrap().is_some(), "acknowledged {n} is gone");
    }
    let ours = (std::ops::Bound::Included(vec![0xF0]), std::ops::Bound::Unbounded);
    for (key, value) in rows(&reader, Space::Rows, &ours, Order::Forward, usize::MAX) {
        let id = super::super::BodyId(value.try_into().unwrap());
        let n = keys::Parts::of(&key).u64().unwrap();
        assert_eq!(reader.body(&id).unwrap(), body(n));
    }
    let report = store.verify(Depth::Bodies).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn what_is_acknowledged_survives_a_kill() {
    for rounds in [1, 50, 300] {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, mut acknowledged) = start_child(folder.path(), "");
        let mut seen: Vec<_> = acknowledged.by_ref().take(rounds).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(acknowledged);
        assert!(seen.len() >= rounds);
        check(folder.path(), &seen);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_process_may_end_between_any_two_steps() {
    let points = [
        "before-run",
        "after-run",
        "before-commit",
        "after-commit-before-tell",
        "body-before-write",
        "body-after-write",
    ];
    for point in points {
        let folder = tempfile::tempdir().unwrap();
        // The store's own first rows are there before the point is reached.
        drop(open(folder.path()).unwrap());
        let (mut child, acknowledged) = start_child(folder.path(), &format!("{point}=abort"));
        let seen: Vec<_> = acknowledged.collect();
        assert!(!child.wait().unwrap().success(), "{point} was not reached");
        check(folder.path(), &seen);
    }
}

#[test]
fn another_process_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut acknowledged) = start_child(folder.path(), "");
    acknowledged.next().unwrap();
    let Err(Error::Held(why)) = open(folder.path()) else { panic!("it was opened twice") };
    assert!(why.contains("another process uses this folder"), "{why}");
    child.kill().unwrap();
    child.wait().unwrap();
    open(folder.path()).unwrap();
}

#[test]
fn a_store_can_be_opened_again_as_soon_as_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..5 {
        let store = open(&folder.path().join("new/and/deep")).unwrap();
        assert_eq!(store.epoch().unwrap(), 1);
        assert_eq!(store.write(|tx| tx.new_id()).unwrap(), n + 1);
        assert!(matches!(open(&folder.path().join("new/and/deep")), Err(Error::Held(_))));
    }
}

#[test]
fn a_folder_keeps_its_engine() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sled")).unwrap();
    let Err(Error::Unusable(why)) = open(folder.path()) else { panic!("it was opened") };
    assert!(why.contains("engine sled"), "{why}");
}

/// A probe tells what a start would find, and leaves everything as it is.
#[test]
fn a_probe_sees_what_stops_a_start_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    assert!(matches!(probe(folder.path(), &options()), Err(Error::Held(_))));
    let newer = (SCHEMA + 1).to_be_bytes().to_vec();
    write(&store, move |tx| {
        tx.put(keys::system_row(keys::system::SCHEMA), newer);
        Ok(())
    })
    .unwrap();
    drop(store);
    for _ in 0..2 {
        let Err(Error::Unusable(why)) = probe(folder.path(), &options()) else { panic!("it is newer") };
        assert!(why.contains("Use a newer program"), "{why}");
    }
    let whole = tempfile::tempdir().unwrap();
    drop(open(whole.path()).unwrap());
    assert_eq!(probe(whole.path(), &options()).unwrap(), SCHEMA);
    let other = StoreOptions { engine: super::super::EngineKind::Sled, ..options() };
    assert!(matches!(probe(whole.path(), &other), Err(Error::Unusable(_))));
}

/// What cannot be opened is not begun.
#[cfg(not(feature = "sled"))]
#[test]
fn an_engine_that_is_not_built_in_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new");
    let options = StoreOptions { engine: super::super::EngineKind::Sled, ..options() };
    assert!(matches!(probe(&path, &options), Err(Error::Unusable(_))));
    assert!(matches!(Store::open(&path, &options, &Clock::system()), Err(Error::Unusable(_))));
    assert!(!path.exists());
}

/// sled's own files are synced by us: the file it keeps large pages in is seen as well.
#[cfg(feature = "sled")]
#[test]
fn sled_is_durable_too() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { engine: super::super::EngineKind::Sled, ..options() };
    let open = || Store::open(folder.path(), &options, &Clock::system()).unwrap();
    let store = open();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let value = large.clone();
    write(&store, move |tx| {
        tx.put(row(1), value);
        Ok(())
    })
    .unwrap();
    // A copy of the files as they are on disk now is what a power cut would leave.
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").args([folder.path(), &copy.path().join("data")]).status();
    assert!(status.unwrap().success());
    let copied = Store::open(&copy.path().join("data"), &options, &Clock::system()).unwrap();
    assert_eq!(copied.read().unwrap().get(&row(1)).unwrap().unwrap(), large);
    drop(store);
    assert_eq!(open().read().unwrap().get(&row(1)).unwrap().unwrap(), large);
}

#[test]
fn a_small_disk_is_full_before_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { free_space_watermark: u64::MAX, ..options() };
    let store = Store::open(folder.path(), &options, &Clock::system()).unwrap();
    assert!(matches!(store.write(|tx| tx.new_id()), Err(Error::Full)));
    assert_eq!(store.shrink(|tx| tx.new_id()).unwrap(), 1);
}
