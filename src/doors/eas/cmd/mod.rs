//! The commands, a file each.

pub(super) mod estimate;
pub(super) mod ping;
pub(super) mod sync;
