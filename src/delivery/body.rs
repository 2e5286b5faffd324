//! Bodies of queued messages: content-addressed, shared by all entries that refer to one.

use std::ops::ControlFlow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::store::keys::{Key, Table};
use crate::store::{Error, Order, Read, Space, Tx};

/// A body's name: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BodyId(pub [u8; 32]);

/// The referrers of a body that are queue entries.
const QUEUED: u8 = 1;

impl BodyId {
    pub(super) fn of(body: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, body);
        let mut id = [0; 32];
        id.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(id)
    }
}

pub(super) fn put(tx: &mut Tx<'_>, id: &BodyId, body: &Bytes) -> Result<(), Error> {
    if tx.get_in(Space::Bodies, &id.0)?.is_none() {
        tx.put_in(Space::Bodies, id.0.to_vec(), body.clone());
    }
    Ok(())
}

pub(super) fn get(read: &impl Read, id: &BodyId) -> Result<Bytes, Error> {
    let body = read.get_in(Space::Bodies, &id.0)?;
    body.filter(|body| BodyId::of(body) == *id).ok_or_else(|| Error::Damaged("a queued body".into()))
}

pub(super) fn refer(tx: &mut Tx<'_>, id: &BodyId, referrer: u64) {
    tx.put(reference(id).u8(QUEUED).u64(referrer).done(), Vec::new());
}

pub(super) fn release(tx: &mut Tx<'_>, id: &BodyId, referrer: u64) -> Result<(), Error> {
    tx.delete(reference(id).u8(QUEUED).u64(referrer).done());
    let mut used = false;
    tx.scan(&reference(id).range(), Order::Forward, &mut |_, _| {
        used = true;
        ControlFlow::Break(())
    })?;
    if !used {
        tx.delete_in(Space::Bodies, id.0.to_vec());
    }
    Ok(())
}

fn reference(id: &BodyId) -> Key {
    Key::of(Table::BodyReference).raw(&id.0)
}
