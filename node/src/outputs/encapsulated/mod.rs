//! A report as DICOM Encapsulated PDF Storage (PS3.3 A.45.1), in the study it belongs to.
//!
//! Patient and study attributes are the original bytes under the original Specific Character Set:
//! the PACS matches them as it matched the images, and no name is ever transcoded. Our own texts
//! adapt: Japanese where the study's character set can hold them, ASCII where it cannot.
//!
//! A private block carries the signed report without the PDF, so that the file alone, taken out of
//! any PACS, can be verified with no node and no network.

mod elements;
mod reading;
mod titles;
mod uids;

use std::fmt;

use self::elements::{DataSet, Items};
use super::dates::SigningTime;
use super::view::ReportStatus;

pub use self::reading::{Element, EncapsulatedContent, ReadError, read_encapsulated};

/// Encapsulated PDF Storage.
pub const SOP_CLASS_UID: &str = "1.2.840.10008.5.1.4.1.1.104.1";
/// Creator of the private block, in group [`PRIVATE_GROUP`].
pub const PRIVATE_CREATOR: &str = "DOKUEI REPORT";
/// Group of the private block.
pub const PRIVATE_GROUP: u16 = 0x444B;
/// Most entries of Source Instance Sequence: beyond it readers of a report gain nothing, and the
/// signed bundle lists all images by digest anyway.
pub const MAX_SOURCES: usize = 5_000;
/// Most entries of Predecessor Documents Sequence.
pub const MAX_PREDECESSORS: usize = 100;
/// Largest document: a report with the largest attachment, its fonts and frames.
pub const MAX_DOCUMENT_BYTES: usize = 96 * 1024 * 1024;
/// Largest signed bundle: a manifest of 100,000 images at 160 bytes.
pub const MAX_BUNDLE_BYTES: usize = 16 * 1024 * 1024;

/// A DICOM tag: group and element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(pub u16, pub u16);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

/// One element of the original images, value bytes as stored.
pub struct RawElement {
    /// Its tag; its VR is the one of the data dictionary.
    pub tag: Tag,
    /// Its value with or without padding.
    pub value: Vec<u8>,
}

/// One image the report rests on.
pub struct SourceInstance {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: String,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
}

/// An earlier version of the report, encapsulated into the same study.
pub struct PredecessorDocument {
    /// Series Instance UID of that version.
    pub series_instance_uid: String,
    /// SOP Instance UID of that version.
    pub sop_instance_uid: String,
}

/// What is encapsulated.
pub struct EncapsulatedInput<'a> {
    /// Elements of the original images. Those in [`copied_elements`] are taken over byte for byte,
    /// all others are left out; Study Instance UID (0020,000D) must be among them.
    pub originals: &'a [RawElement],
    /// The images read.
    pub sources: &'a [SourceInstance],
    /// Earlier versions.
    pub predecessors: &'a [PredecessorDocument],
    /// Standing of this version.
    pub status: ReportStatus,
    /// Version, counted from 1.
    pub version: u32,
    /// Digest of the canonical signed report, hexadecimal.
    pub report_digest: &'a str,
    /// When it was signed, RFC 3339 with offset.
    pub signed_at: &'a str,
    /// The PDF.
    pub pdf: &'a [u8],
    /// The signed report without the PDF, opaque here.
    pub bundle: &'a [u8],
}

/// The finished object.
pub struct EncapsulatedPdf {
    /// Study it belongs to.
    pub study_instance_uid: String,
    /// Its own series.
    pub series_instance_uid: String,
    /// Its own instance; the same report and PDF give the same UID, another PDF gives another.
    pub sop_instance_uid: String,
    /// Data set in Explicit VR Little Endian, without preamble and file meta information.
    pub data_set: Vec<u8>,
    /// Images not listed as sources: beyond [`MAX_SOURCES`], or with an unusable UID.
    pub sources_left_out: usize,
}

