//! Where a command is done: by the server that has the data folder, or else right here.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
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
    must_be_ours(&config.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Failed::new(exit::TEMPORARY, e))?;
    let services = Services::open(config.clone(), Clock::system()).map_err(|e| match exit::of_open(&e) {
        exit::TEMPORARY => Failed::new(
            exit::TEMPORARY,
            format!("{e}\nIf a server starts or stops just now, try again in a moment"),
        ),
        code => Failed::new(code, e),
    })?;
    let answer = runtime.block_on(admin::execute(&services, command));
    services.store.stop();
    Ok(answer)
}

/// A slip in --data would otherwise make a store there and answer out of it.
pub(super) fn must_exist(data: &Path) -> Result<(), Failed> {
    if data.join("store").is_dir() {
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

/// Files that another user makes in the store, above all root, are closed to the server.
pub(super) fn must_be_ours(data: &Path) -> Result<(), Failed> {
    match owner_beside(data) {
        Ok(None) => Ok(()),
        Ok(Some(owner)) => Err(Failed::new(
            exit::FAILED,
            format!(
                "{} belongs to the user {owner}; what you changed in it the server could not use\nRun this as \
                 that user: sudo -u '{owner}' folkmoot …",
                data.display()
            ),
        )),
        Err(e) => Err(Failed::new(exit::FAILED, format!("{}: {e}", data.display()))),
    }
}

/// Whose the store in a data folder is, as `sudo -u` takes it, unless it is of the user who asks.
pub(super) fn owner_beside(data: &Path) -> std::io::Result<Option<String>> {
    let owner = std::fs::metadata(data.join("store"))?.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Ok(Some(name_of(owner, &known).unwrap_or_else(|| format!("#{owner}"))))
}

/// A user's name by passwd(5).
fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nfolkmoot:x:998:998::/var/lib/folkmoot:/bin/false\n";
        assert_eq!(name_of(998, passwd).as_deref(), Some("folkmoot"));
        assert_eq!(name_of(99, passwd), None);
    }
}
