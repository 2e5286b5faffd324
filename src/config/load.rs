//! From a file's text to checked settings.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use tracing_subscriber::EnvFilter;

use super::error::line_of;
use super::{Config, Error, Policy, Smarthost};

/// A value that parses but cannot be meant: the key's path and what is wrong with it.
/// When the path is a table's, the entry of it that is meant.
struct Wrong(&'static str, String, Option<String>);

impl Config {
    /// Reads and checks the settings in `file`.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file)
            .map_err(|why| Error::Unreadable { file: file.to_path_buf(), why })?;
        Self::parse(&text, file)
    }

    /// Checks the settings in `text`; `file` is for messages only.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|e| Error::toml(file, text, e))?;
        match config.wrong() {
            None => Ok(config),
            Some(Wrong(key, why, entry)) => {
                let span = span_of(text, key, entry.as_deref()).unwrap_or_default();
                let line = line_of(text, span.start);
                Err(Error::Invalid { file: file.to_path_buf(), line, why: format!("{key}: {why}") })
            }
        }
    }

    /// The first value that is out of its range.
    fn wrong(&self) -> Option<Wrong> {
        self.wrong_listen()
            .or_else(|| self.wrong_tls())
            .or_else(|| self.wrong_sizes())
            .or_else(|| self.wrong_smtp())
            .or_else(|| self.wrong_eas())
            .or_else(|| {
                let e = EnvFilter::try_new(&self.log.level).err()?;
                check(false, "log.level", || format!("{:?}: {e}; try \"info\"", self.log.level))
            })
            .or_else(|| self.eas.policy.wrong())
    }

    fn wrong_listen(&self) -> Option<Wrong> {
        check(!self.listen.is_empty(), "listen", || {
            "no listener is named; leave the section out for the defaults on loopback".into()
        })
    }

    fn wrong_tls(&self) -> Option<Wrong> {
        let tls = &self.tls;
        check(tls.cert.is_some() || tls.key.is_none(), "tls.key", || "needs tls.cert too".into())
            .or_else(|| {
                check(tls.key.is_some() || tls.cert.is_none(), "tls.cert", || "needs tls.key too".into())
            })
            .or_else(|| {
                let bad = tls.names.iter().find(|name| !is_host(name))?;
                Some(Wrong("tls.names", format!("{bad:?} is no host name or address"), None))
            })
    }

    fn wrong_sizes(&self) -> Option<Wrong> {
        const MIB: u64 = 1 << 20;
        range(self.store.cache, MIB..1 << 40, "store.cache")
            .or_else(|| range(self.store.write_buffer, MIB..1 << 40, "store.write_buffer"))
            .or_else(|| range(self.store.hot_folders, 0..1 << 40, "store.hot_folders"))
            .or_else(|| range(self.store.free_space_min, 0..1 << 50, "store.free_space_min"))
            .or_else(|| range(self.store.keep_expunged, 0..10_000, "store.keep_expunged"))
            .or_else(|| range(self.store.keep_tombstones, 1..10_000, "store.keep_tombstones"))
            .or_else(|| range(self.auth.failures_per_address, 1..10_000, "auth.failures_per_address"))
            .or_else(|| range(self.auth.failures_per_account, 1..10_000, "auth.failures_per_account"))
            .or_else(|| range(self.auth.argon2_memory, 8..(256 << 10) + 1, "auth.argon2_memory"))
            .or_else(|| range(self.auth.argon2_passes, 1..33, "auth.argon2_passes"))
            .or_else(|| match self.auth.scram_iterations {
                0 => None,
                some => range(some, 4096..10_000_001, "auth.scram_iterations"),
            })
            .or_else(|| range(self.auth.concurrent_hashes, 0..33, "auth.concurrent_hashes"))
            .or_else(|| range(self.limits.connections, 1..10_000_000, "limits.connections"))
            .or_else(|| {
                range(self.limits.connections_per_address, 1..10_000_000, "limits.connections_per_address")
            })
            .or_else(|| self.wrong_times())
    }

    fn wrong_times(&self) -> Option<Wrong> {
        let limits = &self.limits;
        [
            ("limits.tls_handshake", limits.tls_handshake),
            ("limits.http_header", limits.http_header),
            ("limits.http_body", limits.http_body),
            ("limits.write_stall", limits.write_stall),
            ("limits.smtp_idle", limits.smtp_idle),
            ("limits.imap_login", limits.imap_login),
            ("limits.imap_idle", limits.imap_idle),
            ("auth.window", self.auth.window),
        ]
        .into_iter()
        .find(|(_, span)| span.is_zero())
        .map(|(key, _)| Wrong(key, "must be at least 1 second".into(), None))
    }

    fn wrong_smtp(&self) -> Option<Wrong> {
        let smtp = &self.smtp;
        check(is_host(&smtp.hostname), "smtp.hostname", || {
            format!("{:?} is no host name; letters, digits, hyphens and dots make one", smtp.hostname)
        })
        .or_else(|| range(smtp.max_message, 64 << 10..1 << 32, "smtp.max_message"))
        .or_else(|| range(smtp.max_recipients, 1..100_000, "smtp.max_recipients"))
        .or_else(|| range(smtp.max_hops, 1..1000, "smtp.max_hops"))
        .or_else(|| range(smtp.max_receiving, 1 << 20..1 << 40, "smtp.max_receiving"))
        .or_else(|| {
            check(!smtp.give_up_after.is_zero(), "smtp.give_up_after", || "must be at least 1 second".into())
        })
        .or_else(|| range(smtp.outbound_connections, 1..10_000, "smtp.outbound_connections"))
        .or_else(|| range(smtp.outbound_per_destination, 1..1000, "smtp.outbound_per_destination"))
        .or_else(|| range(smtp.outbound_per_connection, 1..100_000, "smtp.outbound_per_connection"))
        .or_else(|| range(smtp.outbound_port, 1..u16::MAX, "smtp.outbound_port"))
        .or_else(|| {
            check(!smtp.retry.is_empty() && !smtp.retry.contains(&0), "smtp.retry", || {
                "needs at least one wait, each of at least 1 second".into()
            })
        })
        .or_else(|| smtp.smarthost.as_ref()?.wrong())
        .or_else(|| {
            let (domain, server) = smtp
                .routes
                .iter()
                .find(|(domain, server)| !is_domain(domain) || !is_host_and_port(server))?;
            let why = if is_domain(domain) {
                format!("{server:?} is no host:port")
            } else {
                format!("{domain:?} is no domain")
            };
            Some(Wrong("smtp.routes", why, Some(domain.clone())))
        })
    }

    fn wrong_eas(&self) -> Option<Wrong> {
        let eas = &self.eas;
        check(!eas.heartbeat_min.is_zero(), "eas.heartbeat_min", || "must be at least 1 second".into())
            .or_else(|| {
                check(eas.heartbeat_min <= eas.heartbeat_max, "eas.heartbeat_max", || {
                    "must not be less than eas.heartbeat_min".into()
                })
            })
            .or_else(|| range(eas.window_max, 1..513, "eas.window_max"))
            .or_else(|| range(eas.request_max, 64 << 10..1 << 32, "eas.request_max"))
            .or_else(|| range(eas.ping_folders_max, 1..10_000, "eas.ping_folders_max"))
            .or_else(|| range(eas.collections_max, 1..10_000, "eas.collections_max"))
            .or_else(|| range(eas.devices_max, 1..10_000, "eas.devices_max"))
            .or_else(|| {
                let bad = eas.public_url.as_ref().filter(|url| !is_origin(url))?;
                check(false, "eas.public_url", || {
                    format!("{bad:?} is not https:// and a host, without a path")
                })
            })
    }
}

