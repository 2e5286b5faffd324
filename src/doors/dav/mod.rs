//! WebDAV, CalDAV and CardDAV over HTTP.
//!
//! A request is authenticated in `conn`, what it names is looked up in `node`, and one file of `cmd` handles its
//! method. Properties are written by `props`, those that clients made up kept by `dead`. Answers about many
//! resources are a `listing`, rendered step by step as the client reads them. `reply` is the one place where
//! errors become HTTP's and WebDAV's words.
//!
//! | Path | What is there |
//! |---|---|
//! | `/dav/principals/<address>/` | an account |
//! | `/dav/calendars/<address>/` | its calendars, task lists, notes and journals, and those it is shown by others |
//! | `/dav/calendars/<address>/inbox/`, `outbox/` | where its scheduling goes through |
//! | `/dav/contacts/<address>/` | its address books, likewise |
//! | `/dav/files/<address>/` | its files, a plain tree |

mod cmd;
mod conditions;
mod conn;
mod data;
mod dead;
mod listing;
mod node;
mod props;
mod reply;
mod schedule;
mod session;
mod tree;

pub use conn::router;
