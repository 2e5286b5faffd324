//! Folkmoot: a groupware and Exchange ActiveSync server over one shared folder and permission store.

pub mod clock;
pub mod directory;
pub mod store;
