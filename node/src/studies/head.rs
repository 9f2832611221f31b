//! What is listed of a study: everything but its objects. Holds patient data: no `Debug`.

use dokuei_keys::id::SiteId;
use dokuei_keys::secret::StorageKey;
use minicbor::{Decode, Encode};

use crate::store::{Rows, sealed};
use crate::studies::register::RegisterError;
use crate::studies::study::{STUDY_VERSION, Study};

/// Form of stored heads. A change needs a new table; they are derived, and made again.
pub const HEAD_VERSION: u8 = 1;

/// A study without its objects. Derived from the study's own row and written in the same transaction, so that a start
/// and a list read a kilobyte of each study and not what it says of ten thousand slices.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Head {
    /// [`HEAD_VERSION`].
    #[n(0)]
    version: u8,
    /// The study, with no objects.
    #[n(1)]
    pub study: Study,
    /// Number of its objects that lie here.
    #[n(2)]
    pub objects: u32,
    /// Bytes of all data sets with their heads.
    #[n(3)]
    pub bytes: u64,
    /// Who granted it; none when it is of this site.
    #[n(4)]
    pub from: Option<SiteId>,
}

impl Head {
    /// The head of a study of this site, or of one that a partner granted.
    pub fn of(study: &Study, from: Option<SiteId>) -> Head {
        Head {
            from,
            version: HEAD_VERSION,
            objects: u32::try_from(study.objects.len()).unwrap_or(u32::MAX),
            bytes: study.bytes(),
            study: Study {
                objects: Vec::new(),
                uid: study.uid.clone(),
                attributes: study.attributes.clone(),
                series: study.series.clone(),
                manifest: study.manifest.clone(),
                others: study.others.clone(),
                ..*study
            },
        }
    }

    /// The row that holds it.
    ///
    /// # Errors
    /// None in practice: a head is far below what can be sealed.
    pub(super) fn seal(
        &self,
        storage: &StorageKey,
        rows: Rows,
        key: &[u8],
    ) -> Result<Vec<u8>, RegisterError> {
        Ok(sealed::seal(storage, rows, key, self)?)
    }

    /// The head in a row.
    ///
    /// # Errors
    /// [`RegisterError::Damaged`].
    pub(super) fn open(
        storage: &StorageKey,
        rows: Rows,
        key: &[u8],
        row: &[u8],
    ) -> Result<Head, RegisterError> {
        let head: Head = sealed::open(storage, rows, key, row)?;
        if head.version != HEAD_VERSION || head.study.version != STUDY_VERSION {
            return Err(RegisterError::Damaged);
        }
        Ok(head)
    }
}
