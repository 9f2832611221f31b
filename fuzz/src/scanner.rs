//! A file, scanned before any other parser sees it (`dicom/scanner`, `dicom/part10`).

use dicom_dictionary_std::tags;
use dokuei_node::dicom::dataset::{self, Bounds, ReadError};
use dokuei_node::dicom::part10::{FileScanner, ScannedFile};
use dokuei_node::dicom::scanner::{Encoding, FINDINGS_MAX, Limits, Malformed, MalformedKind};
use dokuei_node::studies::attributes::Attributes;
use dokuei_node::studies::patient::Patient;

/// What may be inflated here, so that one input costs milliseconds.
const INFLATED: u64 = 4 << 20;

/// The answer is the same in whatever pieces the bytes come, with and without their length known beforehand a file is
/// carried or refused for what it is, and a carried file is the object that another reader finds in it.
pub fn check(data: &[u8]) {
    let limits = Limits {
        inflated_bytes: INFLATED,
        inflate_ratio_from: INFLATED / 4,
        ..Limits::for_total(data.len() as u64)
    };
    let whole = scan(data, data.len().max(1), limits);
    let smallest = if data.len() <= 2048 { 1 } else { 61 };
    for piece in [smallest, 1000] {
        let pieces = scan(data, piece, limits);
        let is_broken = [&whole, &pieces].into_iter().any(breaks_off);
        // What comes out of a stream before it breaks may be refused first, if it comes out before.
        if !(is_broken && whole.is_err() && pieces.is_err()) {
            assert_eq!(outcome(&whole), outcome(&pieces), "pieces of {piece}");
        }
    }
    let unknown = scan(
        data,
        data.len().max(1),
        Limits {
            total: None,
            ..limits
        },
    );
    assert!(
        whole.is_err() || unknown.is_ok(),
        "refused only when its length is not known"
    );
    if let Ok(file) = &whole {
        shown(file);
        found_again(data, file);
    }
}

fn scan(data: &[u8], piece: usize, limits: Limits) -> Result<ScannedFile, Malformed> {
    let mut scanner = FileScanner::new(limits);
    for bytes in data.chunks(piece) {
        scanner.push(bytes)?;
    }
    scanner.finish()
}

fn breaks_off(scanned: &Result<ScannedFile, Malformed>) -> bool {
    matches!(scanned, Err(malformed) if malformed.kind == MalformedKind::InflateBroken)
}

/// What an answer says, without where: an inflated data set is handed on in the pieces in which it came.
fn outcome(scanned: &Result<ScannedFile, Malformed>) -> String {
    match scanned {
        Err(malformed) => format!("{} {}", malformed.kind.code(), malformed.tag),
        Ok(file) => {
            let header = &file.header;
            let findings = header.findings().as_slice().iter();
            let findings: Vec<_> = findings.map(|one| (one.kind.code(), one.tag)).collect();
            let (offset, bytes) = (file.data_set_offset, header.data_set_bytes());
            format!("{:?} {findings:?} {offset} {bytes}", header.sop_instance())
        }
    }
}

/// Whatever is carried can be shown.
fn shown(file: &ScannedFile) {
    let header = &file.header;
    assert!(header.findings().as_slice().len() <= FINDINGS_MAX);
    let attributes = Attributes::of(header);
    let who = Patient::of(&attributes);
    assert!(!who.contradicts(&who));
    let _ = attributes.name(tags::PATIENT_NAME).display();
    let _ = (
        header.study_date(),
        header.study_time(),
        header.series_date(),
    );
    let _ = (
        header.image(),
        header.timezone_offset(),
        header.institution(),
    );
}

/// The reader of trees finds the same object behind the gate.
fn found_again(data: &[u8], file: &ScannedFile) {
    let from = usize::try_from(file.data_set_offset).unwrap();
    let encoding = file.header.transfer_syntax().encoding();
    if encoding == Encoding::DeflatedExplicitLittle {
        return;
    }
    // To its end: what says which object it is may stand behind the pixels.
    let bounds = Bounds {
        header_only: false,
        ..Bounds::HEADER
    };
    let read = dataset::read(&mut &data[from..], encoding, &bounds);
    let set = match read {
        Ok(set) => set,
        // The one thing that is carried and not read.
        Err(ReadError::TooLarge) => return,
        Err(error) => panic!("carried, but not read: {error}"),
    };
    let header = &file.header;
    for (tag, uid) in [
        (tags::SOP_CLASS_UID, header.sop_class()),
        (tags::SOP_INSTANCE_UID, header.sop_instance()),
        (tags::STUDY_INSTANCE_UID, header.study()),
        (tags::SERIES_INSTANCE_UID, header.series()),
    ] {
        assert_eq!(set.code(tag), uid.as_str(), "{tag}");
    }
}
