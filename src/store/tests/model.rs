//! Random transactions in random groups against a plain map.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::store::overlay;

type Model = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug)]
enum Op {
    Put(Space, Vec<u8>, u8),
    Delete(Space, Vec<u8>),
    Get(Space, Vec<u8>),
    Scan(Space, KeyRange, Order, usize),
}

#[derive(Clone, Debug)]
struct Transaction {
    ops: Vec<Op>,
    fails: bool,
}

#[derive(PartialEq, Eq, Debug)]
enum Seen {
    Value(Option<Vec<u8>>),
    Rows(Rows),
}

fn space() -> impl Strategy<Value = Space> {
    prop_oneof![Just(Space::Rows), Just(Space::Bodies)]
}

/// Few keys of few bytes, so that they collide and are prefixes of each other.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(7), Just(8), Just(0xFF)], 1..4)
        // Behind the store's own rows.
        .prop_map(|rest| [vec![0xF0], rest].concat())
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn op() -> impl Strategy<Value = Op> {
    let order = prop_oneof![Just(Order::Forward), Just(Order::Backward)];
    // The store's own rows are not in the model, so no scan begins before 0xF0.
    let end = prop_oneof![3 => bound(), 1 => Just(Bound::Unbounded)];
    prop_oneof![
        3 => (space(), key(), any::<u8>()).prop_map(|(s, k, v)| Op::Put(s, k, v)),
        1 => (space(), key()).prop_map(|(s, k)| Op::Delete(s, k)),
        1 => (space(), key()).prop_map(|(s, k)| Op::Get(s, k)),
        3 => (space(), bound(), end, order, 1_usize..12).prop_map(|(s, a, b, o, n)| Op::Scan(s, (a, b), o, n)),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    (proptest::collection::vec(op(), 1..8), prop::bool::weighted(0.2))
        .prop_map(|(ops, fails)| Transaction { ops, fails })
}

/// Groups of transactions; those of a group are committed together.
fn history() -> impl Strategy<Value = Vec<Vec<Transaction>>> {
    proptest::collection::vec(proptest::collection::vec(transaction(), 1..6), 1..6)
}

fn model_read(model: &Model, op: &Op) -> Option<Seen> {
    match op {
        Op::Get(space, key) => Some(Seen::Value(model.get(&(*space, key.clone())).cloned())),
        Op::Scan(space, range, order, limit) => {
            let inside =
                |key: &Vec<u8>| !overlay::is_empty(range) && std::ops::RangeBounds::contains(range, key);
            let mut rows: Rows = model
                .iter()
                .filter(|((s, k), _)| s == space && inside(k))
                .map(|((_, k), v)| (k.clone(), v.clone()))
                .collect();
            if *order == Order::Backward {
                rows.reverse();
            }
            rows.truncate(*limit);
            Some(Seen::Rows(rows))
        }
        Op::Put(..) | Op::Delete(..) => None,
    }
}

fn real_read(read: &impl Read, op: &Op) -> Option<Seen> {
    match op {
        Op::Get(space, key) => Some(Seen::Value(read.get_in(*space, key).unwrap().map(|v| v.to_vec()))),
        Op::Scan(space, range, order, limit) => Some(Seen::Rows(rows(read, *space, range, *order, *limit))),
        Op::Put(..) | Op::Delete(..) => None,
    }
}

/// What a transaction sees, and the model after it.
fn run_model(model: &mut Model, transaction: &Transaction) -> Vec<Seen> {
    let mut after = model.clone();
    let mut seen = Vec::new();
    for op in &transaction.ops {
        match op {
            Op::Put(space, key, value) => {
                after.insert((*space, key.clone()), vec![*value]);
            }
            Op::Delete(space, key) => {
                after.remove(&(*space, key.clone()));
            }
            read => seen.extend(model_read(&after, read)),
        }
    }
    if !transaction.fails {
        *model = after;
    }
    seen
}

/// Submits a group behind a transaction that waits until all of it is queued.
fn run_group(store: &Store, group: &[Transaction]) -> Vec<Vec<Seen>> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let gate = store.write_async::<_, Error, _>(move |_| {
        // The sender lives until the group is queued.
        let _ = wait.recv();
        Ok(())
    });
    let seen: Arc<Mutex<Vec<Vec<Seen>>>> = Arc::default();
    let waiting: Vec<_> = group
        .iter()
        .cloned()
        .map(|transaction| {
            let seen = seen.clone();
            let fails = transaction.fails;
            let written = store.write_async(move |tx| {
                let mut own = Vec::new();
                for op in transaction.ops {
                    match op {
                        Op::Put(space, key, value) => tx.put_in(space, key, vec![value]),
                        Op::Delete(space, key) => tx.delete_in(space, key),
                        read => own.extend(real_read(tx, &read)),
                    }
                }
                seen.lock().push(own);
                if transaction.fails { Err(Error::Full) } else { Ok(()) }
            });
            (written, fails)
        })
        .collect();
    drop(go);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        gate.await.unwrap();
        for (written, fails) in waiting {
            assert_eq!(written.await.is_err(), fails);
        }
    });
    std::mem::take(&mut *seen.lock())
}

fn check(store: &Store, history: &[Vec<Transaction>]) {
    let mut model = Model::new();
    let mut readers = Vec::new();
    for group in history {
        readers.push((store.read().unwrap(), model.clone()));
        let expected: Vec<_> = group.iter().map(|t| run_model(&mut model, t)).collect();
        assert_eq!(run_group(store, group), expected);
    }
    readers.push((store.read().unwrap(), model));
    // Every snapshot still shows its own time.
    for (reader, model) in &readers {
        for op in history.iter().flatten().flat_map(|t| &t.ops) {
            assert_eq!(real_read(reader, op), model_read(model, op));
        }
    }
}

fn clear(store: &Store) {
    write(store, |tx| {
        for space in [Space::Rows, Space::Bodies] {
            let mut keys = Vec::new();
            let ours = (Bound::Included(vec![0xF0]), Bound::Unbounded);
            tx.scan_in(space, &ours, Order::Forward, &mut |key, _| {
                keys.push(key.to_vec());
                ControlFlow::Continue(())
            })?;
            keys.into_iter().for_each(|key| tx.delete_in(space, key));
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn random_transactions_do_what_a_map_does() {
    over_each_store(|kind, store| {
        let cases = if kind == Kind::Memory { 300 } else { 40 };
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner
            .run(&history(), |history| {
                clear(&store);
                check(&store, &history);
                Ok(())
            })
            .unwrap();
    });
}
