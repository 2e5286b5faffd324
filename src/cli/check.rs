//! `folkmoot check`: would a server start with these settings, and what would surprise its admin?

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{self, TcpListener};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use folkmoot::clock::Clock;
use folkmoot::config::{Config, Listen};
use folkmoot::doors::admin;
use folkmoot::net::{fingerprint, read_pem, validity};
use folkmoot::server::LISTENERS_FILE;
use folkmoot::services::Services;
use folkmoot::store::SCHEMA;

use super::exit::Failed;
use super::{Settings, ask, print};

/// A certificate that ends within two weeks should have been renewed.
const SOON: i64 = 14 * 86_400;

/// What a check found.
enum Found {
    Good(String),
    /// A server would start, but this is hardly meant.
    Odd(String),
    /// A server would not start.
    Bad(String),
}

pub(super) fn run(settings: &Settings) -> Result<(), Failed> {
    let config = settings.load()?;
    let runs = UnixStream::connect(admin::socket(&config.data)).is_ok();
    let mut found = vec![Found::Good(match &settings.file {
        Some(file) => format!("settings     {}", file.display()),
        None => "settings     all defaults".into(),
    })];
    found.push(data(&config, runs));
    found.extend(socket(&config.data));
    found.push(certificate(&config, Clock::system().now_secs()));
    found.extend(ports(&config.listen, &if runs { running(&config.data) } else { Vec::new() }));
    found.extend(oddities(&config));

    let mut text = String::new();
    for line in &found {
        text.push_str(&match line {
            Found::Good(what) => format!("ok    {what}\n"),
            Found::Odd(what) => format!("note  {what}\n"),
            Found::Bad(what) => format!("BAD   {what}\n"),
        });
    }
    print::plain(&text)?;
    let bad = found.iter().filter(|line| matches!(line, Found::Bad(_))).count();
    match bad {
        0 => Ok(()),
        n => Err(Failed::config(&format!("a server would not start: {n} of these must be mended"))),
    }
}

/// The data folder. No row in it is changed: a newer program must not convert it before it is started.
fn data(config: &Config, runs: bool) -> Found {
    let folder = config.data.display();
    if runs {
        return Found::Good(format!("data         {folder}, in use by the server that runs now"));
    }
    if !config.data.join("store").exists() {
        return match (may_make(&config.data), Services::probe(config)) {
            (Err(e), _) => Found::Bad(format!("data         {folder} cannot be made: {e}")),
            (_, Err(e)) => Found::Bad(format!("data         {e}")),
            _ => Found::Good(format!("data         {folder} will be made")),
        };
    }
    match ask::owner_beside(&config.data) {
        Ok(None) => {}
        Ok(Some(owner)) => {
            return Found::Bad(format!(
                "data         {folder} belongs to {owner}: sudo -u '{owner}' folkmoot check"
            ));
        }
        Err(e) => return Found::Bad(format!("data         {folder}: {e}")),
    }
    match Services::probe(config) {
        Ok(SCHEMA) => Found::Good(format!("data         {folder} can be opened")),
        Ok(older) => Found::Good(format!(
            "data         {folder} can be opened; a start brings it from schema {older} to {SCHEMA}"
        )),
        Err(e) => Found::Bad(format!("data         {e}")),
    }
}

/// Whether the nearest folder above that exists is a folder we may write to.
fn may_make(data: &Path) -> std::io::Result<()> {
    let absolute = std::path::absolute(data)?;
    let Some(above) = absolute.ancestors().find(|above| above.exists()) else {
        return Err(ErrorKind::NotFound.into());
    };
    if !above.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(above, rustix::fs::Access::WRITE_OK)?)
}

/// The control socket, whose path the system wants short.
fn socket(data: &Path) -> Option<Found> {
    let socket = admin::socket(data);
    let e = SocketAddr::from_pathname(&socket).err()?;
    Some(Found::Bad(format!(
        "socket       {}: {e}; choose a data folder with a shorter path",
        socket.display()
    )))
}

