//! Which servers take the mail of a destination. RFC 5321 §5.1, RFC 7505.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::{Address, Domain};
use super::dns::{DnsError, Mx, Resolve};
use super::entry::{Destination, Failure};
use crate::clock;
use crate::config::{self, SmarthostTls};

/// Most hosts of a destination that are tried, and most addresses of a host.
const HOSTS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 4;

/// A server to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    /// Its name, for TLS and in reports.
    pub(super) host: String,
    /// Where to connect, in this order.
    pub(super) addresses: Vec<SocketAddr>,
    /// How it is spoken to.
    pub(super) encryption: Encryption,
    /// User and password, for a smarthost.
    pub(super) login: Option<(String, String)>,
    /// Found by the recipient's domain, so that it must not turn out to be us.
    pub(super) by_domain: bool,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encryption {
    /// Never.
    Off,
    /// STARTTLS when it is offered, without looking at the certificate. RFC 7435.
    Opportunistic,
    /// STARTTLS with a valid certificate, or not at all.
    Required,
    /// TLS from the first octet, with a valid certificate. RFC 8314 §3.3.
    Implicit,
}

impl From<SmarthostTls> for Encryption {
    fn from(tls: SmarthostTls) -> Self {
        match tls {
            SmarthostTls::None => Self::Off,
            SmarthostTls::Opportunistic => Self::Opportunistic,
            SmarthostTls::StartTls => Self::Required,
            SmarthostTls::Tls => Self::Implicit,
        }
    }
}

/// Finds targets.
pub(super) struct Routes {
    resolver: Arc<dyn Resolve>,
    config: Arc<config::Smtp>,
    /// `smtp.routes` by their domains as addresses have them.
    routes: HashMap<Domain, String>,
    /// This server's name, folded.
    own_name: String,
}

impl Routes {
    pub(super) fn new(resolver: Arc<dyn Resolve>, config: Arc<config::Smtp>) -> Self {
        let own_name = config.hostname.to_lowercase();
        let route = |(domain, server): (&String, &String)| match Domain::read(domain) {
            Ok((domain, "")) => Some((domain, server.clone())),
            // The settings were checked when they were read.
            _ => None,
        };
        let routes = config.routes.iter().filter_map(route).collect();
        Self { resolver, config, routes, own_name }
    }

    /// Where mail to `address` goes.
    pub(super) fn destination(&self, address: &Address) -> Destination {
        let domain = address.domain();
        if self.config.smarthost.is_some() && self.route(domain).is_none() {
            return Destination::Smarthost;
        }
        Destination::Domain(domain.clone())
    }

    /// The servers of `destination` in the order they are to be tried; never none.
    pub(super) async fn targets(&self, destination: &Destination) -> Result<Vec<Target>, Failure> {
        match destination {
            Destination::Smarthost => match &self.config.smarthost {
                Some(smarthost) => Ok(vec![self.smarthost(smarthost).await?]),
                None => Err(Failure::temporary(4, 4, "the smarthost is no longer set")),
            },
            Destination::Domain(domain) => match self.route(domain) {
                Some(route) => {
                    let (host, addresses) = self.configured(route).await?;
                    let encryption = Encryption::Opportunistic;
                    Ok(vec![Target { host, addresses, encryption, login: None, by_domain: false }])
                }
                None => self.by_domain(domain).await,
            },
        }
    }

    fn route(&self, domain: &Domain) -> Option<&str> {
        self.routes.get(domain).map(String::as_str)
    }

    async fn smarthost(&self, smarthost: &config::Smarthost) -> Result<Target, Failure> {
        let (host, addresses) = self.configured(&smarthost.address).await?;
        let login = match &smarthost.user {
            Some(user) => Some((user.clone(), password(smarthost).await?)),
            None => None,
        };
        let encryption = smarthost.tls.into();
        Ok(Target { host, addresses, encryption, login, by_domain: false })
    }

    /// Name and addresses of a server that the administrator named as `host:port`; whatever is wrong may
    /// be put right, so no failure is for good.
    async fn configured(&self, server: &str) -> Result<(String, Vec<SocketAddr>), Failure> {
        let bad = || Failure::temporary(3, 5, format!("{server:?} is not host:port"));
        let (host, port) = server.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse() {
            return Ok((host.to_owned(), vec![SocketAddr::new(address, port)]));
        }
        match self.resolver.addresses(host).await {
            Ok(found) if !found.is_empty() => Ok((host.to_owned(), at_port(found, port))),
            Ok(_) | Err(DnsError::NoSuchName | DnsError::BadName) => {
                Err(Failure::temporary(4, 4, format!("{host} has no address")))
            }
            Err(DnsError::Unavailable(why)) => Err(unavailable(host, &why)),
        }
    }

