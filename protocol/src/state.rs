//! What the records add up to. Only [`State::apply`] changes it, so a replay of the log gives the same
//! state as living through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dokuei_keys::delegation::Revocation;
use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_keys::prekey::Prekey;
use dokuei_keys::signed::{self, Document};
use dokuei_keys::signing::PublicKey;

use crate::case::CaseId;
use crate::case::check::Check;
use crate::case::event::{Link, Proposal, ReaderEvent, RequesterEvent};
use crate::case::priors::PriorsThere;
use crate::case::reading::Reading;
use crate::case::request::{Keeping, Request};
use crate::case::thread::Thread;
use crate::limits;
use crate::log::entry::{BrokenLog, Entry, Head};
use crate::outbox::{Matter, Outgoing};
use crate::partner::agreement::{Agreement, AgreementAccepted, Naming};
use crate::partner::announcement::{AddressRecord, Announcement, CapacityOffer};
use crate::partner::introduction::Introduction;
use crate::partner::notice::Renewal;
use crate::partner::{AgreementState, Known, Partner};
use crate::record::Record;
use crate::time::Timestamp;

/// What this site last said of itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnAnnouncements {
    /// Where it is reached.
    pub address: Option<(Vec<u8>, AddressRecord)>,
    /// What it reads.
    pub capacity: Option<(Vec<u8>, CapacityOffer)>,
    /// The key to grant to.
    pub prekey: Option<(Vec<u8>, Prekey)>,
    /// The site keys that signed it, newest first.
    pub keys: Vec<PublicKey>,
}

/// What lies under the name of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The study of a case.
    Study(CaseId),
    /// A report version of a case.
    Report(CaseId, u32),
    /// A prior that was granted in a case.
    Prior(CaseId),
}

/// The state of one site.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    site: SiteId,
    head: Head,
    /// Partners.
    pub partners: BTreeMap<SiteId, Partner>,
    /// What stays known of sites, this one included, whether or not they are partners.
    pub known: BTreeMap<SiteId, Known>,
    /// What this site said of itself.
    pub own: OwnAnnouncements,
    /// Cases that this site asked to have read.
    pub requests: BTreeMap<CaseId, Request>,
    /// Cases that this site was asked to read.
    pub readings: BTreeMap<CaseId, Reading>,
    /// Documents that partners have not confirmed, oldest first.
    pub outbox: BTreeMap<SiteId, VecDeque<Outgoing>>,
    /// What lies under the names of parcels. Their sealer chooses them: the first use counts.
    pub parcels: BTreeMap<ParcelId, Held>,
    /// What the check before sending last found in this site's studies, until they are removed.
    pub checks: BTreeMap<ParcelId, Check>,
    /// Studies of this site that it answered for (storage commitment).
    pub committed: BTreeSet<ParcelId>,
}

/// The record does not fit the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction;

impl State {
    /// The state of a site of which nothing has happened.
    pub fn new(site: SiteId) -> State {
        State {
            site,
            head: Head::default(),
            partners: BTreeMap::new(),
            known: BTreeMap::new(),
            own: OwnAnnouncements::default(),
            requests: BTreeMap::new(),
            readings: BTreeMap::new(),
            outbox: BTreeMap::new(),
            parcels: BTreeMap::new(),
            checks: BTreeMap::new(),
            committed: BTreeSet::new(),
        }
    }

    /// Whose state this is.
    pub fn site(&self) -> SiteId {
        self.site
    }

    /// Where the log ends.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends a record of this step and applies it. Returns the entry's bytes.
    ///
    /// # Errors
    /// [`Contradiction`] when the record does not fit: a bug of the caller; nothing is appended.
    pub fn commit(&mut self, at: Timestamp, record: Record) -> Result<Vec<u8>, Contradiction> {
        let mut head = self.head;
        let (entry, bytes) = head.append(at, record);
        self.apply(&entry)?;
        self.head = head;
        Ok(bytes)
    }

