//! Which servers take the mail of a destination. RFC 5321 §5.1, RFC 7505.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::address::{Domain, Mailbox};
use super::dns::{DnsError, Mx, Resolve};
use super::entry::{Destination, Failure};
use super::settings::{Encryption, Settings, Smarthost};
use crate::clock;

/// Most hosts of a destination that are tried, and most addresses of a host.
const HOSTS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 4;
/// Where servers listen for each other.
const SMTP_PORT: u16 = 25;

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

/// Finds targets.
pub(super) struct Routes {
    resolver: Arc<dyn Resolve>,
    settings: Arc<Settings>,
    host_name: String,
}

impl Routes {
    pub(super) fn new(resolver: Arc<dyn Resolve>, settings: Arc<Settings>, host_name: &str) -> Self {
        Self { resolver, settings, host_name: host_name.to_lowercase() }
    }

    /// Where mail to `mailbox` goes.
    pub(super) fn destination(&self, mailbox: &Mailbox) -> Destination {
        let domain = mailbox.domain();
        if self.settings.smarthost.is_some() && !self.settings.routes.contains_key(&domain.to_string()) {
            return Destination::Smarthost;
        }
        Destination::Domain(domain.clone())
    }

    /// The servers of `destination` in the order they are to be tried; never none.
    pub(super) async fn targets(&self, destination: &Destination) -> Result<Vec<Target>, Failure> {
        match destination {
            Destination::Smarthost => match &self.settings.smarthost {
                Some(smarthost) => Ok(vec![self.smarthost(smarthost).await?]),
                None => Err(Failure::temporary(4, 4, "the smarthost is no longer set")),
            },
            Destination::Domain(domain) => match self.settings.routes.get(&domain.to_string()) {
                Some(route) => Ok(vec![self.fixed(route).await?]),
                None => self.by_domain(domain).await,
            },
        }
    }

    async fn smarthost(&self, smarthost: &Smarthost) -> Result<Target, Failure> {
        let Smarthost { host, port, tls, user, password } = smarthost;
        let addresses = self.configured(host).await?;
        Ok(Target {
            host: host.clone(),
            addresses: at_port(addresses, *port),
            encryption: *tls,
            login: (!user.is_empty()).then(|| (user.clone(), password.clone())),
            by_domain: false,
        })
    }

    async fn fixed(&self, route: &str) -> Result<Target, Failure> {
        let bad = || Failure::temporary(3, 5, format!("the route {route:?} is not host:port"));
        let (host, port) = route.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = at_port(self.configured(host).await?, port);
        let encryption = Encryption::Opportunistic;
        Ok(Target { host: host.to_owned(), addresses, encryption, login: None, by_domain: false })
    }

    /// The addresses of a host that the administrator named; whatever is wrong may be put right.
    async fn configured(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        match self.resolver.addresses(host).await {
            Ok(found) if !found.is_empty() => Ok(found),
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
                    found => Ok(vec![target(&host, found)]),
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
                    found => targets.push(target(&host, found)),
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
        if let Some(own) = records.iter().filter(|mx| mx.host == self.host_name).map(|mx| mx.preference).min()
        {
            records.retain(|mx| mx.preference < own);
            if records.is_empty() {
                return Err(loops(domain));
            }
        }
        Ok(by_preference(records))
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

fn target(host: &str, addresses: Vec<IpAddr>) -> Target {
    Target {
        host: host.to_owned(),
        addresses: at_port(addresses, SMTP_PORT),
        encryption: Encryption::Opportunistic,
        login: None,
        by_domain: true,
    }
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
    use std::collections::HashMap;

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

    async fn hosts(settings: Settings, to: &str) -> Result<Vec<String>, Failure> {
        let routes = Routes::new(Arc::new(table()), Arc::new(settings), "MX.here.test");
        let destination = routes.destination(&to.parse().unwrap());
        let targets = routes.targets(&destination).await?;
        let shown = |t: &Target| format!("{}@{:?}", t.host, t.addresses);
        Ok(targets.iter().map(shown).collect())
    }

    #[tokio::test]
    async fn mail_exchangers() {
        let found = async |to: &str| hosts(Settings::default(), to).await;
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
        let host = |host: &str| Smarthost {
            host: host.into(),
            port: 587,
            tls: Encryption::Required,
            user: String::new(),
            password: String::new(),
        };
        let mut settings = Settings { smarthost: Some(host("b.two.test")), ..Settings::default() };
        settings.routes.insert("two.test".into(), "127.0.0.1:2525".into());
        assert_eq!(hosts(settings.clone(), "x@null.test").await.unwrap(), ["b.two.test@[192.0.2.2:587]"]);
        assert_eq!(hosts(settings.clone(), "x@two.test").await.unwrap(), ["127.0.0.1@[127.0.0.1:2525]"]);
        settings.smarthost = Some(host("nowhere.test"));
        assert_eq!(hosts(settings, "x@null.test").await.unwrap_err().status.to_string(), "4.4.4");
    }
}
