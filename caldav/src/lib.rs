//! iCalendar and vCard semantics, and the WebDAV family of requests and responses as data.
