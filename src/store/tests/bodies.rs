//! Bodies over each engine, and their damage.

use super::*;
use crate::clock::Clock;
use crate::store::{BodyId, Depth, INLINE_MAX, Referrer};

const ITEM: Referrer = Referrer::Item { folder: 1, uid: 1 };
const QUEUED: Referrer = Referrer::Queue { id: 9 };
const EXPUNGED: Referrer = Referrer::Expunged { owner: 1, folder: 2, uid: 3 };

fn noise(length: usize) -> Bytes {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>().into()
}

fn attach(store: &Store, body: &Bytes, referrer: Referrer) -> BodyId {
    let staged = store.stage_body(&store.body_key(1), body).unwrap();
    let id = staged.id();
    store.write(move |tx| tx.attach_body(&staged, referrer)).unwrap();
    id
}

#[test]
fn bodies_of_all_sizes_come_back() {
    over_each_store(|_, store| {
        for length in [0, 1, 4096, INLINE_MAX, INLINE_MAX + 1, 3_000_000] {
            let body = noise(length);
            let id = attach(&store, &body, ITEM);
            assert_eq!(store.body(&id).unwrap(), body);
            let whole = u64::try_from(length).unwrap();
            for range in
                [0..whole, 0..1, 1..whole, whole / 2..whole + 10, whole + 5..whole + 9, 10..whole / 2]
            {
                let at = |n: u64| usize::try_from(n).unwrap().min(length);
                let expected = body.slice(at(range.start)..at(range.end).max(at(range.start)));
                assert_eq!(store.body_range(&id, range).unwrap(), expected);
            }
        }
        let report = store.verify(Depth::Bodies).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.bodies, report.references, report.unreferenced), (6, 6, 0));
    });
}

#[test]
fn a_body_is_kept_once_in_a_domain_and_has_another_name_in_another() {
    let store = Store::in_memory().unwrap();
    let body = noise(100);
    let first = attach(&store, &body, ITEM);
    assert_eq!(attach(&store, &body, QUEUED), first);
    store.write(move |tx| tx.refer_to_body(first, EXPUNGED)).unwrap();
    let elsewhere = store.stage_body(&store.body_key(2), &body).unwrap();
    assert_ne!(elsewhere.id(), first);
    let report = store.verify(Depth::Bodies).unwrap();
    assert_eq!((report.bodies, report.references, report.body_bytes), (1, 3, 100));
}

#[test]
fn a_transaction_reads_what_it_attaches() {
    let store = Store::in_memory().unwrap();
    let body = noise(50);
    let staged = store.stage_body(&store.body_key(1), &body).unwrap();
    let id = staged.id();
    let seen = write(&store, move |tx| {
        tx.attach_body(&staged, ITEM)?;
        tx.body(&id)
    });
    assert_eq!(seen.unwrap(), body);
}

#[test]
fn a_failed_transaction_attaches_nothing() {
    let store = Store::in_memory().unwrap();
    let staged = store.stage_body(&store.body_key(1), &noise(50)).unwrap();
    let id = staged.id();
    let failed = store.write::<(), Error>(move |tx| {
        tx.attach_body(&staged, ITEM)?;
        Err(Error::Full)
    });
    assert!(failed.is_err());
    assert!(store.body(&id).is_err());
    let missing = store.write(move |tx| tx.refer_to_body(id, QUEUED));
    assert!(matches!(missing, Err(Error::Damaged(_))));
    assert_eq!(store.verify(Depth::Bodies).unwrap().references, 0);
}

#[test]
fn ids_are_read_back_from_their_digits() {
    let id = BodyId(std::array::from_fn(|n| n as u8 * 8));
    assert_eq!(BodyId::parse(&id.to_string()), Some(id));
    for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"0".repeat(66), &"G".repeat(64), &"A".repeat(64)]
    {
        assert_eq!(BodyId::parse(bad), None, "{bad}");
    }
}

#[test]
fn damage_concerns_one_body() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options(), &Clock::system()).unwrap();
    let (small, large) = (noise(1000), noise(INLINE_MAX + 1000));
    let (small_id, large_id) = (attach(&store, &small, ITEM), attach(&store, &large, ITEM));
    let sound = attach(&store, &noise(2000), ITEM);

    let path = object_path(folder.path(), &large_id);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    write(&store, move |tx| {
        tx.put_in(Space::Bodies, small_id.0.to_vec(), small.slice(1..));
        Ok(())
    })
    .unwrap();
    for id in [&small_id, &large_id] {
        assert!(matches!(store.body(id), Err(Error::Damaged(_))));
        assert!(matches!(store.body_range(id, 0..10), Err(Error::Damaged(_))));
    }
    store.body(&sound).unwrap();
    let (shallow, deep) = (store.verify(Depth::Rows).unwrap(), store.verify(Depth::Bodies).unwrap());
    assert_eq!((shallow.problems, deep.problems), (1, 2), "{shallow:?} {deep:?}");

    std::fs::remove_file(&path).unwrap();
    assert!(matches!(store.body(&large_id), Err(Error::Damaged(_))));
    assert_eq!(store.verify(Depth::Rows).unwrap().problems, 2);
}

#[test]
fn damaged_rows_are_reported() {
    let store = Store::in_memory().unwrap();
    let (first, second) = (attach(&store, &noise(10), ITEM), attach(&store, &noise(20), ITEM));
    write(&store, move |tx| {
        tx.put([&[0x40], &first.0[..]].concat(), vec![9, 9, 9]);
        tx.delete([&[0x40], &second.0[..]].concat());
        tx.put(vec![0x41, 1, 2, 3], "");
        tx.put(vec![0x40, 1], "");
        tx.put(b"\x01epoch".to_vec(), "?");
        Ok(())
    })
    .unwrap();
    let report = store.verify(Depth::Bodies).unwrap();
    assert!(!report.is_sound());
    let problems = report.described.join("\n");
    for expected in ["the epoch", "damaged key", "is damaged", "refers to body", "no row speaks of it"] {
        assert!(problems.contains(expected), "{expected:?} is not in\n{problems}");
    }
    assert!(matches!(store.body(&first), Err(Error::Damaged(_))));
}

#[test]
fn large_bodies_are_staged_and_read_within_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options(), &Clock::system()).unwrap();
    // One thread for blocking calls: nothing may wait for a second.
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
    let body = noise(INLINE_MAX * 3);
    let expected = body.clone();
    let read = runtime.block_on(async move {
        tokio::task::spawn_blocking(move || store.body(&attach(&store, &body, ITEM))).await.unwrap()
    });
    assert_eq!(read.unwrap(), expected);
}

fn object_path(folder: &Path, id: &BodyId) -> std::path::PathBuf {
    let hex = id.to_string();
    folder.join("bodies").join(&hex[..2]).join(&hex[2..4]).join(hex)
}
