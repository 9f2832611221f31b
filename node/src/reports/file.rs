//! Verifying a file: a bundle, or the DICOM object of a report as an archive gives it back.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use dokuei_keys::id::Digest;

use crate::dicom::part10::{
    FileMeta, IMPLEMENTATION_VERSION, PREAMBLE_BYTES, file_head, scan_file,
};
use crate::dicom::uid::{
    ENCAPSULATED_PDF_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN, IMPLEMENTATION_CLASS, Uid,
};
use crate::language::{Explain as _, Message};
use crate::outputs::encapsulated::read_encapsulated;
use crate::reports::bundle::{Bundle, MAGIC};
use crate::reports::rendering::encapsulated;
use crate::reports::subject::Subject;
use crate::reports::verify::{Authentic, NotAuthentic, verify as verify_bundle};
use crate::say;
use crate::studies::study::images_digest;

/// First bytes of a PDF (ISO 32000-2, 7.5.2).
const PDF: &[u8] = b"%PDF-";

/// What was found out about a file.
pub struct Verdict {
    /// The report, if it is authentic.
    pub authentic: Option<Authentic>,
    /// What does not hold, or was changed around an authentic report. Empty: all is as it was signed.
    pub findings: Vec<Finding>,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The report itself.
    NotAuthentic(NotAuthentic),
    /// The DICOM object differs from the one that was delivered, beginning at this byte.
    ObjectChanged(usize),
    /// The head of the file (not the object) was written by another program, as archives do when
    /// they export.
    HeadRewritten,
    /// The images are those that were read, so many.
    SameImages(u32),
    /// The images are not those that were read.
    OtherImages(Unlike),
}

/// How images differ from those that were read. With more than [`SOURCES`](crate::reports::subject::SOURCES) not all are named in the report: then these
/// are the fewest it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlike {
    /// So many were read.
    pub read: u32,
    /// So many were given.
    pub given: usize,
    /// Read, and not given.
    pub missing: usize,
    /// Given, and not read.
    pub extra: usize,
}

impl Unlike {
    fn of(subject: &Subject, given: &[(String, Digest)]) -> Unlike {
        let named: BTreeSet<&str> = subject
            .sources
            .iter()
            .map(|source| source.sop_instance.as_str())
            .collect();
        let given_names: BTreeSet<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        let common = named.intersection(&given_names).count();
        let unnamed = (subject.objects as usize).saturating_sub(named.len());
        let unmatched = given.len().saturating_sub(common);
        Unlike {
            read: subject.objects,
            given: given.len(),
            missing: named.len() - common + unnamed.saturating_sub(unmatched),
            extra: unmatched.saturating_sub(unnamed),
        }
    }

    fn message(self) -> Message {
        let Unlike {
            read,
            given,
            missing,
            extra,
        } = self;
        if missing == 0 && extra == 0 {
            return say!(
                "指定された画像 {given} 枚は UID では対象画像と一致しますが、内容の異なるものがあります。",
                "The {given} images given have the names of those that were read, but the content of at least one is different."
            );
        }
        say!(
            "指定された画像は {given} 枚、このレポートの対象画像は {read} 枚です: 不足 {missing} 枚、対象外 {extra} 枚。",
            "Images given: {given}; read for this report: {read}. Missing: {missing}, extra: {extra}."
        )
    }
}

impl Finding {
    /// Whether something is wrong, rather than worth knowing.
    pub fn is_wrong(&self) -> bool {
        match self {
            Finding::HeadRewritten | Finding::SameImages(_) => false,
            Finding::NotAuthentic(_) | Finding::ObjectChanged(_) | Finding::OtherImages(_) => true,
        }
    }

    /// The sentence for people.
    pub fn message(&self) -> Message {
        match self {
            Finding::NotAuthentic(why) => why.message().sentence(),
            Finding::ObjectChanged(at) => say!(
                "DICOM ファイルが配送時と異なります（{at} バイト目から）。署名された内容は上のとおりですが、周りの情報（患者情報など）は信用しないでください。",
                "The DICOM file differs from the one that was delivered (from byte {at}). What was signed is as shown above; do not trust the attributes around it."
            ),
            Finding::HeadRewritten => say!(
                "ファイルの先頭部分（File Meta）は別のプログラムが書いたものです。アーカイブから書き出した場合は正常です。",
                "The head of the file (file meta information) was written by another program. That is normal for a file that an archive exported."
            ),
            Finding::SameImages(count) => say!(
                "指定された画像は、このレポートの対象画像 {count} 枚とすべて一致します。",
                "The given images are exactly those that were read for this report: {count}."
            ),
            Finding::OtherImages(unlike) => unlike.message(),
        }
    }
}

/// Verifies a file's bytes.
pub fn verify(bytes: &[u8]) -> Verdict {
    let outcome = if bytes.starts_with(MAGIC) {
        bundle(bytes)
    } else if bytes.starts_with(PDF) {
        Err(NotAuthentic::PdfAlone)
    } else {
        object(bytes)
    };
    outcome.unwrap_or_else(|why| Verdict {
        authentic: None,
        findings: vec![Finding::NotAuthentic(why)],
    })
}

