//! A disk that really is full. It needs a file system of its own, of 150 to 300 MiB, for example
//! `mount -t tmpfs -o size=200m none /mnt/small`; then
//! `FOLKMOOT_TEST_SMALL_DISK=/mnt/small cargo nextest run --lib --run-ignored only small_disk`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::store::{Depth, Referrer};

fn disk() -> PathBuf {
    std::env::var_os("FOLKMOOT_TEST_SMALL_DISK").expect("see the module's documentation").into()
}

/// Fills the disk to the last byte.
fn fill(path: &Path) {
    let mut ballast = File::create(path).unwrap();
    let mut step = vec![0xAA; 1 << 20];
    while !step.is_empty() {
        if ballast.write_all(&step).is_err() {
            step.truncate(step.len() / 2);
        }
    }
}

fn deliver(store: &Store, n: u64) -> Result<(), Error> {
    let body = Bytes::from(n.to_be_bytes().repeat(1024));
    let staged = store.stage_body(&store.body_key(1), &body)?;
    let item = Referrer::Item { folder: n, uid: 1 };
    write(store, move |tx| {
        tx.put([&[0xF0], &n.to_be_bytes()[..]].concat(), staged.id().0.to_vec());
        tx.attach_body(&staged, item)
    })
}

fn present(store: &Store, n: u64) -> bool {
    store.read().unwrap().get(&[&[0xF0], &n.to_be_bytes()[..]].concat()).unwrap().is_some()
}

#[test]
#[ignore = "needs a small file system"]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    let disk = disk();
    let ballast = disk.join("ballast");
    for watermark in [0, 4 << 20] {
        let folder = disk.join(format!("data-{watermark}"));
        let options = StoreOptions { free_space_watermark: watermark, ..options() };
        let store = Store::open(&folder, &options, &Clock::system()).unwrap();
        let mut acknowledged: Vec<u64> = Vec::new();
        let mut n = 0;
        for _ in 0..3 {
            for _ in 0..50 {
                deliver(&store, n).unwrap();
                acknowledged.push(n);
                n += 1;
            }
            fill(&ballast);
            // The page the journal is in may have some room left.
            let refused = loop {
                match deliver(&store, n) {
                    Ok(()) => acknowledged.push(n),
                    Err(e) => break e,
                }
                n += 1;
            };
            println!("watermark {watermark}: {refused}");
            assert!(matches!(refused, Error::Full | Error::Unknown(_)), "{refused}");
            assert!(acknowledged.iter().all(|n| present(&store, *n)), "reads go on");
            std::fs::remove_file(&ballast).unwrap();
            n += 1;
            let mut outcome = deliver(&store, n);
            for _ in 0..100 {
                if outcome.is_ok() {
                    break;
                }
                assert!(matches!(outcome, Err(Error::Full)), "{outcome:?}");
                std::thread::sleep(Duration::from_millis(50));
                outcome = deliver(&store, n);
            }
            outcome.unwrap();
            acknowledged.push(n);
            n += 1;
        }
        assert!(!store.failed());
        assert!(acknowledged.iter().all(|n| present(&store, *n)));
        drop(store);
        let store = Store::open(&folder, &options, &Clock::system()).unwrap();
        assert!(acknowledged.iter().all(|n| present(&store, *n)));
        let report = store.verify(Depth::Bodies).unwrap();
        assert!(report.is_sound(), "{report:?}");
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
