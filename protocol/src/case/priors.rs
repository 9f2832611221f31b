//! Earlier studies of the patient. The requester says which ones it has, in a list that is sealed under the content key of
//! the study itself; the reader asks for those that help by their numbers; the requester hands them over, or says why not.
//! All three stand beside the chain and order nothing, and all of it ends with the reading: a prior goes to whoever reads,
//! for as long as they read.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_keys::labels::Label;
use dokuei_keys::signed::Document;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::case::CaseId;
use crate::case::cancel::Told;
use crate::case::event::Grant;
use crate::case::request::Keeping;
use crate::case::terms::classes;
use crate::limits;
use crate::study::manifest::ManifestReference;
use crate::time::Timestamp;

/// Which earlier studies there are. What is said of them is sealed; its form is the node's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PriorList {
    /// How many are offered; they are numbered from one.
    #[n(0)]
    pub offered: u16,
    /// The sealed list.
    #[n(1)]
    pub sealed: ByteVec,
}

impl PriorList {
    /// Whether it is no longer than any list.
    pub fn is_within_bounds(&self) -> bool {
        self.offered <= limits::PRIORS && self.sealed.len() <= limits::PRIOR_LIST_BYTES
    }

    /// Whether it offers all of these, each of them once, and at least one is named.
    pub fn offers(&self, numbers: &[u16]) -> bool {
        let distinct: BTreeSet<u16> = numbers.iter().copied().collect();
        let known = distinct.iter().all(|at| (1..=self.offered).contains(at));
        known && !numbers.is_empty() && distinct.len() == numbers.len()
    }
}

/// The list, for the reader that was booked; signed by the requester's site key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PriorsOffer {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asked for the reading; the signer.
    #[n(1)]
    pub requester: SiteId,
    /// The site that reads.
    #[n(2)]
    pub reader: SiteId,
    /// The newest link of the chain between the two: which booking is meant.
    #[n(3)]
    pub follows: DocumentId,
    /// When, by the requester's clock.
    #[n(4)]
    pub at: Timestamp,
    /// The list.
    #[n(5)]
    pub list: PriorList,
}

