//! The store as a whole, over each of its engines.

mod bodies;
mod conformance;
mod durable;
mod faults;
mod groups;
mod model;
mod old_store;
mod small_disk;
mod torn;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::engine::{Change, Engine, KeyRange, Order, Space};
use super::fjall::Fjall;
use super::{Error, Memory, Read, Store, StoreOptions};

/// Small caches, so that tests do not need memory.
fn options() -> StoreOptions {
    StoreOptions {
        cache_bytes: 4 << 20,
        write_buffer_bytes: 16 << 20,
        free_space_watermark: 0,
        ..StoreOptions::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Memory,
    Fjall,
    #[cfg(feature = "sled")]
    Sled,
}

impl Kind {
    const ALL: &[Self] = &[
        Self::Memory,
        Self::Fjall,
        #[cfg(feature = "sled")]
        Self::Sled,
    ];

    fn open(self, path: &Path) -> Arc<dyn Engine> {
        match self {
            Self::Memory => Arc::new(Memory::default()),
            Self::Fjall => Arc::new(Fjall::open(path, &options()).unwrap()),
            #[cfg(feature = "sled")]
            Self::Sled => Arc::new(super::sled::Sled::open(path, &options()).unwrap()),
        }
    }
}

/// Runs `test` over a new engine of each kind.
fn over_each_engine(test: impl Fn(Kind, Arc<dyn Engine>)) {
    for kind in Kind::ALL {
        println!("over {kind:?}");
        let folder = tempfile::tempdir().unwrap();
        test(*kind, kind.open(folder.path()));
    }
}

/// Runs `test` over a new store of each kind.
fn over_each_store(test: impl Fn(Kind, Store)) {
    over_each_engine(|kind, engine| test(kind, Store::over(engine, Box::new(|| true)).unwrap()));
}

fn put(space: Space, key: &[u8], value: &[u8]) -> Change {
    Change { space, key: key.to_vec(), value: Some(Bytes::copy_from_slice(value)) }
}

fn remove(space: Space, key: &[u8]) -> Change {
    Change { space, key: key.to_vec(), value: None }
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// What a scan visits, at most `limit` rows.
fn rows(read: &impl Read, space: Space, range: &KeyRange, order: Order, limit: usize) -> Rows {
    let mut rows = Rows::new();
    if limit == 0 {
        return rows;
    }
    let mut broken = false;
    read.scan_in(space, range, order, &mut |key, value| {
        assert!(!broken, "visited after a break");
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() < limit {
            ControlFlow::Continue(())
        } else {
            broken = true;
            ControlFlow::Break(())
        }
    })
    .unwrap();
    rows
}

/// A store's writes with the store's own errors.
fn write<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&mut super::Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    store.write(f)
}
