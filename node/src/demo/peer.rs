//! Equipment beside the demonstration: another program that calls the clinic's node and is called by it.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::str::FromStr;

use crate::config::is_host_and_port;
use crate::control::request::{AddCaller, AddDestination, Request};
use crate::demo::site::DemoSite;
use crate::demo::study::SCANNER;
use crate::dicom::pdu::AeTitle;
use crate::language::{Explain as _, Failure};
use crate::say;

/// A workstation or archive, as `AE=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    ae_title: AeTitle,
    host: String,
    port: u16,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        let wrong = || "AE=HOST:PORT の形で指定してください / give AE=HOST:PORT".to_owned();
        let (title, place) = text.split_once('=').ok_or_else(wrong)?;
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        if !is_host_and_port(place) {
            return Err(wrong());
        }
        Ok(Peer {
            ae_title: title.parse().map_err(|_| wrong())?,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.parse().map_err(|_| wrong())?,
        })
    }
}

/// Registers the peers at a site: each may send, search and retrieve from its host's addresses, and is a destination. The
/// demonstration's own scanner is registered with them, as nobody else gets in then.
///
/// # Errors
/// When a host has no address, or what the node says.
pub(super) fn register(site: &DemoSite, peers: &[Peer]) -> Result<(), Failure> {
    if peers.is_empty() {
        return Ok(());
    }
    let scanner = vec!["127.0.0.0/8".to_owned(), "::1".to_owned()];
    call(site, SCANNER, scanner, &["store"])?;
    for peer in peers {
        let title = peer.ae_title.as_str();
        let addresses = addresses(peer)?.into_iter().map(|at| at.to_string());
        call(site, title, addresses.collect(), &["store", "query"])?;
        // An earlier show in the same folder may have left it.
        let name = title.to_owned();
        let _none = site.ask(Request::DicomDestinationRemove { name });
        site.ask(Request::DicomDestinationAdd(AddDestination {
            name: title.to_owned(),
            host: peer.host.clone(),
            port: peer.port,
            ae_title: title.to_owned(),
            tls_fingerprint: None,
            tls_ca: None,
            attempts: None,
            pause: None,
        }))?;
    }
    Ok(())
}

fn call(site: &DemoSite, title: &str, addresses: Vec<String>, may: &[&str]) -> Result<(), Failure> {
    let name = title.to_owned();
    let _none = site.ask(Request::DicomCallerRemove { name, opens: true });
    site.ask(Request::DicomCallerAdd(AddCaller {
        name: title.to_owned(),
        ae_title: title.to_owned(),
        addresses,
        certificate: None,
        may: may.iter().map(|one| (*one).to_owned()).collect(),
        scope: "all".to_owned(),
        institution: None,
        issuer: String::new(),
    }))
    .map(drop)
}

fn addresses(peer: &Peer) -> Result<Vec<IpAddr>, Failure> {
    let host = &peer.host;
    let found = (host.as_str(), peer.port).to_socket_addrs();
    let found = found.map_err(|error| {
        Failure::new(
            "demo-peer",
            say!(
                "ホスト {host} のアドレスが分かりません（{why}）。--peer に IP アドレスを指定してください。",
                "The host {host} has no address ({why}). Give an IP address to --peer.";
                why = error.message()
            ),
        )
    })?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_title_and_a_place() {
        let peer: Peer = "ORTHANC=127.0.0.1:4242".parse().unwrap();
        assert_eq!(
            (peer.ae_title.as_str(), peer.host.as_str(), peer.port),
            ("ORTHANC", "127.0.0.1", 4242)
        );
        assert_eq!("A=[::1]:104".parse::<Peer>().unwrap().host, "::1");
        for wrong in [
            "",
            "A",
            "A=",
            "A=host",
            "A=host:0",
            "=host:1",
            "A\\B=host:1",
        ] {
            assert!(wrong.parse::<Peer>().is_err(), "{wrong}");
        }
    }
}