    /// Takes the next entry of the stored log.
    ///
    /// # Errors
    /// [`BrokenLog`] names the entry that is damaged.
    pub fn replay(&mut self, bytes: &[u8]) -> Result<(), BrokenLog> {
        let mut head = self.head;
        let entry = head.take(bytes)?;
        self.apply(&entry)
            .map_err(|_| BrokenLog::Contradiction(entry.sequence))?;
        self.head = head;
        Ok(())
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Contradiction> {
        match &entry.record {
            Record::PartnerPaired(bytes) => self.partner_paired(bytes),
            Record::PartnerRemoved(site) => self.partner_removed(site),
            Record::AgreementProposed(bytes) => self.agreement_proposed(bytes, entry.sequence),
            Record::AgreementAccepted(bytes) => self.agreement_accepted(bytes, entry.sequence),
            Record::AnnouncementMade(bytes) => self.announcement_made(bytes),
            Record::AnnouncementReceived(bytes) => self.announcement_received(bytes),
            Record::CaseOpened(case, manifest, terms) => {
                self.holds(manifest.parcel, Held::Study(*case));
                let request = Request {
                    case: *case,
                    manifest: manifest.clone(),
                    terms: terms.clone(),
                    opened: entry.at,
                    naming: Naming::Identified,
                    checked: false,
                    keeping: Keeping::Kept,
                    threads: BTreeMap::new(),
                    given_back: false,
                    cancel: None,
                    priors: PriorsThere::default(),
                };
                self.requests
                    .insert(*case, request)
                    .map_or(Ok(()), |_| Err(Contradiction))
            }
            Record::StudyChecked(parcel, check) => {
                self.checks.insert(*parcel, check.clone());
                Ok(())
            }
            Record::StudyCommitted(parcel) => {
                self.committed.insert(*parcel);
                Ok(())
            }
            Record::CasePseudonymous(case) => self
                .request(case)
                .map(|request| request.naming = Naming::Pseudonymous),
            Record::CaseChecked(case) => self.request(case).map(|request| request.checked = true),
            Record::LinkMade(bytes) => self.link_made(bytes),
            Record::LinkReceived(bytes) => self.link_received(bytes, entry.at),
            Record::ProposalMade(bytes) => self.proposal_made(bytes, entry.at),
            Record::ProposalReceived(bytes) => self.proposal_received(bytes),
            Record::DocumentConfirmed(site, id) => self.document_confirmed(site, *id),
            Record::DocumentRefused(site, id) => self.document_refused(site, *id, entry.at),
            Record::StudyArrived(case) => self.reading(case).map(|reading| reading.arrived = true),
            Record::StudyStored(case) => self.reading(case).map(|reading| reading.stored = true),
            Record::ReportSealed(case, sealed) => self
                .reading(case)
                .map(|reading| reading.sealed = Some(sealed.clone())),
            Record::CancelMade(bytes) => self.cancel_made(bytes),
            Record::CancelReceived(bytes) => self.cancel_received(bytes),
            Record::KeyRevoked(bytes) => self.key_revoked(bytes),
            Record::PartnerRenewed(bytes) => self.partner_renewed(bytes),
            Record::StudyKeyDestroyed(case) => {
                *self.keeping(case)? = Keeping::KeyDestroyed;
                Ok(())
            }
            Record::StudyRemoved(case) => {
                *self.keeping(case)? = Keeping::Removed;
                self.forget_parcel(case);
                Ok(())
            }
            record => self.apply_priors(record),
        }
    }

    pub(crate) fn request(&mut self, case: &CaseId) -> Result<&mut Request, Contradiction> {
        self.requests.get_mut(case).ok_or(Contradiction)
    }

    pub(crate) fn reading(&mut self, case: &CaseId) -> Result<&mut Reading, Contradiction> {
        self.readings.get_mut(case).ok_or(Contradiction)
    }

    fn keeping(&mut self, case: &CaseId) -> Result<&mut Keeping, Contradiction> {
        if let Some(request) = self.requests.get_mut(case) {
            return Ok(&mut request.keeping);
        }
        let reading = self.readings.get_mut(case).ok_or(Contradiction)?;
        Ok(&mut reading.keeping)
    }

    fn partner(&mut self, site: &SiteId) -> Result<&mut Partner, Contradiction> {
        self.partners.get_mut(site).ok_or(Contradiction)
    }

    fn partner_paired(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let introduction: Introduction = minicbor::decode(bytes).map_err(|_| Contradiction)?;
        let acquaintance = introduction.recorded().map_err(|_| Contradiction)?;
        let known = self.partners.remove(&acquaintance.site);
        let mut partner = Partner::new(&acquaintance);
        if let Some(known) = known {
            if known.key != partner.key {
                partner.succeed(known.key, known.earlier);
            } else {
                partner.earlier = known.earlier;
            }
            partner.agreements = known.agreements;
        }
        partner.hear(Announcement::Address(recorded(&introduction.address)?.1));
        self.partners.insert(acquaintance.site, partner);
        self.weigh(acquaintance.site);
        Ok(())
    }

    fn partner_renewed(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let renewal: Renewal = minicbor::decode(bytes).map_err(|_| Contradiction)?;
        let renewed = renewal.recorded().map_err(|_| Contradiction)?;
        self.partner(&renewed.site)?.renew(&renewed);
        self.weigh(renewed.site);
        Ok(())
    }

    /// A revocation of this site's own goes to every partner. What a person had signed and was not
    /// issued yet is not issued after it.
    fn key_revoked(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, revocation) = recorded::<Revocation>(bytes)?;
        let (site, revoked) = (revocation.site, revocation.revoked);
        let known = self.known.entry(site).or_default();
        known.revocations.keep(bytes, revocation);
        self.weigh(site);
        if site == self.site {
            let partners: Vec<SiteId> = self.partners.keys().copied().collect();
            for partner in partners {
                self.post(partner, id, Matter::Keys, bytes);
            }
            for reading in self.readings.values_mut() {
                let author = reading.sealed.as_ref().map(|sealed| sealed.author);
                if author.is_some_and(|author| author.as_bytes() == revoked.as_bytes()) {
                    reading.sealed = None;
                }
            }
        }
        Ok(())
    }

