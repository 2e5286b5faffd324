//! Checks fjall's journals before fjall opens them.
//!
//! A power cut may tear the last batch, which nobody was told of: parts of it may be missing even where
//! later parts are there. fjall forgives a batch that ends early, refuses to open when a whole one has a
//! wrong checksum, and takes some damage in the middle of a journal for its end, which would silently
//! lose every batch behind it. So we look first: a torn last batch is cut off, and a database with whole
//! batches behind a damaged one is refused. (After a write error fjall may still have begun a new
//! journal, so the last batch need not stand in the last journal.)
//!
//! A journal is a row of batches, then zeros. A batch is a start (tag 1, number of entries, sequence
//! number), its entries (tag 2: value type, compression, keyspace, lengths of key, value and stored
//! value, key, stored value; tag 4: keyspace), and an end (tag 3, XXH3 of the entries, four magic bytes).
//! Numbers are little-endian.
//!
//! Values hold what others have sent, and may hold bytes that look like a batch. So what a torn batch says of
//! its own lengths is believed: what follows is looked for behind its values, not in them. Only where they lead
//! nowhere is the very next batch looked for in them, too; nobody outside knows its number.

use std::fs::File;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::tx::KEY_MAX;
use super::{Error, record};

const MAGIC: &[u8; 4] = b"FJL\x03";
/// Longest value: a row, or a body, which is shorter.
const VALUE_MAX: usize = record::MAX_BYTES;
/// The shortest batch: a start and an end.
const BATCH_MIN: usize = 26;
/// How much later the next batch is, at most.
const NEXT: u64 = 16;
/// Sequence numbers that are used for other things than batches, between one batch and the next.
const SEQUENCES_BESIDE: u64 = 1 << 16;

/// Checks every journal in `folder`, and cuts off a torn batch that nothing follows.
pub(super) fn mend(folder: &Path) -> Result<(), Error> {
    let mut torn: Option<(PathBuf, usize)> = None;
    for (_, path) in journals(folder).map_err(|e| unusable(folder, &e))? {
        let bytes = std::fs::read(&path).map_err(|e| unusable(&path, &e))?;
        let whole = walk(&bytes);
        if let Some((path, at)) = &torn
            && whole.end > 0
        {
            return Err(damaged(path, *at));
        }
        let rest = without_zeros(bytes.get(whole.end..).unwrap_or_default());
        if batch_follows(rest, whole.sequence) {
            return Err(damaged(&path, whole.end));
        }
        if !rest.is_empty() {
            torn.get_or_insert((path, whole.end));
        }
    }
    torn.map_or(Ok(()), |(path, at)| cut(&path, at).map_err(|e| unusable(&path, &e)))
}

/// The journals by number.
fn journals(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".jnl")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}

fn cut(path: &Path, at: usize) -> std::io::Result<()> {
    tracing::warn!(journal = %path.display(), at, "cutting off a batch that was never acknowledged");
    let file = File::options().write(true).open(path)?;
    file.set_len(u64::try_from(at).unwrap_or(u64::MAX))?;
    file.sync_all()
}

/// Without the zeros at the end, give or take a page; a journal is made with 64 MiB of them.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    const PAGE: [u8; 4096] = [0; 4096];
    let zeros = bytes.rchunks(PAGE.len()).take_while(|page| PAGE.starts_with(page)).map(<[u8]>::len).sum();
    bytes.len().checked_sub(zeros).and_then(|end| bytes.get(..end)).unwrap_or_default()
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Unusable(format!("{}: {why}", path.display()))
}

fn damaged(path: &Path, at: usize) -> Error {
    unusable(path, &format!("the journal is damaged at byte {at}; restore from a backup"))
}

/// The whole batches at the beginning of a journal.
#[derive(Default)]
struct Whole {
    /// Where they end.
    end: usize,
    /// The last one's sequence number.
    sequence: u64,
}

fn walk(bytes: &[u8]) -> Whole {
    let mut whole = Whole::default();
    while let Some(batch) = bytes.get(whole.end..).and_then(Batch::read) {
        whole.end = whole.end.saturating_add(batch.length);
        whole.sequence = batch.sequence;
    }
    whole
}

/// True when a whole batch, later than `sequence`, stands somewhere behind the end of another. `rest` begins with
/// a torn one. A later batch is as much later as there is room for batches between.
fn batch_follows(rest: &[u8], sequence: u64) -> bool {
    let room = u64::try_from(rest.len() / BATCH_MIN).unwrap_or(u64::MAX);
    let torn = Torn::read(rest);
    let behind = rest.get(torn.length..).unwrap_or_default();
    if holds_batch(behind, sequence, room.saturating_add(SEQUENCES_BESIDE)) {
        return true;
    }
    // Its values may hold anything; but where its lengths do not lead to an end, one of them may be what is
    // damaged, and true batches stand in what it claims. The first of them is the very next.
    let claimed = rest.get(..torn.length).unwrap_or_default();
    !torn.ends && holds_batch(claimed, torn.sequence.unwrap_or(sequence), NEXT)
}

