//! The only place where our names and libp2p's meet: `NodeId` ↔ `PeerId`, socket address ↔ `Multiaddr`.

use std::net::SocketAddr;

use dokuei_keys::id::NodeId;
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::{PeerId, identity};
use zeroize::Zeroizing;

use super::status::{Path, Transport};

/// An Ed25519 `PeerId` is the identity multihash (0x00, 36 bytes) of a protobuf public key (type 1, 32 bytes),
/// libp2p specification `peer-ids`: these six bytes, then the key.
const ED25519_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The node behind a proven `PeerId`; `None` for every key type but Ed25519, which no node of ours has.
pub(super) fn node_of(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&ED25519_PREFIX)?;
    Some(NodeId::from_bytes(key.try_into().ok()?))
}

/// The `PeerId` that TLS will prove for `node`; `None` when the bytes are no Ed25519 public key.
pub(super) fn peer_of(node: &NodeId) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(node.as_bytes()).ok()?;
    Some(PeerId::from_public_key(&key.into()))
}

/// The transport identity made from the node's seed.
pub(super) fn keypair(
    seed: &Zeroizing<[u8; 32]>,
) -> Result<identity::Keypair, identity::DecodingError> {
    let mut copy = seed.clone();
    identity::Keypair::ed25519_from_bytes(copy.as_mut_slice())
}

/// Where a transport reaches `address`.
pub(super) fn multiaddr(address: SocketAddr, transport: Transport) -> Multiaddr {
    let start = Multiaddr::from(address.ip());
    match transport {
        Transport::Quic => start
            .with(Protocol::Udp(address.port()))
            .with(Protocol::QuicV1),
        Transport::Tcp => start.with(Protocol::Tcp(address.port())),
    }
}

/// The path of an established connection; `None` for an address no transport of ours makes.
pub(super) fn path_of(endpoint: &ConnectedPoint) -> Option<Path> {
    let (transport, remote) = socket_of(endpoint.get_remote_address())?;
    Some(Path {
        transport,
        remote,
        direct: true,
    })
}

/// The socket address and transport in `address`; `None` for one no transport of ours makes.
pub(super) fn socket_of(address: &Multiaddr) -> Option<(Transport, SocketAddr)> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Udp(port) => Some((Transport::Quic, SocketAddr::new(ip, port))),
        Protocol::Tcp(port) => Some((Transport::Tcp, SocketAddr::new(ip, port))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_and_its_peer_name_the_same_key() {
        let pair = keypair(&Zeroizing::new([7; 32])).unwrap();
        let key = pair.public().try_into_ed25519().unwrap().to_bytes();
        let node = NodeId::from_bytes(key);
        assert_eq!(peer_of(&node), Some(pair.public().to_peer_id()));
        assert_eq!(node_of(&pair.public().to_peer_id()), Some(node));
    }

    #[test]
    fn what_is_no_key_is_no_peer() {
        let off_curve = (0..=255u8)
            .map(|first| {
                let mut bytes = [0; 32];
                bytes[0] = first;
                NodeId::from_bytes(bytes)
            })
            .filter(|node| peer_of(node).is_none())
            .count();
        assert!(off_curve > 0);
        assert_eq!(node_of(&PeerId::random()), None);
    }

    #[test]
    fn addresses_survive_the_crossing() {
        for text in ["192.0.2.1:7400", "[2001:db8::1]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            for transport in [Transport::Quic, Transport::Tcp] {
                let endpoint = ConnectedPoint::Listener {
                    local_addr: Multiaddr::empty(),
                    send_back_addr: multiaddr(address, transport),
                };
                let path = path_of(&endpoint).unwrap();
                assert_eq!((path.remote, path.transport), (address, transport));
            }
        }
    }
}
