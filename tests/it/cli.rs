//! The program as an admin has it: the real binary, its files, its exit codes and its words.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine;
use folkmoot::clock::{Clock, instant};
use folkmoot::directory::device::{self, Came, Device, RecoveryPassword};
use folkmoot::store::keys::{Key, Table};
use folkmoot::store::{Store, StoreOptions};

use crate::site::{Serving, Site, signal, stop};

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

/// A quota is shown and set, with a server and without.
#[test]
fn quotas_are_shown_and_set() {
    let site = Site::new();
    stop(site.serve());
    site.ok(&["domain", "add", "example.org"]);
    site.ok(&["account", "add", "alice@example.org"]);
    let quota = |more: &[&str]| {
        let all = [&["account", "quota", "alice", "--json"], more].concat();
        let told: serde_json::Value = serde_json::from_str(&site.ok(&all)).unwrap();
        assert_eq!(told["address"], "alice@example.org");
        told["quota"].clone()
    };
    assert_eq!(quota(&[]), serde_json::Value::Null);
    assert_eq!(quota(&["512M"]), 512 << 20);
    let serving = site.serve();
    assert_eq!(quota(&[]), 512 << 20);
    assert!(
        site.ok(&["account", "quota", "alice@example.org"]).starts_with("ACCOUNT            QUOTA      USED")
    );
    assert_eq!(quota(&["none"]), serde_json::Value::Null);
    assert!(site.fails(&["account", "quota", "alice", "much"], 2).contains("K, M, G or T"));
    assert!(site.fails(&["account", "quota", "nobody@example.org"], 1).contains("is not known"));
    stop(serving);
    assert_eq!(quota(&[]), serde_json::Value::Null);
}

