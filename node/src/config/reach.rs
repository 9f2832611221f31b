//! From where an address can be reached: DICOM is neither encrypted nor authenticated, so where it
//! listens decides who can send images.

use std::net::{IpAddr, SocketAddr};

use dokuei_protocol::limits::ADDRESS_CHARS;

use crate::language::Failure;
use crate::say;

/// Whether only this machine or a network of one's own reaches this address: loopback, link-local
/// (RFC 3927, RFC 4291 section 2.5.6), private (RFC 1918) and unique local (RFC 4193). Every address of
/// the machine (`0.0.0.0`, `::`) is none of these: it may have a public one, today or tomorrow.
pub fn is_of_the_house(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether a text is `host:port` with a port from 1 to 65535.
pub fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && text.len() <= ADDRESS_CHARS
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// Refuses to take DICOM from everywhere unless the configuration says that this is meant.
///
/// # Errors
/// A sentence that names the file, the address, and both ways out.
pub(super) fn check(
    key: &str,
    listen: SocketAddr,
    public: bool,
    file: &str,
) -> Result<(), Failure> {
    if public || is_of_the_house(listen.ip()) {
        return Ok(());
    }
    Err(Failure::new(
        "dicom-public",
        say!(
            "設定ファイル {file} の {key}（{listen}）は院外からも届き得ますが、DICOM の相手は AE タイトルだけでは確かめられません。院内 LAN のアドレスを書いてください。ファイアウォールで院内に限っているなら、[dicom] に public = true を加えてください。",
            "The configuration file {file} has {key} = {listen}, which may be reached from outside, and an AE title proves nothing. Name an address of the LAN, or add public = true under [dicom] if a firewall keeps everybody else out."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_house_need_no_key_and_others_do() {
        let is = |text: &str| is_of_the_house(text.parse().unwrap());
        for own in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.254",
            "192.168.1.5",
            "169.254.7.7",
            "::1",
            "fd12:3456::1",
            "fc00::1",
            "fe80::1",
            "::ffff:192.168.1.5",
        ] {
            assert!(is(own), "{own}");
        }
        for public in [
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "203.0.113.7",
            "172.32.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "::ffff:203.0.113.7",
            "224.0.0.1",
        ] {
            assert!(!is(public), "{public}");
        }
    }

    #[test]
    fn the_refusal_names_the_address_and_the_key() {
        let everywhere: SocketAddr = "0.0.0.0:104".parse().unwrap();
        assert_eq!(check("dicom.listen", everywhere, true, "x.toml"), Ok(()));
        let failure = check("dicom.listen", everywhere, false, "x.toml").unwrap_err();
        for text in [&failure.message.ja, &failure.message.en] {
            assert!(
                ["0.0.0.0:104", "public = true", "[dicom]", "x.toml"]
                    .iter()
                    .all(|word| text.contains(word)),
                "{text}"
            );
        }
    }
}
