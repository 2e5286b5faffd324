//! What left a mailbox since a client was here last. RFC 7162 §3.2.6, §3.2.10.

use std::ops::ControlFlow;

use crate::doors::imap::state::ranges;
use crate::doors::imap::uid_map::UidMap;
use crate::mailbox::{Error, Folder, LogRow, Modseq, Uid, View};

/// The messages of `within` that left the folder after `since`, as ordered ranges of UIDs. Where the folder's
/// log does not reach back so far, or `since` is in no past of this folder, these are all that are not there:
/// of some the client may have heard before, but nothing is left out. `here` has what the session knows;
/// of that it is told otherwise.
pub(in crate::doors::imap) fn vanished(
    view: &View,
    folder: &Folder,
    here: &UidMap,
    since: Modseq,
    within: &[(u32, u32)],
) -> Result<Vec<(u32, u32)>, Error> {
    if since < folder.purged || since > folder.highest {
        return Ok(absent(folder.uid_next, here, within));
    }
    let mut gone = Vec::new();
    view.log(folder, since, &mut |_, row| {
        if let LogRow::Tombstone { uid: Uid(uid), .. } = row
            && is_within(uid, within)
            && here.seq(uid).is_none()
        {
            gone.push(uid);
        }
        ControlFlow::Continue(())
    })?;
    gone.sort_unstable();
    gone.dedup();
    Ok(ranges(&gone))
}

fn is_within(uid: u32, within: &[(u32, u32)]) -> bool {
    let after = within.partition_point(|(low, _)| *low <= uid);
    after.checked_sub(1).and_then(|i| within.get(i)).is_some_and(|(_, high)| uid <= *high)
}

/// The UIDs of `within`, as far as any were given out, that are not `here`.
fn absent(uid_next: u32, here: &UidMap, within: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let last = uid_next.saturating_sub(1);
    let mut absent = Vec::new();
    for (low, high) in within {
        let (mut from, high) = (*low, (*high).min(last));
        for uid in here.within(from, high) {
            if from < uid {
                absent.push((from, uid - 1));
            }
            from = uid.saturating_add(1);
        }
        if from <= high {
            absent.push((from, high));
        }
    }
    absent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_absent() {
        let here: UidMap = [2, 3, 7].into_iter().collect();
        assert_eq!(absent(10, &here, &[(1, u32::MAX)]), [(1, 1), (4, 6), (8, 9)]);
        assert_eq!(absent(8, &here, &[(2, 3), (5, 5), (7, 20)]), [(5, 5)]);
        assert_eq!(absent(1, &UidMap::default(), &[(1, u32::MAX)]), []);
        assert!(is_within(5, &[(1, 2), (5, 5)]) && !is_within(3, &[(1, 2), (5, 5)]) && !is_within(1, &[]));
    }
}
