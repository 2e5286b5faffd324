//! One file for each command, or for a few that are one.

pub(super) mod append;
pub(super) mod capability;
pub(super) mod enable;
pub(super) mod expunge;
pub(super) mod fetch;
pub(super) mod idle;
pub(super) mod list;
pub(super) mod login;
pub(super) mod search;
pub(super) mod select;
pub(super) mod status;
pub(super) mod store;
pub(super) mod transfer;
