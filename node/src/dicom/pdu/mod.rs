//! Protocol data units of the DICOM upper layer (PS3.8 section 9.3), read under stated bounds.
//!
//! Every byte here comes from a socket. A PDU's type and announced length are checked before
//! anything is stored, P-DATA is handed on in slices of one fixed read buffer (so nothing is ever
//! allocated by a number the peer chose), and whatever does not fit ends the association with an
//! A-ABORT and one line for the operator.
//!
//! The association items are decoded here and not by `dicom-ul`: PS3.8 has unknown items skipped
//! where that crate refuses them, a rejected context may come without a transfer syntax where that
//! crate fails the whole association, and it does not hold sub-items to their announced length.
//! The tests read its PDUs and have it read ours.

pub(crate) mod associate;
pub(crate) mod fault;
pub(crate) mod item;
pub(crate) mod link;
pub(crate) mod proposals;
pub(crate) mod reader;
pub(crate) mod rejection;
pub mod stream;
pub(crate) mod title;
pub(crate) mod uid;
pub(crate) mod watch;
pub(crate) mod writer;

pub use fault::{Abort, Foreign, LinkFault, PduFault};
pub use rejection::{Rejection, RejectionReason};
pub use title::{AeTitle, AeTitleError};
pub use watch::{MinimumRate, Phase};

/// The longest P-DATA-TF body we ask peers to send: the value whose intake was measured fastest,
/// and which every tested peer honours.
pub const ADVERTISED_PDU: u32 = 131_072;

/// The longest P-DATA-TF body taken from a peer: twice what we advertise, for peers that count the
/// headers differently or ignore the figure; beyond that it is no longer a misunderstanding.
pub const DATA_LIMIT: u32 = 256 * 1024;

/// The longest association PDU taken: 128 contexts with a dozen transfer syntaxes each need 40 KiB.
pub const ASSOCIATE_LIMIT: u32 = 128 * 1024;

/// Presentation contexts in one association: their identifiers are the odd numbers of one byte
/// (PS3.8 section 9.3.2.2), so there cannot be more.
pub const CONTEXT_LIMIT: usize = 128;

/// Transfer syntaxes in one proposed context: the standard has fewer than a hundred.
pub const TRANSFER_SYNTAX_LIMIT: usize = 128;

/// The read buffer of one association. It holds the longest association PDU whole, and one read
/// of it drains what the kernel gathered while an object was written.
pub const READ_BUFFER: usize = 256 * 1024;

/// The smallest maximum length a peer may ask of us: below it a response would be mostly headers.
pub const SMALLEST_PEER_PDU: u32 = 128;

/// Bytes of a PDU's own header (type, reserved, length).
pub(crate) const PDU_HEADER: usize = 6;

/// Bytes of a presentation data value's header (length, context, message control).
pub(crate) const VALUE_HEADER: usize = 6;

/// The DICOM application context (PS3.7 annex A.2.1).
pub(crate) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// Implementation class UID of this program (PS3.7 annex D.3.3.2), of the UUID-derived form.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.101107936078856540224886296561737065911";

pub use super::part10::IMPLEMENTATION_VERSION;

const _: () = assert!(IMPLEMENTATION_VERSION.len() <= 16);
const _: () = assert!(READ_BUFFER >= ASSOCIATE_LIMIT as usize + PDU_HEADER);

/// The seven PDU types of PS3.8 section 9.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PduKind {
    /// A-ASSOCIATE-RQ
    AssociateRequest = 1,
    /// A-ASSOCIATE-AC
    AssociateAccept = 2,
    /// A-ASSOCIATE-RJ
    AssociateReject = 3,
    /// P-DATA-TF
    Data = 4,
    /// A-RELEASE-RQ
    ReleaseRequest = 5,
    /// A-RELEASE-RP
    ReleaseReply = 6,
    /// A-ABORT
    Abort = 7,
}

impl PduKind {
    const ALL: [PduKind; 7] = [
        PduKind::AssociateRequest,
        PduKind::AssociateAccept,
        PduKind::AssociateReject,
        PduKind::Data,
        PduKind::ReleaseRequest,
        PduKind::ReleaseReply,
        PduKind::Abort,
    ];

