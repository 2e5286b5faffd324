//! iCalendar as data: the words and values that calendars, phones and invitations share.
//!
//! An [`Object`] is what a client stored, kept byte for byte; [`Component`]s and [`ContentLine`]s are the
//! views of it and what new ones are built of. No store, no sockets, no clock: times are passed in.
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

mod activesync;
pub mod card;
mod component;
mod date;
pub mod dav;
mod filter;
mod freebusy;
pub mod itip;
mod line;
mod merge;
mod object;
mod recur;
mod value;
mod zone;

use std::fmt;

pub use activesync::AsRecurrence;
pub use component::Component;
pub use date::{Date, DateTime, LocalDateTime, Time};
pub use filter::TooManyInstances;
pub use freebusy::{Busy, BusyPeriod, FreeBusy};
pub use itip::{Method, PartStat};
pub use line::{ContentLine, Parameter};
pub use object::{Limits, Object, TooLarge};
pub use recur::{Bounds, ByDay, Expansion, Frequency, Instance, Rule, RuleEnd, Series, Skip, Span, Weekday};
pub use value::{Duration, Moment, Period};
pub use zone::{
    Switch, SwitchDay, TIME_ZONE_SIZE, TimeZoneBlob, Zone, Zones, iana_of_windows, windows_of_iana,
};

/// Something that cannot stand in an iCalendar object; says what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid(&'static str);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}
