//! Composing a report version at the reading site: signed by its author, printed, countersigned,
//! sealed.

use dokuei_keys::delegation::{CheckedPerson, SiteIdentity};
use dokuei_keys::id::{Digest, DocumentId, ParcelId, SiteId};
use dokuei_keys::sealed::commitment;
use dokuei_keys::secret::ContentKey;
use dokuei_keys::signed::Signed;
use dokuei_keys::signing::SigningKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::{Countersignature, Report, ReportStatus};
use dokuei_protocol::input::IssueReport;
use dokuei_protocol::service::NextVersion;
use dokuei_protocol::study::manifest::{Manifest, ManifestEntry, ObjectClass};
use dokuei_protocol::time::Timestamp;

use crate::chance::chance;
use crate::language::{Explain, Failure};
use crate::outputs::pdf;
use crate::parcels::{Parcels, SealingObject};
use crate::reports::bundle::Bundle;
use crate::reports::kept::{BUNDLE_SLOT, KeptReport};
use crate::reports::rendering;
use crate::reports::subject::Subject;
use crate::say;
use crate::site::people;

/// What a reader writes.
pub struct Draft {
    /// The case.
    pub case: CaseId,
    /// What the version is to be.
    pub status: ReportStatus,
    /// What it follows, and which images it is about.
    pub next: NextVersion,
    /// The site that asked.
    pub requester: SiteId,
    /// Whom and which study it is about.
    pub subject: Subject,
    /// The text.
    pub text: String,
    /// The author's own PDF.
    pub attachment: Option<Vec<u8>>,
    /// When.
    pub at: Timestamp,
    /// Minutes east of UTC of this site's clock.
    pub offset_minutes: i16,
}

/// Who signs it.
pub struct Signers<'a> {
    /// The author's key.
    pub author: &'a SigningKey,
    /// Their delegation.
    pub delegation: &'a [u8],
    /// The site key.
    pub site: &'a SigningKey,
    /// The site certificate.
    pub certificate: &'a [u8],
}

/// A version that is signed and sealed.
pub struct Composed {
    /// What the protocol is told.
    pub issue: IssueReport,
    /// Where it lies.
    pub kept: KeptReport,
}

/// Signs, prints, countersigns and seals a report version.
///
/// # Errors
/// What is wrong with the text, the PDF or the signer, in words.
pub fn compose(
    draft: Draft,
    signers: &Signers<'_>,
    parcels: &Parcels,
) -> Result<Composed, Failure> {
    let (site, author) = check_signers(&draft, signers)?;
    people::must_read(&author.name, author.role)?;
    let report = Report {
        case: draft.case,
        version: draft.next.version,
        status: draft.status,
        predecessor: draft.next.predecessor,
        author: author.id,
        reader: site,
        requester: draft.requester,
        images: draft.next.images.clone(),
        at: draft.at,
        offset_minutes: draft.offset_minutes,
        subject: draft.subject.to_bytes().into(),
        text: draft.text.clone(),
        attachment: draft.attachment.as_deref().map(Digest::of),
    };
    let signed = Signed::sign(report, signers.author).map_err(|refused| unfit(&refused.why()))?;
    let id = signed.id();
    let view = rendering::view(signed.content(), id, &draft.subject, &author);
    let pdf = pdf::render(&view, draft.attachment.as_deref()).map_err(|error| unfit(&error))?;
    let countersignature = Countersignature {
        report: id,
        delegation: author.document,
        pdf: Digest::of(&pdf),
        pdf_length: pdf.len() as u64,
        at: draft.at,
    };
    let countersigned =
        Signed::sign(countersignature, signers.site).map_err(|refused| unfit(&refused.why()))?;
    let bundle = Bundle {
        certificate: signers.certificate.to_vec().into(),
        delegation: signers.delegation.to_vec().into(),
        report: signed.bytes().to_vec().into(),
        countersignature: countersigned.bytes().to_vec().into(),
        pdf: Some(pdf.into()),
        predecessors: Vec::new(),
    };
    seal(&draft, id, site, &bundle, parcels)
}

fn check_signers(draft: &Draft, signers: &Signers<'_>) -> Result<(SiteId, CheckedPerson), Failure> {
    let checked = SiteIdentity::check(signers.certificate, draft.at.seconds()).and_then(|site| {
        let person = site.person(signers.delegation, draft.at.seconds())?;
        Ok((site.site(), person))
    });
    checked.map_err(|refused| {
        Failure::new(
            "signer-not-certified",
            say!(
                "署名者の証明書が有効ではありません（{why}）。更新してください。",
                "The signer's certificate is not valid ({why}). Renew it.";
                why = refused.why().message()
            ),
        )
    })
}

fn seal(
    draft: &Draft,
    report: DocumentId,
    site: SiteId,
    bundle: &Bundle,
    parcels: &Parcels,
) -> Result<Composed, Failure> {
    let mut chance = chance();
    let parcel = ParcelId::from_rng(&mut chance);
    let key = ContentKey::from_rng(&mut chance);
    let disk = |error: std::io::Error| {
        Failure::new(
            "disk",
            say!(
                "レポートを保存できません（{why}）。空き容量を確認してください。",
                "The report cannot be stored ({why}). Check the free space.";
                why = error.message()
            ),
        )
    };
    parcels.create(&parcel).map_err(disk)?;
    parcels
        .prepare(&parcel, BUNDLE_SLOT..BUNDLE_SLOT + 1)
        .map_err(disk)?;
    let mut sealing = SealingObject::begin(parcels, &key, parcel, site, BUNDLE_SLOT, &mut chance)
        .map_err(disk)?;
    sealing.write(&bundle.to_bytes()).map_err(disk)?;
    let sealed = sealing.finish().map_err(disk)?;
    let entry = ManifestEntry {
        slot: BUNDLE_SLOT,
        length: sealed.length,
        digest: sealed.digest,
        series: 0,
        class: ObjectClass::Document,
    };
    let manifest = Manifest {
        parcel,
        site,
        commitment: commitment(&key, &parcel),
        objects: vec![entry],
    };
    let reference = parcels
        .seal_manifest(&key, &manifest, &mut chance)
        .map_err(disk)?;
    let kept = KeptReport {
        parcel,
        site,
        length: sealed.length,
        digest: sealed.digest,
        object: None,
    };
    let issue = IssueReport {
        case: draft.case,
        version: draft.next.version,
        status: draft.status,
        predecessor: draft.next.predecessor,
        report,
        delegation: bundle.delegation.to_vec(),
        manifest: reference,
        key,
    };
    Ok(Composed { issue, kept })
}

fn unfit(why: &dyn Explain) -> Failure {
    Failure::new(
        "report-unfit",
        say!(
            "このレポートは作成できません: {why}。",
            "This report cannot be made: {why}.";
            why = why.message()
        ),
    )
}