/// True when a whole batch stands in `bytes` behind the end of another, up to `ahead` later than `sequence`.
fn holds_batch(bytes: &[u8], sequence: u64, ahead: u64) -> bool {
    let later = sequence.saturating_add(1)..=sequence.saturating_add(ahead);
    bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| window == MAGIC).any(|(at, _)| {
        let behind = bytes.get(at.saturating_add(MAGIC.len())..).and_then(Batch::read);
        behind.is_some_and(|batch| later.contains(&batch.sequence))
    })
}

/// What a torn batch says of itself.
#[derive(Default)]
struct Torn {
    /// Its start and its entries, as far as they can be told; all there is when the last of them was cut.
    length: usize,
    /// Its sequence number.
    sequence: Option<u64>,
    /// Whether all its entries are there, and what stands behind them looks like its end.
    ends: bool,
}

impl Torn {
    /// The batch that `rest` begins with.
    fn read(rest: &[u8]) -> Self {
        let mut left = rest;
        let start = (take(&mut left), take(&mut left), take(&mut left));
        let (Some([1]), Some(count), Some(sequence)) = start else { return Self::default() };
        let sequence = Some(u64::from_le_bytes(sequence));
        let length = |left: &[u8]| rest.len().saturating_sub(left.len());
        for _ in 0..u32::from_le_bytes(count) {
            let Some(entry) = entry_length(left) else {
                return Self { length: length(left), sequence, ends: false };
            };
            match left.get(entry..) {
                Some(behind) => left = behind,
                None => return Self { length: rest.len(), sequence, ends: false },
            }
        }
        let ends = left.first() == Some(&3) && left.get(9..13) == Some(MAGIC.as_slice());
        Self { length: length(left), sequence, ends }
    }
}

/// The length of the entry that `bytes` begin with, which may be more than there is. Nothing when it has none that
/// we would write.
fn entry_length(bytes: &[u8]) -> Option<usize> {
    const KEYSPACE: usize = 9;
    const HEADER: usize = 21;
    match bytes.first()? {
        2 => {
            let mut rest = bytes.get(11..)?;
            let key = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let _length_before_compression: [u8; 4] = take(&mut rest)?;
            let value = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
            let ours = (1..=KEY_MAX).contains(&key) && value <= VALUE_MAX;
            ours.then(|| HEADER.saturating_add(key).saturating_add(value))
        }
        4 => Some(KEYSPACE),
        _ => None,
    }
}

struct Batch {
    length: usize,
    sequence: u64,
}

impl Batch {
    /// The batch at the beginning of `bytes`, if it is whole.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let ([1], count, sequence) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?) else {
            return None;
        };
        let entries = rest;
        for _ in 0..u32::from_le_bytes(count) {
            skip_entry(&mut rest)?;
        }
        let entries = entries.get(..entries.len().checked_sub(rest.len())?)?;
        let ([3], checksum, magic) = (take(&mut rest)?, take(&mut rest)?, take::<4>(&mut rest)?) else {
            return None;
        };
        (magic == *MAGIC && xxh3_64(entries) == u64::from_le_bytes(checksum)).then_some(Self {
            length: bytes.len().checked_sub(rest.len())?,
            sequence: u64::from_le_bytes(sequence),
        })
    }
}

