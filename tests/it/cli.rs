//! The program as an admin has it: the real binary, its files, its exit codes and its words.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use folkmoot::clock::{Clock, instant};
use folkmoot::store::keys::{Key, Table};
use folkmoot::store::{Store, StoreOptions};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with settings that take free ports, and what is run in it.
struct Site {
    folder: TempDir,
}

/// A server that is killed when a test gives up.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may be gone already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = ["smtp", "submission", "lmtp", "imap", "imaps", "http", "https"]
            .map(|name| format!("{name} = \"127.0.0.1:0\"\n"))
            .concat();
        let text = format!("[listen]\n{listen}[auth]\nargon2_memory = 64\nargon2_passes = 1\n");
        fs::write(folder.path().join("server.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_folkmoot"));
        command.args(arguments).args(["--config", "server.toml"]).current_dir(&self.folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed and returns what it printed.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with `code` and returns what it complained of.
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
        complaint
    }

    /// Starts the server and waits until it says where it listens.
    fn serve(&self) -> Serving {
        let mut command = self.command(&["serve"]);
        let log = fs::File::create(self.path("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.started(child)
    }

    fn started(&self, child: Child) -> Serving {
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

    fn address(&self, listener: &str) -> String {
        let text = fs::read_to_string(self.path("data/run/listeners.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
        addresses[listener].as_str().unwrap().to_owned()
    }

    fn health(&self) -> String {
        let mut stream = TcpStream::connect(self.address("http")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn signal(serving: &Serving, name: &str) {
    let pid = serving.0.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), pid.as_str()]).status().unwrap().success());
}

/// Stops a server as a supervisor does; it must end by itself and well.
fn stop(mut serving: Serving) {
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

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The same commands do the same with and without a running server, each sees what the other did.
#[test]
fn commands_work_whether_the_server_runs_or_not() {
    let site = Site::new();
    let serving = site.serve();
    assert!(site.health().starts_with("HTTP/1.1 200 "));
    assert_eq!(mode(&site.path("data/run/control.sock")), 0o600);
    assert_eq!(mode(&site.path("data")), 0o700);
    assert_eq!(mode(&site.path("data/tls/key.pem")), 0o600);

    site.ok(&["domain", "add", "example.org"]);
    let added = site.ok(&["account", "add", "alice@example.org", "--name", "Alice"]);
    assert!(added.starts_with("alice@example.org\npassword: "), "{added}");
    stop(serving);
    assert!(!site.path("data/run/listeners.json").exists());
    assert!(!site.path("data/run/control.sock").exists());

    let listed = site.ok(&["account", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["address"], "alice@example.org");
    assert_eq!(listed[0]["name"], "Alice");
    site.ok(&["account", "add", "bob@example.org"]);

    let serving = site.serve();
    assert_eq!(site.ok(&["account", "list"]).lines().count(), 3);
    assert!(site.fails(&["domain", "delete", "example.org"], 1).contains("--force"));
    site.ok(&["account", "delete", "bob"]);
    assert_eq!(site.ok(&["account", "list", "example.org"]).lines().count(), 2);
    assert!(site.ok(&["verify"]).contains(" 0 problems found"));
    assert!(site.ok(&["device", "list"]).starts_with("ACCOUNT  DEVICE  TYPE"));
    assert_eq!(site.ok(&["device", "list", "alice@example.org", "--json"]).trim(), "[]");
    let lost = site.fails(&["device", "wipe", "alice@example.org", "LOST", "--account-only"], 1);
    assert!(lost.contains("alice@example.org has no such device\nTry: folkmoot device list"), "{lost}");
    site.ok(&["domain", "delete", "example.org", "--force"]);
    stop(serving);
    let verified: serde_json::Value = serde_json::from_str(&site.ok(&["verify", "--json"])).unwrap();
    assert_eq!(verified["found"], 0);
    assert_eq!(site.ok(&["domain", "list", "--json"]).trim(), "[]");
}

/// Damage is told with and without a running server, for people and programs, and by the exit code.
#[test]
fn verify_fails_when_something_is_wrong() {
    let site = Site::new();
    let serving = site.serve();
    site.ok(&["domain", "add", "example.org"]);
    site.ok(&["account", "add", "alice@example.org"]);
    stop(serving);
    let store = Store::open(&site.path("data/store"), &StoreOptions::default(), &Clock::system()).unwrap();
    let damaged = store.write::<_, folkmoot::store::Error>(|tx| {
        tx.delete(Key::of(Table::Address).text("example.org").raw(b"alice").done());
        Ok(())
    });
    damaged.unwrap();
    store.stop();
    drop(store);

    let expected = "account alice@example.org: alice@example.org does not lead to it";
    let check = || {
        let output = site.run(&["verify"]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.starts_with(expected) && told.ends_with(", 1 problems found\n"), "{told}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("1 of 1 problems are shown"), "{complaint}");
        let output = site.run(&["verify", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["found"], &told["problems"][0]), (&1.into(), &expected.into()));
    };
    check();
    let serving = site.serve();
    check();
    stop(serving);
}

#[test]
fn passwords_are_read_from_standard_input_and_never_logged() {
    let site = Site::new();
    let serving = site.serve();
    site.ok(&["domain", "add", "example.org"]);
    for arguments in [
        ["account", "add", "carol@example.org", "--password-stdin"],
        ["account", "set-password", "carol@example.org", "--password-stdin"],
    ] {
        let mut child = site
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"open sesame 42\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!String::from_utf8(output.stdout).unwrap().contains("sesame"));
    }
    assert!(site.fails(&["account", "set-password", "carol", "--password-stdin"], 1).contains("Try: "));
    stop(serving);
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(log.contains("AccountSetPassword") && !log.contains("sesame"), "{log}");
}

#[test]
fn refusals_say_what_to_type_next() {
    let site = Site::new();
    assert!(site.fails(&["account", "list"], 1).contains("--data DIR"));
    stop(site.serve());
    let unknown = site.fails(&["account", "set-password", "nobody@example.org"], 1);
    assert!(unknown.contains("nobody@example.org is not known\nTry: folkmoot "), "{unknown}");
    site.ok(&["domain", "add", "example.org"]);
    assert!(site.fails(&["domain", "add", "EXAMPLE.org"], 1).contains("exists already"));
    assert!(site.fails(&["acount", "list"], 2).contains("--help"));
}

#[test]
fn settings_that_are_wrong_stop_the_start_with_file_and_line() {
    let site = Site::new();
    fs::write(site.path("server.toml"), "[eas]\nwindow_max = 100\nhartbeat_max = 3540\n").unwrap();
    for arguments in [["serve"], ["check"]] {
        let complaint = site.fails(&arguments, 78);
        assert!(complaint.contains("server.toml:3: "), "{complaint}");
        assert!(complaint.contains("unknown field `hartbeat_max`"), "{complaint}");
    }
    fs::write(site.path("server.toml"), "[log]\nlevel = \"loud=very\"\n").unwrap();
    assert!(site.fails(&["serve"], 78).contains("log.level"));
    assert!(!site.path("data").exists());
}

#[test]
fn the_defaults_are_a_configuration() {
    let site = Site::new();
    let defaults = site.ok(&["config", "defaults"]);
    let config = folkmoot::config::Config::parse(&defaults, Path::new("defaults")).unwrap();
    assert_eq!(config, folkmoot::config::Config::default());
}

#[test]
fn check_tells_what_would_stop_a_start() {
    let site = Site::new();
    let before = site.ok(&["check"]);
    assert!(before.contains("will be made") && !site.path("data").exists(), "{before}");
    let serving = site.serve();
    assert!(site.ok(&["check"]).contains("in use by the server that runs now"));

    let taken = site.address("imap");
    let text =
        format!("[listen]\nimap = \"{taken}\"\nlmtp = \"0.0.0.0:0\"\n[tls]\ncert = \"a\"\nkey = \"b\"\n");
    fs::write(site.path("other.toml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_folkmoot"))
        .args(["check", "--config", "other.toml", "--data", "elsewhere"])
        .current_dir(&site.folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("BAD   imap         {taken}")), "{told}");
    assert!(told.contains("BAD   certificate  a: "), "{told}");
    assert!(told.contains("note  listen.lmtp"), "{told}");
    stop(serving);
}

#[test]
fn a_data_folder_has_one_server() {
    let site = Site::new();
    let serving = site.serve();
    let complaint = site.fails(&["serve"], 75);
    assert!(complaint.contains("another process uses this folder"), "{complaint}");
    assert!(site.health().starts_with("HTTP/1.1 200 "));
    stop(serving);
}

/// Out of file descriptors the server neither dies nor stays deaf.
#[test]
fn it_survives_running_out_of_files() {
    let site = Site::new();
    let log = fs::File::create(site.path("log")).unwrap();
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 100 && exec \"$0\" serve --config server.toml"])
        .arg(env!("CARGO_BIN_EXE_folkmoot"))
        .current_dir(&site.folder)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let serving = site.started(child);
    let flood: Vec<_> = (0..200).filter_map(|_| TcpStream::connect(site.address("http")).ok()).collect();
    let began = instant();
    while !fs::read_to_string(site.path("log")).unwrap().contains("cannot accept; trying again") {
        assert!(began.elapsed() < PATIENCE, "it did not run out of files");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(flood);
    assert!(site.health().starts_with("HTTP/1.1 200 "));
    stop(serving);
}

/// The first start of all: no settings, usual ports, demo accounts whose passwords are shown once.
#[test]
fn without_settings_it_shows_what_to_try() {
    let site = Site::new();
    let first = first_words(&site);
    for word in
        ["smtp       127.0.0.1:2525", "https      127.0.0.1:8443", "alice@example.test", "SHA-256", "curl -i"]
    {
        assert!(first.contains(word), "no {word} in\n{first}");
    }
    let second = first_words(&site);
    assert!(!second.contains("alice@example.test"), "{second}");
}

/// What a server without settings says until it is up; then it is stopped.
fn first_words(site: &Site) -> String {
    let mut command = in_a_network_of_its_own();
    command.args(["--data", "data"]).current_dir(&site.folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        if line.contains("Ctrl-C") {
            break;
        }
    }
    stop(Serving(child));
    text
}

/// The program where every port is free. Where the system allows no such network the usual ports of this
/// machine must be free.
fn in_a_network_of_its_own() -> Command {
    let alone = ["-rn", "sh", "-c", "ip link set lo up"];
    if Command::new("unshare").args(alone).output().is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("unshare");
        command.args(["-rn", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
        command.arg(env!("CARGO_BIN_EXE_folkmoot"));
        return command;
    }
    Command::new(env!("CARGO_BIN_EXE_folkmoot"))
}
