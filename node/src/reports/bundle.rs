//! A report in one file: everything that a verifier without network needs.

use dokuei_keys::cbor;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::outputs::encapsulated::PredecessorDocument;

/// First bytes of a bundle file. The number is its form.
pub const MAGIC: &[u8] = b"dokuei-report-1\n";
/// Longest bundle: a report with the largest PDF.
pub const BYTES: usize = 128 * 1024 * 1024;

/// A report with its signatures. Holds patient data: no `Debug`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Bundle {
    /// The reading site's certificate, signed by its root.
    #[n(0)]
    pub certificate: ByteVec,
    /// The author's delegation, signed by the reading site.
    #[n(1)]
    pub delegation: ByteVec,
    /// The report, signed by its author.
    #[n(2)]
    pub report: ByteVec,
    /// The countersignature of the reading site.
    #[n(3)]
    pub countersignature: ByteVec,
    /// The printed form. Absent inside a DICOM object, which holds it itself.
    #[n(4)]
    pub pdf: Option<ByteVec>,
    /// Inside a DICOM object: the objects of earlier versions that it names.
    #[n(5)]
    pub predecessors: Vec<Predecessor>,
}

/// The DICOM object of an earlier version.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Predecessor {
    /// Series Instance UID.
    #[n(0)]
    pub series: String,
    /// SOP Instance UID.
    #[n(1)]
    pub instance: String,
}

impl From<&Predecessor> for PredecessorDocument {
    fn from(predecessor: &Predecessor) -> PredecessorDocument {
        PredecessorDocument {
            series_instance_uid: predecessor.series.clone(),
            sop_instance_uid: predecessor.instance.clone(),
        }
    }
}

impl Bundle {
    /// The bundle's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&cbor::encode(self));
        bytes
    }

    /// Reads a bundle. Its bytes have one reading: a changed one is refused or changes what was signed.
    pub fn read(bytes: &[u8]) -> Option<Bundle> {
        cbor::decode_strict(bytes.strip_prefix(MAGIC)?, BYTES).ok()
    }
}
