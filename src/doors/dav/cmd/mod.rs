//! One file for each method.

pub(super) mod copy_move;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod mkcol;
pub(super) mod propfind;
pub(super) mod proppatch;
pub(super) mod put;
pub(super) mod report;