fn skip_entry(rest: &mut &[u8]) -> Option<()> {
    let [tag] = take(rest)?;
    match tag {
        2 => {
            let _value_type_compression_and_keyspace: [u8; 10] = take(rest)?;
            let key = usize::from(u16::from_le_bytes(take(rest)?));
            let _length_before_compression: [u8; 4] = take(rest)?;
            let value = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
            *rest = rest.get(key.checked_add(value)?..)?;
        }
        4 => {
            let _keyspace: [u8; 8] = take(rest)?;
        }
        _ => return None,
    }
    Some(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (part, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(sequence: u64, value: &[u8]) -> Vec<u8> {
        let mut entry = vec![2, 0, 0];
        entry.extend_from_slice(&1_u64.to_le_bytes());
        entry.extend_from_slice(&1_u16.to_le_bytes());
        let length = u32::try_from(value.len()).unwrap().to_le_bytes();
        entry.extend_from_slice(&[length, length].concat());
        entry.push(b'k');
        entry.extend_from_slice(value);
        let mut out = vec![1];
        out.extend_from_slice(&1_u32.to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&entry);
        out.push(3);
        out.extend_from_slice(&xxh3_64(&entry).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    #[test]
    fn whole_batches_are_walked() {
        let bytes = [batch(1, b"one"), batch(2, b"two"), vec![0; 100]].concat();
        let whole = walk(&bytes);
        assert_eq!((whole.end, whole.sequence), (bytes.len() - 100, 2));
    }

    #[test]
    fn a_torn_batch_is_cut_off_only_when_nothing_follows_in_any_journal() {
        let whole = [batch(1, b"one"), batch(2, b"two")].concat();
        let torn = &whole[..whole.len() - 3];
        let empty = vec![0; 10_000];
        let later = batch(3, b"three");
        for (journals, cut_or_damaged) in [
            (vec![&whole[..], &later, &empty], Ok(whole.len())),
            (vec![torn, &empty], Ok(batch(1, b"one").len())),
            (vec![torn, &[][..]], Ok(batch(1, b"one").len())),
            (vec![torn, &later], Err(())),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for (number, bytes) in journals.iter().enumerate() {
                // Ten stands behind nine.
                std::fs::write(folder.path().join(format!("{}.jnl", number + 9)), bytes).unwrap();
            }
            let mended = mend(folder.path()).map_err(|_| ());
            let length = std::fs::metadata(folder.path().join("9.jnl")).unwrap().len();
            assert_eq!(mended.map(|()| usize::try_from(length).unwrap()), cut_or_damaged);
        }
    }

    #[test]
    fn a_batch_behind_damage_is_seen() {
        let mut bytes = [batch(1, b"one"), batch(2, b"two"), batch(3, b"three")].concat();
        let first = batch(1, b"one").len();
        bytes[first + 20] ^= 1;
        assert_eq!(walk(&bytes).end, first);
        assert!(batch_follows(&bytes[first..], 1));
        assert!(!batch_follows(&bytes[first..], 3), "an older one is no batch of this journal");
        let torn = &bytes[first..bytes.len() - 1];
        assert!(!batch_follows(torn, 1));
    }

    /// Somebody sends messages with batches in them, and the power fails while one is written.
    #[test]
    fn a_batch_in_a_message_is_no_batch() {
        let forged = [b"Subject: x\r\n\r\n".as_slice(), MAGIC, &batch(4000, b"forged"), &[7; 50]].concat();
        let whole = batch(1, b"one");
        let second = batch(2, &forged);
        for cut in 1..second.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("0.jnl");
            let journal = [whole.as_slice(), &second[..cut], &vec![0; 9000]].concat();
            std::fs::write(&path, journal).unwrap();
            mend(folder.path()).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
        // Its checksum is wrong, and a true one follows: that is damage, not a torn end.
        let mut damaged = second.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(!batch_follows(&damaged, 1));
        damaged = second;
        damaged[60] ^= 1;
        assert!(!batch_follows(&damaged, 1));
        assert!(batch_follows(&[damaged, batch(3, b"three")].concat(), 1));
    }

    /// Wherever the damage is, also in a length, what was acknowledged behind it is not passed over.
    #[test]
    fn a_batch_behind_a_damaged_length_is_seen() {
        let (second, third) = (batch(2, &[9; 3000]), batch(3, &[8; 3000]));
        let behind = [third.as_slice(), &batch(4, b"four")].concat();
        for at in (0..34).chain(second.len() - 13..second.len()) {
            for bit in 0..8 {
                let mut damaged = second.clone();
                damaged[at] ^= 1 << bit;
                let journal = [batch(1, b"one"), damaged, behind.clone()].concat();
                let whole = walk(&journal);
                let passed = whole.end == journal.len();
                // The sequence number is not covered by the checksum.
                assert_eq!(passed, (5..13).contains(&at), "byte {at} bit {bit}");
                assert!(
                    passed || batch_follows(&journal[whole.end..], whole.sequence),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn a_batch_from_nowhere_does_not_follow() {
        let behind = |sequence| [b"no batch", MAGIC.as_slice(), &batch(sequence, b"x")].concat();
        assert!(batch_follows(&behind(3), 1));
        assert!(!batch_follows(&behind(1), 1));
        assert!(!batch_follows(&behind(1 << 40), 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            walk(&bytes);
            batch_follows(&bytes, 0);
        }

        #[test]
        fn damaged_batches_are_not_whole(at in 0_usize..60, bit in 0_u8..8) {
            let mut bytes = batch(7, b"a value of some length");
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // The sequence number is not covered by the checksum.
            prop_assert_eq!(Batch::read(&bytes).is_some(), (5..13).contains(&at));
        }
    }
}
