//! Binding all listeners, and telling where they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::StartError;
use crate::config::Listen;
use crate::net::{Bound, Listener};

/// The file in `DATA/run` that says where the listeners are, as `{"smtp":"127.0.0.1:2525", …}`. It is
/// there while the server accepts connections.
pub const LISTENERS_FILE: &str = "listeners.json";

/// Binds every listener that is set, or none.
pub(super) fn bind(listen: &Listen) -> Result<Vec<Bound>, StartError> {
    let named = |name| Listener::ALL.into_iter().find(|listener| listener.name() == name);
    let wanted = listen.named().into_iter().filter_map(|(name, address)| Some((named(name)?, address?)));
    wanted
        .map(|(listener, address)| {
            Bound::bind(listener, address).map_err(|why| StartError::Listen { listener, address, why })
        })
        .collect()
}

/// Writes [`LISTENERS_FILE`] in one step, so that a reader sees all of it or nothing.
pub(super) fn write(run: &Path, addresses: &BTreeMap<Listener, SocketAddr>) -> io::Result<PathBuf> {
    let file = run.join(LISTENERS_FILE);
    let part = run.join("listeners.new");
    let mut to = File::create(&part)?;
    serde_json::to_writer(&mut to, addresses)?;
    to.write_all(b"\n")?;
    std::fs::rename(part, &file)?;
    Ok(file)
}
