//! Filters of queries on objects, and objects as queries want them. RFC 4791 §9.6, §9.7; RFC 6352 §10.4, §10.5.
//!
//! All of it works on what is parsed already: an [`Object`](crate::Object) and its [`Series`](crate::Series).

mod alarm;
mod calendar;
mod card;
mod data;
mod expand;
mod text;

pub use data::TooManyInstances;
pub(crate) use text::fold;

#[cfg(test)]
mod tests;
