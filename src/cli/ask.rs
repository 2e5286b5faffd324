//! Where a command is done: by the server that has the data folder, or else right here.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use folkmoot::clock::Clock;
use folkmoot::config::Config;
use folkmoot::doors::admin::{self, Answer, Command};
use folkmoot::services::Services;

use super::exit::{self, Failed};

/// Longest silence of the server; `verify` of a large store takes its time.
const WAIT: Duration = Duration::from_secs(3600);

/// Has a command done and returns its answer.
pub(super) fn answer(config: &Config, command: Command) -> Result<Answer, Failed> {
    let socket = admin::socket(&config.data);
    match UnixStream::connect(&socket) {
        Ok(stream) => over(stream, &command)
            .map_err(|e| Failed::new(exit::TEMPORARY, format!("{}: {e}", socket.display()))),
        // No socket, or one that a server left behind when it was killed.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            here(config, command)
        }
        Err(e) => Err(Failed::new(
            exit::FAILED,
            format!("{}: {e}\nRun this as the user that the server runs as, or as root", socket.display()),
        )),
    }
}

fn over(mut stream: UnixStream, command: &Command) -> std::io::Result<Answer> {
    stream.set_read_timeout(Some(WAIT))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(admin::LINE_MAX)).read_until(b'\n', &mut answer)?;
    if answer.last() != Some(&b'\n') {
        return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "the server stopped before it answered"));
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// Opens the data folder, which no server has.
fn here(config: &Config, command: Command) -> Result<Answer, Failed> {
    must_exist(&config.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Failed::new(exit::TEMPORARY, e))?;
    let services = Services::open(config.clone(), Clock::system()).map_err(|e| {
        Failed::new(
            exit::TEMPORARY,
            format!("{e}\nIf a server starts or stops just now, try again in a moment"),
        )
    })?;
    let answer = runtime.block_on(admin::execute(&services, command));
    services.store.stop();
    Ok(answer)
}

/// A slip in --data would otherwise make an empty folder and answer out of it.
pub(super) fn must_exist(data: &Path) -> Result<(), Failed> {
    if data.is_dir() {
        return Ok(());
    }
    Err(Failed::new(
        exit::FAILED,
        format!(
            "there is no data folder {}\nName it with --data DIR or --config FILE, or make it by running \
             `folkmoot serve` once",
            data.display()
        ),
    ))
}
