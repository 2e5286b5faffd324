//! Changes to the folder tree: owners, folders, names, grants.

use super::error::Error;
use super::folder::{
    DEPTH_MAX, FOLDER_PROPERTIES_MAX, FOLDER_PROPERTY_OCTETS_MAX, FOLDERS_MAX, Folder, GRANTS_MAX, Kind,
    Owner, Role, STANDARD, TreeChange, check_name,
};
use super::ids::{FolderId, Modseq, OwnerId};
use super::item::{Flags, Item};
use super::rows;
use super::tx::{Granted, MailTx};
use crate::policy::{Grant, Rights};
use crate::store::Read;

/// A folder about to be made.
#[derive(Clone, Debug)]
pub struct NewFolder<'n> {
    /// The folder above, or [`FolderId::TOP`].
    pub parent: FolderId,
    /// Its name.
    pub name: &'n str,
    /// What it will hold.
    pub kind: Kind,
}

impl<'g> MailTx<'_, 'g> {
    /// Makes an owner with the standard folders. `Exists` if there is one already.
    pub fn create_owner(&mut self, owner: OwnerId, quota: Option<u64>) -> Result<(), Error> {
        self.system_only()?;
        if rows::owner(&*self.store(), owner)?.is_some() {
            return Err(Error::Exists);
        }
        self.put_owner(owner, Owner { quota, ..Owner::default() });
        for (name, kind, role) in STANDARD {
            self.insert_folder(owner, &NewFolder { parent: FolderId::TOP, name, kind }, role)?;
        }
        Ok(())
    }

    /// Removes an owner: from now on its folders are there for nobody, and nothing can be recovered.
    /// [`MailTx::purge_owner`] removes what they hold, step by step.
    pub fn remove_owner(&mut self, owner: OwnerId) -> Result<(), Error> {
        self.system_only()?;
        self.owner_row(owner)?;
        for id in rows::folder_ids(&*self.store(), owner, None)? {
            self.delete_one(id)?;
        }
        let now = self.now;
        self.store().put(rows::removed_key(owner), rows::row(&now));
        Ok(())
    }

    /// Sets an owner's quota in octets; `None` lifts it.
    pub fn set_quota(&mut self, owner: OwnerId, quota: Option<u64>) -> Result<(), Error> {
        self.system_only()?;
        self.owner_row(owner)?.quota = quota;
        Ok(())
    }

    /// Makes a folder in an owner's tree.
    pub fn create_folder(&mut self, owner: OwnerId, new: &NewFolder<'_>) -> Result<FolderId, Error> {
        self.may_change_below(owner, new.parent)?;
        self.insert_folder(owner, new, Role::None)
    }

    /// Renames a folder, or moves it below another one of the same owner.
    pub fn rename_folder(&mut self, folder: &Granted<'g>, parent: FolderId, name: &str) -> Result<(), Error> {
        let row = self.deletable(folder)?;
        if parent != row.parent {
            self.may_change_below(row.owner, parent)?;
            self.check_fits(&row, parent)?;
        }
        check_name(name).map_err(Error::Invalid)?;
        if let Some(other) = rows::by_name(&*self.store(), row.owner, parent, name)?
            && other != row.id
        {
            return Err(Error::Exists);
        }
        if (parent, name) == (row.parent, row.name.as_str()) {
            return Ok(());
        }
        self.store().delete(rows::name_key(row.owner, row.parent, &row.name));
        self.store().put(rows::name_key(row.owner, parent, name), row.id.0.to_be_bytes().to_vec());
        let (id, owner) = (row.id, row.owner);
        let row = self.folder_row(id)?;
        row.parent = parent;
        name.clone_into(&mut row.name);
        self.log_tree(owner, id, false)
    }

    /// Deletes a folder and those below it with all they hold; they can be recovered until purged. The
    /// right to delete is needed in each of them.
    pub fn delete_folder(&mut self, folder: &Granted<'g>) -> Result<(), Error> {
        let row = self.deletable(folder)?;
        let below = self.subtree(row.owner, row.id)?;
        for id in &below {
            if !self.rights(*id)?.has(Rights::DELETE_FOLDER) {
                return Err(Error::Denied);
            }
        }
        for id in below.into_iter().rev() {
            self.delete_one(id)?;
        }
        Ok(())
    }

    /// Whether folders stand below a folder, also such as the acting principal may not see.
    pub fn has_folders_below(&mut self, folder: &Granted<'g>) -> Result<bool, Error> {
        Ok(!rows::folder_ids(&*self.store(), folder.owner(), Some(folder.id()))?.is_empty())
    }

    /// What a folder says about others than its owner, for whoever may change it.
    pub fn grants(&mut self, folder: &Granted<'g>) -> Result<Vec<Grant>, Error> {
        folder.need(Rights::ADMIN)?;
        Ok(self.folder_row(folder.id())?.grants.clone())
    }

    /// Says who may do what in a folder, besides its owner.
    pub fn set_grant(&mut self, folder: &Granted<'g>, grant: Grant) -> Result<(), Error> {
        folder.need(Rights::ADMIN)?;
        let (id, owner) = (folder.id(), folder.owner());
        let row = self.folder_row(id)?;
        let empty = grant.allow.is_none() && grant.deny.is_none();
        let present = row.grants.iter().find(|g| g.grantee == grant.grantee);
        if present.copied() == (!empty).then_some(grant) {
            return Ok(());
        }
        if present.is_none() && row.grants.len() >= GRANTS_MAX {
            return Err(Error::Invalid("the folder is shared with too many"));
        }
        row.grants.retain(|g| g.grantee != grant.grantee);
        if !empty {
            row.grants.push(grant);
        }
        let key = rows::grant_key(grant.grantee, id);
        if empty {
            self.store().delete(key);
        } else {
            self.store().put(key, Vec::new());
        }
        // What its grantee sees changes, in the folder and in the list of shared folders.
        self.touch_folder(id);
        self.touch_tree(OwnerId(grant.grantee));
        self.log_tree(owner, id, false)
    }

    /// Sets properties of a folder that doors keep with it, or with `None` removes them. What others see of
    /// it is its administrators' to say.
    pub fn set_folder_properties(
        &mut self,
        folder: &Granted<'g>,
        changes: &[(String, Option<Vec<u8>>)],
    ) -> Result<(), Error> {
        folder.need(Rights::ADMIN)?;
        let row = self.folder_row(folder.id())?;
        let mut wanted = row.properties.clone();
        for (name, value) in changes {
            wanted.retain(|(n, _)| n != name);
            wanted.extend(value.clone().map(|value| (name.clone(), value)));
        }
        wanted.sort_unstable();
        if wanted == row.properties {
            return Ok(());
        }
        let octets = |all: &[(String, Vec<u8>)]| -> usize {
            all.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
        };
        if wanted.len() > FOLDER_PROPERTIES_MAX.max(row.properties.len())
            || octets(&wanted) > FOLDER_PROPERTY_OCTETS_MAX.max(octets(&row.properties))
        {
            return Err(Error::Invalid("the folder's properties are too long"));
        }
        row.properties = wanted;
        let owner = folder.owner();
        self.touch_folder(folder.id());
        self.log_tree(owner, folder.id(), false)
    }

    /// The row of a folder that may be renamed or deleted: nobody does that to one with a role.
    fn deletable(&mut self, folder: &Granted<'g>) -> Result<Folder, Error> {
        folder.need(Rights::DELETE_FOLDER)?;
        let row = self.folder_row(folder.id())?;
        match row.role {
            Role::None => Ok(row.clone()),
            _ => Err(Error::Invalid("a standard folder cannot be renamed or deleted")),
        }
    }

    fn may_change_below(&mut self, owner: OwnerId, parent: FolderId) -> Result<(), Error> {
        if parent == FolderId::TOP {
            return self.may_change_top(owner);
        }
        let parent = self.granted(parent)?;
        if parent.owner() != owner {
            return Err(Error::Missing);
        }
        parent.need(Rights::CREATE)
    }

    fn insert_folder(&mut self, owner: OwnerId, new: &NewFolder<'_>, role: Role) -> Result<FolderId, Error> {
        check_name(new.name).map_err(Error::Invalid)?;
        if self.depth(new.parent)? >= DEPTH_MAX {
            return Err(Error::Invalid("folders cannot be nested that deeply"));
        }
        if self.store().get(&rows::removed_key(owner))?.is_some() {
            return Err(Error::Missing);
        }
        if rows::by_name(&*self.store(), owner, new.parent, new.name)?.is_some() {
            return Err(Error::Exists);
        }
        if rows::folder_ids(&*self.store(), owner, None)?.len() >= FOLDERS_MAX {
            return Err(Error::Invalid("there are too many folders"));
        }
        let id = FolderId(self.store().new_id()?);
        let uid_validity = self.next_uid_validity(owner)?;
        self.store().put(rows::name_key(owner, new.parent, new.name), id.0.to_be_bytes().to_vec());
        self.put_folder(Folder {
            id,
            owner,
            parent: new.parent,
            name: new.name.to_owned(),
            kind: new.kind,
            role,
            uid_validity,
            uid_next: 1,
            highest: Modseq(0),
            purged: Modseq(0),
            items: 0,
            unseen: 0,
            bytes: 0,
            grants: Vec::new(),
            properties: Vec::new(),
            deleted: None,
        });
        self.log_tree(owner, id, false)?;
        Ok(id)
    }

    /// Seconds since 1970, or the number after the latest one: never the same twice.
    pub(super) fn next_uid_validity(&mut self, owner: OwnerId) -> Result<u32, Error> {
        let now = u32::try_from(self.now.div_euclid(1000)).unwrap_or(u32::MAX);
        let row = self.owner_row(owner)?;
        row.uid_validity = now.max(row.uid_validity.saturating_add(1));
        Ok(row.uid_validity)
    }

    fn delete_one(&mut self, id: FolderId) -> Result<(), Error> {
        let now = self.now;
        let row = self.folder_row(id)?;
        row.deleted = Some(now);
        let row = row.clone();
        self.store().delete(rows::name_key(row.owner, row.parent, &row.name));
        for grant in &row.grants {
            self.store().delete(rows::grant_key(grant.grantee, id));
        }
        let owner = self.owner_row(row.owner)?;
        owner.items = owner.items.saturating_sub(row.items);
        owner.bytes = owner.bytes.saturating_sub(row.bytes);
        owner.expunged_bytes = owner.expunged_bytes.saturating_add(row.bytes);
        self.touch_folder(id);
        self.log_tree(row.owner, id, true)
    }

    /// Counts out an item that is purged with its deleted folder.
    pub(super) fn uncount_deleted(&mut self, folder: &Folder, item: &Item) -> Result<(), Error> {
        if let Some(row) = self.raw_folder_row(folder.id)? {
            row.items = row.items.saturating_sub(1);
            row.unseen = row.unseen.saturating_sub(u64::from(!item.flags.has(Flags::SEEN)));
            row.bytes = row.bytes.saturating_sub(item.size);
        }
        let owner = self.owner_row(folder.owner)?;
        owner.expunged_bytes = owner.expunged_bytes.saturating_sub(item.size);
        Ok(())
    }

    /// Logs a change of a folder. The log has one row a folder, of its latest change: it grows with the
    /// folders, not with what happens to them.
    pub(super) fn log_tree(&mut self, owner: OwnerId, folder: FolderId, deleted: bool) -> Result<(), Error> {
        for key in rows::tree_keys_of(&*self.store(), owner, folder)? {
            self.store().delete(key);
        }
        let at = self.next_owner_modseq(owner)?;
        self.owner_row(owner)?.tree = at;
        self.store().put(rows::tree_key(owner, at), rows::row(&TreeChange { folder, deleted }));
        self.touch_tree(owner);
        Ok(())
    }

    /// A folder and all below it, each after the one it stands in.
    fn subtree(&mut self, owner: OwnerId, top: FolderId) -> Result<Vec<FolderId>, Error> {
        let mut all = vec![top];
        let mut next = 0;
        while let Some(id) = all.get(next).copied() {
            all.extend(rows::folder_ids(&*self.store(), owner, Some(id))?);
            next += 1;
        }
        Ok(all)
    }

    /// Whether a folder with all below it can stand below `parent`.
    fn check_fits(&mut self, folder: &Folder, parent: FolderId) -> Result<(), Error> {
        let mut above = parent;
        for _ in 0..=DEPTH_MAX {
            if above == folder.id {
                return Err(Error::Invalid("a folder cannot be moved into itself"));
            }
            if above == FolderId::TOP {
                break;
            }
            above = self.folder_row(above)?.parent;
        }
        let mut height = 0;
        let below = self.subtree(folder.owner, folder.id)?;
        let was = self.depth(folder.id)?;
        for id in below {
            height = height.max(self.depth(id)?.saturating_sub(was) + 1);
        }
        if self.depth(parent)? + height > DEPTH_MAX {
            return Err(Error::Invalid("folders cannot be nested that deeply"));
        }
        Ok(())
    }

    fn depth(&mut self, mut folder: FolderId) -> Result<usize, Error> {
        let mut depth = 0;
        while folder != FolderId::TOP && depth <= DEPTH_MAX {
            folder = self.folder_row(folder)?.parent;
            depth += 1;
        }
        Ok(depth)
    }
}
