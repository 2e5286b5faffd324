//! What every engine must do.

use std::ops::Bound::{Excluded, Included, Unbounded};

use super::*;
use crate::store::engine::{Snapshot, prefixed};

fn keys(snapshot: &dyn Snapshot, range: &KeyRange, order: Order) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    snapshot
        .scan(Space::Rows, range, order, &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    keys
}

fn texts(keys: &[Vec<u8>]) -> String {
    keys.iter().map(|k| std::str::from_utf8(k).unwrap()).collect::<Vec<_>>().join(" ")
}

const ALL: KeyRange = (Unbounded, Unbounded);

#[test]
fn a_snapshot_sees_what_was_before_it_and_nothing_later() {
    over_each_engine(|_, engine| {
        engine.commit(vec![put(Space::Rows, b"a", b"1"), put(Space::Rows, b"b", b"1")]).unwrap();
        let before = engine.snapshot().unwrap();
        engine
            .commit(vec![
                put(Space::Rows, b"a", b"2"),
                remove(Space::Rows, b"b"),
                put(Space::Rows, b"c", b"2"),
            ])
            .unwrap();
        let between = engine.snapshot().unwrap();
        engine.commit(vec![put(Space::Rows, b"b", b"3"), remove(Space::Rows, b"c")]).unwrap();
        let after = engine.snapshot().unwrap();
        for (snapshot, expected) in [
            (before, [Some("1"), Some("1"), None]),
            (between, [Some("2"), None, Some("2")]),
            (after, [Some("2"), Some("3"), None]),
        ] {
            let got = ["a", "b", "c"].map(|k| snapshot.get(Space::Rows, k.as_bytes()).unwrap());
            assert_eq!(got, expected.map(|v| v.map(Bytes::from)));
            let present: Vec<_> = keys(&*snapshot, &ALL, Order::Forward);
            let names = ["a", "b", "c"].iter().zip(expected).filter(|(_, v)| v.is_some()).map(|(k, _)| *k);
            assert_eq!(texts(&present), names.collect::<Vec<_>>().join(" "));
        }
    });
}

#[test]
fn scans_keep_to_their_range_in_both_orders() {
    over_each_engine(|_, engine| {
        let batch = ["a", "aa", "ab", "b", "ba", "c"].map(|k| put(Space::Rows, k.as_bytes(), b"v"));
        engine.commit(batch.to_vec()).unwrap();
        engine.commit(vec![put(Space::Bodies, b"aaa", b"v")]).unwrap();
        let snapshot = engine.snapshot().unwrap();
        let k = |text: &str| text.as_bytes().to_vec();
        for (range, expected) in [
            (ALL, "a aa ab b ba c"),
            ((Included(k("aa")), Included(k("b"))), "aa ab b"),
            ((Excluded(k("aa")), Excluded(k("b"))), "ab"),
            ((Included(k("aaa")), Unbounded), "ab b ba c"),
            ((Unbounded, Excluded(k("a"))), ""),
            ((Unbounded, Included(k("a"))), "a"),
            ((Included(k("c")), Included(k("c"))), "c"),
            ((Included(k("c")), Excluded(k("c"))), ""),
            ((Excluded(k("c")), Included(k("c"))), ""),
            ((Excluded(k("c")), Excluded(k("c"))), ""),
            ((Included(k("x")), Included(k("b"))), ""),
            ((Excluded(k("x")), Excluded(k("b"))), ""),
            ((Included(k("x")), Unbounded), ""),
            (prefixed(b"a"), "a aa ab"),
            (prefixed(b"b"), "b ba"),
            (prefixed(b"d"), ""),
        ] {
            let mut found = keys(&*snapshot, &range, Order::Forward);
            assert_eq!(texts(&found), expected, "{range:?}");
            found.reverse();
            assert_eq!(keys(&*snapshot, &range, Order::Backward), found, "{range:?} backward");
        }
    });
}

#[test]
fn keys_of_the_highest_bytes_are_found_by_prefix() {
    over_each_engine(|_, engine| {
        let (low, high, highest) = (vec![0xFE, 0xFF, 0xFF], vec![0xFF], vec![0xFF, 0xFF, 1]);
        engine.commit([&low, &high, &highest].map(|k| put(Space::Rows, k, b"v")).to_vec()).unwrap();
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(keys(&*snapshot, &prefixed(&[0xFE, 0xFF]), Order::Backward), [low]);
        assert_eq!(keys(&*snapshot, &prefixed(&[0xFF]), Order::Backward), [highest, high]);
    });
}

