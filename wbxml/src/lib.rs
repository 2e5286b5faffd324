//! WBXML 1.3 with the ActiveSync code pages: octets to element trees and back.
//!
//! Exchange ActiveSync sends its XML in WAP Binary XML. [MS-ASWBXML] says which part of WBXML 1.3
//! (WAP-192-WBXML-20010725-a) it uses - tags on 26 code pages, strings and opaque data - and lists the
//! elements. This crate has those elements as constants, one module for each namespace
//! ([`airsync::SYNC`], [`airsyncbase::BODY_PREFERENCE`], ...), and
//!
//! - [`decode()`]: a document into an [`Element`] tree that borrows its strings from the input, strictly
//!   and within [`Limits`];
//! - [`Element`]: reading requests and building answers;
//! - [`encode()`]: a tree into a document;
//! - [`Encoder`]: a document written piece by piece, large bodies coming from a reader.
//!
//! ```
//! use wbxml::{Element, Limits, airsync, decode, encode};
//!
//! // What a phone sends for its first Sync of folder 5.
//! let request = encode(
//!     &Element::new(airsync::SYNC).with(
//!         Element::new(airsync::COLLECTIONS).with(
//!             Element::new(airsync::COLLECTION)
//!                 .with_text(airsync::SYNC_KEY, "0")
//!                 .with_text(airsync::COLLECTION_ID, "5")
//!                 .with_empty(airsync::GET_CHANGES)
//!                 .with_number(airsync::WINDOW_SIZE, 100),
//!         ),
//!     ),
//! );
//!
//! // Reading it.
//! let sync = decode(&request, &Limits::default())?;
//! assert_eq!(sync.tag(), airsync::SYNC);
//! let collections = sync.child(airsync::COLLECTIONS).expect("just written");
//! for collection in collections.children_of(airsync::COLLECTION) {
//!     assert_eq!(collection.text_of(airsync::SYNC_KEY), Some("0"));
//!     assert_eq!(collection.flag_of(airsync::GET_CHANGES), Ok(Some(true)));
//!     assert_eq!(collection.parse_of::<u16>(airsync::WINDOW_SIZE), Ok(Some(100)));
//! }
//!
//! // Answering.
//! let answer = Element::new(airsync::SYNC).with_number(airsync::STATUS, 1);
//! assert_eq!(encode(&answer), b"\x03\x01\x6A\x00\x45\x4E\x031\x00\x01\x01");
//! # Ok::<(), wbxml::Error>(())
//! ```
//!
//! [MS-ASWBXML]: https://learn.microsoft.com/en-us/openspecs/exchange_server_protocols/ms-aswbxml/

mod codepage;
mod decode;
mod dump;
mod encode;
mod error;
mod table;
mod text;
mod token;
mod tree;

pub use codepage::{NoSuchTag, Tag, Version};
pub use decode::{Limits, MAX_DEPTH, decode};
pub use dump::Dump;
pub use encode::{Encoder, encode};
pub use error::{Error, ErrorKind};
pub use table::{
    airnotify, airsync, airsyncbase, calendar, composemail, contacts, contacts2, documentlibrary, email,
    email2, find, folderhierarchy, gal, getitemestimate, itemoperations, meetingresponse, moveitems, notes,
    ping, provision, resolverecipients, rightsmanagement, search, settings, tasks, validatecert,
};
pub use tree::{BadValue, Content, Descendants, Element};
