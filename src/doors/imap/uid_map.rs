//! Which message has which sequence number, in runs of consecutive UIDs: a mailbox of 100,000 messages
//! in which nothing was expunged takes eight bytes.

/// The messages a session knows of, in order of UID.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct UidMap {
    runs: Vec<Run>,
    len: u32,
}

/// Messages of consecutive UIDs, up to the next run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    seq: u32,
    uid: u32,
}

impl UidMap {
    /// How many messages there are: the sequence number of the last.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn last_uid(&self) -> Option<u32> {
        self.uid(self.len)
    }

    /// Adds the next message. Its UID is above all others; one that is not is passed over.
    pub(super) fn push(&mut self, uid: u32) {
        let last = self.last_uid().unwrap_or(0);
        if uid <= last {
            return;
        }
        let Some(seq) = self.len.checked_add(1) else { return };
        if self.runs.is_empty() || uid != last.saturating_add(1) {
            self.runs.push(Run { seq, uid });
        }
        self.len = seq;
    }

    /// The UID of the message with a sequence number.
    pub(super) fn uid(&self, seq: u32) -> Option<u32> {
        if seq == 0 || seq > self.len {
            return None;
        }
        let after = self.runs.partition_point(|run| run.seq <= seq);
        let run = self.runs.get(after.checked_sub(1)?)?;
        run.uid.checked_add(seq - run.seq)
    }

    /// The sequence number of the message with a UID.
    pub(super) fn seq(&self, uid: u32) -> Option<u32> {
        let after = self.runs.partition_point(|run| run.uid <= uid);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let end = self.runs.get(after).map_or(self.len, |next| next.seq.saturating_sub(1));
        run.seq.checked_add(uid - run.uid).filter(|seq| *seq <= end)
    }

    /// The UIDs from `low` to `high` that the map has, in order.
    pub(super) fn within(&self, low: u32, high: u32) -> impl Iterator<Item = u32> + '_ {
        let after = self.runs.partition_point(|run| run.uid <= low);
        let runs = self.runs.get(after.saturating_sub(1)..).unwrap_or_default();
        let ends = runs.iter().skip(1).map(|next| next.seq).chain([self.len.saturating_add(1)]);
        let uids = runs.iter().zip(ends).map(move |(run, end)| {
            let last = run.uid.saturating_add(end.saturating_sub(run.seq).saturating_sub(1));
            (run.uid.max(low), last.min(high))
        });
        uids.take_while(move |(first, _)| *first <= high).flat_map(|(first, last)| first..=last)
    }

    /// Ranges of sequence numbers, ordered, as ranges of UIDs. Numbers beyond the last are left out, and
    /// so is nothing between: what a range of UIDs holds and the map too, the range of numbers held.
    pub(super) fn uids(&self, seqs: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let uids = |(low, high): &(u32, u32)| Some((self.uid(*low)?, self.uid((*high).min(self.len))?));
        seqs.iter().filter_map(uids).collect()
    }

    /// Takes messages out and says which sequence numbers they had, each at the time when it goes: the
    /// highest first, so that none is changed by another. `uids` are ordered.
    pub(super) fn remove(&mut self, uids: &[u32]) -> Vec<u32> {
        let mut gone: Vec<u32> = uids.iter().filter_map(|uid| self.seq(*uid)).collect();
        gone.dedup();
        let mut left = Self::default();
        let mut next_gone = gone.iter().copied().peekable();
        for (i, run) in self.runs.iter().enumerate() {
            let end = self.runs.get(i + 1).map_or(self.len, |next| next.seq.saturating_sub(1));
            let mut from = run.seq;
            while let Some(seq) = next_gone.next_if(|seq| *seq <= end) {
                left.push_run(run.uid.saturating_add(from - run.seq), seq - from);
                from = seq.saturating_add(1);
            }
            left.push_run(run.uid.saturating_add(from - run.seq), end.saturating_add(1) - from);
        }
        *self = left;
        gone.reverse();
        gone
    }

    fn push_run(&mut self, uid: u32, count: u32) {
        if count > 0 {
            self.push(uid);
            self.len = self.len.saturating_add(count - 1);
        }
    }
}

impl FromIterator<u32> for UidMap {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        let mut map = Self::default();
        uids.into_iter().for_each(|uid| map.push(uid));
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn consecutive_uids_are_one_run() {
        let map: UidMap = (1..=100_000).collect();
        assert_eq!(map.runs.len(), 1);
        assert_eq!(
            (map.uid(100_000), map.seq(7), map.uid(100_001), map.seq(0)),
            (Some(100_000), Some(7), None, None)
        );
        assert_eq!(UidMap::default().remove(&[1]), Vec::<u32>::new());
    }

    proptest! {
        #[test]
        fn behaves_as_a_list(
            uids in prop::collection::btree_set(1_u32..60, 0..40),
            gone in prop::collection::btree_set(1_u32..60, 0..40),
            seqs in (1_u32..40, 1_u32..40),
        ) {
            let mut list: Vec<u32> = uids.iter().copied().collect();
            let mut map: UidMap = list.iter().copied().collect();
            let gone: Vec<u32> = gone.into_iter().collect();
            for round in 0..2 {
                prop_assert_eq!(map.len() as usize, list.len());
                for n in 0..70 {
                    let seq = list.iter().position(|uid| *uid == n).map(|i| i as u32 + 1);
                    prop_assert_eq!(map.seq(n), seq);
                    let uid = (n as usize).checked_sub(1).and_then(|i| list.get(i)).copied();
                    prop_assert_eq!(map.uid(n), uid);
                }
                let (low, high) = (seqs.0.min(seqs.1), seqs.0.max(seqs.1));
                let between: Vec<u32> = list.iter().copied().filter(|u| (low..=high).contains(u)).collect();
                prop_assert_eq!(map.within(low, high).collect::<Vec<_>>(), between);
                let within: BTreeSet<u32> =
                    list.iter().copied().skip(low as usize - 1).take((high - low + 1) as usize).collect();
                let ranges = map.uids(&[(low, high)]);
                let found: BTreeSet<u32> = list
                    .iter()
                    .copied()
                    .filter(|uid| ranges.iter().any(|(a, b)| (*a..=*b).contains(uid)))
                    .collect();
                prop_assert_eq!(found, within);
                if round == 0 {
                    for seq in map.remove(&gone) {
                        list.remove(seq as usize - 1);
                    }
                    prop_assert!(gone.iter().all(|uid| !list.contains(uid)));
                    let same: UidMap = list.iter().copied().collect();
                    prop_assert_eq!(&map, &same);
                }
            }
        }
    }
}
