//! One file for each command, or for a few that are one.

pub(super) mod acl;
pub(super) mod append;
pub(super) mod capability;
pub(super) mod compress;
pub(super) mod enable;
pub(super) mod expunge;
pub(super) mod fetch;
pub(super) mod folder;
pub(super) mod idle;
pub(super) mod list;
pub(super) mod login;
pub(super) mod namespace;
pub(super) mod quota;
pub(super) mod search;
pub(super) mod select;
pub(super) mod sort;
pub(super) mod status;
pub(super) mod store;
pub(super) mod thread;
pub(super) mod transfer;
