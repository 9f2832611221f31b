//! The DICOM objects of report versions, as they lie here. Each is sealed in its version's own parcel, beside the bundle
//! from which it was made and under the same key, and listed in the catalogue as a part of the study that it is about: every
//! door finds it there, and shows it to whoever may see that study.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::time::Timestamp;

use crate::chance::chance;
use crate::dicom::uid::{ENCAPSULATED_PDF_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN};
use crate::index::catalogue::Catalogue;
use crate::outputs::encapsulated::EncapsulatedPdf;
use crate::parcels::{ObjectHead, OpenError, OpenedObject, Parcels, SealingObject, scan};
use crate::store::{Rows, SealedRows, Store, StoreError};
use crate::studies::attributes::Attributes;
use crate::studies::register::RegisterError;
use crate::studies::study::{STUDY_VERSION, Study};

/// The slot of the object in a version's parcel. The manifest names the bundle alone, so that this is never sent.
pub const OBJECT_SLOT: u32 = 2;

/// The report objects of this node. Clones share them.
#[derive(Clone)]
pub struct ReportObjects(Arc<Shared>);

struct Shared {
    rows: SealedRows<(SiteId, Study)>,
    parcels: Parcels,
    catalogue: Catalogue,
    /// Which version lies in a parcel. What is known of it is read from its row: it is asked for seldom.
    held: Mutex<BTreeMap<ParcelId, Version>>,
    /// One object at a time: two makers of one version would write into one file.
    making: Mutex<()>,
}

/// A version of a case's report.
pub type Version = (CaseId, u32);

/// An object that was made of a version.
pub struct Made<'a> {
    /// Its parcel.
    pub parcel: ParcelId,
    /// The institution whose patient it is about.
    pub institution: SiteId,
    /// What the images said of patient and study.
    pub attributes: &'a Attributes,
    /// When the version was signed.
    pub at: Timestamp,
    /// The object.
    pub object: &'a EncapsulatedPdf,
}

impl ReportObjects {
    /// Opens what is kept, and lists it in the catalogue.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(
        (store, storage): (Store, StorageKey),
        parcels: Parcels,
        catalogue: Catalogue,
    ) -> Result<ReportObjects, RegisterError> {
        let mut held = BTreeMap::new();
        let rows: SealedRows<(SiteId, Study)> =
            SealedRows::new(Rows::ReportObjects, store, Arc::new(storage));
        for (key, (institution, study)) in rows.all()? {
            if study.version != STUDY_VERSION {
                return Err(RegisterError::Damaged);
            }
            let version = version_of(&key).ok_or(RegisterError::Damaged)?;
            catalogue.note(institution, &study);
            held.insert(study.parcel, version);
        }
        Ok(ReportObjects(Arc::new(Shared {
            rows,
            parcels,
            catalogue,
            held: Mutex::new(held),
            making: Mutex::new(()),
        })))
    }

    /// Seals the object of a version, keeps and lists it. The same one again changes nothing; another one of the same
    /// version takes its place.
    ///
    /// # Errors
    /// When the disk or the store fails.
    pub fn keep(
        &self,
        version: Version,
        made: &Made<'_>,
        key: &ContentKey,
    ) -> Result<(), RegisterError> {
        let _alone = self.0.making.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.of(version)?;
        let instance = &made.object.sop_instance_uid;
        if let Some(study) = &before
            && study.parcel == made.parcel
            && study.object(instance).is_some()
        {
            return Ok(());
        }
        let study = self.seal(made, key).map_err(|error| match error {
            OpenError::Disk(error) => RegisterError::from(error),
            OpenError::Damaged => RegisterError::Damaged,
        })?;
        let row = (made.institution, study);
        self.0.rows.put(&row_key(version), &row)?;
        let (_, study) = row;
        if let Some(before) = before {
            let (catalogue, site) = (&self.0.catalogue, made.institution);
            catalogue.forget(site, &before.uid, &before.parcel);
            self.lock().remove(&before.parcel);
        }
        self.lock().insert(made.parcel, version);
        self.0.catalogue.note(made.institution, &study);
        Ok(())
    }

    fn seal(&self, made: &Made<'_>, key: &ContentKey) -> Result<Study, OpenError> {
        let (parcels, parcel, site) = (&self.0.parcels, made.parcel, made.institution);
        parcels.prepare(&parcel, OBJECT_SLOT..OBJECT_SLOT + 1)?;
        let head = ObjectHead {
            sop_class: ENCAPSULATED_PDF_STORAGE.as_str().to_owned(),
            sop_instance: made.object.sop_instance_uid.clone(),
            transfer_syntax: EXPLICIT_VR_LITTLE_ENDIAN.as_str().to_owned(),
        };
        let mut sealing =
            SealingObject::begin(parcels, key, parcel, site, OBJECT_SLOT, &mut chance())?;
        sealing.write(&head.to_bytes())?;
        sealing.write(&made.object.data_set)?;
        let sealed = sealing.finish()?;
        // It is looked through as any other object: a partner's text and PDF are in it.
        let mut object = OpenedObject::open(parcels, key, parcel, site, OBJECT_SLOT)?;
        let scanned = scan(&mut object, false)?.ok_or(OpenError::Damaged)?;
        let mut study = Study::begun(parcel, &made.object.study_instance_uid, made.at.0);
        study.add(
            &scanned.header,
            OBJECT_SLOT,
            sealed,
            scanned.content,
            made.at.0,
        );
        study.attributes = made.attributes.clone();
        Ok(study)
    }

    /// Whether the object of a version is here.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has(&self, version: Version) -> Result<bool, StoreError> {
        Ok(self.0.rows.get(&row_key(version))?.is_some())
    }

    /// A version as a study of one object; nothing when it is not here.
    ///
    /// # Errors
    /// When the store fails or the row is damaged.
    pub fn of(&self, version: Version) -> Result<Option<Study>, RegisterError> {
        match self.0.rows.get(&row_key(version))? {
            Some((_, study)) if study.version == STUDY_VERSION => Ok(Some(study)),
            Some(_) => Err(RegisterError::Damaged),
            None => Ok(None),
        }
    }

    /// Looks at the version in one parcel.
    pub fn look<T>(&self, parcel: &ParcelId, look: impl FnOnce(&Study) -> T) -> Option<T> {
        let version = *self.lock().get(parcel)?;
        match self.of(version) {
            Ok(study) => study
                .filter(|study| study.parcel == *parcel)
                .map(|study| look(&study)),
            Err(error) => {
                tracing::error!(target: "dokuei::report", case = %version.0, version = version.1, "a report's object is not shown: {error}");
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ParcelId, Version>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a version's rows: its case, and its number in big endian.
pub(super) fn row_key((case, version): Version) -> Vec<u8> {
    let mut key = case.as_bytes().to_vec();
    key.extend_from_slice(&version.to_be_bytes());
    key
}

/// The version of a row's key.
pub(super) fn version_of(key: &[u8]) -> Option<Version> {
    let (case, number) = key.split_first_chunk::<32>()?;
    let number = number.try_into().ok().map(u32::from_be_bytes)?;
    Some((CaseId::from_bytes(*case), number))
}
