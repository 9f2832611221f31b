//! Serving: a permitted node gets the sealed bytes it asks for, as they lie on disk.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};

use dokuei_keys::id::{NodeId, ParcelId};

use crate::network::{ParcelSource, RangeBody, RangeRequest, Refusal};
use crate::parcels::Parcels;
use crate::runtime::dispatch::Permits;

/// Serves parcels to those who may have them.
pub struct ParcelShelf {
    /// Where they lie.
    pub parcels: Parcels,
    /// Who may have which.
    pub permits: Permits,
}

impl ParcelSource for ParcelShelf {
    fn open(&self, from: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal> {
        let parcel = ParcelId::from_bytes(request.parcel);
        if !self.permits.allow(from, parcel) {
            return Err(Refusal::Refused);
        }
        let opened = File::open(self.parcels.file_of(&parcel, request.slot));
        let mut file = opened.map_err(|error| {
            if error.kind() == ErrorKind::NotFound {
                Refusal::Missing
            } else {
                Refusal::Later
            }
        })?;
        let whole = file.metadata().map_err(|_| Refusal::Later)?.len();
        let left = whole
            .checked_sub(request.offset)
            .filter(|left| *left > 0)
            .ok_or(Refusal::Missing)?;
        file.seek(SeekFrom::Start(request.offset))
            .map_err(|_| Refusal::Later)?;
        let length = left.min(request.length);
        Ok(RangeBody {
            length,
            bytes: Box::new(file.take(length)),
        })
    }
}
