//! fjall's journal after a power cut: the last batch may be there in any part. Whatever is acknowledged
//! before it stays, and no half batch is ever seen.

use std::fs::File;
use std::path::PathBuf;

use super::*;
use crate::store::keys;

const BATCHES: u64 = 12;

/// A database of batches, each of rows named after it, and where each batch ends in the journal.
struct Torn {
    folder: tempfile::TempDir,
    ends: Vec<u64>,
}

fn batch(n: u64) -> Vec<Change> {
    let number = n.to_be_bytes();
    let row = |part: u8| [b"row".as_slice(), &[part], &number].concat();
    // Some are stored compressed, some are not, some are long.
    let length = usize::try_from(n * 900).unwrap();
    let noise: Vec<u8> = (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        put(Space::Rows, &row(1), &number),
        put(Space::Rows, &row(2), &vec![7; length]),
        put(Space::Bodies, &row(3), &noise),
        remove(Space::Rows, &[b"row".as_slice(), &[1], &(n - 1).to_be_bytes()].concat()),
        put(Space::Rows, b"count", &number),
    ]
}

/// What a database holds after `count` batches, or the panic of a half one.
fn check(engine: &dyn Engine) -> u64 {
    let snapshot = engine.snapshot().unwrap();
    let count = snapshot.get(Space::Rows, b"count").unwrap().map_or(0, |v| keys::number(&v).unwrap());
    let mut expected = std::collections::BTreeMap::new();
    for change in (1..=count).flat_map(batch) {
        expected.insert((change.space, change.key), change.value);
    }
    expected.retain(|_, value| value.is_some());
    let mut found = std::collections::BTreeMap::new();
    for space in [Space::Rows, Space::Bodies] {
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        snapshot
            .scan(space, &all, Order::Forward, &mut |key, value| {
                found.insert((space, key.to_vec()), Some(value.clone()));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    assert!(found == expected, "after {count} batches the rows are not those of {count} batches");
    count
}

impl Torn {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Fjall::open(folder.path(), &options()).unwrap();
        let mut ends = vec![data_end(folder.path())];
        for n in 1..=BATCHES {
            engine.commit(batch(n)).unwrap();
            ends.push(data_end(folder.path()));
        }
        Self { folder, ends }
    }

    /// A copy with a journal of its first `length` bytes, changed by `damage`.
    fn copy(&self, length: u64, damage: impl FnOnce(&mut [u8])) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), copy.path());
        let mut bytes = std::fs::read(journal(self.folder.path())).unwrap();
        bytes.truncate(usize::try_from(length).unwrap());
        damage(&mut bytes);
        std::fs::write(journal(copy.path()), bytes).unwrap();
        copy
    }

    /// How many batches end at or before `length`.
    fn whole(&self, length: u64) -> u64 {
        u64::try_from(self.ends.iter().filter(|end| **end <= length).count() - 1).unwrap()
    }

    fn end(&self, batches: u64) -> u64 {
        self.ends[usize::try_from(batches).unwrap()]
    }
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("0.jnl")
}

/// Where the journal's zeros begin.
fn data_end(folder: &Path) -> u64 {
    let bytes = std::fs::read(journal(folder)).unwrap();
    let zeros: usize =
        bytes.rchunks(1 << 16).take_while(|c| c.iter().all(|b| *b == 0)).map(<[u8]>::len).sum();
    let rest = &bytes[..bytes.len() - zeros];
    // The trailer ends in 3, so no zero at the end is data.
    u64::try_from(rest.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1)).unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|e| e != "jnl") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_journal_cut_anywhere_is_a_prefix() {
    let torn = Torn::new();
    let last = torn.end(BATCHES);
    // Finer in the first batches.
    let cuts = (torn.end(0)..torn.end(2)).step_by(101).chain((torn.end(2)..last).step_by(2503)).chain([last]);
    for cut in cuts {
        let copy = torn.copy(cut, |_| {});
        let engine = Fjall::open(copy.path(), &options()).unwrap();
        assert_eq!(check(&engine), torn.whole(cut), "cut at {cut}");
    }
}

#[test]
fn a_torn_database_takes_writes_again() {
    let torn = Torn::new();
    let cut = torn.end(7) + 100;
    let copy = torn.copy(cut, |_| {});
    for n in 8..=10 {
        let engine = Fjall::open(copy.path(), &options()).unwrap();
        assert_eq!(check(&engine), n - 1);
        engine.commit(batch(n)).unwrap();
    }
    assert_eq!(check(&Fjall::open(copy.path(), &options()).unwrap()), 10);
}

#[test]
fn any_part_of_the_last_batch_may_be_missing() {
    let torn = Torn::new();
    let (start, end) = (torn.end(BATCHES - 1), torn.end(BATCHES));
    let holes =
        (start..end).step_by(1511).flat_map(|at| [(at, at + 1), (at, at + 512), (at, at + 4096), (at, end)]);
    for (from, to) in holes {
        let to = to.min(end);
        let fill = |with: fn(u8) -> u8| {
            torn.copy(end, |bytes| {
                let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
                bytes[range].iter_mut().for_each(|b| *b = with(*b));
            })
        };
        for copy in [fill(|_| 0), fill(|_| 0xFF), fill(|b| b ^ 0x10)] {
            let engine = Fjall::open(copy.path(), &options()).unwrap();
            let found = check(&engine);
            // A hole of zeros may hit what was zero already; a sequence number is not checked.
            assert!(found == BATCHES - 1 || found == BATCHES, "{found} batches, hole {from}..{to}");
            engine.commit(batch(found + 1)).unwrap();
            assert_eq!(check(&engine), found + 1);
        }
    }
}

#[test]
fn damage_before_acknowledged_batches_is_never_passed_over() {
    let torn = Torn::new();
    let end = torn.end(BATCHES);
    let mut refused = 0;
    for at in (torn.end(0)..torn.end(BATCHES - 1)).step_by(1601) {
        let copy = torn.copy(end, |bytes| bytes[usize::try_from(at).unwrap()] ^= 0x04);
        match Fjall::open(copy.path(), &options()) {
            // Only where it does not matter: in a sequence number.
            Ok(engine) => assert_eq!(check(&engine), BATCHES),
            Err(Error::Unusable(why)) => {
                assert!(why.contains("damaged at byte"), "{why}");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
        let length = File::open(journal(copy.path())).unwrap().metadata().unwrap().len();
        assert!(length == end, "nothing was cut off");
    }
    assert!(refused > 15, "{refused}");
}
