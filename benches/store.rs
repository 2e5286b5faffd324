//! Durable deliveries a second through the committer: `cargo bench --bench store`.
//!
//! A delivery is one transaction of a body of 4 KiB with its reference and six small rows. The folder is
//! made in the directory named by `FOLKMOOT_BENCH_DIR`, or in the system's temporary one; it must be on
//! the disk that is to be measured.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use folkmoot::clock::Clock;
use folkmoot::store::keys::{Key, Table};
use folkmoot::store::{BodyId, Depth, EngineKind, Error, Read, Referrer, Store, StoreOptions, Tx};

const BODY: usize = 4096;
const LENGTH: Duration = Duration::from_secs(5);

fn main() -> Result<(), Error> {
    let engines = [EngineKind::Fjall, EngineKind::Sled];
    for engine in engines.into_iter().filter(|e| *e == EngineKind::Fjall || cfg!(feature = "sled")) {
        for writers in [1, 16] {
            measure(engine, writers)?;
        }
    }
    Ok(())
}

fn measure(engine: EngineKind, writers: u64) -> Result<(), Error> {
    let base = std::env::var_os("FOLKMOOT_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("folkmoot-bench-{}", std::process::id()));
    let options = StoreOptions { engine, ..StoreOptions::default() };
    let open = || Store::open(&folder, &options, &Clock::system());
    let store = open()?;
    let next = AtomicU64::new(0);
    let begin = now();
    let mut waits = std::thread::scope(|scope| {
        let (store, next) = (&store, &next);
        let threads: Vec<_> = (1..=writers).map(|w| scope.spawn(move || write(store, w, next))).collect();
        let mut waits = Vec::new();
        for thread in threads {
            waits.extend(thread.join().map_err(|_| Error::Panicked)??);
        }
        Ok::<_, Error>(waits)
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |part: f64| waits.get((waits.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "{engine:?}, {writers:2} writers: {:6.0} durable deliveries/s; wait: median {:?}, 99 % {:?}, longest {:?}",
        waits.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        waits.last().copied().unwrap_or_default()
    );
    let begin = now();
    read(&store, next.load(Ordering::Acquire))?;
    println!("    10,000 random items with their bodies read in {:?}", begin.elapsed());
    drop(store);
    let begin = now();
    let store = open()?;
    println!("    opened again in {:?}", begin.elapsed());
    let report = store.verify(Depth::Bodies)?;
    assert!(report.is_sound(), "{report:?}");
    drop(store);
    std::fs::remove_dir_all(&folder).map_err(|e| Error::Io(e.to_string()))
}

/// Delivers until the time is over; how long each delivery waited.
fn write(store: &Store, folder: u64, next: &AtomicU64) -> Result<Vec<Duration>, Error> {
    let mut waits = Vec::new();
    let begin = now();
    let key = store.body_key(1);
    while begin.elapsed() < LENGTH {
        let n = next.fetch_add(1, Ordering::AcqRel);
        let started = now();
        let staged = store.stage_body(&key, &body(n))?;
        store.write(move |tx| {
            tx.attach_body(&staged, Referrer::Item { folder, uid: n as u32 })?;
            rows(tx, folder, n, &staged.id())
        })?;
        waits.push(started.elapsed());
    }
    Ok(waits)
}

/// What a delivery writes besides its body: counters, item, record, two log rows and filter date.
fn rows(tx: &mut Tx<'_>, folder: u64, n: u64, body: &BodyId) -> Result<(), Error> {
    let owner = Key::of(Table::Owner).u64(folder).done();
    let modseq = tx.get(&owner)?.map_or(0, |v| v.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b))) + 1;
    tx.put(owner, modseq.to_be_bytes().to_vec());
    tx.put(Key::of(Table::Item).u64(0).u32(n as u32).done(), [&body.0[..], &[7; 60]].concat());
    tx.put(Key::of(Table::Record).u64(folder).u32(n as u32).done(), vec![8; 400]);
    tx.put(Key::of(Table::ChangeLog).u64(folder).u64(modseq).done(), vec![1; 12]);
    tx.put(Key::of(Table::OwnerLog).u64(folder).u64(modseq).done(), vec![1; 12]);
    tx.put(Key::of(Table::FilterDate).u64(folder).time(n as i64).u32(n as u32).done(), Bytes::new());
    Ok(())
}

/// A text that compresses about as well as mail does.
fn body(n: u64) -> Bytes {
    let mut seed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = Vec::with_capacity(BODY + 64);
    while text.len() < BODY {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        text.extend_from_slice(format!("{seed:x} the quick ").as_bytes());
    }
    text.truncate(BODY);
    text.into()
}

fn read(store: &Store, count: u64) -> Result<(), Error> {
    let mut seed = 1_u64;
    for _ in 0..10_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = (seed >> 33) % count;
        let reader = store.read()?;
        let item = reader.get(&Key::of(Table::Item).u64(0).u32(n as u32).done())?;
        let id = item.as_deref().and_then(|item| item.first_chunk::<32>()).copied();
        let id = id.ok_or_else(|| Error::Damaged(format!("item {n}")))?;
        assert_eq!(reader.body(&BodyId(id))?.len(), BODY);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement is what this clock is for")]
fn now() -> Instant {
    Instant::now()
}