    /// Finds out whether a partner lives by a key that is revoked, and keeps what outlives it.
    fn weigh(&mut self, site: SiteId) {
        let Some(partner) = self.partners.get_mut(&site) else {
            return;
        };
        let known = self.known.entry(site).or_default();
        known.meet(partner);
        let node = partner.node.as_bytes();
        partner.barred = known.revocations.bar(&partner.root, &partner.key, node);
    }

    fn taken_from(&mut self, site: SiteId, bytes: &[u8]) {
        self.known.entry(site).or_default().taken = Some(bytes.to_vec());
    }

    /// What was agreed goes with the partner. Documents of cases stay: should the two pair again,
    /// their chains go on without a gap.
    fn partner_removed(&mut self, site: &SiteId) -> Result<(), Contradiction> {
        if let Some(queue) = self.outbox.get_mut(site) {
            let is_of_case = |matter| {
                matches!(
                    matter,
                    Matter::Case(_) | Matter::Cancel(_) | Matter::Priors(_)
                )
            };
            queue.retain(|outgoing| is_of_case(outgoing.matter));
        }
        self.partners.remove(site).map(drop).ok_or(Contradiction)
    }

    fn agreement_proposed(&mut self, bytes: &[u8], noted: u64) -> Result<(), Contradiction> {
        let id = DocumentId::of(bytes);
        let agreement = Agreement::recorded(bytes).map_err(|_| Contradiction)?;
        let own = agreement.proposer == self.site;
        let other = if own {
            agreement.accepter
        } else {
            agreement.proposer
        };
        self.partner(&other)?.agreements.insert(
            id,
            AgreementState {
                agreement,
                accepted: false,
                noted,
            },
        );
        if own {
            self.post(other, id, Matter::Agreement, bytes);
        }
        Ok(())
    }

    fn agreement_accepted(&mut self, bytes: &[u8], noted: u64) -> Result<(), Contradiction> {
        let (id, accepted) = recorded::<AgreementAccepted>(bytes)?;
        let own = accepted.accepter == self.site;
        let other = if own {
            accepted.proposer
        } else {
            accepted.accepter
        };
        let state = self
            .partner(&other)?
            .agreements
            .get_mut(&accepted.agreement)
            .ok_or(Contradiction)?;
        (state.accepted, state.noted) = (true, noted);
        if own {
            self.post(other, id, Matter::Agreement, bytes);
        }
        Ok(())
    }

    fn announcement_made(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let header = signed::peek(bytes).map_err(|_| Contradiction)?;
        if !self.own.keys.contains(&header.key) {
            self.own.keys.insert(0, header.key);
            self.own.keys.truncate(limits::EARLIER_KEYS);
        }
        match header.kind.as_str() {
            AddressRecord::KIND => self.own.address = Some((bytes.to_vec(), recorded(bytes)?.1)),
            CapacityOffer::KIND => self.own.capacity = Some((bytes.to_vec(), recorded(bytes)?.1)),
            Prekey::KIND => self.own.prekey = Some((bytes.to_vec(), recorded(bytes)?.1)),
            _ => return Err(Contradiction),
        }
        Ok(())
    }

    fn announcement_received(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let announcement = Announcement::recorded(bytes).map_err(|_| Contradiction)?;
        self.partner(&announcement.site())?.hear(announcement);
        Ok(())
    }