impl Document for PriorsOffer {
    const KIND: &'static str = "priors-offer";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::PriorsOffer;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// Some of them are wanted; signed by the reader's site key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PriorsRequest {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asked for the reading.
    #[n(1)]
    pub requester: SiteId,
    /// The site that reads; the signer.
    #[n(2)]
    pub reader: SiteId,
    /// The offer that the numbers are of.
    #[n(3)]
    pub offer: DocumentId,
    /// When, by the reader's clock.
    #[n(4)]
    pub at: Timestamp,
    /// Which request of this booking it is, from zero: asked again in the same words, it is another one.
    #[n(5)]
    pub sequence: u32,
    /// Their numbers, each once.
    #[n(6)]
    pub numbers: Vec<u16>,
}

impl Document for PriorsRequest {
    const KIND: &'static str = "priors-request";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::PriorsRequest;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// One of them, or why there is none; signed by the requester's site key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PriorAnswer {
    /// The case.
    #[n(0)]
    pub case: CaseId,
    /// The site that asked for the reading; the signer.
    #[n(1)]
    pub requester: SiteId,
    /// The site that reads.
    #[n(2)]
    pub reader: SiteId,
    /// The offer that the number is of.
    #[n(3)]
    pub offer: DocumentId,
    /// When, by the requester's clock.
    #[n(4)]
    pub at: Timestamp,
    /// Which answer of this booking it is, from zero.
    #[n(5)]
    pub sequence: u32,
    /// The prior's number.
    #[n(6)]
    pub number: u16,
    /// What there is.
    #[n(7)]
    pub given: PriorGiven,
}

impl Document for PriorAnswer {
    const KIND: &'static str = "prior-answer";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::PriorAnswer;
    const MAX_BYTES: usize = limits::DOCUMENT_BYTES;
}

/// What a requester answers to the wish for a prior.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PriorGiven {
    /// The content keys of the parcels that it lies in, for this reader: one, or a few when it came in parts.
    #[n(0)]
    Granted(#[n(0)] Vec<Grant>),
    /// None, and why.
    #[n(1)]
    Refused(#[n(0)] PriorRefusal),
}

classes! {
    /// Why a prior is not handed over.
    PriorRefusal {
        /// Its images do not say with certainty that they are of the patient.
        0 NotSamePatient = "not-same-patient",
        /// The requester's archive does not send it.
        1 NotSent = "not-sent",
        /// It is larger than what goes as a prior.
        2 TooLarge = "too-large",
        /// It is not kept at the requester any more.
        3 NotKept = "not-kept",
    }
}

/// What the requester's node has found of a prior that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PriorFound {
    /// The parcels that it lies in, sealed.
    #[n(0)]
    Here(#[n(0)] Vec<ManifestReference>),
    /// It cannot be handed over.
    #[n(1)]
    Refused(#[n(0)] PriorRefusal),
}

/// How far a prior has come that a reader asked its requester for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The node has to find it.
    Sought,
    /// It was found, and is to be answered when the reader's key to seal for is here.
    Found(PriorFound),
    /// Handed over: the parcels that were granted.
    Granted(Vec<ParcelId>),
    /// Refused.
    Refused(PriorRefusal),
}

/// The priors of a case, as its requester holds them, until the case is over or offered again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorsThere {
    /// What the node has found out.
    pub list: Option<PriorList>,
    /// The offer to the booked reader, and how far it has come.
    pub offer: Option<(DocumentId, Told)>,
    /// What the reader has asked for, by number.
    pub asked: BTreeMap<u16, Asked>,
    /// How many requests were taken: at most [`limits::PRIOR_REQUESTS`].
    pub requests: u32,
    /// How many answers were given.
    pub answers: u32,
    /// Every request that was taken, in whichever booking: one that comes again is known. The chain bounds bookings.
    pub known: BTreeSet<DocumentId>,
}

impl PriorsThere {
    /// Forgets what was said in this booking: it is over.
    pub(crate) fn end(&mut self) {
        let known = std::mem::take(&mut self.known);
        *self = PriorsThere {
            known,
            ..PriorsThere::default()
        };
    }

    /// Takes a request. What was asked for before and not refused stays as it is.
    pub(crate) fn ask(&mut self, id: DocumentId, numbers: &[u16]) {
        self.requests += 1;
        self.known.insert(id);
        for number in numbers {
            let asked = self.asked.entry(*number).or_insert(Asked::Sought);
            if matches!(asked, Asked::Refused(_)) {
                *asked = Asked::Sought;
            }
        }
    }

    /// Takes the answer to a number; whether it follows from what was found.
    pub(crate) fn answer(&mut self, answer: &PriorAnswer) -> bool {
        let Some(asked) = self.asked.get_mut(&answer.number) else {
            return false;
        };
        let Asked::Found(_) = asked else {
            return false;
        };
        self.answers += 1;
        *asked = match &answer.given {
            PriorGiven::Granted(grants) => {
                Asked::Granted(grants.iter().map(|grant| grant.manifest.parcel).collect())
            }
            PriorGiven::Refused(why) => Asked::Refused(*why),
        };
        true
    }

    /// The parcels that were granted to the reader.
    pub fn granted(&self) -> impl Iterator<Item = ParcelId> {
        let parcels = self.asked.values().filter_map(|asked| match asked {
            Asked::Granted(parcels) => Some(parcels.iter().copied()),
            Asked::Sought | Asked::Found(_) | Asked::Refused(_) => None,
        });
        parcels.flatten()
    }

