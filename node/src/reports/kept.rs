//! Where report versions lie at this site, signed here or received.

use dokuei_keys::cbor;
use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};
use dokuei_protocol::case::CaseId;
use minicbor::{Decode, Encode};

use crate::chance::chance;
use crate::parcels::{OpenError, Parcels};
use crate::reports::bundle::{Bundle, Predecessor};
use crate::reports::objects::row_key;
use crate::store::{Change, Rows, Store, StoreError};

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
        let row = storage.seal_row(
            Rows::Reports.name(),
            &key,
            &cbor::encode(self),
            &mut chance(),
        );
        row.map(|row| Change::put(Rows::Reports, &key, row))
            .map_err(|_| StoreError::Failed("a row cannot be sealed".to_owned()))
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
        let Some(row) = store.row(Rows::Reports, &key)? else {
            return Ok(None);
        };
        let damaged = || StoreError::Failed("a report's row is damaged".to_owned());
        let plain = storage
            .open_row(Rows::Reports.name(), &key, &row)
            .map_err(|_| damaged())?;
        minicbor::decode(&plain).map(Some).map_err(|_| damaged())
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