/// Why a report could not be encapsulated. Never holds a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncapsulateError {
    /// Study Instance UID (0020,000D) is missing or not a UID.
    #[error("the original images have no usable Study Instance UID (0020,000D)")]
    StudyInstanceUid,
    /// An original value does not fit its VR's length field.
    #[error("the original value of {tag} has {bytes} bytes, more than DICOM can hold")]
    ValueTooLong {
        /// Which element.
        tag: Tag,
        /// Bytes given.
        bytes: usize,
    },
    /// PDF or bundle beyond its bound.
    #[error("the {what} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// `PDF` or `signed bundle`.
        what: &'static str,
        /// Bytes given.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The signing time is not RFC 3339 with an offset.
    #[error("the signing time is not RFC 3339 with an offset, such as 2024-01-15T14:05:09+09:00")]
    SigningTime,
}

/// Patient and study attributes taken over from the images, with their VR.
const COPIED: &[(Tag, [u8; 2], Presence)] = &[
    (Tag(0x0008, 0x0005), *b"CS", Presence::IfGiven),
    (Tag(0x0008, 0x0020), *b"DA", Presence::Always),
    (Tag(0x0008, 0x0030), *b"TM", Presence::Always),
    (Tag(0x0008, 0x0050), *b"SH", Presence::Always),
    (Tag(0x0008, 0x0090), *b"PN", Presence::Always),
    (Tag(0x0008, 0x0201), *b"SH", Presence::IfGiven),
    (Tag(0x0008, 0x1030), *b"LO", Presence::IfGiven),
    (Tag(0x0010, 0x0010), *b"PN", Presence::Always),
    (Tag(0x0010, 0x0020), *b"LO", Presence::Always),
    (Tag(0x0010, 0x0021), *b"LO", Presence::IfGiven),
    (Tag(0x0010, 0x0030), *b"DA", Presence::Always),
    (Tag(0x0010, 0x0032), *b"TM", Presence::IfGiven),
    (Tag(0x0010, 0x0040), *b"CS", Presence::Always),
    (Tag(0x0010, 0x1001), *b"PN", Presence::IfGiven),
    (Tag(0x0010, 0x1010), *b"AS", Presence::IfGiven),
    (Tag(0x0010, 0x1020), *b"DS", Presence::IfGiven),
    (Tag(0x0010, 0x1030), *b"DS", Presence::IfGiven),
    (STUDY_INSTANCE_UID, *b"UI", Presence::Always),
    (Tag(0x0020, 0x0010), *b"SH", Presence::Always),
];

#[derive(PartialEq, Eq)]
enum Presence {
    /// Type 1 or 2: written empty when the images do not have it.
    Always,
    /// Type 3 or 1C.
    IfGiven,
}

const SPECIFIC_CHARACTER_SET: Tag = Tag(0x0008, 0x0005);
const TIMEZONE_OFFSET: Tag = Tag(0x0008, 0x0201);
const STUDY_INSTANCE_UID: Tag = Tag(0x0020, 0x000D);
const ENCAPSULATED_DOCUMENT: Tag = Tag(0x0042, 0x0011);
const ENCAPSULATED_DOCUMENT_LENGTH: Tag = Tag(0x0042, 0x0015);
/// Elements of the private block, with the block byte still zero.
const BUNDLE: u16 = 0x0001;
const BUNDLE_LENGTH: u16 = 0x0002;
/// First private block.
const BLOCK: u16 = 0x0010;

/// Tags a caller should collect from the original images.
pub fn copied_elements() -> impl Iterator<Item = Tag> {
    COPIED.iter().map(|(tag, _, _)| *tag)
}

/// Build the object. A pure function: the same input gives the same bytes.
///
/// # Errors
/// [`EncapsulateError`].
pub fn encapsulate(input: &EncapsulatedInput<'_>) -> Result<EncapsulatedPdf, EncapsulateError> {
    bounded("PDF", input.pdf, MAX_DOCUMENT_BYTES)?;
    bounded("signed bundle", input.bundle, MAX_BUNDLE_BYTES)?;
    let signed = SigningTime::read(input.signed_at).ok_or(EncapsulateError::SigningTime)?;
    let study = original(input, STUDY_INSTANCE_UID)
        .and_then(uids::checked)
        .ok_or(EncapsulateError::StudyInstanceUid)?;
    let series = uids::series(study, input.report_digest);
    let instance = uids::instance(study, input.report_digest, input.pdf, input.bundle);

    let mut set = DataSet::default();
    copy_originals(input, &mut set)?;
    set.text(Tag(0x0008, 0x0016), *b"UI", SOP_CLASS_UID);
    set.text(Tag(0x0008, 0x0018), *b"UI", &instance);
    set.text(Tag(0x0020, 0x000E), *b"UI", &series);
    write_times(input, signed, &mut set);
    write_series(input, &mut set);
    let sources_left_out = write_references(input, study, &mut set);
    write_document(input, &mut set);
    write_private(input, &mut set);
    Ok(EncapsulatedPdf {
        study_instance_uid: study.to_owned(),
        series_instance_uid: series,
        sop_instance_uid: instance,
        data_set: set.encoded(),
        sources_left_out,
    })
}