    /// Least and greatest length its body may announce.
    fn bounds(self) -> (u32, u32) {
        match self {
            // Fixed fields up to the variable items are 68 bytes.
            PduKind::AssociateRequest | PduKind::AssociateAccept => (68, ASSOCIATE_LIMIT),
            PduKind::Data => (VALUE_HEADER as u32, DATA_LIMIT),
            PduKind::AssociateReject
            | PduKind::ReleaseRequest
            | PduKind::ReleaseReply
            | PduKind::Abort => (4, 4),
        }
    }
}

impl std::fmt::Display for PduKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PduKind::AssociateRequest => "A-ASSOCIATE-RQ",
            PduKind::AssociateAccept => "A-ASSOCIATE-AC",
            PduKind::AssociateReject => "A-ASSOCIATE-RJ",
            PduKind::Data => "P-DATA-TF",
            PduKind::ReleaseRequest => "A-RELEASE-RQ",
            PduKind::ReleaseReply => "A-RELEASE-RP",
            PduKind::Abort => "A-ABORT",
        })
    }
}

/// Judge a PDU header before anything of its body is read.
///
/// `header` is type, reserved byte, length (unsigned 32 bits, big endian). Answers the kind and
/// the length of the body, which is within the bounds of its kind.
///
/// # Errors
/// The peer's fault: another protocol, an unknown type, or a length outside the bounds.
pub(crate) fn judge_header(header: [u8; PDU_HEADER]) -> Result<(PduKind, u32), PduFault> {
    let Some(kind) = PduKind::ALL.into_iter().find(|k| *k as u8 == header[0]) else {
        return Err(match Foreign::recognise(header) {
            Some(foreign) => PduFault::Foreign(foreign),
            None => PduFault::UnknownType(header[0]),
        });
    };
    let length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
    let (least, greatest) = kind.bounds();
    if length > greatest {
        return Err(PduFault::TooLong {
            kind,
            length,
            limit: greatest,
        });
    }
    if length < least {
        return Err(PduFault::TooShort {
            kind,
            length,
            least,
        });
    }
    Ok((kind, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, length: u32) -> [u8; 6] {
        let l = length.to_be_bytes();
        [kind, 0, l[0], l[1], l[2], l[3]]
    }

    #[test]
    fn a_header_within_bounds_names_its_kind_and_length() {
        assert_eq!(
            judge_header(header(4, 131_072)),
            Ok((PduKind::Data, 131_072))
        );
        assert_eq!(
            judge_header(header(4, DATA_LIMIT)),
            Ok((PduKind::Data, DATA_LIMIT))
        );
        assert_eq!(judge_header(header(5, 4)), Ok((PduKind::ReleaseRequest, 4)));
    }

    #[test]
    fn lengths_one_past_a_bound_are_refused() {
        for (kind, length) in [
            (4, DATA_LIMIT + 1),
            (1, ASSOCIATE_LIMIT + 1),
            (7, 5),
            (1, u32::MAX),
        ] {
            assert!(matches!(
                judge_header(header(kind, length)),
                Err(PduFault::TooLong { .. })
            ));
        }
        for (kind, length) in [(4, 5), (1, 67), (6, 3)] {
            assert!(matches!(
                judge_header(header(kind, length)),
                Err(PduFault::TooShort { .. })
            ));
        }
    }

    #[test]
    fn other_protocols_are_called_by_name() {
        let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01];
        assert_eq!(judge_header(hello), Err(PduFault::Foreign(Foreign::Tls)));
        assert_eq!(
            judge_header(*b"GET / "),
            Err(PduFault::Foreign(Foreign::Http))
        );
        assert_eq!(
            judge_header(*b"SSH-2."),
            Err(PduFault::Foreign(Foreign::Ssh))
        );
        assert_eq!(
            judge_header(header(0x99, 4)),
            Err(PduFault::UnknownType(0x99))
        );
    }
}