/// A scheme, a host and perhaps a port.
fn is_origin(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|authority| is_host_and_port(authority) || is_host_of_url(authority))
}

fn is_host_and_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    matches!(port, Some((host, Ok(1..))) if is_host_of_url(host))
}

/// A host before a port: an IPv6 address stands in brackets, or its last group would be taken for the port.
fn is_host_of_url(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        // Names of containers may have underscores.
        None => !host.contains(':') && is_host(&host.replace('_', "-")),
    }
}

impl Smarthost {
    fn wrong(&self) -> Option<Wrong> {
        check(is_host_and_port(&self.address), "smtp.smarthost.address", || {
            format!("{:?} is no host:port", self.address)
        })
        .or_else(|| {
            check(self.user.is_none() || self.password_file.is_some(), "smtp.smarthost.user", || {
                "needs password_file too".into()
            })
        })
    }
}

impl Policy {
    /// The ranges of MS-ASPROV §2.2.2.
    fn wrong(&self) -> Option<Wrong> {
        range(self.min_device_password_length, 1..17, "eas.policy.min_device_password_length")
            .or_else(|| {
                let key = "eas.policy.min_device_password_complex_characters";
                range(self.min_device_password_complex_characters, 1..5, key)
            })
            .or_else(|| {
                let attempts = self.max_device_password_failed_attempts;
                check(
                    attempts == 0 || (4..=16).contains(&attempts),
                    "eas.policy.max_device_password_failed_attempts",
                    || "must be 4 to 16, or 0 for no limit".into(),
                )
            })
            .or_else(|| {
                let key = "eas.policy.max_inactivity_time_device_lock";
                range(self.max_inactivity_time_device_lock, 0..9999, key)
            })
            .or_else(|| range(self.allow_bluetooth, 0..3, "eas.policy.allow_bluetooth"))
            .or_else(|| range(self.max_email_age_filter, 0..6, "eas.policy.max_email_age_filter"))
            .or_else(|| {
                let filter = self.max_calendar_age_filter;
                check(filter == 0 || (4..=7).contains(&filter), "eas.policy.max_calendar_age_filter", || {
                    "must be 0 or 4 to 7".into()
                })
            })
            .or_else(|| {
                let key = "eas.policy.max_email_body_truncation_size";
                range(self.max_email_body_truncation_size, -1..i32::MAX, key)
            })
            .or_else(|| {
                let key = "eas.policy.max_email_html_body_truncation_size";
                range(self.max_email_html_body_truncation_size, -1..i32::MAX, key)
            })
    }
}

