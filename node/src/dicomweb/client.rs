//! From which address a request comes: that of the connection, or what a proxy of the house says of it.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

/// Hops that are looked through: one proxy in front of another, and what clients make up before them.
const HOPS: usize = 16;

/// Addresses that are one when something is counted by address: of IPv6 those of one network of 64 bits, which a single host
/// has all of.
pub(super) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 => v4,
    }
}

/// The address of the client that asks over a connection from `peer`. What a header says counts only when the connection
/// comes from one of `proxies`: of the hops that it names, the last one that is no such proxy, since those before it are
/// whatever the client wrote.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let peer = peer.to_canonical();
    let mut address = peer;
    let mut hops = hops(headers).into_iter().rev().take(HOPS);
    while is_proxy(&address) {
        match hops.next() {
            Some(Some(before)) => address = before,
            // Behind that, nobody knows.
            Some(None) | None => break,
        }
    }
    address
}

/// The hops that a request names, the first one first; none for one without an address (RFC 7239 section 6).
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let texts = |name: &str| {
        let values = headers.get_all(name).iter();
        let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        texts.join(",")
    };
    let forwarded = texts(FORWARDED.as_str());
    if forwarded.is_empty() {
        let named = texts("x-forwarded-for");
        let hops = named.split(',').filter(|hop| !hop.trim().is_empty());
        return hops.map(address).collect();
    }
    let hop = |element: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let of = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        of.and_then(|(_, node)| address(node))
    };
    forwarded.split(',').map(hop).collect()
}

/// An address as proxies write it: quoted, in brackets, with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(address, _)| address)?,
        None => text,
    };
    let with_port = || text.parse::<std::net::SocketAddr>().ok();
    let address = bare.parse().ok();
    address
        .or_else(|| with_port().map(|both| both.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(all: &[(&'static str, &str)], peer: &str) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        let proxies = [
            "10.0.0.0/30".parse().unwrap(),
            "fd00::1/128".parse().unwrap(),
        ];
        client(&headers, peer.parse().unwrap(), &proxies).to_string()
    }

    #[test]
    fn only_a_configured_proxy_says_who_asks() {
        for (said, peer, client) in [
            ("192.0.2.7", "10.0.0.1", "192.0.2.7"),
            ("192.0.2.7", "::ffff:10.0.0.1", "192.0.2.7"),
            ("192.0.2.7", "10.0.0.9", "10.0.0.9"),
            // What the client made up stands in front.
            ("127.0.0.1, 192.0.2.7", "10.0.0.1", "192.0.2.7"),
            ("192.0.2.7, 10.0.0.2", "10.0.0.1", "192.0.2.7"),
            ("192.0.2.7:4711", "fd00::1", "192.0.2.7"),
            ("2001:db8::7", "10.0.0.1", "2001:db8::7"),
            ("unknown", "10.0.0.1", "10.0.0.1"),
            ("1.2.3.4, unknown", "10.0.0.1", "10.0.0.1"),
            ("", "10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
        ] {
            assert_eq!(asked(&[("x-forwarded-for", said)], peer), client, "{said}");
        }
        let rfc = "for=1.2.3.4, For=\"[2001:db8::7]:4711\";proto=https;by=10.0.0.1";
        let both = [("forwarded", rfc), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(asked(&both, "10.0.0.1"), "2001:db8::7");
        assert_eq!(asked(&both, "10.0.0.9"), "10.0.0.9");
    }

    #[test]
    fn one_host_is_counted_as_one() {
        let counted = |text: &str| counted_as(text.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:0:1:2:3:4:5"), "2001:db8:0:1::");
        assert_eq!(counted("192.0.2.7"), "192.0.2.7");
        assert_eq!(counted("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
