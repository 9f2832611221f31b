//! Reports and their versions. Never edited in place: a version follows a version.

use dokuei_keys::id::{Digest, DocumentId, PersonId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::signed::Document;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::case::CaseId;
use crate::case::event::Grant;
use crate::limits;
use crate::study::manifest::ManifestReference;
use crate::time::Timestamp;

/// What a report version is (FHIR DiagnosticReport.status in brackets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ReportStatus {
    /// First look, to be confirmed (preliminary).
    #[n(0)]
    Preliminary,
    /// Confirmed (final).
    #[n(1)]
    Final,
    /// Adds to the final, whose text stands (appended).
    #[n(2)]
    Addendum,
    /// Changes the content (amended).
    #[n(3)]
    Amended,
    /// Mends an error (corrected).
    #[n(4)]
    Corrected,
    /// Takes the report back (entered-in-error).
    #[n(5)]
    Retracted,
}

impl ReportStatus {
    /// Every status.
    pub const ALL: &'static [ReportStatus] = &[
        ReportStatus::Preliminary,
        ReportStatus::Final,
        ReportStatus::Addendum,
        ReportStatus::Amended,
        ReportStatus::Corrected,
        ReportStatus::Retracted,
    ];

    /// The code people write on the command line.
    pub fn code(self) -> &'static str {
        match self {
            ReportStatus::Preliminary => "preliminary",
            ReportStatus::Final => "final",
            ReportStatus::Addendum => "addendum",
            ReportStatus::Amended => "amended",
            ReportStatus::Corrected => "corrected",
            ReportStatus::Retracted => "retracted",
        }
    }

    /// The status with this code.
    pub fn from_code(code: &str) -> Option<ReportStatus> {
        Self::ALL
            .iter()
            .copied()
            .find(|status| status.code() == code)
    }
}

/// The canonical report, signed by the person who wrote it. It travels sealed; what identifies the
/// examined person and the study lies in `subject`, whose form the node defines.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// Version number, from one.
    #[n(1)]
    pub version: u32,
    /// What this version is.
    #[n(2)]
    pub status: ReportStatus,
    /// The version it follows.
    #[n(3)]
    pub predecessor: Option<DocumentId>,
    /// The author; the signer.
    #[n(4)]
    pub author: PersonId,
    /// The reading site.
    #[n(5)]
    pub reader: SiteId,
    /// The site that asked.
    #[n(6)]
    pub requester: SiteId,
    /// The images read: the manifest that was granted.
    #[n(7)]
    pub images: ManifestReference,
    /// When it was signed, by the reading site's clock.
    #[n(8)]
    pub at: Timestamp,
    /// Minutes east of UTC of the reading site's clock.
    #[n(9)]
    pub offset_minutes: i16,
    /// Whom and which study it is about.
    #[n(10)]
    pub subject: ByteVec,
    /// The text.
    #[n(11)]
    pub text: String,
    /// SHA-256 of the author's own PDF, when the report is one.
    #[n(12)]
    pub attachment: Option<Digest>,
}

impl Document for Report {
    const KIND: &'static str = "report";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Report;
    /// Text, subject and the list of series; it travels sealed, not as a protocol document.
    const MAX_BYTES: usize = 1024 * 1024;
}

/// The reading site stands behind a report and its printed form.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Countersignature {
    /// The report.
    #[n(0)]
    pub report: DocumentId,
    /// The person's delegation that was valid at signing.
    #[n(1)]
    pub delegation: DocumentId,
    /// SHA-256 of the rendered PDF.
    #[n(2)]
    pub pdf: Digest,
    /// Its length in bytes.
    #[n(3)]
    pub pdf_length: u64,
    /// When.
    #[n(4)]
    pub at: Timestamp,
}

impl Document for Countersignature {
    const KIND: &'static str = "countersignature";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Countersignature;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// What the chain says of a report version; nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReportIssued {
    /// Version number, from one.
    #[n(0)]
    pub version: u32,
    /// What this version is.
    #[n(1)]
    pub status: ReportStatus,
    /// The version it follows.
    #[n(2)]
    pub predecessor: Option<DocumentId>,
    /// The signed report.
    #[n(3)]
    pub report: DocumentId,
    /// Its author.
    #[n(4)]
    pub author: PersonId,
    /// The sealed parcel that holds report, countersignature and PDF, with its key.
    #[n(5)]
    pub grant: Grant,
}

/// A report version that is signed and sealed, and not addressed yet: the requester's key to seal for
/// is not here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReportSealed {
    /// Version number, from one.
    #[n(0)]
    pub version: u32,
    /// What this version is.
    #[n(1)]
    pub status: ReportStatus,
    /// The version it follows.
    #[n(2)]
    pub predecessor: Option<DocumentId>,
    /// The signed report.
    #[n(3)]
    pub report: DocumentId,
    /// Its author.
    #[n(4)]
    pub author: PersonId,
    /// The sealed parcel that holds report, countersignature and PDF.
    #[n(5)]
    pub manifest: ManifestReference,
}

