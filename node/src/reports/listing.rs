//! Report versions as objects of their study: made from what is kept, at both sites.

use dokuei_keys::secret::ContentKey;

use crate::deidentify::pseudonyms::Pseudonyms;
use crate::language::{Explain as _, Message};
use crate::outputs::encapsulated::EncapsulatedPdf;
use crate::parcels::OpenError;
use crate::reports::bundle::{Bundle, Predecessor};
use crate::reports::kept::KeptReport;
use crate::reports::objects::{Made, Version, version_of};
use crate::reports::rendering;
use crate::reports::verify::{Authentic, NotAuthentic, verify};
use crate::runtime::ports::Ports;
use crate::store::Rows;

/// Why a version is not listed with its study.
pub enum ListError {
    /// It is no report that can be shown as an object.
    NotAuthentic(NotAuthentic),
    /// It could not be kept here.
    Disk(Message),
}

impl From<NotAuthentic> for ListError {
    fn from(why: NotAuthentic) -> ListError {
        ListError::NotAuthentic(why)
    }
}

impl From<OpenError> for ListError {
    fn from(error: OpenError) -> ListError {
        match error {
            OpenError::Disk(error) => ListError::Disk(error.message()),
            OpenError::Damaged => ListError::NotAuthentic(NotAuthentic::Form),
        }
    }
}

impl ListError {
    /// The reason, in words.
    pub fn message(&self) -> Message {
        match self {
            ListError::NotAuthentic(why) => why.message(),
            ListError::Disk(why) => why.clone(),
        }
    }
}

/// A version that was verified.
pub struct Verified<'a> {
    /// Which.
    pub version: Version,
    /// Where it lies.
    pub kept: KeptReport,
    /// The key of its parcel.
    pub key: &'a ContentKey,
    /// The version with its signatures.
    pub bundle: Bundle,
    /// What they say.
    pub authentic: &'a Authentic,
}

/// Makes the object of a version that was verified, keeps both, and lists the object with its study.
///
/// # Errors
/// [`ListError`].
pub fn list(ports: &Ports, verified: Verified<'_>) -> Result<EncapsulatedPdf, ListError> {
    let Verified {
        version: (case, number),
        mut kept,
        key,
        mut bundle,
        authentic,
    } = verified;
    let disk = |why: Message| ListError::Disk(why);
    bundle.predecessors = earlier(ports, (case, number))?;
    // What was sent under a pseudonym comes back to its patient.
    let pseudonyms = Pseudonyms {
        store: &ports.store,
        storage: &ports.storage,
    };
    let subject = pseudonyms
        .reidentify(authentic.subject.clone())
        .map_err(|error| disk(error.message()))?;
    let (report, id) = (&authentic.report, authentic.id);
    let object = rendering::encapsulated(report, id, &subject, &bundle, &authentic.pdf)
        .map_err(|_| NotAuthentic::Form)?;
    kept.object = Some(Predecessor {
        series: object.series_instance_uid.clone(),
        instance: object.sop_instance_uid.clone(),
    });
    let change = kept.change(case, number, &ports.storage);
    change
        .and_then(|change| ports.store.commit(change))
        .map_err(|error| disk(error.message()))?;
    let made = Made {
        parcel: kept.parcel,
        institution: report.requester,
        attributes: &subject.attributes,
        at: report.at,
        object: &object,
    };
    let listed = ports.reports.keep((case, number), &made, key);
    listed.map_err(|error| disk(error.message()))?;
    Ok(object)
}

/// Lists a version that is kept here, and whose key is here; there may be nothing to list.
///
/// # Errors
/// [`ListError`].
pub fn list_kept(ports: &Ports, (case, number): Version) -> Result<(), ListError> {
    let kept = KeptReport::find(case, number, &ports.store, &ports.storage)
        .map_err(|error| ListError::Disk(error.message()))?;
    let Some(kept) = kept else {
        return Ok(());
    };
    let Some(key) = ports.holdings.key(&kept.parcel)? else {
        return Ok(());
    };
    let bundle = kept.bundle(ports.register.parcels(), &key)?;
    let authentic = verify(&bundle, None)?;
    let verified = Verified {
        version: (case, number),
        kept,
        key: &key,
        bundle,
        authentic: &authentic,
    };
    list(ports, verified).map(drop)
}

/// Lists every version that is kept here and is not listed: those that came before this program listed them, and one during
/// which the node was stopped. Blocks.
pub fn list_missing(ports: &Ports) {
    let rows = match ports.store.rows(Rows::Reports) {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(target: "dokuei::report", "reports are not listed with their studies: {error}");
            return;
        }
    };
    for version in rows.iter().filter_map(|(key, _)| version_of(key)) {
        let listed = match ports.reports.has(version) {
            Ok(true) => Ok(()),
            Ok(false) => list_kept(ports, version),
            Err(error) => Err(ListError::Disk(error.message())),
        };
        if let Err(error) = listed {
            let (case, version) = version;
            let why = error.message().en;
            tracing::warn!(target: "dokuei::report", %case, version, "a report is not listed with its study: {why}");
        }
    }
}

/// The objects of the versions before one.
fn earlier(ports: &Ports, (case, version): Version) -> Result<Vec<Predecessor>, ListError> {
    let mut objects = Vec::new();
    for earlier in 1..version {
        let kept = KeptReport::find(case, earlier, &ports.store, &ports.storage)
            .map_err(|error| ListError::Disk(error.message()))?;
        objects.extend(kept.and_then(|kept| kept.object));
    }
    Ok(objects)
}
