//! Folkmoot: a groupware and Exchange ActiveSync server over one shared folder and permission store.

pub mod clock;
pub mod config;
pub mod delivery;
pub mod directory;
pub mod doors;
pub mod mailbox;
pub mod message;
pub mod metrics;
pub mod net;
pub mod objects;
pub mod policy;
pub mod scheduling;
pub mod server;
pub mod services;
pub mod store;
