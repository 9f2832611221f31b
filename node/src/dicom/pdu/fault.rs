//! What ends an association early, and whom it is to be blamed on.

use super::PduKind;
use super::watch::Phase;

/// Another protocol's client on the DICOM port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A TLS record (ClientHello).
    Tls,
    /// An HTTP request line.
    Http,
    /// An SSH banner.
    Ssh,
}

impl Foreign {
    /// Recognise a protocol by its first six bytes.
    pub(super) fn recognise(first: [u8; 6]) -> Option<Self> {
        const METHODS: [&[u8]; 7] = [
            b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTION", b"PRI * ", b"CONNEC",
        ];
        // A TLS record: handshake (0x16), major version 3 (RFC 8446 section 5.1).
        if first[0] == 0x16 && first[1] == 0x03 {
            Some(Foreign::Tls)
        } else if METHODS.iter().any(|m| first.starts_with(m)) {
            Some(Foreign::Http)
        } else if first.starts_with(b"SSH-") {
            Some(Foreign::Ssh)
        } else {
            None
        }
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Foreign::Tls => {
                "the peer speaks TLS but this is the plain DICOM port; turn TLS off at the sender"
            }
            Foreign::Http => {
                "the peer sent an HTTP request to the DICOM port; a browser or DICOMweb client \
                 needs another port"
            }
            Foreign::Ssh => "the peer speaks SSH, not DICOM; check the port at the sender",
        })
    }
}

/// A PDU that breaks PS3.8: the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PduFault {
    /// Not DICOM at all.
    #[error("{0}")]
    Foreign(Foreign),
    /// A PDU type outside the seven.
    #[error("PDU type {0:#04x} does not exist in DICOM; the sender is probably not a DICOM device")]
    UnknownType(u8),
    /// An announced length above the limit of its kind.
    #[error("{kind} announced {length} bytes, at most {limit} are taken")]
    TooLong {
        /// The PDU.
        kind: PduKind,
        /// What it announced.
        length: u32,
        /// What is taken.
        limit: u32,
    },
    /// An announced length below what its kind needs.
    #[error("{kind} announced {length} bytes, it needs at least {least}")]
    TooShort {
        /// The PDU.
        kind: PduKind,
        /// What it announced.
        length: u32,
        /// What it needs.
        least: u32,
    },
    /// A field that contradicts the standard or another field.
    #[error("{kind} is malformed: {what}")]
    Malformed {
        /// The PDU.
        kind: PduKind,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// A PDU that has no place at this point of the association.
    #[error("{kind} came {during}, where it has no place")]
    Unexpected {
        /// The PDU.
        kind: PduKind,
        /// When it came.
        during: &'static str,
    },
}

/// Source and reason of an A-ABORT (PS3.8 section 9.3.8), as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort {
    /// 0 service user, 2 service provider.
    pub source: u8,
    /// Reason; meaningful for the provider only.
    pub reason: u8,
}

impl Abort {
    /// Provider, reason not specified: limits and time-outs.
    pub(crate) const UNSPECIFIED: Abort = Abort::provider(0);
    const UNRECOGNISED_PDU: Abort = Abort::provider(1);
    const UNEXPECTED_PDU: Abort = Abort::provider(2);
    const INVALID_PARAMETER: Abort = Abort::provider(6);
    /// Service user: the application gives up.
    pub(crate) const USER: Abort = Abort {
        source: 0,
        reason: 0,
    };

    const fn provider(reason: u8) -> Abort {
        Abort { source: 2, reason }
    }
}

impl std::fmt::Display for Abort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match (self.source, self.reason) {
            (0, _) => "its application gave up",
            (2, 0) => "no reason given",
            (2, 1) => "it did not recognise a PDU",
            (2, 2) => "it did not expect a PDU",
            (2, 4) => "it did not recognise a parameter",
            (2, 5) => "it did not expect a parameter",
            (2, 6) => "it found a parameter invalid",
            (source, reason) => return write!(f, "source {source}, reason {reason}"),
        };
        f.write_str(text)
    }
}

impl PduFault {
    /// The A-ABORT that answers it.
    pub(crate) fn abort(self) -> Abort {
        match self {
            PduFault::Foreign(_) | PduFault::UnknownType(_) => Abort::UNRECOGNISED_PDU,
            PduFault::Unexpected { .. } => Abort::UNEXPECTED_PDU,
            PduFault::TooLong { .. } | PduFault::TooShort { .. } | PduFault::Malformed { .. } => {
                Abort::INVALID_PARAMETER
            }
        }
    }
}

/// Why an association ended before both sides released it.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// The peer broke the protocol.
    #[error(transparent)]
    Pdu(#[from] PduFault),
    /// A command set that cannot be read or has no place.
    #[error("the peer sent a message that cannot be followed: {0}")]
    Message(&'static str),
    /// The peer sent A-ABORT.
    #[error("the peer aborted the association: {0}")]
    Aborted(Abort),
    /// The peer closed the connection.
    #[error("the peer closed the connection without releasing the association")]
    Closed,
    /// Nothing came within the time allowed.
    #[error("time-out while waiting for {0}")]
    TimedOut(Phase),
    /// The peer was slower than the minimum rate.
    #[error("the peer moved {bytes} bytes in {seconds} s, below the minimum rate")]
    TooSlow {
        /// Bytes in the last window.
        bytes: u64,
        /// Length of the window.
        seconds: u64,
    },
    /// It was idle and made room for another association.
    #[error("it was idle and gave way to a new association, as the most allowed were open")]
    GaveWay,
    /// This node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// The network or the operating system.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
}

impl LinkFault {
    /// The A-ABORT owed to the peer, if it may still be listening.
    pub(crate) fn abort(&self) -> Option<Abort> {
        match self {
            LinkFault::Pdu(fault) => Some(fault.abort()),
            LinkFault::Message(_) => Some(Abort::INVALID_PARAMETER),
            LinkFault::TimedOut(_) | LinkFault::TooSlow { .. } | LinkFault::Stopping => {
                Some(Abort::UNSPECIFIED)
            }
            LinkFault::Aborted(_) | LinkFault::Closed | LinkFault::GaveWay | LinkFault::Io(_) => {
                None
            }
        }
    }
}
