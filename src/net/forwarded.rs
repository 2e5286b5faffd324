//! Who sent a request that came through a proxy.
//!
//! `X-Forwarded-For` is a list to which each proxy appends the address that it was asked from. What stands
//! before the entry of a proxy of ours anybody may have written.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::Network;

/// The address that a request came from: `peer`, unless that is a proxy we trust; then the last one in
/// `X-Forwarded-For` that is not. Where a proxy wrote no address, the proxy itself.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let mut hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .flat_map(|field| field.to_str().unwrap_or_default().rsplit(','));
    while is_trusted(client) {
        match hops.next().and_then(hop) {
            Some(before) => client = before,
            None => break,
        }
    }
    client
}

/// One entry: an address, with a port from some proxies.
fn hop(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hop_that_is_not_trusted_is_the_client() {
        let trusted: Vec<Network> =
            ["127.0.0.0/8", "::1", "10.0.0.0/8"].iter().map(|n| n.parse().unwrap()).collect();
        for (peer, fields, client_is) in [
            ("192.0.2.9", &["198.51.100.1"][..], "192.0.2.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // The client's own inventions stand before what the proxy saw.
            ("127.0.0.1", &["127.0.0.1, 203.0.113.5", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["203.0.113.5, 198.51.100.1,10.1.1.1"], "198.51.100.1"),
            ("127.0.0.1", &["203.0.113.5", "198.51.100.1 , 10.1.1.1", "10.2.2.2"], "198.51.100.1"),
            ("::1", &["[2001:db8::5]:4711"], "2001:db8::5"),
            ("::1", &["[2001:db8::5]"], "2001:db8::5"),
            ("::1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // A proxy that hides its client is counted itself.
            ("10.1.1.1", &["203.0.113.5, unknown"], "10.1.1.1"),
            ("10.1.1.1", &[""], "10.1.1.1"),
            // Asked from within.
            ("127.0.0.1", &["10.1.1.1"], "10.1.1.1"),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", field.parse().unwrap());
            }
            let found = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, client_is.parse::<IpAddr>().unwrap(), "{peer} {fields:?}");
        }
    }
}
