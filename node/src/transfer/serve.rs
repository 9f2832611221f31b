//! Serving: a permitted node gets the packs it asks for, and the sealed manifest as it lies on disk.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read as _, Seek as _, SeekFrom};

use dokuei_keys::id::{NodeId, ParcelId};

use crate::ahead::Ready;
use crate::network::{ParcelSource, Part, RangeBody, RangeRequest, Refusal};
use crate::packs::{Made, PackMaker};
use crate::parcels::OpenError;
use crate::runtime::dispatch::Permits;
use crate::transfer::given::Given;

/// Serves parcels to those who may have them.
pub struct ParcelShelf {
    /// Who makes packs of them.
    packs: PackMaker,
    /// Who may have which.
    permits: Permits,
    /// How far each is.
    given: Given,
    /// What may be fetched without a grant.
    ready: Ready,
}

impl ParcelShelf {
    /// Serves packs of `packs` to those that `permits` names; what was given is noted in `given`.
    pub fn new(packs: PackMaker, permits: &Permits, given: &Given) -> ParcelShelf {
        ParcelShelf {
            packs,
            permits: permits.clone(),
            given: given.clone(),
            ready: Ready::default(),
        }
    }

    /// The same, giving out what is ready ahead of a grant as well.
    #[must_use]
    pub fn with_ready(self, ready: &Ready) -> ParcelShelf {
        ParcelShelf {
            ready: ready.clone(),
            ..self
        }
    }

    fn object(
        &self,
        parcel: &ParcelId,
        slot: u32,
        request: &RangeRequest,
    ) -> Result<RangeBody, Refusal> {
        let opened = File::open(self.packs.parcels().file_of(parcel, slot));
        let mut file = opened.map_err(|error| missing_or_later(&error))?;
        let whole = file.metadata().map_err(|_| Refusal::Later)?.len();
        let length = length(whole, request)?;
        file.seek(SeekFrom::Start(request.offset))
            .map_err(|_| Refusal::Later)?;
        Ok(RangeBody {
            length,
            bytes: Box::new(file.take(length)),
        })
    }

    fn pack(
        &self,
        (parcel, to, number): (ParcelId, NodeId, u32),
        made: Result<Option<Made>, OpenError>,
        request: &RangeRequest,
    ) -> Result<RangeBody, Refusal> {
        let pack = made.map_err(|error| {
            tracing::warn!(target: "dokuei::transfer", %parcel, number, "a pack cannot be made: {error}");
            match error {
                OpenError::Disk(error) => missing_or_later(&error),
                OpenError::Damaged => Refusal::Missing,
            }
        })?;
        let Made { sealed, plan } = pack.ok_or(Refusal::Missing)?;
        let length = length(sealed.len() as u64, request)?;
        self.given.note((parcel, to), &plan, number);
        let mut bytes = Cursor::new(sealed);
        bytes.set_position(request.offset);
        Ok(RangeBody {
            length,
            bytes: Box::new(bytes),
        })
    }
}

impl ParcelSource for ParcelShelf {
    fn open(&self, from: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal> {
        let parcel = ParcelId::from_bytes(request.parcel);
        if self.permits.allow(from, parcel) {
            return match request.part {
                Part::Object(slot) => self.object(&parcel, slot, request),
                Part::Pack(number, effort) => {
                    let made = self.packs.make(parcel, number, effort);
                    self.pack((parcel, from, number), made, request)
                }
            };
        }
        let Part::Pack(number, effort) = request.part else {
            return Err(Refusal::Refused);
        };
        let plan = self.ready.plan(from, parcel, number);
        let plan = plan.ok_or(Refusal::Refused)?;
        let made = self.packs.make_ahead(plan, (parcel, number), effort);
        self.pack((parcel, from, number), made, request)
    }
}

fn missing_or_later(error: &std::io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound => Refusal::Missing,
        _ => Refusal::Later,
    }
}

/// Bytes of the answer to a request for a part of `whole` bytes.
fn length(whole: u64, request: &RangeRequest) -> Result<u64, Refusal> {
    let left = whole.checked_sub(request.offset);
    let left = left.filter(|left| *left > 0).ok_or(Refusal::Missing)?;
    Ok(left.min(request.length))
}
