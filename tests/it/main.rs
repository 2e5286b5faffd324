//! Whole-server tests, one binary: each further one would link everything again.

mod cli;
mod layering;
mod licences;
mod server;
mod support;
