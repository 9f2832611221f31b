//! Receiving a report version at the requesting site: fetched, verified against the case and this
//! site's own study, put into its archive.

use dokuei_keys::delegation::Revocation;
use dokuei_keys::id::{NodeId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::report::ReportIssued;

use crate::archive::ArchiveError;
use crate::language::{Explain, Message, displayed_in_english};
use crate::outputs::encapsulated::EncapsulatedPdf;
use crate::parcels::ObjectHead;
use crate::reports::bundle::BYTES;
use crate::reports::kept::{BUNDLE_SLOT, KeptReport};
use crate::reports::listing::{ListError, Verified, list};
use crate::reports::verify::{Authentic, NotAuthentic, check_revocations, verify};
use crate::runtime::ports::Ports;
use crate::say;
use crate::transfer::Content;
use crate::transfer::counts::Counts;
use crate::transfer::receive::{ReceiveError, Received, Receiving};

/// A report version could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceptionError {
    /// It did not arrive.
    Receive(#[from] ReceiveError),
    /// It is not authentic, or about something else.
    NotAuthentic(#[from] NotAuthentic),
    /// The archive did not take it.
    Archive(#[from] ArchiveError),
    /// No archive is configured.
    NoArchive,
    /// It could not be kept here.
    Disk(Message),
}

impl Explain for ReceptionError {
    fn message(&self) -> Message {
        match self {
            ReceptionError::Receive(error) => error.message(),
            ReceptionError::NotAuthentic(why) => say!(
                "届いたレポートを受け取りません。{why}。読影施設に連絡してください",
                "the report is not taken, call the reading site: {why}";
                why = why.message()
            ),
            ReceptionError::Archive(error) => error.message(),
            ReceptionError::NoArchive => say!(
                "レポートを保管する PACS が設定されていません。dokuei.toml の [archive] を設定してください",
                "no archive is configured to put the report into: set [archive] in dokuei.toml"
            ),
            ReceptionError::Disk(why) => say!(
                "レポートをこの施設に保存できません（{why}）",
                "the report cannot be kept here: {why}";
                why = why.clone()
            ),
        }
    }
}

displayed_in_english!(ReceptionError);

impl From<ListError> for ReceptionError {
    fn from(error: ListError) -> ReceptionError {
        match error {
            ListError::NotAuthentic(why) => ReceptionError::NotAuthentic(why),
            ListError::Disk(why) => ReceptionError::Disk(why),
        }
    }
}

fn worker_failed() -> Message {
    say!(
        "ノードの内部処理が失敗しました",
        "a worker of this node failed"
    )
}

/// A report version to receive.
pub struct IssuedReport {
    /// The case.
    pub case: CaseId,
    /// The reading site.
    pub from: SiteId,
    /// Its node.
    pub node: NodeId,
    /// What was issued.
    pub issued: ReportIssued,
    /// What the reading site has revoked.
    pub revocations: Vec<Revocation>,
}

/// Receives one version.
///
/// # Errors
/// [`ReceptionError`].
pub async fn receive(
    ports: &Ports,
    report: &IssuedReport,
    key: ContentKey,
) -> Result<(), ReceptionError> {
    let (from, node, issued) = (report.from, report.node, &report.issued);
    let manifest = issued.grant.manifest.clone();
    if manifest.objects != 1 || manifest.bytes > BYTES as u64 {
        return Err(NotAuthentic::Form.into());
    }
    let receiving = Receiving {
        network: ports.network.clone(),
        parcels: ports.register.parcels().clone(),
        from,
        node,
        manifest,
        content: Content::Opaque,
        key: key.duplicate(),
        progress: Default::default(),
        onward: None,
        known: None,
        listed: None,
        underway: None,
        ahead: None,
        room: None,
    };
    let received = receiving.run().await?;
    let object = tokio::task::block_in_place(|| accept(ports, report, &key, &received))?;
    deliver(ports, object.sop_instance_uid, object.data_set).await?;
    Counts::remove(&received.folder).map_err(|error| ReceptionError::Disk(error.message()))
}

/// Verifies a version that is here, and keeps it. Gives what goes to the archive.
fn accept(
    ports: &Ports,
    report: &IssuedReport,
    key: &ContentKey,
    received: &Received,
) -> Result<EncapsulatedPdf, ReceptionError> {
    let (case, from, issued) = (report.case, report.from, &report.issued);
    let entry = received
        .manifest
        .objects
        .first()
        .filter(|entry| entry.slot == BUNDLE_SLOT)
        .ok_or(NotAuthentic::Form)?;
    let kept = KeptReport {
        parcel: received.manifest.parcel,
        site: from,
        length: entry.length,
        digest: entry.digest,
        object: None,
    };
    let bundle = kept
        .bundle(ports.register.parcels(), key)
        .map_err(ListError::from)?;
    let authentic = verify(&bundle, None)?;
    check_revocations(&authentic, &report.revocations)?;
    check_belongs(ports, case, from, issued, &authentic)?;
    let verified = Verified {
        version: (case, issued.version),
        kept,
        key,
        bundle,
        authentic: &authentic,
    };
    Ok(list(ports, verified)?)
}

async fn deliver(
    ports: &Ports,
    sop_instance: String,
    data_set: Vec<u8>,
) -> Result<(), ReceptionError> {
    let archiver = ports.archiver.clone().ok_or(ReceptionError::NoArchive)?;
    let head = ObjectHead {
        sop_class: crate::dicom::uid::ENCAPSULATED_PDF_STORAGE
            .as_str()
            .to_owned(),
        sop_instance,
        transfer_syntax: crate::dicom::uid::EXPLICIT_VR_LITTLE_ENDIAN
            .as_str()
            .to_owned(),
    };
    let stored = tokio::task::spawn_blocking(move || archiver.store_object(head, data_set)).await;
    stored
        .map_err(|_| ReceptionError::Disk(worker_failed()))?
        .map_err(Into::into)
}

/// Whether an authentic report is this version of this case, about exactly the images that were sent.
fn check_belongs(
    ports: &Ports,
    case: CaseId,
    from: SiteId,
    issued: &ReportIssued,
    authentic: &Authentic,
) -> Result<(), NotAuthentic> {
    let report = &authentic.report;
    let same = report.case == case
        && report.version == issued.version
        && report.status == issued.status
        && report.predecessor == issued.predecessor
        && authentic.id == issued.report
        && report.author == issued.author
        && report.reader == from
        && report.requester == ports.site;
    let own = ports.register.look(&report.images.parcel, |study| {
        study.manifest.as_ref() == Some(&report.images)
            && study.images_digest() == authentic.subject.images
            && study.uid == authentic.subject.study
            && study.attributes == authentic.subject.attributes
    });
    if same && own == Some(true) {
        Ok(())
    } else {
        Err(NotAuthentic::Elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_error_is_told_in_both_languages() {
        let errors = [
            ReceptionError::Receive(ReceiveError::Incomplete),
            ReceptionError::NotAuthentic(NotAuthentic::Elsewhere),
            ReceptionError::Archive(ArchiveError::Unreadable),
            ReceptionError::NoArchive,
            ReceptionError::Disk(worker_failed()),
        ];
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }

    #[test]
    fn what_is_not_authentic_is_told_in_both_languages() {
        let all = [
            NotAuthentic::Form,
            NotAuthentic::Certificate,
            NotAuthentic::Author,
            NotAuthentic::Report,
            NotAuthentic::Countersignature,
            NotAuthentic::Pdf,
            NotAuthentic::Elsewhere,
        ];
        assert_explained(all.iter().map(|why| why as &dyn Explain));
    }
}
