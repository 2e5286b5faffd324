//! Rows of the store that belong to this door: what a device's collections stand at, and its last
//! requests.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::session::Session;
use crate::mailbox::FolderId;
use crate::mailbox::sync::Collection;
use crate::store::keys::{Key, Table};
use crate::store::record::{decode_v, encode};
use crate::store::{Error, Read};

/// The version of this door's records.
const VERSION: u8 = 1;

/// The key of a row that a device has one of.
pub(super) fn device_row(table: Table, account: u64, device_id: &str) -> Vec<u8> {
    Key::of(table).u64(account).text(device_id).done()
}

/// The key of a device's state of a folder.
pub(super) fn collection_row(session: &Session, folder: FolderId) -> Vec<u8> {
    Key::of(Table::CollectionState)
        .u64(session.login.account.id.0)
        .text(&session.query.device_id)
        .u64(folder.0)
        .done()
}

/// A device's state of a folder.
pub(super) fn collection(
    from: &dyn Read,
    session: &Session,
    folder: FolderId,
) -> Result<Option<Collection>, Error> {
    read(from, &collection_row(session, folder))
}

/// A record of this door.
pub(super) fn read<T: DeserializeOwned>(from: &dyn Read, key: &[u8]) -> Result<Option<T>, Error> {
    from.get(key)?.map(|bytes| decode(&bytes)).transpose()
}

/// A record of this door from its bytes.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    decode_v(VERSION, bytes)
}

/// A digest of eight octets: what a command is recognised by, or a folder's look.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let whole = ring::digest::digest(&ring::digest::SHA256, bytes);
    whole.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// The bytes of a record of this door.
pub(super) fn row<T: Serialize>(value: &T) -> Vec<u8> {
    encode(VERSION, value)
}

/// A row to write.
pub(super) struct Advance {
    /// Its key.
    pub(super) key: Vec<u8>,
    /// What must be there before.
    pub(super) expected: Expected,
    /// What is there afterwards.
    pub(super) row: Vec<u8>,
}

/// What a row must be before it is written.
pub(super) enum Expected {
    /// These bytes, or nothing at all is written.
    Exactly(Vec<u8>),
    /// These bytes, or this row alone stays as it is.
    Hopefully(Vec<u8>),
}

/// Writes the rows, if all that must be as they were are. False when they are not: another request of the
/// device came in between. Phones go on reading while the disk is full, so this is no growth.
pub(super) async fn store(session: &Session, advances: Vec<Advance>) -> Result<bool, Error> {
    if advances.is_empty() {
        return Ok(true);
    }
    let stored = session.eas.mailbox.store().shrink_async(move |tx| {
        let mut writes = Vec::with_capacity(advances.len());
        for Advance { key, expected, row } in advances {
            let stands = match &expected {
                Expected::Exactly(bytes) | Expected::Hopefully(bytes) => {
                    tx.get(&key)?.as_deref() == Some(bytes.as_slice())
                }
            };
            match expected {
                _ if stands => writes.push((key, row)),
                Expected::Exactly(_) => return Ok(false),
                _ => {}
            }
        }
        for (key, row) in writes {
            tx.put(key, row);
        }
        Ok::<_, Error>(true)
    });
    stored.await
}
