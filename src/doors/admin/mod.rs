//! Administration: the commands of the `folkmoot` program, whether they run in it or are sent to a
//! running server over the control socket, and what a monitor asks over HTTP.
//!
//! A command is a [`Command`] in and an [`Answer`] out, as JSON on a line of its own each. [`execute()`] is
//! the one place that runs them.

mod account;
mod alias;
mod app_password;
mod command;
mod control;
mod device;
mod domain;
mod execute;
mod queue;
mod reply;
mod verify;
mod web;

pub use account::found;
pub use command::{
    AccountLine, Answer, AppPasswordLine, Command, DeviceLine, DomainLine, QueueLine, QueuedRecipientLine,
    QuotaChange, QuotaLine, Secret, WipeLine,
};
pub use control::{Control, LINE_MAX, socket};
pub use execute::execute;
pub use web::router;
