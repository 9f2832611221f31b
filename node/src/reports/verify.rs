//! Verifying a report: from one file, without network, without a node.

use dokuei_keys::delegation::{
    CheckedPerson, PersonRole, Revocation, SiteCertificate, SiteIdentity,
};
use dokuei_keys::id::{Digest, DocumentId};
use dokuei_keys::signed::Signed;
use dokuei_protocol::case::report::{Countersignature, Report};
use dokuei_protocol::time::Timestamp;

use crate::language::{Explain, Message, displayed_in_english};
use crate::reports::bundle::Bundle;
use crate::reports::subject::Subject;
use crate::say;

/// A report that is authentic: every signature and relation holds. Holds patient data: no `Debug`.
pub struct Authentic {
    /// The report.
    pub report: Report,
    /// Its id.
    pub id: DocumentId,
    /// Whom and which study it is about.
    pub subject: Subject,
    /// Its author.
    pub author: CheckedPerson,
    /// The reading site.
    pub site: SiteCertificate,
    /// When the reading site countersigned.
    pub countersigned: Timestamp,
    /// The printed form.
    pub pdf: Vec<u8>,
}

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// The file is no report, or its form was damaged.
    Form,
    /// The file is a PDF and nothing else.
    PdfAlone,
    /// The site certificate.
    Certificate,
    /// The author's delegation.
    Author,
    /// The author's role.
    NotAReader,
    /// The report.
    Report,
    /// The countersignature.
    Countersignature,
    /// The printed form.
    Pdf,
    /// A key behind it was revoked before it was signed.
    Revoked,
    /// Report and issue, or report and study, differ.
    Elsewhere,
}

impl Explain for NotAuthentic {
    fn message(&self) -> Message {
        match self {
            NotAuthentic::Form => say!(
                "署名済みレポートのファイルではないか、ファイルが壊れています",
                "this is not a signed report, or the file is damaged"
            ),
            NotAuthentic::PdfAlone => say!(
                "PDF だけでは署名を確かめられません。PACS から書き出した DICOM ファイルか、「dokuei report show --save」のファイルを使ってください",
                "a PDF alone carries no signature; use the DICOM file from the archive, or the file of 'dokuei report show --save'"
            ),
            NotAuthentic::Certificate => say!(
                "読影施設の証明書が正しくありません",
                "the certificate of the reading site is not valid"
            ),
            NotAuthentic::Author => say!(
                "読影医が読影施設に認証されていません",
                "the reading site did not authorise the author"
            ),
            NotAuthentic::NotAReader => say!(
                "署名した人は、読影施設で読影医として認証されていません",
                "the reading site has not certified the signer as a reader"
            ),
            NotAuthentic::Report => say!(
                "レポートの内容が署名後に変更されたか、署名が正しくありません",
                "the report was changed after signing, or its signature is not valid"
            ),
            NotAuthentic::Countersignature => say!(
                "読影施設の署名がこのレポートのものではありません",
                "the signature of the reading site does not belong to this report"
            ),
            NotAuthentic::Pdf => say!(
                "PDF が署名後に変更されています",
                "the PDF was changed after signing"
            ),
            NotAuthentic::Revoked => say!(
                "このレポートは、読影医または読影施設の鍵が失効した後に署名されています",
                "the report was signed after its author's key, or a key of the reading site, had been revoked"
            ),
            NotAuthentic::Elsewhere => say!(
                "このレポートは別の検査または別の版のものです",
                "the report is about another study or is another version"
            ),
        }
    }
}

displayed_in_english!(NotAuthentic);

/// Verifies a bundle. `pdf` is the printed form when the bundle does not hold it itself.
///
/// # Errors
/// [`NotAuthentic`] says the first thing that does not hold.
pub fn verify(bundle: &Bundle, pdf: Option<&[u8]>) -> Result<Authentic, NotAuthentic> {
    let key = dokuei_keys::signed::peek(&bundle.report)
        .map_err(|_| NotAuthentic::Report)?
        .key;
    let report =
        Signed::<Report>::verify(&bundle.report, &key).map_err(|_| NotAuthentic::Report)?;
    let (id, content) = (report.id(), report.content().clone());
    let at = content.at.seconds();
    let site =
        SiteIdentity::check(&bundle.certificate, at).map_err(|_| NotAuthentic::Certificate)?;
    let author = site
        .person(&bundle.delegation, at)
        .map_err(|_| NotAuthentic::Author)?;
    if author.id != content.author
        || *author.id.as_bytes() != *key.as_bytes()
        || site.site() != content.reader
    {
        return Err(NotAuthentic::Author);
    }
    if author.role != PersonRole::Reader {
        return Err(NotAuthentic::NotAReader);
    }
    let countersignature: Signed<Countersignature> = site
        .verify(&bundle.countersignature)
        .map_err(|_| NotAuthentic::Countersignature)?;
    let countersigned = countersignature.content();
    if countersigned.report != id || countersigned.delegation != author.document {
        return Err(NotAuthentic::Countersignature);
    }
    let pdf = match (&bundle.pdf, pdf) {
        (Some(own), None) => own.to_vec(),
        (None, Some(given)) => given.to_vec(),
        (Some(_), Some(_)) | (None, None) => return Err(NotAuthentic::Form),
    };
    if countersigned.pdf != Digest::of(&pdf) || countersigned.pdf_length != pdf.len() as u64 {
        return Err(NotAuthentic::Pdf);
    }
    let subject = Subject::read(&content.subject).ok_or(NotAuthentic::Report)?;
    Ok(Authentic {
        report: content,
        id,
        subject,
        author,
        site: site.certificate().content().clone(),
        countersigned: countersigned.at,
        pdf,
    })
}

/// Whether none of what the reading site has revoked covers an authentic report. The author's key counts until it was
/// revoked by the author's own date and by the reading site's: whoever has a stolen key writes any date under it, but
/// not the countersignature's.
///
/// # Errors
/// [`NotAuthentic::Revoked`].
pub fn check_revocations(
    authentic: &Authentic,
    revocations: &[Revocation],
) -> Result<(), NotAuthentic> {
    let countersigned = authentic.countersigned.seconds();
    let written = authentic.report.at.seconds().max(countersigned);
    let site = [&authentic.site.root, &authentic.site.key];
    let covers = |revocation: &Revocation| {
        let author = revocation.revoked.as_bytes() == authentic.author.id.as_bytes();
        (author && written >= revocation.since)
            || site.iter().any(|key| revocation.covers(key, countersigned))
    };
    let of_site = |revocation: &&Revocation| revocation.site == authentic.site.site;
    if revocations.iter().filter(of_site).any(covers) {
        return Err(NotAuthentic::Revoked);
    }
    Ok(())
}