    /// The parcels that were granted to the reader, or are to be.
    pub fn parcels(&self) -> impl Iterator<Item = ParcelId> {
        self.asked.values().flat_map(|asked| match asked {
            Asked::Granted(parcels) => parcels.clone(),
            Asked::Found(PriorFound::Here(parts)) => parts.iter().map(|part| part.parcel).collect(),
            Asked::Sought | Asked::Found(PriorFound::Refused(_)) | Asked::Refused(_) => Vec::new(),
        })
    }
}

/// A prior that this site, as reader, has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The request.
    pub request: DocumentId,
    /// How far it has come.
    pub told: Told,
    /// What the requester answered: how many parcels it granted, or why none.
    pub answer: Option<Result<u16, PriorRefusal>>,
}

/// A parcel of a prior that was granted to this site as reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPrior {
    /// Its number.
    pub number: u16,
    /// What was granted.
    pub grant: Grant,
    /// Whether every object of it is here and matches its digest.
    pub arrived: bool,
    /// Whether it is in this site's own archive.
    pub stored: bool,
    /// What has become of it here.
    pub keeping: Keeping,
}

/// The priors of a case, as its reader holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorsHere {
    /// What the requester has offered in this booking.
    pub offer: Option<(DocumentId, PriorList)>,
    /// What this site has asked for, by number.
    pub wishes: BTreeMap<u16, Wish>,
    /// How often it has asked: at most [`limits::PRIOR_REQUESTS`].
    pub requests: u32,
    /// Every offer and answer that was taken, in whichever booking: one that comes again is known. The chain bounds bookings.
    pub known: BTreeSet<DocumentId>,
    /// What was granted, until nothing of it lies here any more.
    pub held: BTreeMap<ParcelId, HeldPrior>,
}

impl PriorsHere {
    /// Forgets what was said, not what lies here: the booking is over.
    pub(crate) fn end(&mut self) {
        let (held, known) = (
            std::mem::take(&mut self.held),
            std::mem::take(&mut self.known),
        );
        *self = PriorsHere {
            held,
            known,
            ..PriorsHere::default()
        };
    }

    /// Takes what the requester offers.
    pub(crate) fn offered(&mut self, id: DocumentId, list: PriorList) {
        self.known.insert(id);
        self.offer = Some((id, list));
    }

    /// Takes a request of this site's own.
    pub(crate) fn ask(&mut self, id: DocumentId, numbers: &[u16]) {
        self.requests += 1;
        for number in numbers {
            let wish = Wish {
                request: id,
                told: Told::OnItsWay,
                answer: None,
            };
            self.wishes.insert(*number, wish);
        }
    }

    /// Notes how far a request has come.
    pub(crate) fn told(&mut self, id: DocumentId, told: Told) {
        let wishes = self.wishes.values_mut();
        for wish in wishes.filter(|wish| wish.request == id) {
            wish.told = told;
        }
    }

    /// Takes an answer.
    pub(crate) fn answer(&mut self, id: DocumentId, answer: &PriorAnswer) {
        self.known.insert(id);
        let Some(wish) = self.wishes.get_mut(&answer.number) else {
            return;
        };
        wish.told = Told::Told;
        match &answer.given {
            PriorGiven::Refused(why) => wish.answer = Some(Err(*why)),
            PriorGiven::Granted(grants) => {
                wish.answer = Some(Ok(grants.len() as u16));
                for grant in grants {
                    let held = HeldPrior {
                        number: answer.number,
                        grant: grant.clone(),
                        arrived: false,
                        stored: false,
                        keeping: Keeping::Kept,
                    };
                    self.held.insert(grant.manifest.parcel, held);
                }
            }
        }
    }

    /// The numbers of these that may be asked for now: not yet asked for, or refused.
    pub fn unasked(&self, numbers: &[u16]) -> Vec<u16> {
        let numbers = numbers.iter().copied();
        let open = numbers.filter(|number| match self.wishes.get(number) {
            None => true,
            Some(wish) => wish.told == Told::Refused || matches!(wish.answer, Some(Err(_))),
        });
        open.collect()
    }
}

/// Under which name a parcel of a prior lies at the reader, where the study of a case lies under its case's.
pub fn lies_as(case: CaseId, parcel: ParcelId) -> CaseId {
    let name = [case.as_bytes().as_slice(), parcel.as_bytes()].concat();
    CaseId::from_bytes(DocumentId::of(&name).to_bytes())
}
