//! Where a member's node may be reached: an IP address or a host name, and one port for UDP and TCP.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::limits::ADDRESSES_MAX;

/// A host name has at most 253 characters (RFC 1035 §2.3.4 less the length octets).
const NAME_MAX: usize = 253;

/// A label of a host name has at most 63 characters (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;

/// Longer than a resolver's usual two tries of 5 s would hold up a dial that other addresses could serve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A member's address, in text `192.0.2.1:7400`, `[2001:db8::1]:7400` or `node.example.jp:7400`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// The text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected HOST:PORT, for example 192.0.2.1:7400, [2001:db8::1]:7400 or node.example.jp:7400"
)]
pub struct NotAnAddress;

impl Address {
    /// The socket addresses behind this one, at most 8; a name is asked of the system's resolver, at most 5 s.
    async fn resolve(&self) -> Vec<SocketAddr> {
        let name = match &self.host {
            Host::Ip(ip) => return vec![SocketAddr::new(*ip, self.port)],
            Host::Name(name) => name.as_str(),
        };
        match tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((name, self.port)))
            .await
        {
            Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

/// The socket addresses behind the first 8 addresses, asked for at once; again at most 8.
pub(super) async fn resolve_all(addresses: &[Address]) -> Vec<SocketAddr> {
    let asked = addresses.iter().take(ADDRESSES_MAX).map(Address::resolve);
    let found = futures::future::join_all(asked).await;
    found.into_iter().flatten().take(ADDRESSES_MAX).collect()
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: Host::Ip(address.ip()),
            port: address.port(),
        }
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 {
                Err(NotAnAddress)
            } else {
                Ok(address.into())
            };
        }
        let (name, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let port = port.parse().map_err(|_| NotAnAddress)?;
        // A last label of digits only is a mistyped IPv4 address, which resolvers read in surprising ways.
        let digits_last = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if port == 0 || digits_last || name.len() > NAME_MAX || !name.split('.').all(is_label) {
            return Err(NotAnAddress);
        }
        Ok(Self {
            host: Host::Name(name.to_ascii_lowercase()),
            port,
        })
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for text in [
            "192.0.2.1:7400",
            "[2001:db8::1]:7400",
            "node.example.jp:7400",
            "localhost:1",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let long = format!("{}:1", "a.".repeat(127) + "a");
        for text in [
            "",
            ":1",
            "host",
            "host:",
            "host:0",
            "192.0.2.1:0",
            "host:65536",
            "-host:1",
            "ho st:1",
            "192.0.2.300:1",
            "a..b:1",
            "/etc/hosts:1",
            &long,
        ] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_of_numbers_needs_no_resolver() {
        let socket: SocketAddr = "192.0.2.1:7400".parse().unwrap();
        assert_eq!(Address::from(socket).resolve().await, [socket]);
    }
}
