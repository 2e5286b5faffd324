//! Messages of RFC 5322 and MIME: parsed once, recorded for listings, converted and built.
//!
//! [`parse`] finds the structure of any bytes in linear time; [`MailRecord::from_message`] makes
//! from it the record that is stored beside the item, so that listings, ENVELOPE, BODYSTRUCTURE
//! and partial fetches need not open the message. [`body`] gives its text or sanitised HTML,
//! [`build`] writes new messages. Nothing here does I/O, knows the time or fails on bad mail:
//! what cannot be understood is kept and shown as it is, within [`limits`].

mod address;
pub mod body;
pub mod build;
pub mod charset;
pub mod date;
pub mod decode;
mod extract;
pub mod header;
pub mod html;
pub mod limits;
mod mime;
pub mod param;
mod preview;
pub mod record;
pub mod section;
pub mod select;
pub mod thread;

pub use address::{join as join_address, parse as parse_addresses};
pub use mime::{Message, Part, parse};
pub use record::{Address, Attachment, Flags, MailRecord};
pub use section::{Section, Tree, parse_path};

#[cfg(test)]
mod tests;