fn bounded(what: &'static str, bytes: &[u8], limit: usize) -> Result<(), EncapsulateError> {
    if bytes.len() > limit {
        return Err(EncapsulateError::TooLarge {
            what,
            bytes: bytes.len(),
            limit,
        });
    }
    Ok(())
}

fn original<'a>(input: &EncapsulatedInput<'a>, tag: Tag) -> Option<&'a [u8]> {
    input
        .originals
        .iter()
        .find(|element| element.tag == tag)
        .map(|element| element.value.as_slice())
}

fn copy_originals(
    input: &EncapsulatedInput<'_>,
    set: &mut DataSet,
) -> Result<(), EncapsulateError> {
    for (tag, vr, presence) in COPIED {
        match original(input, *tag) {
            // The 16-bit length field holds even lengths up to 65,534 (PS3.5 section 7.1.2).
            Some(value) if value.len() > 65_534 => {
                return Err(EncapsulateError::ValueTooLong {
                    tag: *tag,
                    bytes: value.len(),
                });
            }
            // One that is there has a value (type 1C; PS3.3 section C.12.1.1.2).
            Some(value) if *tag == SPECIFIC_CHARACTER_SET && value.trim_ascii().is_empty() => {}
            Some(value) => set.bytes(*tag, *vr, value),
            None if *presence == Presence::Always => set.bytes(*tag, *vr, b""),
            None => {}
        }
    }
    Ok(())
}

/// Dates and times of this object, in the zone the study states if it states one: Timezone Offset
/// From UTC (0008,0201) governs every DA and TM of the data set.
fn write_times(input: &EncapsulatedInput<'_>, signed: SigningTime, set: &mut DataSet) {
    let zone = original(input, TIMEZONE_OFFSET).and_then(titles::ascii);
    let local = zone
        .and_then(|zone| signed.at_offset(zone))
        .unwrap_or(signed);
    let (date, time) = (local.dicom_date(), local.dicom_time());
    set.text(Tag(0x0008, 0x0012), *b"DA", &date);
    set.text(Tag(0x0008, 0x0013), *b"TM", &time);
    set.text(Tag(0x0008, 0x0023), *b"DA", &date);
    set.text(Tag(0x0008, 0x0033), *b"TM", &time);
    set.text(Tag(0x0008, 0x002A), *b"DT", &signed.dicom_date_time());
}

fn write_series(input: &EncapsulatedInput<'_>, set: &mut DataSet) {
    let character_set = original(input, SPECIFIC_CHARACTER_SET);
    let title = titles::title(character_set, input.status, input.version);
    set.bytes(Tag(0x0008, 0x103E), *b"LO", &title);
    set.bytes(Tag(0x0042, 0x0010), *b"ST", &title);
    set.text(Tag(0x0008, 0x0060), *b"CS", "DOC");
    set.text(Tag(0x0008, 0x0064), *b"CS", "WSD");
    set.text(Tag(0x0008, 0x0070), *b"LO", "dokuei");
    set.text(Tag(0x0008, 0x1090), *b"LO", "dokuei");
    set.text(Tag(0x0018, 0x1020), *b"LO", env!("CARGO_PKG_VERSION"));
    // Away from the numbers modalities use, so that the report sorts behind the images.
    let series = 90_000u32
        .saturating_add(input.version)
        .min(i32::MAX.unsigned_abs());
    set.text(Tag(0x0020, 0x0011), *b"IS", &series.to_string());
    let instance = input.version.min(i32::MAX.unsigned_abs());
    set.text(Tag(0x0020, 0x0013), *b"IS", &instance.to_string());
}

