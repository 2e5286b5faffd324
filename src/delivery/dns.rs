//! The questions that routing asks of the DNS, and the resolver of the system.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::OnceLock;

use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData, Record};

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, DnsError>> + Send + 'a>>;

/// Most MX hosts of a domain, and addresses of a host, that are looked at.
const RECORDS_MAX: usize = 30;

/// What routing asks; tests answer it from a table.
pub trait Resolve: Send + Sync {
    /// The MX records of `domain` as they stand; none is no error.
    fn mx<'a>(&'a self, domain: &'a str) -> Answer<'a, Vec<Mx>>;
    /// The addresses of `host`; none is no error.
    fn addresses<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>>;
}

/// One MX record. RFC 1035 §3.3.9.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mx {
    /// Smaller ones are tried first.
    pub preference: u16,
    /// The host in lower case without final dot; empty for the null MX of RFC 7505.
    pub host: String,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DnsError {
    /// The name does not exist.
    NoSuchName,
    /// The text is no name.
    BadName,
    /// Nobody knows just now.
    Unavailable(String),
}

/// The resolver the system is set up with, whose settings are read when the first question comes.
/// RFC 1034; caches by itself.
#[derive(Default)]
pub struct SystemResolver(OnceLock<Result<TokioResolver, String>>);

impl SystemResolver {
    fn get(&self) -> Result<&TokioResolver, DnsError> {
        let made = self.0.get_or_init(|| {
            let builder = TokioResolver::builder_tokio().map_err(|e| e.to_string())?;
            builder.build().map_err(|e| e.to_string())
        });
        made.as_ref().map_err(|why| DnsError::Unavailable(why.clone()))
    }
}

impl Resolve for SystemResolver {
    fn mx<'a>(&'a self, domain: &'a str) -> Answer<'a, Vec<Mx>> {
        Box::pin(async move {
            let lookup = match self.get()?.mx_lookup(absolute(domain)?).await {
                Ok(lookup) => lookup,
                Err(error) => return none_or(error),
            };
            let mx = lookup.answers().iter().filter_map(|record| match &record.data {
                RData::MX(mx) => Some(Mx { preference: mx.preference, host: plain(&mx.exchange) }),
                _ => None,
            });
            Ok(mx.take(RECORDS_MAX).collect())
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let (resolver, name) = (self.get()?, absolute(host)?);
            let (a, aaaa) = tokio::join!(resolver.ipv4_lookup(name.clone()), resolver.ipv6_lookup(name));
            both(ips(a), ips(aaaa))
        })
    }
}

fn ips(answer: Result<Lookup, NetError>) -> Result<Vec<IpAddr>, DnsError> {
    let ip = |record: &Record| match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    match answer {
        Ok(lookup) => Ok(lookup.answers().iter().filter_map(ip).take(RECORDS_MAX).collect()),
        Err(error) => none_or(error),
    }
}

/// The addresses of both kinds. That there is none is known only when both answers say so.
fn both(
    a: Result<Vec<IpAddr>, DnsError>,
    aaaa: Result<Vec<IpAddr>, DnsError>,
) -> Result<Vec<IpAddr>, DnsError> {
    match (a, aaaa) {
        (Ok(a), Ok(aaaa)) => Ok([a, aaaa].concat()),
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error @ DnsError::Unavailable(_)), _) | (_, Err(error @ DnsError::Unavailable(_))) => Err(error),
        (Err(error), Err(_)) => Err(error),
        // The name exists, so it has none of the other kind either.
        (Ok(none), Err(_)) | (Err(_), Ok(none)) => Ok(none),
    }
}

/// U-labels become A-labels; the root is named so that no search list applies.
fn absolute(name: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_utf8(name).map_err(|_| DnsError::BadName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn plain(name: &Name) -> String {
    let name = name.to_ascii().to_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

fn none_or<T>(error: NetError) -> Result<Vec<T>, DnsError> {
    if error.is_nx_domain() {
        return Err(DnsError::NoSuchName);
    }
    if error.is_no_records_found() {
        return Ok(Vec::new());
    }
    Err(DnsError::Unavailable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_of_one_kind_says_nothing_of_the_other() {
        let some = |text: &str| Ok(vec![text.parse().unwrap()]);
        let down = || Err(DnsError::Unavailable("SERVFAIL".into()));
        let gone = || Err(DnsError::NoSuchName);
        assert_eq!(both(some("192.0.2.1"), some("2001:db8::1")).unwrap().len(), 2);
        assert_eq!(both(some("192.0.2.1"), down()), some("192.0.2.1"));
        assert_eq!(both(down(), some("2001:db8::1")), some("2001:db8::1"));
        for (a, aaaa) in [(Ok(vec![]), down()), (down(), Ok(vec![])), (gone(), down()), (down(), gone())] {
            assert!(matches!(both(a, aaaa), Err(DnsError::Unavailable(_))));
        }
        assert_eq!(both(gone(), gone()), gone());
        assert_eq!(both(Ok(vec![]), Ok(vec![])), Ok(vec![]));
        assert_eq!(both(Ok(vec![]), gone()), Ok(vec![]));
    }
}
