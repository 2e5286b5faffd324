//! The committer: sharing commits, and what goes wrong in closures.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::faulty::Faulty;
use crate::store::{keys, record};

const COUNT: &[u8] = b"\xF0count";

fn count(read: &impl Read) -> Result<u64, Error> {
    Ok(read.get(COUNT)?.map_or(0, |v| keys::number(&v).unwrap()))
}

fn increment(tx: &mut super::super::Tx<'_>) -> Result<u64, Error> {
    let next = count(tx)? + 1;
    tx.put(COUNT.to_vec(), next.to_be_bytes().to_vec());
    Ok(next)
}

#[test]
fn writers_share_commits_and_see_each_others_changes() {
    over_each_engine(|kind, engine| {
        let engine = Arc::new(Faulty::over(engine));
        let store = Store::over(engine.clone(), Box::new(|| true)).unwrap();
        let before = engine.commits();
        let told = Arc::new(AtomicUsize::new(0));
        let mut results: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let mut results = Vec::new();
                        for _ in 0..20 {
                            let told = told.clone();
                            let n = write(&store, move |tx| {
                                tx.after_commit(move || {
                                    told.fetch_add(1, Ordering::AcqRel);
                                });
                                increment(tx)
                            });
                            results.push(n.unwrap());
                        }
                        results
                    })
                })
                .collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        results.sort_unstable();
        assert_eq!(results, (1..=320).collect::<Vec<_>>());
        assert_eq!(count(&store.read().unwrap()).unwrap(), 320);
        assert_eq!(told.load(Ordering::Acquire), 320);
        let commits = engine.commits() - before;
        assert!(kind == Kind::Memory || commits < 160, "{commits} commits for 320 transactions");
    });
}

#[test]
fn a_failed_closure_leaves_no_trace() {
    over_each_store(|_, store| {
        let failed = store.write::<(), Error>(|tx| {
            tx.put(b"\xF0a".to_vec(), "1");
            tx.put_in(Space::Bodies, b"a".to_vec(), "1");
            tx.after_commit(|| unreachable!("it was not committed"));
            assert!(tx.get(b"\xF0a")?.is_some());
            Err(Error::Damaged("on purpose".into()))
        });
        assert!(matches!(failed, Err(Error::Damaged(_))));
        let reader = store.read().unwrap();
        assert_eq!(reader.get(b"\xF0a").unwrap(), None);
        assert_eq!(reader.get_in(Space::Bodies, b"a").unwrap(), None);
    });
}

#[test]
fn a_panic_is_the_callers_own() {
    let store = Store::in_memory().unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let gate = store.write_async::<_, Error, _>(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    // All in one group.
    let before = store.write_async(increment);
    let broken = store.write_async::<(), Error, _>(|tx| {
        tx.put(COUNT.to_vec(), 99_u64.to_be_bytes().to_vec());
        panic!("a bug")
    });
    let bad_hook = store.write_async(|tx| {
        tx.after_commit(|| panic!("a bug in a hook"));
        increment(tx)
    });
    let after = store.write_async(increment);
    drop(go);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        gate.await.unwrap();
        assert_eq!(before.await.unwrap(), 1);
        assert!(matches!(broken.await, Err(Error::Panicked)));
        assert_eq!(bad_hook.await.unwrap(), 2);
        assert_eq!(after.await.unwrap(), 3);
    });
    assert_eq!(write(&store, increment).unwrap(), 4);
    assert!(!store.failed());
}

#[test]
fn a_write_goes_on_when_nobody_waits_for_it() {
    let store = Store::in_memory().unwrap();
    drop(store.write_async(increment));
    assert_eq!(write(&store, increment).unwrap(), 2);
}

#[test]
fn a_stopped_store_refuses_writes_and_serves_reads() {
    let store = Store::in_memory().unwrap();
    let queued = store.write_async(increment);
    store.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(queued).unwrap(), 1);
    assert!(matches!(write(&store, increment), Err(Error::Stopped)));
    assert_eq!(count(&store.read().unwrap()).unwrap(), 1);
}

#[test]
fn the_last_clone_may_go_in_a_transaction() {
    let store = Store::in_memory().unwrap();
    let clone = store.clone();
    let written = store.write_async::<_, Error, _>(move |_| {
        drop(clone);
        Ok(())
    });
    drop(store);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(written).unwrap();
}

#[test]
fn a_transaction_within_a_transaction_is_refused() {
    let store = Store::in_memory().unwrap();
    let inner = store.clone();
    let nested = write(&store, move |_| write(&inner, increment));
    assert!(matches!(nested, Err(Error::Panicked)));
    assert_eq!(write(&store, increment).unwrap(), 1);
}

#[test]
fn keys_no_engine_takes_are_the_callers_own_bug() {
    over_each_store(|_, store| {
        for key in [vec![], vec![0xF0; 1025]] {
            let longest = vec![0xF0; 1024];
            let written = write(&store, move |tx| {
                tx.put(longest, "fine");
                tx.put(key, "not");
                Ok(())
            });
            assert!(matches!(written, Err(Error::Panicked)));
            assert_eq!(store.read().unwrap().get(&[0xF0; 1024]).unwrap(), None);
        }
        write(&store, increment).unwrap();
    });
}

#[test]
fn rows_that_nobody_would_read_are_the_callers_own_bug() {
    over_each_store(|_, store| {
        let put = |length: usize| {
            write(&store, move |tx| {
                tx.put(vec![0xF1], "fine");
                tx.put(vec![0xF0], vec![1; length]);
                Ok(())
            })
        };
        assert!(matches!(put(record::MAX_BYTES + 1), Err(Error::Panicked)));
        assert_eq!(store.read().unwrap().get(&[0xF1]).unwrap(), None);
        put(record::MAX_BYTES).unwrap();
        assert!(record::decode::<Vec<u8>>(&record::encode(1, &vec![7_u8; 1000])).is_ok());
    });
}
