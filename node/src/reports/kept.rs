//! Where report versions lie at this site, signed here or received.

use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::case::CaseId;
use minicbor::{Decode, Encode};

use crate::parcels::{OpenError, Parcels};
use crate::reports::bundle::{Bundle, Predecessor};
use crate::reports::objects::row_key;
use crate::store::{Change, Rows, Store, StoreError, sealed};

/// The slot of the bundle in a report's parcel.
pub const BUNDLE_SLOT: u32 = 1;

/// Where one version lies.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeptReport {
    /// Its parcel.
    #[n(0)]
    pub parcel: ParcelId,
    /// Who sealed it.
    #[n(1)]
    pub site: SiteId,
    /// Bytes of the bundle.
    #[n(2)]
    pub length: u64,
    /// Its keyed digest.
    #[n(3)]
    pub digest: ObjectDigest,
    /// Its DICOM object, once it was made.
    #[n(4)]
    pub object: Option<Predecessor>,
}

impl KeptReport {
    /// The change that keeps it.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn change(
        &self,
        case: CaseId,
        version: u32,
        storage: &StorageKey,
    ) -> Result<Change, StoreError> {
        let key = row_key((case, version));
        sealed::put(storage, Rows::Reports, &key, self)
    }

    /// Where a version lies, if it is here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find(
        case: CaseId,
        version: u32,
        store: &Store,
        storage: &StorageKey,
    ) -> Result<Option<KeptReport>, StoreError> {
        let key = row_key((case, version));
        let row = store.row(Rows::Reports, &key)?;
        row.map(|row| sealed::open(storage, Rows::Reports, &key, &row))
            .transpose()
    }

    /// Opens its bundle.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn bundle(&self, parcels: &Parcels, content: &ContentKey) -> Result<Bundle, OpenError> {
        let bytes = parcels.open_whole(
            content,
            self.parcel,
            self.site,
            BUNDLE_SLOT,
            self.length,
            self.digest,
        )?;
        Bundle::read(&bytes).ok_or(OpenError::Damaged)
    }
}
