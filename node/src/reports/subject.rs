//! Whom and which study a report is about. It is part of what the reader signs, and travels sealed.

use dokuei_keys::cbor;
use dokuei_keys::id::Digest;
use minicbor::{Decode, Encode};

use crate::studies::attributes::Attributes;
use crate::studies::study::Study;

/// Images that are named one by one. Beyond this number only their digest stands for them; it covers
/// all of them in any case.
pub const SOURCES: usize = 5_000;
/// Longest encoded subject.
const BYTES: usize = 768 * 1024;

/// Whom and which study a report is about. Holds patient data: no `Debug`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Subject {
    /// Patient and study attributes of the images, as they came.
    #[n(0)]
    pub attributes: Attributes,
    /// Study Instance UID.
    #[n(1)]
    pub study: String,
    /// Number of series read.
    #[n(2)]
    pub series: u32,
    /// Number of objects read.
    #[n(3)]
    pub objects: u32,
    /// Names exactly these objects; see [`Study::images_digest`].
    #[n(4)]
    pub images: Digest,
    /// The first [`SOURCES`] of them.
    #[n(5)]
    pub sources: Vec<Source>,
    /// Modalities of the series, separated by `/`.
    #[n(6)]
    pub modalities: String,
    /// Name of the institution that asked.
    #[n(7)]
    pub requester: String,
    /// Name of the institution that read.
    #[n(8)]
    pub reader: String,
}

/// One object that was read.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Source {
    /// SOP Class UID.
    #[n(0)]
    pub sop_class: String,
    /// SOP Instance UID.
    #[n(1)]
    pub sop_instance: String,
}

impl Subject {
    /// The subject of a report on this study.
    pub fn of(study: &Study, requester: &str, reader: &str) -> Subject {
        let mut modalities: Vec<&str> = study
            .series
            .iter()
            .map(|series| series.modality.as_str())
            .filter(|code| !code.is_empty())
            .collect();
        modalities.sort_unstable();
        modalities.dedup();
        Subject {
            attributes: study.attributes.clone(),
            study: study.uid.clone(),
            series: study.series.len() as u32,
            objects: study.objects.len() as u32,
            images: study.images_digest(),
            sources: study
                .objects
                .iter()
                .take(SOURCES)
                .map(|object| Source {
                    sop_class: object.sop_class.clone(),
                    sop_instance: object.sop_instance.clone(),
                })
                .collect(),
            modalities: modalities.join("/"),
            requester: requester.to_owned(),
            reader: reader.to_owned(),
        }
    }

    /// Its bytes, as they are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads a subject.
    pub fn read(bytes: &[u8]) -> Option<Subject> {
        cbor::decode_strict(bytes, BYTES).ok()
    }
}
