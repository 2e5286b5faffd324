//! iCalendar as data: the words and values that calendars, phones and invitations share.
//!
//! So far this crate has the types that others are built of: content lines and components as they stand
//! in an object of RFC 5545, its dates and times, and the words of scheduling (RFC 5546). Each is valid
//! once it is made, and its `Display` is what stands on the wire. No store, no sockets, no clock.
//!
//! ```
//! use caldav::{Component, ContentLine, Date};
//!
//! let mut event = Component::new("VEVENT")?;
//! event.push(ContentLine::new("UID", "1@example.org")?);
//! event.push(ContentLine::new("DTSTART", Date::new(2026, 11, 24)?.to_string())?.with("VALUE", "DATE")?);
//! event.push(ContentLine::text("SUMMARY", "Tea, then talk")?);
//! assert_eq!(
//!     event.to_string(),
//!     "BEGIN:VEVENT\r\nUID:1@example.org\r\nDTSTART;VALUE=DATE:20261124\r\n\
//!      SUMMARY:Tea\\, then talk\r\nEND:VEVENT\r\n",
//! );
//! # Ok::<(), caldav::Invalid>(())
//! ```

mod component;
mod date;
mod itip;
mod line;

use std::fmt;

pub use component::Component;
pub use date::{Date, DateTime, LocalDateTime, Time};
pub use itip::{Method, PartStat};
pub use line::{ContentLine, Parameter};

/// Something that cannot stand in an iCalendar object; says what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid(&'static str);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}
