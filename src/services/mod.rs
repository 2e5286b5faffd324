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
        let mailbox = Mailbox::new(store.clone(), clock.clone());
        let directory = Directory::new(store.clone(), clock.clone(), auth_limits(&config.auth))?;
        let metrics = Metrics::new();
        let counted = metrics.clone();
        store.watch_commits(Box::new(move |transactions, took| counted.commit(transactions, took)));
        let resolver = Arc::new(SystemResolver::default());
        let delivery = Delivery::new(mailbox.clone(), config.smtp.clone(), resolver, metrics.clone());
        Ok(Arc::new(Self {
            config: Arc::new(config),
            clock,
            store,
            mailbox,
            directory,
            delivery,
            metrics,
            shutdown: Shutdown::new(),
        }))
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
    let wanted = &config.store;
    let options = StoreOptions {
        engine: match wanted.engine {
            Engine::Fjall => EngineKind::Fjall,
            Engine::Sled => EngineKind::Sled,
        },
        cache_bytes: wanted.cache,
        write_buffer_bytes: wanted.write_buffer,
        free_space_watermark: wanted.free_space_min,
        ..StoreOptions::default()
    };
    Store::open(&config.data.join("store"), &options, clock)
}

/// The directory's limits as `[auth]` sets them.
fn auth_limits(auth: &Auth) -> AuthLimits {
    let allowance = |failures: u32| Allowance { burst: failures, refill: auth.window / failures.max(1) };
    let usual = FailureLimits::default();
    AuthLimits {
        cost: PasswordCost {
            memory_kib: auth.argon2_memory,
            passes: auth.argon2_passes,
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