    fn link_made(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, link) = recorded::<Link>(bytes)?;
        let request = self.requests.get_mut(&link.case).ok_or(Contradiction)?;
        if request.link(id, &link).map_err(|_| Contradiction)? {
            self.post(link.reader, id, Matter::Case(link.case), bytes);
        }
        Ok(())
    }

    fn link_received(&mut self, bytes: &[u8], at: Timestamp) -> Result<(), Contradiction> {
        let (id, link) = recorded::<Link>(bytes)?;
        let heard = (link.at, at);
        match self.readings.get_mut(&link.case) {
            Some(reading) => {
                reading
                    .thread
                    .append(id, &link)
                    .map_err(|_| Contradiction)?;
                reading.heard = heard;
                reading.refused = None;
                if matches!(link.event, RequesterEvent::Offered(_)) {
                    reading.cancel = None;
                    reading.priors.end();
                }
                reading.drop_unfit();
                if reading.thread.phase().grant().is_none() {
                    (reading.arrived, reading.stored) = (false, false);
                }
                if let RequesterEvent::Granted(grant) = &link.event {
                    self.granted(link.case, grant.manifest.parcel)?;
                }
            }
            None => {
                let thread = Thread::open(id, &link).map_err(|_| Contradiction)?;
                self.readings.insert(link.case, Reading::new(thread, heard));
            }
        }
        self.taken_from(link.requester, bytes);
        Ok(())
    }

    /// A study was granted in a case. Under a parcel's name that is in use for something else it is
    /// not this case's to keep or to remove.
    fn granted(&mut self, case: CaseId, parcel: ParcelId) -> Result<(), Contradiction> {
        let own =
            self.holds(parcel, Held::Study(case)) || self.is_shared(parcel, Held::Study(case));
        let reading = self.reading(&case)?;
        reading.parcel = own.then_some(parcel);
        reading.keeping = Keeping::Kept;
        Ok(())
    }

    /// The name of a removed study's parcel is free again.
    fn forget_parcel(&mut self, case: &CaseId) {
        let asked = self.requests.get(case);
        let asked = asked.map(|request| request.manifest.parcel);
        let read = || self.readings.get(case).and_then(|reading| reading.parcel);
        if let Some(parcel) = asked.or_else(read)
            && self.parcels.get(&parcel) == Some(&Held::Study(*case))
        {
            self.parcels.remove(&parcel);
            self.checks.remove(&parcel);
        }
    }

    /// Notes what lies under the name of a parcel, unless something does; whether it is this.
    pub(crate) fn holds(&mut self, parcel: ParcelId, held: Held) -> bool {
        *self.parcels.entry(parcel).or_insert(held) == held
    }

    fn proposal_made(&mut self, bytes: &[u8], at: Timestamp) -> Result<(), Contradiction> {
        let (id, proposal) = recorded::<Proposal>(bytes)?;
        let requester = proposal.requester;
        let reading = self.reading(&proposal.case)?;
        if matches!(proposal.event, ReaderEvent::Quoted(_)) {
            reading.quoted = Some(at);
        }
        if matches!(proposal.event, ReaderEvent::Reported(_)) {
            reading.sealed = None;
        }
        let (case, reported) = (proposal.case, reported(&proposal));
        reading.thread.propose(id, proposal);
        reading.drop_unfit();
        if let Some((parcel, held)) = reported {
            self.holds(parcel, held);
        }
        self.post(requester, id, Matter::Case(case), bytes);
        Ok(())
    }

    fn proposal_received(&mut self, bytes: &[u8]) -> Result<(), Contradiction> {
        let (id, proposal) = recorded::<Proposal>(bytes)?;
        let request = self.requests.get_mut(&proposal.case).ok_or(Contradiction)?;
        let thread = request
            .threads
            .get_mut(&proposal.reader)
            .ok_or(Contradiction)?;
        let reader = proposal.reader;
        let reported = reported(&proposal);
        thread.propose(id, proposal);
        if let Some((parcel, held)) = reported {
            self.holds(parcel, held);
        }
        self.taken_from(reader, bytes);
        Ok(())
    }
}

/// The parcel of a report version that a proposal issues.
fn reported(proposal: &Proposal) -> Option<(ParcelId, Held)> {
    match &proposal.event {
        ReaderEvent::Reported(issued) => Some((
            issued.grant.manifest.parcel,
            Held::Report(proposal.case, issued.version),
        )),
        ReaderEvent::Quoted(_)
        | ReaderEvent::Declined(_)
        | ReaderEvent::Received(_)
        | ReaderEvent::Claimed(_)
        | ReaderEvent::Released(_) => None,
    }
}

/// The content of a document from this site's own log: it was verified, or made, before it was
/// written there, and the log's hash chain vouches for it since.
pub(crate) fn recorded<T: Document>(bytes: &[u8]) -> Result<(DocumentId, T), Contradiction> {
    let content = signed::recorded::<T>(bytes).map_err(|_| Contradiction)?;
    Ok((DocumentId::of(bytes), content))
}
