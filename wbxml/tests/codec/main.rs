//! The codec from outside: malformed input, properties, golden documents, foreign witnesses.

mod golden;
mod malformed;
mod properties;
mod streaming;
mod witness;
mod xml;
