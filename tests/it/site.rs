//! The program itself in a folder of its own, as an administrator and a supervisor use it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use folkmoot::clock::instant;
use tempfile::TempDir;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with settings that take free ports, and what is run in it.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
}

/// A server that is killed when a test gives up.
pub(crate) struct Serving(pub(crate) Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may be gone already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = ["smtp", "submission", "lmtp", "imap", "imaps", "http", "https"]
            .map(|name| format!("{name} = \"127.0.0.1:0\"\n"))
            .concat();
        let text = format!(
            "[listen]\n{listen}[auth]\nargon2_memory = 64\nargon2_passes = 1\nscram_iterations = 4096\n"
        );
        fs::write(folder.path().join("server.toml"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.args(["--config", "server.toml"]);
        command
    }

    /// Without the settings.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_folkmoot"));
        command.args(arguments).current_dir(&self.folder);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed and returns what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with `code` and returns what it complained of.
    pub(crate) fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
        complaint
    }

    /// Starts the server and waits until it says where it listens.
    pub(crate) fn serve(&self) -> Serving {
        let mut command = self.command(&["serve"]);
        let log = fs::File::create(self.path("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.started(child)
    }

    pub(crate) fn started(&self, child: Child) -> Serving {
        let mut serving = Serving(child);
        let began = instant();
        while !self.path("data/run/listeners.json").exists() {
            let ended = serving.0.try_wait().unwrap();
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "{ended:?}: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        serving
    }

    /// Waits until the log says something.
    pub(crate) fn until_logged(&self, words: &str) {
        let began = instant();
        loop {
            let log = fs::read_to_string(self.path("log")).unwrap();
            if log.contains(words) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the log does not say {words:?}: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn address(&self, listener: &str) -> String {
        let text = fs::read_to_string(self.path("data/run/listeners.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
        addresses[listener].as_str().unwrap().to_owned()
    }

    pub(crate) fn health(&self) -> String {
        let mut stream = TcpStream::connect(self.address("http")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

pub(crate) fn signal(serving: &Serving, name: &str) {
    let pid = serving.0.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), pid.as_str()]).status().unwrap().success());
}

/// Stops a server as a supervisor does; it must end by itself and well.
pub(crate) fn stop(mut serving: Serving) {
    signal(&serving, "TERM");
    let began = instant();
    let status = loop {
        if let Some(status) = serving.0.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < PATIENCE, "it does not stop");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
}
