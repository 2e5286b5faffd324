//! `folkmoot serve`: one server until a signal, or until its store fails.

mod banner;
mod demo;

use std::time::Duration;

use folkmoot::config::{Config, Log};
use folkmoot::server::{Running, Server};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::Settings;
use super::exit::{self, Failed};
use super::print;

/// Most threads that wait for the disk at the same time.
const BLOCKING_THREADS: usize = 64;

pub(super) fn run(settings: &Settings) -> Result<(), Failed> {
    let config = settings.load()?;
    log_to_stderr(&config.log)?;
    raise_file_limit();
    keep_memory_dense();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|e| Failed::new(exit::TEMPORARY, e))?;
    let ended = runtime.block_on(serve(settings, config));
    // Only reads of bodies can be left; nobody waits for them any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(settings: &Settings, config: Config) -> Result<(), Failed> {
    let mut signals = Signals::new().map_err(|e| Failed::new(exit::TEMPORARY, e))?;
    let server = Server::start(config).await.map_err(|e| Failed::new(exit::of_start(&e), e))?;
    if let Err(failed) = welcome(settings, &server).await {
        server.shutdown().await;
        return Err(failed);
    }
    let failed = until_the_end(&server, &mut signals).await;
    let clean = tokio::select! {
        clean = server.shutdown() => clean,
        // Whoever asks twice does not want to wait.
        () = signals.stop() => false,
    };
    tracing::info!(clean, "stopped");
    match failed {
        false => Ok(()),
        true => Err(Failed::new(
            exit::TEMPORARY,
            "the disk failed in the middle of a commit; check it, then start the server again: what was \
             acknowledged is there",
        )),
    }
}

/// Says that the server is up, and what to try.
async fn welcome(settings: &Settings, server: &Running) -> Result<(), Failed> {
    // With settings of their own people make their own domains.
    let accounts = match settings.file {
        None => demo::accounts(server.services()).await?,
        Some(_) => Vec::new(),
    };
    print::plain(&banner::text(server, settings, &accounts))
}

/// True when the store has failed.
async fn until_the_end(server: &Running, signals: &mut Signals) -> bool {
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = server.store_failed() => return true,
        };
        match asked {
            Asked::Stop => {
                tracing::info!("stopping; once more stops at once");
                return false;
            }
            Asked::Reload => match server.reload_certificate() {
                Ok(fingerprint) => tracing::info!(fingerprint, "certificate read again"),
                Err(error) => tracing::error!(%error, "the old certificate stays"),
            },
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next thing that is asked for: Ctrl-C and SIGTERM stop, SIGHUP reads the certificate again.
    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Ready when the server is to stop.
    async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}

fn log_to_stderr(log: &Log) -> Result<(), Failed> {
    let filter = EnvFilter::try_new(&log.level).map_err(|e| Failed::config(&e))?;
    let to_stderr = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started: Result<(), TryInitError> = if log.json {
        to_stderr.json().with_current_span(false).finish().try_init()
    } else {
        let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
        to_stderr.with_ansi(ansi).finish().try_init()
    };
    started.map_err(|e| Failed::new(exit::FAILED, e))
}

/// Every connection is a file: as many as the system lets us have.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The allocator asks for huge pages, of which whole 2 MiB are resident once one byte is touched. Parked
/// connections touch a few hundred bytes of each of their buffers: with small pages they cost half.
fn keep_memory_dense() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay on; parked connections take more memory");
    }
}
