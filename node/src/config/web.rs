//! `[web]`: where browsers and DICOMweb clients connect.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use super::reach::is_of_the_house;
use crate::language::Message;
use crate::say;

/// Longest list of host names: an institution has a handful.
const HOSTS: usize = 32;
/// Longest list of proxies: an institution has one or two.
const PROXIES: usize = 32;

/// What a new configuration says of it.
pub(super) const TEMPLATE: &str = r#"[web]
# ブラウザと DICOMweb の接続口。"off" なら開かない / where browsers and DICOMweb clients connect; "off": nowhere
listen = "127.0.0.1:8080"
# このノードを呼ぶときのホスト名（ポートなし）/ host names under which this node is called, without ports
hosts = []
# リバースプロキシのアドレス（接続元を Forwarded・X-Forwarded-For から読む）/ reverse proxies, which say who is asking
# proxies = ["192.168.0.10"]
# 暗号化（この端末以外から使うときは必ず）/ encryption, for whoever is not at this machine; PEM files
# certificate = "web.pem"
# key = "web.key"
# client_ca = "clients.pem"
"#;

/// Where browsers and DICOMweb clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// The address; none: nobody can.
    pub listen: Option<SocketAddr>,
    /// The names under which the node is called, without ports, in lower case; the address itself and, on
    /// loopback, `localhost` are always among them.
    pub hosts: Vec<String>,
    /// How the connection is encrypted.
    pub tls: Option<WebTls>,
    /// The proxies that are believed from which address a request comes.
    pub proxies: Vec<IpNet>,
}

/// The files of an encrypted connection, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebTls {
    /// The certificate and those that certify it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients: when there are some, every client must show a certificate that one of them signed,
    /// or a registered one.
    pub client_ca: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWeb {
    listen: String,
    hosts: Vec<String>,
    proxies: Vec<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
}

impl Default for RawWeb {
    fn default() -> RawWeb {
        RawWeb {
            listen: "off".to_owned(),
            hosts: Vec::new(),
            proxies: Vec::new(),
            certificate: None,
            key: None,
            client_ca: None,
        }
    }
}

/// Checks what was typed.
///
/// # Errors
/// The key, and what is wrong with it.
pub(super) fn checked(raw: RawWeb) -> Result<Web, (&'static str, Message)> {
    let tls = match (raw.certificate, raw.key) {
        (Some(certificate), Some(key)) => Some(WebTls {
            certificate,
            key,
            client_ca: raw.client_ca,
        }),
        (None, None) if raw.client_ca.is_none() => None,
        _ => return Err(("web.certificate", incomplete())),
    };
    let listen: Option<SocketAddr> = match raw.listen.as_str() {
        "off" => None,
        address => Some(address.parse().map_err(|_| ("web.listen", no_address()))?),
    };
    if let Some(listen) = listen
        && tls.is_none()
        && !is_of_the_house(listen.ip())
    {
        return Err(("web.listen", needs_tls(listen)));
    }
    let names = raw.hosts.iter().all(|host| is_host(host));
    if raw.hosts.len() > HOSTS || !names {
        return Err(("web.hosts", no_hosts()));
    }
    let proxies: Option<Vec<IpNet>> = raw.proxies.iter().map(|text| proxy(text)).collect();
    let proxies = proxies.filter(|proxies| proxies.len() <= PROXIES);
    let proxies = proxies.ok_or_else(|| ("web.proxies", no_proxies()))?;
    let hosts = raw.hosts.iter().map(|host| host.to_ascii_lowercase());
    Ok(Web {
        listen,
        hosts: hosts.collect(),
        tls,
        proxies,
    })
}

/// An address, or a network that is not everybody's.
fn proxy(text: &str) -> Option<IpNet> {
    let alone = || Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
    let network = text.parse::<IpNet>().ok().or_else(alone)?;
    (network.prefix_len() > 0).then(|| network.trunc())
}

/// A name or an address, without a port; an IPv6 address stands in brackets.
fn is_host(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=253).contains(&host.len())
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        }
    }
}

fn incomplete() -> Message {
    say!(
        "certificate と key は両方必要です（client_ca だけでは使えません）",
        "certificate and key are needed together, and client_ca only with them"
    )
}

fn no_address() -> Message {
    say!(
        "\"127.0.0.1:8080\" のような「アドレス:ポート」か、\"off\" を書いてください",
        "an address with a port such as \"127.0.0.1:8080\", or \"off\""
    )
}

fn needs_tls(listen: SocketAddr) -> Message {
    say!(
        "{listen} は院外からも届き得ます。certificate と key を書いて暗号化するか、院内 LAN のアドレスにしてください",
        "{listen} may be reached from outside: encrypt it with certificate and key, or name an address of the LAN"
    )
}

fn no_hosts() -> Message {
    say!(
        "ポートを含まないホスト名かアドレスを {HOSTS} 個まで書いてください",
        "host names or addresses without ports, at most {HOSTS}"
    )
}

fn no_proxies() -> Message {
    say!(
        "プロキシの IP アドレス（192.0.2.10）かネットワーク（192.0.2.0/24）を {PROXIES} 個まで書いてください",
        "addresses (192.0.2.10) or networks (192.0.2.0/24) of proxies, at most {PROXIES}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;

    fn web(text: &str) -> Result<Web, (&'static str, Message)> {
        checked(toml::from_str(text).unwrap())
    }

    #[test]
    fn nobody_connects_unless_it_is_asked_for() {
        assert_eq!(web("").unwrap().listen, None);
        assert!(web("listen = \"127.0.0.1:0\"").unwrap().listen.is_some());
    }

    #[test]
    fn outside_the_house_it_is_encrypted() {
        let (key, why) = web("listen = \"0.0.0.0:8080\"").unwrap_err();
        assert_eq!(key, "web.listen");
        assert_both(&why);
        let tls = "listen = \"0.0.0.0:8443\"\ncertificate = \"a.pem\"\nkey = \"a.key\"";
        assert!(web(tls).unwrap().tls.is_some());
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (text, key) in [
            ("listen = \"8080\"", "web.listen"),
            ("key = \"a.key\"", "web.certificate"),
            ("client_ca = \"a.pem\"", "web.certificate"),
            ("hosts = [\"a:80\"]", "web.hosts"),
            ("hosts = [\"\"]", "web.hosts"),
            ("proxies = [\"proxy.local\"]", "web.proxies"),
            ("proxies = [\"0.0.0.0/0\"]", "web.proxies"),
            ("hosts = [\"[zz]\"]", "web.hosts"),
        ] {
            let (named, why) = web(text).unwrap_err();
            assert_eq!(named, key, "{text}");
            assert_both(&why);
        }
        assert_eq!(
            web("hosts = [\"Node.Hospital\", \"[::1]\"]").unwrap().hosts,
            ["node.hospital", "[::1]"]
        );
    }
}