fn certificate(config: &Config, now: i64) -> Found {
    let own = config.data.join("tls");
    let (cert, key, is_own) = match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => (cert.clone(), key.clone(), false),
        _ if !own.join("cert.pem").exists() => {
            return Found::Good("certificate  a self-signed one will be made".into());
        }
        _ => (own.join("cert.pem"), own.join("key.pem"), true),
    };
    let read = match read_pem(&cert, &key) {
        Ok(read) => read,
        Err(e) => return Found::Bad(format!("certificate  {e}")),
    };
    let sha = fingerprint(&read);
    match validity(&read) {
        // A start renews its own.
        _ if is_own => Found::Good(format!("certificate  self-signed, SHA-256 {sha}")),
        Some((begins, _)) if now < begins => {
            Found::Odd(format!("certificate  {} is not valid before {}", cert.display(), day(begins)))
        }
        Some((_, ends)) if ends < now => {
            Found::Odd(format!("certificate  {} ended on {}; clients refuse it", cert.display(), day(ends)))
        }
        Some((_, ends)) if ends < now.saturating_add(SOON) => {
            Found::Odd(format!("certificate  {} ends on {}", cert.display(), day(ends)))
        }
        _ => Found::Good(format!("certificate  as set, SHA-256 {sha}")),
    }
}

fn day(at: i64) -> String {
    jiff::Timestamp::from_second(at).map(|at| at.strftime("%F").to_string()).unwrap_or_default()
}

/// Where the listeners of the running server are.
fn running(data: &Path) -> Vec<net::SocketAddr> {
    let file = Services::run_folder(data).join(LISTENERS_FILE);
    let addresses = std::fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice::<BTreeMap<String, net::SocketAddr>>(&text).ok());
    addresses.unwrap_or_default().into_values().collect()
}

/// Takes each address as a start would, all of them at the same time. `ours` is in use by a server that is to
/// give way to the one that would start.
fn ports(listen: &Listen, ours: &[net::SocketAddr]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut taken: Vec<(&str, TcpListener)> = Vec::new();
    for (name, address) in listen.named() {
        let Some(address) = address else { continue };
        // std sets SO_REUSEADDR, so a start just after works.
        found.push(match TcpListener::bind(address) {
            Ok(socket) => {
                taken.push((name, socket));
                Found::Good(format!("{name:<12} {address} is free"))
            }
            Err(e) if e.kind() == ErrorKind::AddrInUse => in_use(name, address, &taken, ours),
            Err(e) => Found::Bad(format!("{name:<12} {address}: {e}")),
        });
    }
    found
}

fn in_use(
    name: &str,
    address: net::SocketAddr,
    taken: &[(&str, TcpListener)],
    ours: &[net::SocketAddr],
) -> Found {
    let overlaps = |other: net::SocketAddr| {
        other.port() == address.port()
            && (other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified())
    };
    if let Some((other, _)) = taken.iter().find(|(_, socket)| socket.local_addr().is_ok_and(overlaps)) {
        return Found::Bad(format!("{name:<12} {address} is wanted by {other} too"));
    }
    if ours.iter().any(|other| overlaps(*other)) {
        return Found::Good(format!("{name:<12} {address} is in use, as it should be while the server runs"));
    }
    Found::Bad(format!("{name:<12} {address} is in use by another process"))
}

fn oddities(config: &Config) -> Vec<Found> {
    let far = |address: Option<net::SocketAddr>| address.is_some_and(|a| !a.ip().is_loopback());
    let mut found = Vec::new();
    if far(config.listen.smtp) && config.smtp.hostname == "localhost" {
        found.push(Found::Odd("smtp.hostname is localhost; other servers expect a name in the DNS".into()));
    }
    if far(config.listen.lmtp) {
        found.push(Found::Odd("listen.lmtp can be reached from outside and trusts whoever connects".into()));
    }
    if far(config.listen.http) {
        found.push(Found::Odd(
            "listen.http can be reached from outside; passwords go over it in clear".into(),
        ));
    }
    if config.eas.request_max < config.smtp.max_message.saturating_add(64 << 10) {
        found.push(Found::Odd(
            "eas.request_max is less than smtp.max_message and 64 KiB: phones cannot send the largest messages"
                .into(),
        ));
    }
    if let Some(file) = config.smtp.smarthost.as_ref().and_then(|relay| relay.password_file.as_ref()) {
        match std::fs::read_to_string(file) {
            Ok(text) if text.lines().next().is_some_and(|line| !line.is_empty()) => {}
            Ok(_) => {
                found.push(Found::Odd(format!("smtp.smarthost.password_file {} is empty", file.display())))
            }
            Err(e) => found.push(Found::Odd(format!("smtp.smarthost.password_file {}: {e}", file.display()))),
        }
    }
    found
}
