//! Seen state that is a user's own in somebody else's folder: bits by UID, in chunks. It raises
//! nobody else's modseq.

use std::collections::HashMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::error::Error;
use super::ids::{Acting, FolderId, Uid};
use super::tx::{Granted, MailTx};
use crate::store::keys::{Key, Parts, Table};
use crate::store::{Order, Read};

/// UIDs of one chunk; its row has an eighth of that many octets at most.
const CHUNK: u32 = 4_096;

fn key(folder: FolderId, user: u64, uid: Uid) -> Vec<u8> {
    Key::of(Table::SeenOverlay).u64(folder.0).u64(user).u32(uid.0 / CHUNK).done()
}

/// The octet and the bit of a UID within its chunk.
fn place(uid: Uid) -> (usize, u8) {
    let bit = uid.0 % CHUNK;
    ((bit / 8) as usize, 1 << (bit % 8))
}

/// Whether `user` has seen an item of somebody else's folder.
pub(super) fn is_seen(from: &dyn Read, folder: FolderId, user: u64, uid: Uid) -> Result<bool, Error> {
    let (octet, bit) = place(uid);
    let chunk = from.get(&key(folder, user, uid))?;
    Ok(chunk.and_then(|chunk| chunk.get(octet).copied()).is_some_and(|bits| bits & bit != 0))
}

/// All that a user has seen in somebody else's folder.
#[derive(Default)]
pub(super) struct OwnSeen(HashMap<u32, Bytes>);

impl OwnSeen {
    pub(super) fn of(from: &dyn Read, folder: FolderId, user: u64) -> Result<Self, Error> {
        let mut chunks = HashMap::new();
        let range = Key::of(Table::SeenOverlay).u64(folder.0).u64(user).range();
        from.scan(&range, Order::Forward, &mut |key, chunk| {
            let mut parts = Parts::of(key);
            let number = parts.u64().and_then(|_| parts.u64()).and_then(|_| parts.u32());
            chunks.extend(number.map(|number| (number, chunk.clone())));
            ControlFlow::Continue(())
        })?;
        Ok(Self(chunks))
    }

    pub(super) fn has(&self, uid: Uid) -> bool {
        let (octet, bit) = place(uid);
        let chunk = self.0.get(&(uid.0 / CHUNK));
        chunk.and_then(|chunk| chunk.get(octet)).is_some_and(|bits| bits & bit != 0)
    }
}

impl<'g> MailTx<'_, 'g> {
    /// The acting account's own seen state of an item, where it has one.
    pub(super) fn private_seen(&mut self, at: &Granted<'g>, uid: Uid) -> Result<Option<bool>, Error> {
        match self.acting {
            Acting::Account { id, .. } if !at.shares_seen() => {
                is_seen(&*self.store(), at.id(), id, uid).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Sets the acting account's own seen state of an item.
    pub(super) fn set_private_seen(&mut self, folder: FolderId, uid: Uid, seen: bool) -> Result<(), Error> {
        let Acting::Account { id, .. } = &self.acting else { return Ok(()) };
        let key = key(folder, *id, uid);
        let mut chunk = self.store().get(&key)?.map(|c| c.to_vec()).unwrap_or_default();
        let (octet, bit) = place(uid);
        if chunk.len() <= octet {
            chunk.resize(octet + 1, 0);
        }
        if let Some(bits) = chunk.get_mut(octet) {
            *bits = if seen { *bits | bit } else { *bits & !bit };
        }
        self.store().put(key, chunk);
        self.touch_folder(folder);
        Ok(())
    }
}