#[test]
fn a_scan_ends_when_told_and_in_steps_of_any_size() {
    over_each_engine(|_, engine| {
        let numbers: Vec<_> = (0..1000_u32).map(|n| put(Space::Rows, &n.to_be_bytes(), b"v")).collect();
        engine.commit(numbers).unwrap();
        let snapshot = engine.snapshot().unwrap();
        // While it lives, an engine without snapshots has to keep what changes.
        engine
            .commit((0..1000_u32).step_by(3).map(|n| remove(Space::Rows, &n.to_be_bytes())).collect())
            .unwrap();
        for (order, expected) in [(Order::Forward, 0..300_u32), (Order::Backward, 700..1000)] {
            let mut got = Vec::new();
            snapshot
                .scan(Space::Rows, &ALL, order, &mut |key, _| {
                    got.push(u32::from_be_bytes(key.try_into().unwrap()));
                    if got.len() < 300 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
                .unwrap();
            got.sort_unstable();
            assert_eq!(got, expected.collect::<Vec<_>>());
        }
        assert_eq!(keys(&*snapshot, &ALL, Order::Forward).len(), 1000);
        drop(snapshot);
        let now = engine.snapshot().unwrap();
        assert_eq!(keys(&*now, &ALL, Order::Forward).len(), 666);
    });
}

#[test]
fn a_batch_spans_both_spaces() {
    over_each_engine(|_, engine| {
        engine.commit(vec![put(Space::Rows, b"k", b"row"), put(Space::Bodies, b"k", b"body")]).unwrap();
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(snapshot.get(Space::Rows, b"k").unwrap().unwrap(), "row");
        assert_eq!(snapshot.get(Space::Bodies, b"k").unwrap().unwrap(), "body");
        engine.commit(vec![remove(Space::Bodies, b"k"), remove(Space::Bodies, b"absent")]).unwrap();
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(snapshot.get(Space::Rows, b"k").unwrap().unwrap(), "row");
        assert_eq!(snapshot.get(Space::Bodies, b"k").unwrap(), None);
    });
}

#[test]
fn large_and_empty_values_and_long_keys_come_back() {
    over_each_engine(|_, engine| {
        let noise: Vec<u8> =
            (0..4_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let long = vec![b'k'; 1024];
        engine
            .commit(vec![
                put(Space::Rows, &long, b""),
                put(Space::Rows, b"large", &noise),
                put(Space::Bodies, b"body", &noise[..65_536]),
            ])
            .unwrap();
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(snapshot.get(Space::Rows, &long).unwrap().unwrap(), "");
        assert_eq!(snapshot.get(Space::Rows, b"large").unwrap().unwrap(), noise);
        assert_eq!(snapshot.get(Space::Bodies, b"body").unwrap().unwrap(), noise[..65_536]);
    });
}

#[test]
fn an_engine_opened_again_has_everything() {
    for kind in Kind::ALL.iter().filter(|k| **k != Kind::Memory) {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for round in 0..5_u8 {
            let engine = kind.open(folder.path());
            let snapshot = engine.snapshot().unwrap();
            assert_eq!(keys(&*snapshot, &ALL, Order::Forward), expected, "{kind:?}");
            drop(snapshot);
            for n in 0..20 {
                engine
                    .commit(vec![
                        put(Space::Rows, &[round, n], &[n; 100]),
                        put(Space::Bodies, &[round, n], &[n; 5000]),
                    ])
                    .unwrap();
                expected.push(vec![round, n]);
            }
            engine.commit(vec![remove(Space::Rows, &[round, 7])]).unwrap();
            expected.retain(|k| *k != [round, 7]);
        }
        let engine = kind.open(folder.path());
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(snapshot.get(Space::Rows, &[3, 3]).unwrap().unwrap(), [3; 100][..]);
        assert_eq!(snapshot.get(Space::Bodies, &[4, 19]).unwrap().unwrap(), [19; 5000][..]);
        assert_eq!(snapshot.get(Space::Rows, &[4, 7]).unwrap(), None);
    }
}

#[test]
fn readers_and_a_writer_do_not_wait_for_each_other() {
    over_each_engine(|_, engine| {
        engine.commit(vec![put(Space::Rows, b"n", &[0])]).unwrap();
        let old = engine.snapshot().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < 50 {
                        let snapshot = engine.snapshot().unwrap();
                        let seen = [b"n", b"n"].map(|k| snapshot.get(Space::Rows, k).unwrap().unwrap()[0]);
                        assert_eq!(seen[0], seen[1], "a snapshot changed");
                        assert!(seen[0] >= last, "time went back");
                        last = seen[0];
                    }
                });
            }
            for n in 1..=50 {
                engine.commit(vec![put(Space::Rows, b"n", &[n])]).unwrap();
            }
        });
        assert_eq!(old.get(Space::Rows, b"n").unwrap().unwrap(), [0][..]);
    });
}