/// Verifies a file's bytes and compares the images it names with those at a path.
///
/// # Errors
/// When the path cannot be read.
pub fn verify_with_images(bytes: &[u8], images: &Path) -> io::Result<Verdict> {
    let mut verdict = verify(bytes);
    if let Some(authentic) = &verdict.authentic {
        let mut found = Vec::new();
        collect(images, &mut found)?;
        let digest = images_digest(
            found
                .iter()
                .map(|(instance, content)| (instance.as_str(), *content)),
        );
        let subject = &authentic.subject;
        verdict.findings.push(match digest == subject.images {
            true => Finding::SameImages(subject.objects),
            false => Finding::OtherImages(Unlike::of(subject, &found)),
        });
    }
    Ok(verdict)
}

fn bundle(bytes: &[u8]) -> Result<Verdict, NotAuthentic> {
    let bundle = Bundle::read(bytes).ok_or(NotAuthentic::Form)?;
    if bundle.pdf.is_none() || !bundle.predecessors.is_empty() {
        return Err(NotAuthentic::Form);
    }
    Ok(Verdict {
        authentic: Some(verify_bundle(&bundle, None)?),
        findings: Vec::new(),
    })
}

/// A DICOM object: what it holds is verified, then the object is made again and compared.
fn object(bytes: &[u8]) -> Result<Verdict, NotAuthentic> {
    let content = read_encapsulated(bytes).map_err(|_| NotAuthentic::Form)?;
    let bundle = Bundle::read(content.bundle).ok_or(NotAuthentic::Form)?;
    let authentic = verify_bundle(&bundle, Some(content.pdf))?;
    let again = encapsulated(
        &authentic.report,
        authentic.id,
        &authentic.subject,
        &bundle,
        content.pdf,
    )
    .map_err(|_| NotAuthentic::Form)?;
    let instance = Uid::parse(again.sop_instance_uid.as_bytes()).map_err(|_| NotAuthentic::Form)?;
    let head = file_head(
        &ENCAPSULATED_PDF_STORAGE,
        &instance,
        &EXPLICIT_VR_LITTLE_ENDIAN,
    );
    let scanned = scan_file(bytes, Some(bytes.len() as u64)).map_err(|_| NotAuthentic::Form)?;
    let offset = usize::try_from(scanned.data_set_offset).map_err(|_| NotAuthentic::Form)?;
    let (found_head, found) = bytes.split_at_checked(offset).ok_or(NotAuthentic::Form)?;
    let mut findings = Vec::new();
    if !found_head.is_empty() && found_head != head {
        findings.push(if is_rewritten(found_head, &scanned.meta, &instance) {
            Finding::HeadRewritten
        } else {
            Finding::ObjectChanged(first_difference(&head, found_head))
        });
    }
    if found != again.data_set {
        let at = found_head.len() + first_difference(&again.data_set, found);
        findings.push(Finding::ObjectChanged(at));
    }
    Ok(Verdict {
        authentic: Some(authentic),
        findings,
    })
}

/// Whether another program wrote the head, as it must when it exports. Nothing of a head is signed, so little of it is
/// believed: what it says of the object must be right, it must hide nothing in the preamble, and name no program of ours. A head
/// of ours with a changed byte is none of these, whichever byte it is.
fn is_rewritten(head: &[u8], meta: &FileMeta, instance: &Uid) -> bool {
    let class = meta.sop_class.as_ref();
    let says_rightly = class.is_none_or(|class| *class == ENCAPSULATED_PDF_STORAGE)
        && meta.sop_instance.as_ref().is_none_or(|own| own == instance);
    let names = |name: &str| holds(head, name.as_bytes());
    let names_us = names(IMPLEMENTATION_CLASS.as_str()) || names(IMPLEMENTATION_VERSION.trim_end());
    let clean = head.iter().take(PREAMBLE_BYTES).all(|byte| *byte == 0);
    says_rightly && clean && !names_us
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn first_difference(expected: &[u8], found: &[u8]) -> usize {
    let at = expected
        .iter()
        .zip(found)
        .position(|(expected, found)| expected != found);
    at.unwrap_or_else(|| expected.len().min(found.len()))
}

fn collect(path: &Path, found: &mut Vec<(String, Digest)>) -> io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), found)?;
        }
        return Ok(());
    }
    let bytes = std::fs::read(path)?;
    // What is no DICOM object (a DICOMDIR, a note) is no image either.
    if let Ok(scanned) = scan_file(bytes.as_slice(), Some(bytes.len() as u64)) {
        let data_set = bytes
            .get(scanned.data_set_offset as usize..)
            .unwrap_or_default();
        found.push((
            scanned.header.sop_instance().as_str().to_owned(),
            Digest::from_bytes(*blake3::hash(data_set).as_bytes()),
        ));
    }
    Ok(())
}
