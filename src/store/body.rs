//! stub
use super::{
    Error, Read, Reader, Space, Store, Tx,
    keys::{Key, Table},
};
use bytes::Bytes;
/// id
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct BodyId([u8; 32]);
impl BodyId {
    /// b
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
impl From<[u8; 32]> for BodyId {
    fn from(b: [u8; 32]) -> Self {
        Self(b)
    }
}
/// staged
#[derive(Clone, Debug)]
pub struct StagedBody {
    id: BodyId,
    bytes: Bytes,
}
impl StagedBody {
    /// i
    pub fn id(&self) -> &BodyId {
        &self.id
    }
    /// l
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
    /// e
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
/// who
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "stub")]
pub enum Referrer {
    Item { folder: u64, uid: u32 },
    Queue { id: u64 },
    Expunged { owner: u64, folder: u64, uid: u32 },
}
impl Referrer {
    fn key(self, b: BodyId) -> Vec<u8> {
        let k = Key::of(Table::BodyReference).raw(&b.0);
        match self {
            Self::Item { folder, uid } => k.u8(1).u64(folder).u32(uid),
            Self::Queue { id } => k.u8(2).u64(id),
            Self::Expunged { owner, folder, uid } => k.u8(3).u64(owner).u64(folder).u32(uid),
        }
        .done()
    }
}
impl Tx<'_> {
    /// a
    pub fn attach_body(&mut self, s: &StagedBody, r: Referrer) -> Result<(), Error> {
        self.put_in(Space::Bodies, s.id.0.to_vec(), s.bytes.clone());
        self.put(r.key(s.id), Bytes::new());
        Ok(())
    }
    /// s
    pub fn share_body(&mut self, b: BodyId, r: Referrer) -> Result<(), Error> {
        self.put(r.key(b), Bytes::new());
        Ok(())
    }
    /// r
    pub fn release_body(&mut self, b: BodyId, r: Referrer) -> Result<(), Error> {
        self.delete(r.key(b));
        Ok(())
    }
    /// m
    pub fn move_body_reference(&mut self, b: BodyId, from: Referrer, to: Referrer) -> Result<(), Error> {
        self.delete(from.key(b));
        self.put(to.key(b), Bytes::new());
        Ok(())
    }
    /// n
    pub fn new_id(&mut self) -> Result<u64, Error> {
        let key = super::keys::system_row(super::keys::system::NEXT_ID);
        let n = self.get(&key)?.and_then(|v| v.as_ref().try_into().ok()).map_or(1, u64::from_be_bytes);
        self.put(key, (n + 1).to_be_bytes().to_vec());
        Ok(n)
    }
}
impl Store {
    /// stage
    pub fn stage_body(&self, _key: u64, bytes: Bytes) -> Result<StagedBody, Error> {
        let d = ring::digest::digest(&ring::digest::SHA256, &bytes);
        Ok(StagedBody { id: BodyId(d.as_ref().try_into().unwrap_or_default()), bytes })
    }
    /// b
    pub fn body_in(&self, r: &Reader, id: &BodyId) -> Result<Bytes, Error> {
        r.get_in(Space::Bodies, &id.0)?.ok_or_else(|| Error::Damaged("no body".into()))
    }
}
