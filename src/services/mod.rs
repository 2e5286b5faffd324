//! What a running server is made of beneath its doors, and what a command works on without one.

mod keeper;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{Auth, Config, Engine};
use crate::delivery::{Delivery, SystemResolver};
use crate::directory::{self, Allowance, AuthLimits, Directory, FailureLimits, PasswordCost};
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::net::Shutdown;
use crate::objects::Objects;
use crate::store::{self, EngineKind, Store, StoreOptions};

pub use keeper::Keeper;

/// The parts that doors share. Made once for each server; there is no global state.
#[derive(Clone)]
pub struct Services {
    /// The settings.
    pub config: Arc<Config>,
    /// The time of day.
    pub clock: Clock,
    /// The rows and bodies beneath all else.
    pub store: Store,
    /// The shared folders.
    pub mailbox: Mailbox,
    /// Calendar and address objects in them.
    pub objects: Objects,
    /// Who is who.
    pub directory: Directory,
    /// Mail in, and out through the queue.
    pub delivery: Delivery,
    /// What is counted.
    pub metrics: Metrics,
    /// How it ends.
    pub shutdown: Shutdown,
}

impl Services {
    /// Opens the data folder, which is made when it is missing. Blocks.
    ///
    /// # Errors
    /// [`OpenError::Store`] above all when another process has the folder.
    pub fn open(config: Config, clock: Clock) -> Result<Arc<Self>, OpenError> {
        let store = open_store(&config, &clock)?;
        let mailbox = Mailbox::with_hot(store.clone(), clock.clone(), config.store.hot_folders);
        let directory = Directory::new(store.clone(), clock.clone(), auth_limits(&config.auth))?;
        let metrics = Metrics::new();
        let counted = metrics.clone();
        store.watch_commits(Box::new(move |transactions, took| counted.commit(transactions, took)));
        let resolver = Arc::new(SystemResolver::default());
        let objects = Objects::default();
        let delivery =
            Delivery::new(mailbox.clone(), objects.clone(), config.smtp.clone(), resolver, metrics.clone());
        Ok(Arc::new(Self {
            config: Arc::new(config),
            clock,
            store,
            mailbox,
            objects,
            directory,
            delivery,
            metrics,
            shutdown: Shutdown::new(),
        }))
    }

    /// Whether [`Services::open`] could open the data folder; returns the schema it has, or would get. No row is
    /// changed. Blocks.
    ///
    /// # Errors
    /// As [`Services::open`].
    pub fn probe(config: &Config) -> Result<u32, OpenError> {
        directory::Hasher::new(auth_limits(&config.auth).cost)?;
        Ok(store::probe(&config.data.join("store"), &store_options(config))?)
    }

    /// Where files of the running server are: the control socket and the list of listeners.
    pub fn run_folder(data: &Path) -> std::path::PathBuf {
        data.join("run")
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("data", &self.config.data).finish_non_exhaustive()
    }
}

/// The data folder cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The store in it.
    Store(store::Error),
    /// The directory over it.
    Directory(directory::Error),
}

impl From<store::Error> for OpenError {
    fn from(e: store::Error) -> Self {
        Self::Store(e)
    }
}

impl From<directory::Error> for OpenError {
    fn from(e: directory::Error) -> Self {
        Self::Directory(e)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(e) => e.fmt(f),
            Self::Directory(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

fn open_store(config: &Config, clock: &Clock) -> Result<Store, store::Error> {
    Store::open(&config.data.join("store"), &store_options(config), clock)
}

fn store_options(config: &Config) -> StoreOptions {
    let wanted = &config.store;
    StoreOptions {
        engine: match wanted.engine {
            Engine::Fjall => EngineKind::Fjall,
            Engine::Sled => EngineKind::Sled,
        },
        cache_bytes: wanted.cache,
        write_buffer_bytes: wanted.write_buffer,
        free_space_watermark: wanted.free_space_min,
        ..StoreOptions::default()
    }
}

/// The directory's limits as `[auth]` sets them.
fn auth_limits(auth: &Auth) -> AuthLimits {
    let allowance = |failures: u32| Allowance { burst: failures, refill: auth.window / failures.max(1) };
    let usual = FailureLimits::default();
    AuthLimits {
        cost: PasswordCost {
            memory_kib: auth.argon2_memory,
            passes: auth.argon2_passes,
            scram_iterations: auth.scram_iterations,
            ..PasswordCost::default()
        },
        failures: FailureLimits {
            account: allowance(auth.failures_per_account),
            address: allowance(auth.failures_per_address),
            known: allowance(auth.failures_per_address),
            ..usual
        },
        hashes: usize::try_from(auth.concurrent_hashes).unwrap_or(0),
        remembered_for: auth.remember,
        ..AuthLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::directory::{HASHES_MAX, Hasher, PASSWORD_MEMORY, PASSWORD_PASSES, SCRAM_ITERATIONS};

    /// The settings allow what the directory takes and nothing else: a start fails with a line, not later.
    #[test]
    fn costs_that_settings_allow_are_those_that_the_directory_takes() {
        for (key, allowed) in [
            ("argon2_memory", PASSWORD_MEMORY),
            ("argon2_passes", PASSWORD_PASSES),
            ("scram_iterations", SCRAM_ITERATIONS),
        ] {
            let parse = |value: u32| Config::parse(&format!("[auth]\n{key} = {value}\n"), Path::new("-"));
            for value in [*allowed.start(), *allowed.end()] {
                let config = parse(value).unwrap();
                Hasher::new(auth_limits(&config.auth).cost).unwrap();
            }
            for value in [allowed.start().saturating_sub(1), allowed.end().saturating_add(1)] {
                assert!(parse(value).is_err(), "{key} = {value}");
            }
        }
        assert!(Config::parse("[auth]\nscram_iterations = 0\n", Path::new("-")).is_ok());
        let hashes = |n: usize| Config::parse(&format!("[auth]\nconcurrent_hashes = {n}\n"), Path::new("-"));
        assert!(hashes(HASHES_MAX).is_ok() && hashes(HASHES_MAX + 1).is_err());
        let defaults = auth_limits(&Auth::default());
        assert_eq!(defaults.cost, PasswordCost::default());
    }
}
