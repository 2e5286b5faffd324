//! Whole-server tests, one binary: each further one would link everything again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod away;
mod check;
mod cli;
mod crash;
mod crash_dav;
mod crash_imap;
mod dav;
mod dav_client;
mod device;
mod docs;
mod drafts;
mod eas;
mod everyone;
mod faults;
mod imap;
mod imap_client;
mod imap_lib;
mod imap_mbsync;
mod invite;
mod layering;
mod licences;
mod lmtp;
mod mail;
mod meetings;
mod model;
mod phone;
mod restored;
mod server;
mod short_sync;
mod site;
mod smtp;
mod specs;
mod support;
mod verify;
mod waiting;
