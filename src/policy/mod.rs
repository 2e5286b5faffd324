//! Decisions without I/O: who may do what.

mod rights;

pub use rights::{Grant, Rights, effective};
