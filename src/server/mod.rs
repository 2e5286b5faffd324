//! A whole server: the data folder, the certificate, the listeners and their doors, and the end of it.
//!
//! A process may run several; nothing here is global.

mod certificate;
mod doors;
mod error;
mod listeners;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub use certificate::Certificate;
pub use error::StartError;
pub use listeners::LISTENERS_FILE;

use crate::clock::Clock;
use crate::config::Config;
use crate::doors::admin;
use crate::net::{Acceptor, Listener, Tls, TlsError};
use crate::services::{Keeper, Services};

/// Starts servers.
#[derive(Clone, Copy, Debug)]
pub struct Server;

/// A server that runs until [`Running::shutdown`].
#[derive(Debug)]
#[must_use = "dropped, it begins to end"]
pub struct Running {
    services: Arc<Services>,
    addresses: BTreeMap<Listener, SocketAddr>,
    tls: Tls,
    certificate: Certificate,
    /// Files that are there only while the server runs.
    files: Vec<PathBuf>,
}

impl Server {
    /// Opens the data folder, binds every listener, and only then serves. Within a tokio runtime.
    ///
    /// # Errors
    /// What could not be opened or bound; nothing is left running then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_at(config, Clock::system()).await
    }

    /// As [`Server::start`], by another clock.
    pub async fn start_at(config: Config, clock: Clock) -> Result<Running, StartError> {
        let services = blocking(move || Services::open(config, clock).map_err(StartError::Open)).await?;
        let (config, now) = (services.config.clone(), services.clock.now_secs());
        let certificate = blocking(move || Certificate::of(&config, now).map_err(StartError::Tls)).await?;
        let tls = Tls::new(certificate.key()?).map_err(StartError::Tls)?;
        let bound = listeners::bind(&services.config.listen)?;
        let addresses: BTreeMap<_, _> = bound.iter().map(|b| (b.listener(), b.address())).collect();

        let run = Services::run_folder(&services.config.data);
        let control = admin::Control::bind(&run).map_err(StartError::Control)?;
        let files = vec![control.path().to_path_buf()];
        services.shutdown.spawn(control.serve(services.clone()));

        let (delivery, end) = (services.delivery.clone(), services.shutdown.clone());
        services.shutdown.spawn(async move { delivery.run(end.begun()).await });

        let keeper = Keeper::new(&services);
        services.shutdown.spawn(keeper.run(services.shutdown.clone()));

        let doors = doors::Doors::new(&services, &tls);
        let acceptor = Acceptor::new(services.config.limits.clone(), services.shutdown.clone());
        for bound in bound {
            let (listener, doors) = (bound.listener(), doors.clone());
            let from_the_start = listener.is_tls().then(|| tls.acceptor(listener));
            let accepting = acceptor
                .clone()
                .run(bound, from_the_start, move |stream, peer| doors.clone().serve(stream, peer));
            services.shutdown.spawn(accepting);
        }
        let mut running = Running { services, addresses, tls, certificate, files };
        match listeners::write(&run, &running.addresses) {
            Ok(file) => running.files.push(file),
            Err(e) => {
                running.shutdown().await;
                return Err(StartError::Control(e));
            }
        }
        Ok(running)
    }
}

impl Running {
    /// Where the listeners are, with the ports they got.
    pub fn addresses(&self) -> &BTreeMap<Listener, SocketAddr> {
        &self.addresses
    }

    /// What the doors share.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The certificate it started with.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Reads the certificate again and shows it to new connections; returns its fingerprint. When it
    /// cannot be used the old one stays.
    pub fn reload_certificate(&self) -> Result<String, TlsError> {
        let certificate = Certificate::of(&self.services.config, self.services.clock.now_secs())?;
        self.tls.replace(certificate.key()?);
        Ok(self.tls.fingerprint())
    }

    /// Ready once the store has failed: the outcome of a commit is unknown and the page cache cannot be
    /// trusted, so the process should end and be started anew.
    pub async fn store_failed(&self) {
        self.services.store.wait_failed().await;
        self.services.metrics.store_failed();
    }

    /// Answers parked clients, lets requests under way finish, cuts what is left after
    /// `limits.shutdown`, and closes the store. True when nothing had to be cut.
    pub async fn shutdown(self) -> bool {
        // First, so that nobody is sent to a server that is going.
        for file in &self.files {
            // Files of a server that is gone mislead nobody for long: a start replaces them.
            let _ = std::fs::remove_file(file);
        }
        let clean = self.services.shutdown.finish(self.services.config.limits.shutdown).await;
        let store = self.services.store.clone();
        // A panic of the committer was already reported by its own hook.
        let _ = tokio::task::spawn_blocking(move || store.stop()).await;
        clean
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.services.shutdown.begin();
    }
}

/// Runs what waits for the disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(f).await.unwrap_or(Err(StartError::Interrupted))
}
