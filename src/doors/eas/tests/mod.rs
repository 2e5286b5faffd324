//! The door over HTTP, against a store in memory.

mod folders;
mod http;
mod phone;
mod provision;

use phone::{Answer, Home, Phone};
