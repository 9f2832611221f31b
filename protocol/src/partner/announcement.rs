//! What a site says of itself: where it is reached, what it can read, its prekey. Each is signed,
//! dated and numbered; the newest counts.

use dokuei_keys::error::{Refused, Why};
use dokuei_keys::id::{Digest, NodeId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::prekey::Prekey;
use dokuei_keys::signed::{self, Document, Signed};
use dokuei_keys::signing::PublicKey;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::case::terms::{CaseTerms, Modality, Priority, Specialty};
use crate::limits;
use crate::partner::notice::Notice;
use crate::time::Timestamp;

/// Where a site's node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AddressRecord {
    /// The site; the signer.
    #[n(0)]
    pub site: SiteId,
    /// Its node.
    #[n(1)]
    pub node: NodeId,
    /// `host:port`, best first. None when the node only calls out.
    #[n(2)]
    pub addresses: Vec<String>,
    /// Counts upwards.
    #[n(3)]
    pub sequence: u64,
}

impl Document for AddressRecord {
    const KIND: &'static str = "address";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::AddressRecord;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;

    fn check(&self) -> Result<(), Refused> {
        let short = self.addresses.len() <= limits::ADDRESSES
            && self
                .addresses
                .iter()
                .all(|address| address.len() <= limits::ADDRESS_CHARS);
        if short {
            Ok(())
        } else {
            Err(Why::Text("addresses").into())
        }
    }
}

/// One line of a capacity offer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct OfferSlot {
    /// Modality that can be read.
    #[n(0)]
    pub modality: Modality,
    /// Sub-specialty of the readers.
    #[n(1)]
    pub specialty: Specialty,
    /// Up to which priority.
    #[n(2)]
    pub priority: Priority,
    /// Cases per Japanese day.
    #[n(3)]
    pub per_day: u16,
    /// Hours from receipt to report.
    #[n(4)]
    pub hours: u16,
}

impl OfferSlot {
    /// Whether the line covers what is asked for. General readers cover every sub-specialty that is
    /// asked for as general, no other.
    pub fn covers(&self, terms: &CaseTerms) -> bool {
        self.modality == terms.modality
            && self.specialty == terms.specialty
            && terms.priority <= self.priority
    }
}

/// What a site can read, per day.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CapacityOffer {
    /// The site; the signer.
    #[n(0)]
    pub site: SiteId,
    /// The lines.
    #[n(1)]
    pub slots: Vec<OfferSlot>,
    /// Counts upwards.
    #[n(2)]
    pub sequence: u64,
    /// Until when it holds.
    #[n(3)]
    pub until: Timestamp,
}

impl Document for CapacityOffer {
    const KIND: &'static str = "capacity";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Offer;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;

    fn check(&self) -> Result<(), Refused> {
        if self.slots.len() <= limits::OFFER_SLOTS {
            Ok(())
        } else {
            Err(Why::Text("slots").into())
        }
    }
}

/// One verified announcement.
#[derive(Clone)]
pub enum Announcement {
    /// Where.
    Address(AddressRecord),
    /// What and how much.
    Capacity(CapacityOffer),
    /// The key to grant to.
    Prekey(Box<Prekey>),
}

/// Whether a document is verified or was, before it was recorded.
#[derive(Clone, Copy)]
enum Opening<'a> {
    Verify(&'a PublicKey),
    Recorded,
}

impl Opening<'_> {
    fn open<T: Document>(self, bytes: &[u8]) -> Result<T, Refused> {
        match self {
            Opening::Verify(key) => Signed::<T>::verify(bytes, key).map(Signed::into_content),
            Opening::Recorded => signed::recorded(bytes),
        }
    }
}

impl Announcement {
    /// Verifies an announcement of the site `site` whose key is `key`.
    ///
    /// # Errors
    /// [`Refused`] when it is none, or is not signed by the site.
    pub fn verify(bytes: &[u8], site: SiteId, key: &PublicKey) -> Result<Announcement, Refused> {
        let announcement = Self::read(bytes, Opening::Verify(key))?;
        if announcement.site() == site {
            Ok(announcement)
        } else {
            Err(Why::OtherKind.into())
        }
    }

    /// An announcement from this site's own log, where only verified ones are written.
    ///
    /// # Errors
    /// [`Refused`] when it is none.
    pub fn recorded(bytes: &[u8]) -> Result<Announcement, Refused> {
        Self::read(bytes, Opening::Recorded)
    }

    fn read(bytes: &[u8], opening: Opening<'_>) -> Result<Announcement, Refused> {
        let kind = signed::peek(bytes)?.kind;
        let announcement = match kind.as_str() {
            AddressRecord::KIND => Announcement::Address(opening.open(bytes)?),
            CapacityOffer::KIND => Announcement::Capacity(opening.open(bytes)?),
            Prekey::KIND => Announcement::Prekey(Box::new(opening.open(bytes)?)),
            _ => return Err(Why::OtherKind.into()),
        };
        Ok(announcement)
    }

    /// Whom it is about.
    pub fn site(&self) -> SiteId {
        match self {
            Announcement::Address(record) => record.site,
            Announcement::Capacity(offer) => offer.site,
            Announcement::Prekey(prekey) => prekey.site,
        }
    }
}

/// A question of the sync protocol: what I hold of you; give me what is newer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SyncRequest {
    /// Sequence of the newest address record held, if any.
    #[n(0)]
    pub address: Option<u64>,
    /// Sequence of the newest capacity offer held, if any.
    #[n(1)]
    pub capacity: Option<u64>,
    /// Start of validity of the newest prekey held, in seconds, if any.
    #[n(2)]
    pub prekey: Option<u64>,
    /// The number of the site certificate held, if any.
    #[n(3)]
    pub certificate: Option<u64>,
    /// Names the set of revocations held: [`crate::partner::notice::Revocations::digest`].
    #[n(4)]
    pub revocations: Option<Digest>,
    /// The newest document of a case that was taken from the asked site, as it was signed. A site
    /// that does not know its own document works on an older copy of its data.
    #[n(5)]
    pub taken: Option<ByteVec>,
}

/// The answer: the newer announcements, as signed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SyncAnswer {
    /// At most one of each kind.
    #[n(0)]
    pub announcements: Vec<ByteVec>,
    /// What the site says of its keys, when that differs from what the asker holds.
    #[n(1)]
    pub notice: Option<Notice>,
}
