//! The door over HTTP, against a store in memory.

mod autodiscover;
mod folders;
mod http;
mod phone;
mod provision;
mod search;
mod settings;

use phone::{Answer, Home, Phone};
