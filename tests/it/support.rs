//! Servers for tests: in this process, with a fresh data folder and free ports.

use std::net::SocketAddr;
use std::path::PathBuf;

use folkmoot::clock::Clock;
use folkmoot::config::{Auth, Config, Limits, Listen};
use folkmoot::directory::Kind;
use folkmoot::doors::admin::{Answer, Command, Secret, execute};
use folkmoot::net::Listener;
use folkmoot::server::{Running, Server};
use tempfile::TempDir;

/// A running server, its settings, and its data folder, which goes with it.
pub(crate) struct TestServer {
    pub(crate) running: Running,
    pub(crate) data: TempDir,
    config: Config,
}

/// A server that was ended.
pub(crate) struct Stopped {
    pub(crate) data: TempDir,
    config: Config,
}

impl TestServer {
    /// Starts one with every listener on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with settings of its own.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(&data);
        change(&mut config);
        let running = Server::start(config.clone()).await.unwrap();
        Self { running, data, config }
    }

    /// Starts one by a clock of the test's.
    pub(crate) async fn start_at(clock: Clock) -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = config(&data);
        let running = Server::start_at(config.clone(), clock).await.unwrap();
        Self { running, data, config }
    }

    /// Ends it in order; what [`TestServer::start_on`] goes on with.
    pub(crate) async fn stop(self) -> Stopped {
        let Self { running, data, config } = self;
        assert!(running.shutdown().await, "something had to be cut");
        Stopped { data, config }
    }

    /// Starts one again.
    pub(crate) async fn start_on(Stopped { data, config }: Stopped) -> Self {
        Self { running: Server::start(config.clone()).await.unwrap(), data, config }
    }

    /// Where a listener is.
    pub(crate) fn address(&self, listener: Listener) -> SocketAddr {
        self.running.addresses()[&listener]
    }

    /// Runs a command of an administrator that must succeed.
    pub(crate) async fn admin(&self, command: Command) -> Answer {
        let answer = execute(self.running.services(), command).await;
        assert!(!matches!(answer, Answer::Refused { .. }), "{answer:?}");
        answer
    }

    /// Makes an account, and its domain where it is new.
    pub(crate) async fn account(&self, address: &str, password: &str) {
        let (_, domain) = address.split_once('@').unwrap();
        // It may be there already.
        let _ = execute(self.running.services(), Command::DomainAdd { name: domain.into() }).await;
        let password = Some(Secret::new(password));
        self.admin(Command::AccountAdd { address: address.into(), name: None, password, kind: Kind::User })
            .await;
    }

    /// Ends the server, which must not need to cut anything, and starts another with its settings and data.
    pub(crate) async fn restart(self) -> Self {
        Self::start_on(self.stop().await).await
    }
}

/// Settings for tests: free ports, cheap password hashes, a short patience at the end.
pub(crate) fn config(data: &TempDir) -> Config {
    Config {
        data: data.path().to_path_buf(),
        listen: Listen::ephemeral(),
        auth: Auth { argon2_memory: 64, argon2_passes: 1, scram_iterations: 4096, ..Auth::default() },
        limits: Limits { shutdown: std::time::Duration::from_secs(5), ..Limits::default() },
        ..Config::default()
    }
}

/// All files below `folders` whose names end in `.rs`, in order.
pub(crate) fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut left: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
