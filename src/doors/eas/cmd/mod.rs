//! The commands, a file each.

pub(super) mod estimate;
pub(super) mod find;
pub(super) mod folder_create;
pub(super) mod folder_delete;
pub(super) mod folder_sync;
pub(super) mod folder_update;
pub(super) mod get_attachment;
pub(super) mod item_operations;
pub(super) mod meeting_response;
pub(super) mod move_items;
pub(super) mod ping;
pub(super) mod provision;
pub(super) mod resolve_recipients;
pub(super) mod search;
pub(super) mod send_mail;
pub(super) mod settings;
pub(super) mod smart_forward;
pub(super) mod smart_reply;
pub(super) mod sync;
pub(super) mod validate_cert;