impl ReportSealed {
    /// What the chain says of it, once its parcel's key is wrapped for the requester.
    pub fn issued(self, grant: Grant) -> ReportIssued {
        ReportIssued {
            version: self.version,
            status: self.status,
            predecessor: self.predecessor,
            report: self.report,
            author: self.author,
            grant,
        }
    }
}

/// What became of an issued version at the requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reception {
    /// Issued; not yet verified and stored there.
    Issued,
    /// Verified and stored.
    Delivered,
    /// Read by a doctor.
    Acknowledged,
    /// Did not verify.
    Rejected,
}

/// One version and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What was issued.
    pub issued: ReportIssued,
    /// What became of it.
    pub reception: Reception,
}

/// Why a version cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongVersion {
    /// A preliminary after a final.
    #[error("a preliminary report cannot follow a final one")]
    PreliminaryAfterFinal,
    /// A second final.
    #[error("the report is final already: write an addendum, amendment, correction or retraction")]
    FinalTwice,
    /// An addendum and the like before the final.
    #[error("there is no final report yet to add to, change or retract")]
    NothingFinal,
    /// After a retraction.
    #[error("the report was retracted; nothing can follow it")]
    Retracted,
    /// Number or predecessor do not fit.
    #[error("the version does not follow the newest one")]
    NotNext,
    /// More than [`limits::REPORT_VERSIONS`].
    #[error("a case has at most {} report versions", limits::REPORT_VERSIONS)]
    TooMany,
}

/// The versions of one case, oldest first; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Versions(Vec<Version>);

impl Versions {
    /// The versions, oldest first.
    pub fn all(&self) -> &[Version] {
        &self.0
    }

    /// The newest version that was not rejected.
    pub fn newest(&self) -> Option<&Version> {
        self.0
            .iter()
            .rev()
            .find(|version| version.reception != Reception::Rejected)
    }

    /// The version with this number.
    pub fn numbered(&self, number: u32) -> Option<&Version> {
        self.0
            .iter()
            .find(|version| version.issued.version == number)
    }

    /// Whether a final or later version stands.
    pub fn is_final(&self) -> bool {
        self.newest()
            .is_some_and(|version| version.issued.status != ReportStatus::Preliminary)
    }

    /// The versions that are still to be delivered, oldest first. A preliminary is no more once a
    /// final one is issued: whatever comes late, it never replaces a final.
    pub fn awaited(&self) -> impl Iterator<Item = &Version> {
        let replaced = self.is_final();
        self.0.iter().filter(move |version| {
            let preliminary = version.issued.status == ReportStatus::Preliminary;
            version.reception == Reception::Issued && !(preliminary && replaced)
        })
    }

    /// Number and predecessor that the next version must carry.
    pub fn next(&self) -> (u32, Option<DocumentId>) {
        (
            self.0.len() as u32 + 1,
            self.newest().map(|version| version.issued.report),
        )
    }

    /// Whether a version of this status may come next.
    ///
    /// # Errors
    /// [`WrongVersion`] says why not.
    pub fn may_follow(&self, status: ReportStatus) -> Result<(), WrongVersion> {
        if self.0.len() >= limits::REPORT_VERSIONS {
            return Err(WrongVersion::TooMany);
        }
        let newest = self.newest().map(|version| version.issued.status);
        match (newest, status) {
            (Some(ReportStatus::Retracted), _) => Err(WrongVersion::Retracted),
            (
                None | Some(ReportStatus::Preliminary),
                ReportStatus::Preliminary | ReportStatus::Final,
            ) => Ok(()),
            (None | Some(ReportStatus::Preliminary), _) => Err(WrongVersion::NothingFinal),
            (Some(_), ReportStatus::Preliminary) => Err(WrongVersion::PreliminaryAfterFinal),
            (Some(_), ReportStatus::Final) => Err(WrongVersion::FinalTwice),
            (Some(_), _) => Ok(()),
        }
    }

    /// Adds a version.
    ///
    /// # Errors
    /// [`WrongVersion`] says why it cannot follow.
    pub fn add(&mut self, issued: ReportIssued) -> Result<(), WrongVersion> {
        self.may_follow(issued.status)?;
        if (issued.version, issued.predecessor) != self.next() {
            return Err(WrongVersion::NotNext);
        }
        self.0.push(Version {
            issued,
            reception: Reception::Issued,
        });
        Ok(())
    }

    /// Notes what became of a version; whether that can follow what was known of it.
    pub fn receive(&mut self, number: u32, reception: Reception) -> bool {
        let Some(version) = self
            .0
            .iter_mut()
            .find(|version| version.issued.version == number)
        else {
            return false;
        };
        let follows = matches!(
            (version.reception, reception),
            (
                Reception::Issued,
                Reception::Delivered | Reception::Rejected
            ) | (Reception::Delivered, Reception::Acknowledged)
        );
        if follows {
            version.reception = reception;
        }
        follows
    }
}
