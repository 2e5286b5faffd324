//! Exchange ActiveSync: phones and Outlook, over HTTP and WBXML.
//!
//! A request is read in `request` (query, headers, body), gets its user, device and policy checked in
//! `conn`, is handled by one file of `cmd` and answered through `reply`, the one place where errors
//! become ActiveSync's words.

mod autodiscover;

mod body;
mod class;
mod cmd;
mod compose;
mod conn;
mod draft;
mod gal;
mod gate;
#[cfg(test)]
mod golden;
mod hierarchy;
mod ids;
mod information;
mod news;
mod outbox;
mod parked;
mod policy;
mod render;
mod reply;
mod request;
mod respond;
#[cfg(test)]
mod sample;
mod scan;
mod scheduled;
mod session;
mod state;
#[cfg(test)]
mod tests;

pub use conn::router;
pub use parked::Parked;
pub use reply::{Failure, Reply, Status};
pub use request::{Command, Query, Version};
pub use session::{Eas, Session};

use crate::net::basic;
