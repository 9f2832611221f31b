//! One IP packet: how long it is, of which protocol, and where to.

use std::net::IpAddr;

/// Largest packet a device hands over.
pub const PACKET_MOST: usize = 65_536;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of either version.
    Icmp,
    /// Anything else, or nothing that can be read.
    Other,
}

impl Protocol {
    /// All of them, in the order in which they are counted.
    pub const ALL: [(Protocol, &'static str); 4] = [
        (Protocol::Tcp, "tcp"),
        (Protocol::Udp, "udp"),
        (Protocol::Icmp, "icmp"),
        (Protocol::Other, "other"),
    ];
}

/// One IP packet.
pub struct Packet {
    bytes: Box<[u8]>,
    protocol: Protocol,
}

impl Packet {
    /// Takes the bytes of one packet, from the first of its IP header on.
    pub fn new(bytes: &[u8]) -> Packet {
        let number = match version(bytes) {
            Some(4) => bytes.get(9),
            Some(6) => bytes.get(6),
            _ => None,
        };
        let protocol = match number {
            Some(6) => Protocol::Tcp,
            Some(17) => Protocol::Udp,
            Some(1 | 58) => Protocol::Icmp,
            _ => Protocol::Other,
        };
        Packet {
            bytes: bytes.into(),
            protocol,
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes it is, its IP header included.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What it carries. Extension headers of IPv6 are not followed.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where it is to go. None when its header is cut off.
    pub fn destination(&self) -> Option<IpAddr> {
        match version(&self.bytes)? {
            4 => {
                let address: [u8; 4] = self.bytes.get(16..20)?.try_into().ok()?;
                Some(IpAddr::from(address))
            }
            6 => {
                let address: [u8; 16] = self.bytes.get(24..40)?.try_into().ok()?;
                Some(IpAddr::from(address))
            }
            _ => None,
        }
    }
}

fn version(bytes: &[u8]) -> Option<u8> {
    bytes.first().map(|first| first >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_versions_are_read() {
        let mut four = [0; 20];
        (four[0], four[9]) = (0x45, 17);
        four[16..].copy_from_slice(&[10, 77, 0, 2]);
        let four = Packet::new(&four);
        assert_eq!(four.protocol(), Protocol::Udp);
        assert_eq!(four.destination(), "10.77.0.2".parse().ok());

        let mut six = [0; 40];
        (six[0], six[6], six[24], six[39]) = (0x60, 58, 0xfd, 2);
        let six = Packet::new(&six);
        assert_eq!(six.protocol(), Protocol::Icmp);
        assert_eq!(six.destination(), "fd00::2".parse().ok());
    }

    #[test]
    fn a_header_that_is_cut_off_leads_nowhere() {
        for bytes in [&[][..], &[0x45], &[0x60; 30], &[0xf0; 64]] {
            assert_eq!(Packet::new(bytes).destination(), None);
        }
    }
}
