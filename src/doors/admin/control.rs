//! The control socket, `DATA/run/control.sock`: commands of the `folkmoot` program for a running server.
//!
//! Who can open it is the operating system's matter: the socket and its folder are for their owner only.
//! A command is one line of JSON, the answer another.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Answer, Command, execute};
use crate::services::Services;

/// Longest line, in bytes; also of answers that are read back.
pub const LINE_MAX: u64 = 64 << 20;
/// Longest command, in bytes.
const COMMAND_MAX: u64 = 64 << 10;
/// Commands at the same time; more wait.
const AT_ONCE: usize = 16;
/// Longest wait for a command's line.
const LINE_WAIT: Duration = Duration::from_secs(10);

/// The control socket below a data folder.
pub fn socket(data: &Path) -> PathBuf {
    Services::run_folder(data).join("control.sock")
}

/// The control socket of a server that is about to run.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    socket: UnixListener,
}

impl Control {
    /// Makes the folder `run` and the socket in it. The caller holds the store, so a socket that is
    /// already there belonged to a server that is gone.
    pub fn bind(run: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(run)?;
        let path = run.join("control.sock");
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let socket = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { path, socket })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves until the server is to end.
    pub async fn serve(self, services: Arc<Services>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let shutdown = services.shutdown.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = shutdown.begun() => return,
            };
            // The semaphore is never closed.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match accepted {
                Ok((stream, _)) => {
                    let services = services.clone();
                    shutdown.spawn(async move {
                        if let Err(error) = serve_one(stream, &services).await {
                            tracing::debug!(%error, "control connection ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept on the control socket; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn serve_one(mut stream: UnixStream, services: &Services) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut line = Vec::new();
    let mut reading = BufReader::new(reading.take(COMMAND_MAX));
    tokio::time::timeout(LINE_WAIT, reading.read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice::<Command>(&line) {
        Ok(command) => {
            tracing::info!(?command, "command");
            execute(services, command).await
        }
        Err(e) => Answer::Refused {
            why: format!("the server does not understand the command: {e}"),
            hint: "use the folkmoot program of the same version as the server".into(),
        },
    };
    let mut answer = serde_json::to_vec(&answer)?;
    answer.push(b'\n');
    writing.write_all(&answer).await?;
    writing.shutdown().await
}
