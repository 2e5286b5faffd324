//! `folkmoot check`: would a server start with these settings, and what would surprise its admin?

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

use folkmoot::clock::Clock;
use folkmoot::config::{Config, Listen};
use folkmoot::doors::admin;
use folkmoot::net::{fingerprint, read_pem};
use folkmoot::services::Services;

use super::exit::Failed;
use super::{Settings, print, serve};

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
    serve::filter(&config.log)?;
    let runs = UnixStream::connect(admin::socket(&config.data)).is_ok();
    let mut found = vec![Found::Good(match &settings.file {
        Some(file) => format!("settings     {}", file.display()),
        None => "settings     all defaults".into(),
    })];
    found.push(data(&config, runs));
    found.push(certificate(&config));
    found.extend(ports(&config.listen, runs));
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

fn data(config: &Config, runs: bool) -> Found {
    let folder = config.data.display();
    if runs {
        return Found::Good(format!("data         {folder}, in use by the server that runs now"));
    }
    if !config.data.join("store").exists() {
        return match may_make(&config.data) {
            Ok(()) => Found::Good(format!("data         {folder} will be made")),
            Err(e) => Found::Bad(format!("data         {folder} cannot be made: {e}")),
        };
    }
    match Services::open(config.clone(), Clock::system()) {
        Ok(services) => {
            services.store.stop();
            Found::Good(format!("data         {folder} can be opened"))
        }
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

fn certificate(config: &Config) -> Found {
    let own = config.data.join("tls");
    let (cert, key, kind) = match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => (cert.clone(), key.clone(), "as set"),
        _ if !own.join("cert.pem").exists() => {
            return Found::Good("certificate  a self-signed one will be made".into());
        }
        _ => (own.join("cert.pem"), own.join("key.pem"), "self-signed"),
    };
    match read_pem(&cert, &key) {
        Ok(read) => Found::Good(format!("certificate  {kind}, SHA-256 {}", fingerprint(&read))),
        Err(e) => Found::Bad(format!("certificate  {e}")),
    }
}

fn named(listen: &Listen) -> [(&'static str, Option<SocketAddr>); 7] {
    [
        ("smtp", listen.smtp),
        ("submission", listen.submission),
        ("lmtp", listen.lmtp),
        ("imap", listen.imap),
        ("imaps", listen.imaps),
        ("http", listen.http),
        ("https", listen.https),
    ]
}

fn ports(listen: &Listen, runs: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for (name, address) in named(listen) {
        let Some(address) = address else { continue };
        // The listening socket is closed at once; std sets SO_REUSEADDR, so a start just after works.
        found.push(match TcpListener::bind(address) {
            Ok(_) => Found::Good(format!("{name:<12} {address} is free")),
            Err(e) if runs && e.kind() == ErrorKind::AddrInUse => {
                Found::Good(format!("{name:<12} {address} is in use, as it should be while the server runs"))
            }
            Err(e) => Found::Bad(format!("{name:<12} {address}: {e}")),
        });
    }
    found
}

fn oddities(config: &Config) -> Vec<Found> {
    let far = |address: Option<SocketAddr>| address.is_some_and(|a| !a.ip().is_loopback());
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
    found
}