/// Aliases and app passwords, with a server and without; a password is shown once and never listed.
#[test]
fn aliases_and_app_passwords_come_and_go() {
    let site = Site::new();
    stop(site.serve());
    site.ok(&["domain", "add", "example.org"]);
    site.ok(&["account", "add", "alice@example.org"]);
    let come_and_go = || {
        let parse = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        site.ok(&["account", "alias", "add", "alice@example.org", "sales@example.org"]);
        assert_eq!(site.ok(&["account", "alias", "list", "sales"]), "ALIAS\nsales@example.org\n");
        let taken = site.fails(&["account", "alias", "add", "alice", "sales"], 1);
        assert!(taken.contains("sales is somebody's address already\nTry: "), "{taken}");
        let foreign = site.fails(&["account", "alias", "add", "alice", "a@new.org"], 1);
        assert!(foreign.contains("Try: folkmoot domain add new.org"), "{foreign}");
        site.ok(&["account", "alias", "delete", "alice", "sales"]);
        assert!(site.fails(&["account", "alias", "delete", "alice", "sales"], 1).contains("no such alias"));
        assert_eq!(parse(site.ok(&["account", "alias", "list", "alice", "--json"])), serde_json::json!([]));

        let arguments = ["account", "app-password", "add", "alice", "my phone", "--service", "eas,imap"];
        let made = site.ok(&arguments);
        let password = made.split("password: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        assert!(password.len() > 24 && made.starts_with("alice@example.org\n"), "{made}");
        let listed = site.ok(&["account", "app-password", "list", "alice", "--json"]);
        assert!(!listed.contains(&password));
        let listed = parse(listed);
        assert_eq!(listed[0]["label"], "my phone");
        assert_eq!(listed[0]["services"], serde_json::json!(["eas", "imap"]));
        let id = listed[0]["id"].to_string();
        assert!(site.ok(&["account", "app-password", "list", "alice"]).contains("my phone"));
        site.ok(&["account", "app-password", "delete", "alice", &id]);
        let gone = site.fails(&["account", "app-password", "delete", "alice", &id], 1);
        assert!(gone.contains("no such app password\nTry: folkmoot account app-password list"), "{gone}");
        let unknown = ["account", "app-password", "add", "alice", "x", "--service", "web"];
        assert!(site.fails(&unknown, 1).contains("no such service"));
    };
    come_and_go();
    let serving = site.serve();
    come_and_go();
    stop(serving);
}

/// A wipe that was a mistake is taken back, a device is refused and let in again, with and without a server.
#[test]
fn devices_are_administered_with_and_without_a_server() {
    let site = Site::new();
    stop(site.serve());
    site.ok(&["domain", "add", "example.org"]);
    site.ok(&["account", "add", "alice@example.org"]);
    let store = Store::open(&site.path("data/store"), &StoreOptions::default(), &Clock::system()).unwrap();
    store
        .write::<_, folkmoot::directory::Error>(|tx| {
            let address = folkmoot::directory::Address::parse("alice@example.org")?;
            let account = folkmoot::directory::account_by_address(tx, &address)?.unwrap();
            let came = Came { id: "PHONE", device_type: "P", user_agent: "", version: "16.1" };
            let device = Device {
                recovery_password: Some(RecoveryPassword("open sesame".into())),
                ..Device::new(&came, 0)
            };
            device::seen(tx, account.id, device, 5)?;
            Ok(())
        })
        .unwrap();
    store.stop();
    drop(store);
    let state = || {
        let listed = site.ok(&["device", "list", "alice", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        (listed[0]["wipe"]["state"].clone(), listed[0]["blocked"].clone())
    };
    let administer = || {
        let device = |action: &str| site.ok(&["device", action, "alice", "PHONE"]);
        assert!(device("wipe").contains("is wiped when it next comes"));
        assert_eq!(state().0, "requested");
        site.ok(&["device", "wipe", "alice", "PHONE", "--cancel"]);
        assert!(state().0.is_null());
        let nothing = site.fails(&["device", "wipe", "alice", "PHONE", "--cancel"], 1);
        assert!(nothing.contains("no wipe of the device is under way"), "{nothing}");
        device("block");
        assert_eq!(state().1, true);
        device("allow");
        assert_eq!(state().1, false);
        assert_eq!(device("recovery-password"), "PHONE\nrecovery password: open sesame\n");
    };
    administer();
    let serving = site.serve();
    administer();
    site.ok(&["device", "forget", "alice", "PHONE"]);
    assert!(site.fails(&["device", "recovery-password", "alice", "PHONE"], 1).contains("no such device"));
    stop(serving);
}

/// The queue is looked at and changed with and without a server.
#[test]
fn the_queue_is_administered_with_and_without_a_server() {
    let site = Site::new();
    let settings = fs::read_to_string(site.path("server.toml")).unwrap();
    // Nobody listens there: what is sent waits.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let route = format!("{settings}[smtp.routes]\n\"example.net\" = \"{nobody}\"\n");
    fs::write(site.path("server.toml"), route).unwrap();
    let mut serving = Some(site.serve());
    site.ok(&["domain", "add", "example.org"]);
    let added = site.ok(&["account", "add", "alice@example.org"]);
    let password = added.split("password: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    for offline in [false, true] {
        let sent = Command::new("swaks")
            .args(["--server", &site.address("submission"), "--auth-user", "alice@example.org"])
            .args(["--auth-password", &password, "--from", "alice@example.org", "--to", "bob@example.net"])
            .output()
            .unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
        if offline {
            stop(serving.take().unwrap());
        }
        let listed: serde_json::Value = serde_json::from_str(&site.ok(&["queue", "list", "--json"])).unwrap();
        let id = listed[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(listed[0]["recipients"][0]["address"], "bob@example.net");
        assert!(site.ok(&["queue", "show", &id]).contains("To: bob@example.net"));
        assert!(site.ok(&["queue", "retry", &id]).contains("to be tried now: 1"));
        assert!(site.ok(&["queue", "retry", "--all"]).contains("to be tried now: "));
        site.ok(&["queue", "delete", &id]);
        let gone = site.fails(&["queue", "show", &id], 1);
        assert!(gone.contains("is not in the queue\nTry: folkmoot queue list"), "{gone}");
    }
}

/// SIGHUP shows new connections the certificate that is there now.
#[test]
fn the_certificate_is_read_again_on_sighup() {
    let site = Site::new();
    let serving = site.serve();
    let cert = site.path("data/tls/cert.pem");
    let before = fs::read(&cert).unwrap();
    fs::remove_file(&cert).unwrap();
    signal(&serving, "HUP");
    site.until_logged("certificate read again");
    assert_ne!(fs::read(&cert).unwrap(), before);
    assert!(site.health().starts_with("HTTP/1.1 200 "));
    stop(serving);
}

/// Whoever asks twice does not wait for requests under way.
#[test]
fn a_second_signal_ends_it_at_once() {
    let site = Site::new();
    let settings = fs::read_to_string(site.path("server.toml")).unwrap();
    fs::write(site.path("server.toml"), format!("{settings}[log]\nlevel = \"debug\"\n")).unwrap();
    let serving = site.serve();
    site.ok(&["domain", "add", "example.org"]);
    let added = site.ok(&["account", "add", "alice@example.org"]);
    let password = added.split("password: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("alice@example.org:{password}"));
    let mut stream = TcpStream::connect(site.address("http")).unwrap();
    let head = format!(
        "POST /Microsoft-Server-ActiveSync?Cmd=FolderSync&User=a&DeviceId=A&DeviceType=P HTTP/1.1\r\nhost: x\r\n\
         authorization: Basic {login}\r\nms-asprotocolversion: 16.1\r\ncontent-length: 500\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Logged in, it is under way.
    site.until_logged("login=\"alice@example.org\"");
    let began = instant();
    signal(&serving, "TERM");
    site.until_logged("once more stops at once");
    // The request is waited for, and would be for longer than this.
    std::thread::sleep(Duration::from_millis(500));
    let mut serving = serving;
    assert!(serving.0.try_wait().unwrap().is_none(), "it did not wait");
    stop(serving);
    assert!(began.elapsed() < Duration::from_secs(10));
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
        // One line is read; whoever types it need not end the input.
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"open sesame 42\n").unwrap();
        let output = child.wait_with_output().unwrap();
        drop(input);
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

/// The names of all files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What does not pass by itself must not make a supervisor start the server for ever.
#[test]
fn a_start_that_cannot_succeed_ends_with_78() {
    let site = Site::new();
    stop(site.serve());
    let settings = fs::read_to_string(site.path("server.toml")).unwrap();
    fs::write(site.path("server.toml"), format!("{settings}[store]\nengine = \"sled\"\n")).unwrap();
    for arguments in [&["serve"][..], &["account", "list"]] {
        assert!(site.fails(arguments, 78).contains("the data folder cannot be used"));
    }
    fs::write(site.path("server.toml"), settings).unwrap();
    assert!(site.fails(&["serve", "--data", &"a".repeat(110)], 78).contains("DATA/run cannot be used"));
}

/// What root makes in a store is closed to the server, so root is sent to the server's user.
#[test]
fn commands_refuse_a_store_of_another_user() {
    let site = Site::new();
    stop(site.serve());
    if !rustix::process::geteuid().is_root() {
        println!("NOT TESTED: only root can give a folder away");
        return;
    }
    let given = Command::new("chown").args(["-R", "65534"]).arg(site.path("data")).status().unwrap();
    assert!(given.success());
    let before = files_below(&site.path("data"));
    let complaint = site.fails(&["account", "list"], 1);
    assert!(complaint.contains("sudo -u 'nobody' folkmoot"), "{complaint}");
    let output = site.run(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stdout).unwrap().contains("belongs to nobody"));
    assert_eq!(files_below(&site.path("data")), before);
}

/// A slip in --data makes no store in some other folder.
#[test]
fn commands_make_no_store() {
    let site = Site::new();
    let complaint = site.fails(&["account", "list", "--data", "."], 1);
    assert!(complaint.contains("there is no data folder ."), "{complaint}");
    assert!(!site.path("store").exists());
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
    site.until_logged("cannot accept; trying again");
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
