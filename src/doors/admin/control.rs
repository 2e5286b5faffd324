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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
/// Longest wait until an answer is taken.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

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
        // One that was there may have been made by hand.
        std::fs::set_permissions(run, Permissions::from_mode(0o700))?;
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
            let begun = tokio::select! {
                begun = self.one(&places) => begun,
                () = shutdown.begun() => return,
            };
            match begun {
                Ok((stream, place)) => {
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

    /// The next connection, once there is a place for it.
    async fn one(&self, places: &Arc<Semaphore>) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        Ok((stream, place))
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
    let answer = line_of(&answer)?;
    let sent = async {
        writing.write_all(&answer).await?;
        writing.shutdown().await
    };
    tokio::time::timeout(ANSWER_WAIT, sent).await?
}

/// An answer as it is sent; one that nobody would read is a refusal instead.
fn line_of(answer: &Answer) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(answer)?;
    if u64::try_from(line.len()).unwrap_or(u64::MAX) >= LINE_MAX {
        line = serde_json::to_vec(&Answer::Refused {
            why: "the answer is longer than 64 MiB".into(),
            hint: "ask for one domain or account; or stop the server and ask again".into(),
        })?;
    }
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_long_is_refused_in_words() {
        let long = Answer::Done { text: "x".repeat(usize::try_from(LINE_MAX).unwrap()) };
        let answer: Answer = serde_json::from_slice(&line_of(&long).unwrap()).unwrap();
        assert!(matches!(answer, Answer::Refused { .. }));
        let short = Answer::Done { text: "x".into() };
        assert_eq!(serde_json::from_slice::<Answer>(&line_of(&short).unwrap()).unwrap(), short);
    }

    /// A folder made by hand may be open to all.
    #[tokio::test]
    async fn the_folder_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::fs::set_permissions(&run, Permissions::from_mode(0o755)).unwrap();
        Control::bind(&run).unwrap();
        assert_eq!(std::fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
