//! What a server says when it is up: where it is, who may log in, and what to try.

use std::fmt::Write;
use std::net::SocketAddr;

use folkmoot::doors::admin::Secret;
use folkmoot::net::Listener;
use folkmoot::server::Running;

use crate::cli::Settings;

/// The whole text. `accounts` were made just now; their passwords are shown this once.
pub(super) fn text(server: &Running, settings: &Settings, accounts: &[(String, Secret)]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, server, settings, accounts);
    text
}

fn write(
    to: &mut String,
    server: &Running,
    settings: &Settings,
    accounts: &[(String, Secret)],
) -> std::fmt::Result {
    let config = &server.services().config;
    writeln!(to, "Folkmoot {} serves {}", env!("CARGO_PKG_VERSION"), config.data.display())?;
    for (listener, address) in server.addresses() {
        writeln!(to, "  {:<11}{address}", listener.name())?;
    }
    let certificate = server.certificate();
    let kind =
        if certificate.self_signed { "self-signed; clients must be told to trust it" } else { "as set" };
    writeln!(to, "Certificate ({kind})\n  {}", certificate.cert.display())?;
    writeln!(to, "  SHA-256 {}", certificate.fingerprint)?;
    if !accounts.is_empty() {
        writeln!(to, "Accounts (the passwords are shown this once)")?;
        for (address, password) in accounts {
            writeln!(to, "  {address:<20} {}", password.expose())?;
        }
        write_trial(to, server, accounts)?;
    }
    let options = settings.as_options();
    writeln!(to, "More: folkmoot account add ADDRESS{options}; folkmoot config defaults")?;
    writeln!(to, "Ctrl-C stops the server.")
}

/// Commands that work as they stand.
fn write_trial(to: &mut String, server: &Running, accounts: &[(String, Secret)]) -> std::fmt::Result {
    let at = |listener| server.addresses().get(&listener).copied();
    let Some((address, password)) = accounts.first() else { return Ok(()) };
    writeln!(to, "Try")?;
    if let Some(smtp) = at(Listener::Smtp) {
        let (host, port) = reachable(smtp);
        writeln!(to, "  swaks --server {host} --port {port} --from you@example.net --to {address}")?;
    }
    if let Some(http) = at(Listener::Http) {
        let (host, port) = reachable(http);
        writeln!(
            to,
            "  curl -i -u '{address}:{}' -X OPTIONS http://{host}:{port}/Microsoft-Server-ActiveSync",
            password.expose()
        )?;
    }
    if let Some(https) = at(Listener::Https) {
        let (host, port) = reachable(https);
        writeln!(to, "  A phone: add an Exchange account with")?;
        writeln!(to, "    e-mail and user name {address}, server {host}:{port}, and accept the certificate")?;
        if https.ip().is_loopback() {
            writeln!(to, "    (for phones in your network, give a file to --config that has in it")?;
            writeln!(to, "    [listen] and below it https = \"0.0.0.0:8443\")")?;
        }
    }
    Ok(())
}

/// What to type to reach a listener from this machine.
fn reachable(address: SocketAddr) -> (String, u16) {
    let host = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    (host, address.port())
}
