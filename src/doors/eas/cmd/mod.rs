//! The commands, a file each.

pub(super) mod estimate;
pub(super) mod get_attachment;
pub(super) mod item_operations;
pub(super) mod move_items;
pub(super) mod ping;
pub(super) mod sync;
