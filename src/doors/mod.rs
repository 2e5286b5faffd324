//! The protocols. A door turns its wire into the model and back; none imports another.

pub mod admin;
pub mod dav;
pub mod eas;
pub mod imap;
pub mod smtp;
