//! From where and under which name the node is called: the Host that is allowed, the base of the addresses in answers,
//! and whether a change comes from a page of this node (CSRF).

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HOST, HeaderName, ORIGIN};
use ipnet::IpNet;

use super::client::client;
use crate::config::reach::is_of_the_house;
use crate::config::web::Web;

/// The names under which the node is called.
pub struct Hosts {
    names: Vec<String>,
    encrypted: bool,
    port: u16,
    proxies: Vec<IpNet>,
}

/// The base of the addresses of one request: `scheme://host[:port]` and what a proxy puts before the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Host and port, as the client writes them.
    pub authority: String,
    /// What a proxy puts before the path; empty, or with a slash in front.
    pub prefix: String,
}

impl Base {
    /// The address of a path of this node.
    pub(super) fn address(&self, path: &str) -> String {
        let (scheme, authority, prefix) = (self.scheme, &self.authority, &self.prefix);
        format!("{scheme}://{authority}{prefix}{path}")
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

impl Hosts {
    /// The names that the configuration allows for a listener at this address.
    pub(super) fn new(web: &Web, address: SocketAddr) -> Hosts {
        let mut names = web.hosts.clone();
        if !address.ip().is_unspecified() {
            names.push(match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        if address.ip().is_loopback() {
            names.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        Hosts {
            names,
            encrypted: web.tls.is_some(),
            port: address.port(),
            proxies: web.proxies.clone(),
        }
    }

    /// The address of the client that asks over a connection from `peer`.
    pub(super) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        client(headers, peer, &self.proxies)
    }

    /// Under which base this request calls; none when the name it gives is not allowed, or missing. What a proxy says
    /// counts only when it is of the house.
    pub(super) fn base(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Base> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next()?.to_str().ok()?;
        if hosts.next().is_some() || !self.allows(host) {
            return None;
        }
        let scheme = if self.encrypted { "https" } else { "http" };
        let mut base = Base {
            scheme,
            authority: self.with_port(host),
            prefix: String::new(),
        };
        if is_of_the_house(peer) {
            self.hear_proxy(headers, &mut base);
        }
        Some(base)
    }

    /// Some clients leave the port out of Host. Behind an address, unlike behind a name, there is no proxy with another
    /// port: there it is ours.
    fn with_port(&self, host: &str) -> String {
        let literal = host.trim_matches(['[', ']']);
        let is_address = literal.parse::<IpAddr>().is_ok() || host == "localhost";
        let usual = if self.encrypted { 443 } else { 80 };
        match is_address && self.port != usual {
            true => format!("{host}:{}", self.port),
            false => host.to_owned(),
        }
    }

    fn hear_proxy(&self, headers: &HeaderMap, base: &mut Base) {
        let first = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.split(',').next()?.trim().to_owned())
        };
        let forwarded = first(FORWARDED).unwrap_or_default();
        let said = |name: &str| {
            let pairs = forwarded.split(';').filter_map(|pair| pair.split_once('='));
            let mut named = pairs.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
            let (_, value) = named.next()?;
            Some(value.trim().trim_matches('"').to_owned())
        };
        let x = |name: &'static str| first(HeaderName::from_static(name));
        match said("proto").or_else(|| x("x-forwarded-proto")).as_deref() {
            Some("https") => base.scheme = "https",
            Some("http") => base.scheme = "http",
            Some(_) | None => {}
        }
        if let Some(host) = said("host").or_else(|| x("x-forwarded-host"))
            && self.allows(&host)
        {
            let port = x("x-forwarded-port").filter(|_| !has_port(&host));
            let port = port.filter(|port| port.parse::<u16>().is_ok());
            let usual = if base.scheme == "https" { "443" } else { "80" };
            base.authority = match port {
                Some(port) if port != usual => format!("{host}:{port}"),
                Some(_) | None => host,
            };
        }
        if let Some(prefix) = x("x-forwarded-prefix")
            && is_prefix(&prefix)
        {
            base.prefix = prefix.trim_end_matches('/').to_owned();
        }
    }

    fn allows(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        self.names.contains(&name)
    }
}

/// Whether a change may come from where it does: from a page of this node, or from a program that is no browser.
/// `ambient` says that the browser itself adds what lets the caller in.
pub(super) fn may_change(headers: &HeaderMap, base: &Base, ambient: bool) -> bool {
    match headers.get(ORIGIN) {
        Some(origin) => origin
            .to_str()
            .is_ok_and(|origin| origin.eq_ignore_ascii_case(&base.origin())),
        None if ambient => headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "same-origin"),
        None => true,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

fn has_port(host: &str) -> bool {
    without_port(host) != host
}

/// A path that can stand in an address as it is.
fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.len() <= 256
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        let web = Web {
            listen: None,
            hosts: names.iter().map(|name| (*name).to_owned()).collect(),
            tls: None,
            proxies: Vec::new(),
        };
        Hosts::new(&web, "127.0.0.1:8080".parse().unwrap())
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    const HOUSE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_its_own_names_are_answered_to() {
        let hosts = hosts(&["node.example"]);
        let base = |host: &str| hosts.base(&headers(&[("host", host)]), HOUSE);
        for (name, authority) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost", "localhost:8080"),
            ("127.0.0.1", "127.0.0.1:8080"),
            ("[::1]", "[::1]:8080"),
            ("[::1]:8081", "[::1]:8081"),
            ("Node.Example", "Node.Example"),
            ("Node.Example:80", "Node.Example:80"),
        ] {
            let base = base(name).map(|base| base.authority);
            assert_eq!(base.as_deref(), Some(authority));
        }
        for name in ["evil.example", "", "node.example.evil.example", "127.0.0.2"] {
            assert_eq!(base(name), None, "{name}");
        }
        assert_eq!(hosts.base(&headers(&[]), HOUSE), None);
        let two = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(hosts.base(&two, HOUSE), None);
    }

    #[test]
    fn a_proxy_of_the_house_is_heard_and_no_other() {
        let hosts = hosts(&["node.example"]);
        let address = |all: &[(&'static str, &str)], peer: &str| {
            let mut all = all.to_vec();
            all.push(("host", "localhost:8080"));
            let base = hosts.base(&headers(&all), peer.parse().unwrap());
            base.unwrap().address("/dicom-web")
        };
        let x = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "node.example"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-prefix", "/pacs/"),
        ];
        assert_eq!(
            address(&x, "10.0.0.1"),
            "https://node.example:8443/pacs/dicom-web"
        );
        assert_eq!(
            address(&x, "203.0.113.1"),
            "http://localhost:8080/dicom-web"
        );
        let rfc = [(
            "forwarded",
            "for=1.2.3.4;proto=https;host=\"node.example:444\", for=5.6.7.8",
        )];
        assert_eq!(
            address(&rfc, "127.0.0.1"),
            "https://node.example:444/dicom-web"
        );
        let foreign = [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-prefix", "//evil"),
        ];
        assert_eq!(
            address(&foreign, "127.0.0.1"),
            "http://localhost:8080/dicom-web"
        );
    }

    #[test]
    fn changes_come_from_pages_of_this_node_or_from_programs() {
        let hosts = hosts(&[]);
        let may = |all: &[(&'static str, &str)], ambient| {
            let mut all = all.to_vec();
            all.push(("host", "localhost:8080"));
            let headers = headers(&all);
            let base = hosts.base(&headers, HOUSE).unwrap();
            may_change(&headers, &base, ambient)
        };
        let own = [("origin", "http://localhost:8080")];
        assert!(may(&own, true) && may(&own, false));
        for other in [
            "http://localhost",
            "https://localhost:8080",
            "http://evil",
            "null",
        ] {
            assert!(!may(&[("origin", other)], false), "{other}");
        }
        assert!(may(&[], false) && !may(&[], true));
        assert!(may(&[("sec-fetch-site", "same-origin")], true));
        assert!(!may(&[("sec-fetch-site", "cross-site")], true));
    }
}