/// Source images and earlier versions; returns how many sources are not listed.
fn write_references(input: &EncapsulatedInput<'_>, study: &str, set: &mut DataSet) -> usize {
    let mut sources = Items::default();
    let mut listed = 0;
    for source in input.sources.iter().take(MAX_SOURCES) {
        let class = uids::checked(source.sop_class_uid.as_bytes());
        let instance = uids::checked(source.sop_instance_uid.as_bytes());
        if let (Some(class), Some(instance)) = (class, instance) {
            sources.push(reference(class, instance));
            listed += 1;
        }
    }
    if listed > 0 {
        set.sequence(Tag(0x0042, 0x0013), sources);
    }
    let mut predecessors = Items::default();
    let mut any = false;
    for earlier in input.predecessors.iter().take(MAX_PREDECESSORS) {
        let series = uids::checked(earlier.series_instance_uid.as_bytes());
        let instance = uids::checked(earlier.sop_instance_uid.as_bytes());
        if let (Some(series), Some(instance)) = (series, instance) {
            predecessors.push(hierarchical(study, series, instance));
            any = true;
        }
    }
    if any {
        set.sequence(Tag(0x0040, 0xA360), predecessors);
    }
    input.sources.len() - listed
}

/// SOP Instance Reference Macro (PS3.3 table 10-11).
fn reference(class: &str, instance: &str) -> DataSet {
    let mut item = DataSet::default();
    item.text(Tag(0x0008, 0x1150), *b"UI", class);
    item.text(Tag(0x0008, 0x1155), *b"UI", instance);
    item
}

/// Hierarchical SOP Instance Reference Macro (PS3.3 table C.17-3).
fn hierarchical(study: &str, series: &str, instance: &str) -> DataSet {
    let mut in_series = DataSet::default();
    in_series.text(Tag(0x0020, 0x000E), *b"UI", series);
    let mut instances = Items::default();
    instances.push(reference(SOP_CLASS_UID, instance));
    in_series.sequence(Tag(0x0008, 0x1199), instances);
    let mut all_series = Items::default();
    all_series.push(in_series);
    let mut item = DataSet::default();
    item.text(STUDY_INSTANCE_UID, *b"UI", study);
    item.sequence(Tag(0x0008, 0x1115), all_series);
    item
}

/// Encapsulated Document Module (PS3.3 table C.24-2).
fn write_document(input: &EncapsulatedInput<'_>, set: &mut DataSet) {
    let mut code = DataSet::default();
    code.text(Tag(0x0008, 0x0100), *b"SH", "18748-4");
    code.text(Tag(0x0008, 0x0102), *b"SH", "LN");
    code.text(Tag(0x0008, 0x0104), *b"LO", "Diagnostic imaging report");
    let mut concept = Items::default();
    concept.push(code);
    set.sequence(Tag(0x0040, 0xA043), concept);
    set.text(Tag(0x0028, 0x0301), *b"CS", "YES");
    let verified = match input.status {
        ReportStatus::Preliminary => "UNVERIFIED",
        ReportStatus::Final
        | ReportStatus::Addendum
        | ReportStatus::Amended
        | ReportStatus::Corrected
        | ReportStatus::Retracted => "VERIFIED",
    };
    set.text(Tag(0x0040, 0xA493), *b"CS", verified);
    set.text(Tag(0x0042, 0x0012), *b"LO", "application/pdf");
    set.bytes(ENCAPSULATED_DOCUMENT, *b"OB", input.pdf);
    set.number(ENCAPSULATED_DOCUMENT_LENGTH, input.pdf.len());
}

fn write_private(input: &EncapsulatedInput<'_>, set: &mut DataSet) {
    let element = |low: u16| Tag(PRIVATE_GROUP, BLOCK << 8 | low);
    set.text(Tag(PRIVATE_GROUP, BLOCK), *b"LO", PRIVATE_CREATOR);
    set.bytes(element(BUNDLE), *b"OB", input.bundle);
    set.number(element(BUNDLE_LENGTH), input.bundle.len());
}