    async fn by_domain(&self, domain: &Domain) -> Result<Vec<Target>, Failure> {
        let name = match domain {
            Domain::Name(name) => name,
            Domain::Literal(address) => {
                let host = domain.to_string();
                return match routable(vec![*address]) {
                    found if found.is_empty() => Err(loops(&host)),
                    found => Ok(vec![self.target(&host, found)]),
                };
            }
        };
        let hosts = self.mail_hosts(name).await?;
        let mut targets = Vec::new();
        let (mut unknown, mut ours) = (None, false);
        for host in hosts.into_iter().take(HOSTS_MAX) {
            match self.resolver.addresses(&host).await {
                Ok(found) if found.is_empty() => {}
                Ok(found) => match routable(found) {
                    found if found.is_empty() => ours = true,
                    found => targets.push(self.target(&host, found)),
                },
                Err(DnsError::NoSuchName | DnsError::BadName) => {}
                Err(DnsError::Unavailable(why)) => unknown = Some(unavailable(&host, &why)),
            }
        }
        match unknown {
            _ if !targets.is_empty() => Ok(targets),
            Some(unknown) => Err(unknown),
            None if ours => Err(loops(name)),
            None => Err(Failure::permanent(4, 4, format!("no server of {name} has an address"))),
        }
    }

    /// The names of a domain's mail hosts, best first. Without MX records it is its own (RFC 5321 §5.1);
    /// hosts from this one's preference on would send the mail back to it.
    async fn mail_hosts(&self, domain: &str) -> Result<Vec<String>, Failure> {
        let no_such = || Failure::permanent(1, 2, format!("the domain {domain} does not exist"));
        let mut records = match self.resolver.mx(domain).await {
            Ok(records) => records,
            Err(DnsError::NoSuchName | DnsError::BadName) => return Err(no_such()),
            Err(DnsError::Unavailable(why)) => return Err(unavailable(domain, &why)),
        };
        if records.is_empty() {
            return Ok(vec![domain.to_owned()]);
        }
        if records.iter().all(|mx| mx.host.is_empty()) {
            return Err(Failure::permanent(1, 10, format!("the domain {domain} takes no mail")));
        }
        records.retain(|mx| !mx.host.is_empty());
        if let Some(own) = records.iter().filter(|mx| mx.host == self.own_name).map(|mx| mx.preference).min()
        {
            records.retain(|mx| mx.preference < own);
            if records.is_empty() {
                return Err(loops(domain));
            }
        }
        Ok(by_preference(records))
    }

    fn target(&self, host: &str, addresses: Vec<IpAddr>) -> Target {
        Target {
            host: host.to_owned(),
            addresses: at_port(addresses, self.config.outbound_port),
            encryption: Encryption::Opportunistic,
            login: None,
            by_domain: true,
        }
    }
}

/// The password of the smarthost's user: the first line of its file, read each time so that it can be
/// changed at any time.
async fn password(smarthost: &config::Smarthost) -> Result<String, Failure> {
    let missing = || Failure::temporary(3, 5, "the smarthost's password_file is not set");
    let file = smarthost.password_file.clone().ok_or_else(missing)?;
    let shown = file.display().to_string();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
    match text {
        Ok(Ok(text)) => Ok(text.lines().next().unwrap_or_default().to_owned()),
        Ok(Err(error)) => Err(Failure::temporary(3, 5, format!("cannot read {shown}: {error}"))),
        Err(_) => Err(Failure::temporary(3, 5, format!("cannot read {shown}"))),
    }
}

/// In order of preference, and by chance among equals to spread the load.
fn by_preference(records: Vec<Mx>) -> Vec<String> {
    let mut keyed: Vec<(u16, u16, String)> = records
        .into_iter()
        .map(|mx| (mx.preference, clock::random::<2>().map_or(0, u16::from_ne_bytes), mx.host))
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, _, host)| host).collect()
}

/// IPv4 first, which fewer networks lack.
fn at_port(mut addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into_iter().take(ADDRESSES_MAX).map(|address| SocketAddr::new(address, port)).collect()
}

/// Without addresses that can only be this machine or nobody's: a domain must not make us talk to ourselves.
fn routable(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.retain(|address| {
        let special = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let address = address.to_canonical();
        !(special || address.is_loopback() || address.is_unspecified() || address.is_multicast())
    });
    addresses
}

fn unavailable(name: &str, why: &str) -> Failure {
    Failure::temporary(4, 3, format!("cannot look up {name}: {why}"))
}