fn check(good: bool, key: &'static str, why: impl FnOnce() -> String) -> Option<Wrong> {
    (!good).then(|| Wrong(key, why(), None))
}

/// `allowed` excludes its end, as Rust's ranges do; the message says the largest value.
fn range<T>(value: T, allowed: Range<T>, key: &'static str) -> Option<Wrong>
where
    T: PartialOrd + Copy + Into<i128>,
{
    check(allowed.contains(&value), key, || {
        let last = Into::<i128>::into(allowed.end).saturating_sub(1);
        format!("must be {} to {last}", Into::<i128>::into(allowed.start))
    })
}

/// A domain as it may stand in an address: with A-labels or U-labels, or a literal in brackets.
fn is_domain(text: &str) -> bool {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match literal {
        Some(literal) => literal.strip_prefix("IPv6:").unwrap_or(literal).parse::<std::net::IpAddr>().is_ok(),
        // Underscores are no part of the grammar, but of names in use.
        None if text.is_ascii() => is_host(&text.replace('_', "x")),
        None => idna::domain_to_ascii_strict(text).is_ok_and(|name| is_host(&name)),
    }
}

/// A host name (RFC 1123 §2.1) or an IP address.
fn is_host(name: &str) -> bool {
    if name.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Where the key of the dotted `path` stands in `text`: the innermost part that is there.
fn span_of(text: &str, path: &str, entry: Option<&str>) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for part in path.split('.').chain(entry) {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == part) else { break };
        found = Some(key.span());
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(text, Path::new("server.toml")).unwrap_err().to_string()
    }

    /// A slip is found with file and line, whatever its kind.
    #[test]
    fn slips_are_told_with_file_and_line() {
        let unknown = refused("data = \"x\"\n\n[eas]\nhartbeat_max = 100\n");
        assert!(unknown.starts_with("server.toml:4: "), "{unknown}");
        assert!(unknown.contains("unknown field `hartbeat_max`"), "{unknown}");
        assert!(unknown.contains("4 | hartbeat_max = 100"), "{unknown}");

        let section = refused("[http]\nport = 1\n");
        assert!(section.starts_with("server.toml:1: "), "{section}");

        let kind = refused("[listen]\nsmtp = 25\n");
        assert!(kind.starts_with("server.toml:2: "), "{kind}");

        let syntax = refused("[listen\n");
        assert!(syntax.starts_with("server.toml:1: "), "{syntax}");
    }

    /// A value out of range is found by its key's place, also in dotted and inline tables.
    #[test]
    fn values_out_of_range_are_told_with_their_line() {
        let window = refused("[eas]\n# as many as possible\nwindow_max = 1000\n");
        assert_eq!(
            window,
            "server.toml:3: eas.window_max: must be 1 to 512\n\
             All settings with their defaults: folkmoot config defaults"
        );
        assert!(refused("eas.policy.allow_bluetooth = 3\n").starts_with("server.toml:1: eas.policy"));
        assert!(refused("\n[smtp]\nsmarthost = { address = \"relay\" }\n").starts_with("server.toml:3: "));
        let route = refused("[smtp.routes]\n\"good.example.net\" = \"a:25\"\n\"bad.example.net\" = \"a\"\n");
        assert!(route.starts_with("server.toml:3: smtp.routes: \"a\" is no host:port"), "{route}");
        let route = refused("[smtp.routes]\n\"b\u{fc}cher.example\" = \"a:25\"\n\"a b\" = \"a:25\"\n");
        assert!(route.starts_with("server.toml:3: smtp.routes: \"a b\" is no domain"), "{route}");
        assert!(refused("[listen]\n").contains("no listener is named"));
        assert!(refused("[tls]\ncert = \"a.pem\"\n").contains("needs tls.key too"));
        assert!(refused("[smtp]\nhostname = \"a..b\"\n").contains("no host name"));
        assert!(refused("[limits]\nhttp_header = 0\n").contains("at least 1 second"));
        assert!(refused("[limits]\nhttp_header = 99999999999\n").contains("at most"));
        assert!(refused("[log]\nlevel = \"loud=very\"\n").starts_with("server.toml:2: log.level: "));
    }

    /// What is no host and port would fail only at the first message or the first phone.
    #[test]
    fn hosts_with_ports_are_told_from_what_only_looks_so() {
        for good in ["relay.example.net:587", "[::1]:25", "127.0.0.1:25", "mail_relay:2525"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in
            ["::1:25", "relay", "relay:", "relay:0", "relay:65536", "a/b:80", ":25", "[x]:25", "a b:25"]
        {
            assert!(!is_host_and_port(bad), "{bad}");
        }
        for good in ["https://mail.example.org", "https://mail.example.org:8443", "https://[::1]:443"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["mail.example.org", "https://host/path:80", "https://host/", "https://::1", "ftp://host"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    /// With the section, only the listeners that it names are on.
    #[test]
    fn listeners_not_named_are_off() {
        let config = Config::parse("[listen]\nhttp = \"[::1]:0\"\n", Path::new("-")).unwrap();
        assert_eq!(config.listen.http, Some("[::1]:0".parse().unwrap()));
        assert_eq!(config.listen.smtp, None);
        assert_eq!(Config::parse("", Path::new("-")).unwrap(), Config::default());
    }
}