fn loops(name: &str) -> Failure {
    Failure::permanent(4, 6, format!("mail for {name} would come back to this server"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::dns::Answer;
    use super::*;

    /// A DNS in a table.
    #[derive(Default)]
    pub(in super::super) struct Table {
        pub(in super::super) mx: HashMap<String, Result<Vec<Mx>, DnsError>>,
        pub(in super::super) addresses: HashMap<String, Result<Vec<IpAddr>, DnsError>>,
    }

    impl Resolve for Table {
        fn mx<'a>(&'a self, domain: &'a str) -> Answer<'a, Vec<Mx>> {
            let answer = self.mx.get(domain).cloned().unwrap_or(Err(DnsError::NoSuchName));
            Box::pin(std::future::ready(answer))
        }

        fn addresses<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>> {
            let answer = self.addresses.get(host).cloned().unwrap_or(Err(DnsError::NoSuchName));
            Box::pin(std::future::ready(answer))
        }
    }

    fn mx(preference: u16, host: &str) -> Mx {
        Mx { preference, host: host.into() }
    }

    fn down<T>() -> Result<T, DnsError> {
        Err(DnsError::Unavailable("timeout".into()))
    }

    fn table() -> Table {
        let mut table = Table::default();
        for (domain, records) in [
            ("two.test", Ok(vec![mx(20, "b.two.test"), mx(10, "a.two.test")])),
            ("none.test", Ok(vec![])),
            ("null.test", Ok(vec![mx(0, "")])),
            (
                "ours.test",
                Ok(vec![
                    mx(5, "first.test"),
                    mx(10, "mx.here.test"),
                    mx(10, "b.two.test"),
                    mx(20, "a.two.test"),
                ]),
            ),
            ("self.test", Ok(vec![mx(10, "mx.here.test"), mx(20, "a.two.test")])),
            ("loop.test", Ok(vec![mx(10, "localhost.test")])),
            ("gone.test", Ok(vec![mx(10, "nowhere.test")])),
            ("half.test", Ok(vec![mx(10, "down.test"), mx(20, "nowhere.test")])),
            ("down.test", down()),
        ] {
            table.mx.insert(domain.into(), records);
        }
        for (host, addresses) in [
            ("a.two.test", Ok(vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()])),
            ("b.two.test", Ok(vec!["192.0.2.2".parse().unwrap()])),
            ("none.test", Ok(vec!["192.0.2.3".parse().unwrap()])),
            ("first.test", Ok(vec!["192.0.2.4".parse().unwrap()])),
            ("localhost.test", Ok(vec!["127.0.0.1".parse().unwrap(), "::ffff:127.0.0.1".parse().unwrap()])),
            ("down.test", down()),
        ] {
            table.addresses.insert(host.into(), addresses);
        }
        table
    }

    fn config() -> config::Smtp {
        config::Smtp { hostname: "MX.here.test".into(), ..config::Smtp::default() }
    }

    async fn hosts(config: config::Smtp, to: &str) -> Result<Vec<String>, Failure> {
        let routes = Routes::new(Arc::new(table()), Arc::new(config));
        let destination = routes.destination(&to.parse().unwrap());
        let targets = routes.targets(&destination).await?;
        let shown = |t: &Target| format!("{}@{:?}", t.host, t.addresses);
        Ok(targets.iter().map(shown).collect())
    }

    #[tokio::test]
    async fn mail_exchangers() {
        let found = async |to: &str| hosts(config(), to).await;
        let status = async |to: &str| found(to).await.unwrap_err().status.to_string();
        let two = found("x@two.test").await.unwrap();
        assert_eq!(two, ["a.two.test@[192.0.2.1:25, [2001:db8::1]:25]", "b.two.test@[192.0.2.2:25]"]);
        assert_eq!(found("x@none.test").await.unwrap(), ["none.test@[192.0.2.3:25]"]);
        assert_eq!(found("x@ours.test").await.unwrap(), ["first.test@[192.0.2.4:25]"]);
        assert_eq!(found("x@[192.0.2.9]").await.unwrap(), ["[192.0.2.9]@[192.0.2.9:25]"]);
        assert_eq!(status("x@null.test").await, "5.1.10");
        assert_eq!(status("x@unknown.test").await, "5.1.2");
        assert_eq!(status("x@self.test").await, "5.4.6");
        assert_eq!(status("x@loop.test").await, "5.4.6");
        assert_eq!(status("x@[127.0.0.1]").await, "5.4.6");
        assert_eq!(status("x@gone.test").await, "5.4.4");
        assert_eq!(status("x@half.test").await, "4.4.3");
        assert_eq!(status("x@down.test").await, "4.4.3");
    }

    #[tokio::test]
    async fn configured_ways() {
        let host = |address: &str| config::Smarthost {
            address: address.into(),
            tls: SmarthostTls::StartTls,
            user: None,
            password_file: None,
        };
        let mut settings = config::Smtp { smarthost: Some(host("b.two.test:587")), ..config() };
        settings.routes.insert("TWO.test".into(), "127.0.0.1:2525".into());
        settings.routes.insert("B\u{fc}cher.test".into(), "127.0.0.1:2526".into());
        for spelling in ["x@b\u{fc}cher.test", "x@xn--bcher-kva.TEST"] {
            let found = hosts(settings.clone(), spelling).await.unwrap();
            assert_eq!(found, ["127.0.0.1@[127.0.0.1:2526]"]);
        }
        assert_eq!(hosts(settings.clone(), "x@null.test").await.unwrap(), ["b.two.test@[192.0.2.2:587]"]);
        assert_eq!(hosts(settings.clone(), "x@two.test").await.unwrap(), ["127.0.0.1@[127.0.0.1:2525]"]);
        let user = Some("relay".to_owned());
        settings.smarthost = Some(config::Smarthost { user, ..host("192.0.2.1:587") });
        assert_eq!(hosts(settings.clone(), "x@null.test").await.unwrap_err().status.to_string(), "4.3.5");
        settings.smarthost = Some(host("nowhere.test:587"));
        assert_eq!(hosts(settings, "x@null.test").await.unwrap_err().status.to_string(), "4.4.4");
    }
}
