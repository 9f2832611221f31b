//! The reader's side: answering offers, receiving studies, issuing reports.

use dokuei_keys::delegation::{PersonRole, SiteIdentity};
use dokuei_keys::envelope::{GrantContext, RecipientRole, unwrap};
use dokuei_keys::id::{DocumentId, PersonId};
use dokuei_keys::secret::ContentKey;
use dokuei_keys::signed::Signed;

use crate::case::CaseId;
use crate::case::event::{
    CustodyReceipt, DeclineReason, Grant, Link, Proposal, Quote, ReaderEvent, ReleaseReason,
    RequesterEvent,
};
use crate::case::phase::{Offered, Phase};
use crate::case::reading::Reading;
use crate::case::report::{ReportSealed, ReportStatus, WrongVersion};
use crate::case::request::Keeping;
use crate::case::terms::CaseTerms;
use crate::case::thread::Position;
use crate::effect::{Answer, CannotDo, DocumentAnswer};
use crate::input::{IssueReport, Job};
use crate::limits;
use crate::partner::announcement::OfferSlot;
use crate::record::Record;
use crate::service::{Quoting, Service, Turn};
use crate::state::Held;
use crate::study::manifest::ManifestReference;
use crate::time::{Span, Timestamp};

/// What a report version must carry to follow the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextVersion {
    /// Number.
    pub version: u32,
    /// The version it follows.
    pub predecessor: Option<DocumentId>,
    /// The study that was granted.
    pub images: ManifestReference,
}

impl Service {
    /// A requester's link arrived and is signed by it.
    pub(crate) fn link_arrived(
        &mut self,
        turn: &mut Turn,
        document: &Signed<Link>,
    ) -> DocumentAnswer {
        let (id, link) = (document.id(), document.content());
        let position = match self.state.readings.get(&link.case) {
            Some(reading) if reading.thread.requester() != link.requester => Position::Contradicts,
            Some(reading) => reading.thread.position(id, link),
            None if link.sequence == 0 => Position::Next,
            None => Position::Ahead,
        };
        match position {
            Position::Held => DocumentAnswer::Accepted,
            Position::Ahead => DocumentAnswer::Later,
            Position::Contradicts => DocumentAnswer::Refused,
            Position::Next => self.next_link(turn, document),
        }
    }

    fn next_link(&mut self, turn: &mut Turn, document: &Signed<Link>) -> DocumentAnswer {
        let (id, link) = (document.id(), document.content());
        let fits = match self.state.readings.get(&link.case) {
            Some(reading) => reading.thread.clone().append(id, link).is_ok(),
            None if !self.has_room_for_case_of(link.requester) => return DocumentAnswer::Later,
            // A case of our own is no partner's to open.
            None if self.state.requests.contains_key(&link.case) => false,
            None => matches!(link.event, RequesterEvent::Offered(_)) && link.previous.is_none(),
        };
        if !fits {
            return DocumentAnswer::Refused;
        }
        if let RequesterEvent::Granted(grant) = &link.event
            && self.is_going(grant.manifest.parcel, Held::Study(link.case))
        {
            return DocumentAnswer::Later;
        }
        let taken = match &link.event {
            RequesterEvent::Granted(grant) => {
                self.is_taken(grant.manifest.parcel, Held::Study(link.case))
            }
            _ => false,
        };
        self.note(turn, Record::LinkReceived(document.bytes().to_vec().into()));
        if let RequesterEvent::Granted(grant) = &link.event {
            match taken {
                true => self.study_unreadable(turn, link.case),
                false => self.open_study_key(turn, link, grant),
            }
        }
        DocumentAnswer::Accepted
    }

    fn open_study_key(&mut self, turn: &mut Turn, link: &Link, grant: &Grant) {
        let context = GrantContext {
            case: *link.case.as_bytes(),
            parcel: grant.manifest.parcel,
            sender: link.requester,
            recipient: self.identity.site,
            role: RecipientRole::Reader,
            commitment: grant.manifest.commitment,
        };
        let within = grant.manifest.objects as usize <= limits::OBJECTS
            && grant.manifest.length <= limits::MANIFEST_BYTES as u64;
        let key = self.open_key(grant, &context);
        match key.filter(|_| within && self.fits_held(grant)) {
            Some(key) => self.keep_content_key(turn, grant.manifest.parcel, key),
            None => self.study_unreadable(turn, link.case),
        }
    }

    /// Unwraps a granted key and checks it against the commitment.
    pub(crate) fn open_key(&self, grant: &Grant, context: &GrantContext) -> Option<ContentKey> {
        let (_, prekey) = self.vault.prekeys.get(&grant.key.prekey)?;
        let key = unwrap(&grant.key, prekey, context).ok()?;
        let commitment = dokuei_keys::sealed::commitment(&key, &grant.manifest.parcel);
        (commitment == grant.manifest.commitment).then_some(key)
    }

    /// Whether a grant names the key that this site holds already under the parcel's name, if any.
    pub(crate) fn fits_held(&self, grant: &Grant) -> bool {
        let parcel = &grant.manifest.parcel;
        let held = self.vault.content.get(parcel);
        held.is_none_or(|held| {
            dokuei_keys::sealed::commitment(held, parcel) == grant.manifest.commitment
        })
    }

    /// What was granted cannot be opened: the booking goes back, with the reason.
    pub(crate) fn study_unreadable(&mut self, turn: &mut Turn, case: CaseId) {
        self.propose(turn, case, ReaderEvent::Released(ReleaseReason::Unreadable));
    }

    /// A person promises to read what is on offer here, over and above the capacity if they say so.
    pub(crate) fn quote_by_hand(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        hours: Option<u16>,
    ) -> Result<Answer, CannotDo> {
        let reading = self.state.readings.get(&case).ok_or(CannotDo::NoCase)?;
        let (requester, theirs) = (reading.thread.requester(), reading.requester_time(turn.now));
        let Phase::Offered(Offered { offer }) = reading.thread.expected() else {
            return Err(CannotDo::NotNow);
        };
        if offer.until <= theirs {
            return Err(CannotDo::NotNow);
        }
        let partner = self.state.partners.get(&requester);
        partner
            .and_then(|partner| partner.agreements.get(&offer.agreement))
            .filter(|state| state.accepted && state.agreement.in_force(turn.now))
            .ok_or(CannotDo::NoAgreement)?;
        let promised = |hours: u16| theirs.after(Span::HOUR.times(u64::from(hours)));
        let due = match hours {
            Some(hours) if hours == 0 || hours > limits::QUOTE_HOURS => {
                return Err(CannotDo::Limit);
            }
            Some(hours) => promised(hours),
            None => self
                .slot_for(turn.now, &offer.terms)
                .map(|slot| promised(slot.hours))
                .or(Some(offer.terms.due).filter(|due| theirs < *due))
                .ok_or(CannotDo::NoHours)?,
        };
        let until = theirs.after(limits::QUOTE_LEASE);
        self.try_propose(turn, case, ReaderEvent::Quoted(Quote { due, until }))
    }

    pub(crate) fn decline(&mut self, turn: &mut Turn, case: CaseId) -> Result<Answer, CannotDo> {
        self.try_propose(turn, case, ReaderEvent::Declined(DeclineReason::ByHand))
    }

    pub(crate) fn claim(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        delegation: &[u8],
    ) -> Result<Answer, CannotDo> {
        let by = self.reader(delegation, turn.now)?;
        self.try_propose(turn, case, ReaderEvent::Claimed(by))
    }

    /// The person of a delegation, who must be a reader of this site now.
    fn reader(&self, delegation: &[u8], now: Timestamp) -> Result<PersonId, CannotDo> {
        let person = SiteIdentity::check(&self.identity.certificate, now.seconds())
            .and_then(|site| site.person(delegation, now.seconds()))
            .map_err(|_| CannotDo::NotCertified)?;
        if person.site != self.identity.site {
            return Err(CannotDo::NotCertified);
        }
        match person.role {
            PersonRole::Reader => self.check_person(person.id).map(|()| person.id),
            PersonRole::AttendingDoctor | PersonRole::Technologist | PersonRole::Administrator => {
                Err(CannotDo::NotAReader)
            }
        }
    }

    pub(crate) fn release(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        reason: ReleaseReason,
    ) -> Result<Answer, CannotDo> {
        self.try_propose(turn, case, ReaderEvent::Released(reason))
    }

    /// What the next report version of a case must carry.
    ///
    /// # Errors
    /// [`CannotDo`] when there is no such case, it is not being read, or such a version cannot follow.
    pub fn next_version(
        &self,
        case: CaseId,
        status: ReportStatus,
    ) -> Result<NextVersion, CannotDo> {
        let reading = self.state.readings.get(&case).ok_or(CannotDo::NoCase)?;
        if reading.sealed.is_some() {
            return Err(CannotDo::NoPrekey);
        }
        let expected = reading.thread.expected();
        let images = expected.grant().ok_or(CannotDo::NotNow)?.manifest.clone();
        let versions = expected.versions_so_far().ok_or(CannotDo::NotNow)?;
        if reading.keeping != Keeping::Kept {
            return Err(CannotDo::StudyGone);
        }
        versions.may_follow(status)?;
        let (version, predecessor) = versions.next();
        Ok(NextVersion {
            version,
            predecessor,
            images,
        })
    }

    pub(crate) fn issue_report(
        &mut self,
        turn: &mut Turn,
        issue: IssueReport,
    ) -> Result<Answer, CannotDo> {
        let author = self.reader(&issue.delegation, turn.now)?;
        let next = self.next_version(issue.case, issue.status)?;
        if (next.version, next.predecessor) != (issue.version, issue.predecessor) {
            return Err(CannotDo::Version(WrongVersion::NotNext));
        }
        let sealed = ReportSealed {
            version: issue.version,
            status: issue.status,
            predecessor: issue.predecessor,
            report: issue.report,
            author,
            manifest: issue.manifest,
        };
        let parcel = sealed.manifest.parcel;
        match self.address_report(turn, issue.case, sealed.clone(), &issue.key) {
            Ok(()) => {}
            // What was signed is not lost because the requester is away: it goes out with its next key.
            Err(CannotDo::NoPrekey) => self.note(turn, Record::ReportSealed(issue.case, sealed)),
            Err(cannot) => return Err(cannot),
        }
        self.keep_content_key(turn, parcel, issue.key);
        Ok(Answer::Done)
    }

    /// Wraps the key of a report version for the requester and issues it; claims the case for its
    /// author if nobody has.
    fn address_report(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        sealed: ReportSealed,
        key: &ContentKey,
    ) -> Result<(), CannotDo> {
        let reading = self.state.readings.get(&case).ok_or(CannotDo::NoCase)?;
        let (requester, role) = (reading.thread.requester(), RecipientRole::Requester);
        let (author, manifest) = (sealed.author, sealed.manifest.clone());
        let grant = self.wrap_for(turn.now, case, requester, role, manifest, key)?;
        if matches!(self.expected(case), Some(Phase::Received(_))) {
            self.try_propose(turn, case, ReaderEvent::Claimed(author))?;
        }
        let issued = Box::new(sealed.issued(grant));
        self.try_propose(turn, case, ReaderEvent::Reported(issued))?;
        Ok(())
    }

    /// Report versions that waited for the requester's key, and have it now.
    fn address_reports(&mut self, turn: &mut Turn) {
        let waiting: Vec<(CaseId, ReportSealed)> = self
            .state
            .readings
            .iter()
            .filter(|(_, reading)| reading.thread.expected().grant().is_some())
            .filter_map(|(case, reading)| Some((*case, reading.sealed.clone()?)))
            .collect();
        for (case, sealed) in waiting {
            let key = self.vault.content.get(&sealed.manifest.parcel);
            if let Some(key) = key.map(ContentKey::duplicate) {
                // Refused, it waits on: the reason shows in the view of the case.
                let _ = self.address_report(turn, case, sealed, &key);
            }
        }
    }

    fn expected(&self, case: CaseId) -> Option<Phase> {
        self.state
            .readings
            .get(&case)
            .map(|reading| reading.thread.expected())
    }

    /// What follows by itself for every case that this site reads.
    pub(crate) fn advance_readings(&mut self, turn: &mut Turn) {
        self.address_reports(turn);
        let open: Vec<CaseId> = self
            .state
            .readings
            .iter()
            .filter(|(_, reading)| {
                reading.thread.pending().len() < limits::PENDING_PROPOSALS
                    && !reading.thread.phase().is_over()
                    && !reading.keeps_quiet(turn.now)
            })
            .map(|(case, _)| *case)
            .collect();
        for case in open {
            match self.expected(case) {
                Some(Phase::Offered(offered)) => self.answer_offer(turn, case, &offered.offer),
                Some(Phase::HandingOver(handing_over)) if self.state.readings[&case].arrived => {
                    let receipt = CustodyReceipt::of(&handing_over.grant.manifest);
                    self.propose(turn, case, ReaderEvent::Received(receipt));
                }
                _ => {}
            }
        }
    }

    /// The next moment at which something is said again that was refused.
    pub(crate) fn reading_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let readings = self.state.readings.values();
        let again = readings.filter_map(Reading::says_again);
        again.filter(|at| *at > now).min()
    }

    fn answer_offer(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        offer: &crate::case::event::CaseOffer,
    ) {
        let reading = &self.state.readings[&case];
        let (requester, theirs) = (reading.thread.requester(), reading.requester_time(turn.now));
        let agreed = self
            .state
            .partners
            .get(&requester)
            .and_then(|partner| partner.agreements.get(&offer.agreement));
        let event = match agreed {
            // The requester's acceptance of what this site proposed is still on its way.
            Some(state) if !state.accepted => return,
            Some(state) if state.agreement.in_force(turn.now) => match self.quoting {
                Quoting::Automatic => self.quote(turn.now, theirs, &offer.terms),
                Quoting::ByHand => return,
            },
            _ => ReaderEvent::Declined(DeclineReason::NoAgreement),
        };
        self.propose(turn, case, event);
    }

    /// The answer to an offer: places by this site's clock, the promise by the requester's.
    fn quote(&self, now: Timestamp, theirs: Timestamp, terms: &CaseTerms) -> ReaderEvent {
        let Some(slot) = self.slot_for(now, terms) else {
            return ReaderEvent::Declined(DeclineReason::NotOffered);
        };
        if self.places_taken(slot, now) >= usize::from(slot.per_day) {
            return ReaderEvent::Declined(DeclineReason::Full);
        }
        ReaderEvent::Quoted(Quote {
            due: theirs.after(Span::HOUR.times(u64::from(slot.hours))),
            until: theirs.after(limits::QUOTE_LEASE),
        })
    }

    /// The line of this site's capacity that covers what is asked for.
    fn slot_for(&self, now: Timestamp, terms: &CaseTerms) -> Option<&OfferSlot> {
        let (_, offer) = self.state.own.capacity.as_ref()?;
        let mut slots = offer.slots.iter().filter(|_| now < offer.until);
        slots.find(|slot| slot.covers(terms))
    }

    /// Cases of the same kind that this site quoted today and that hold a place, all by its own clock:
    /// a quote that was not booked holds it for the length of its lease.
    pub(crate) fn places_taken(&self, slot: &OfferSlot, now: Timestamp) -> usize {
        let same = |terms: &CaseTerms| {
            terms.modality == slot.modality && terms.specialty == slot.specialty
        };
        let holds = |reading: &Reading, quoted: Timestamp| match &reading.thread.expected() {
            Phase::Quoted(phase) => {
                same(&phase.offered.offer.terms) && now < quoted.after(limits::QUOTE_LEASE)
            }
            phase => phase
                .booking()
                .is_some_and(|booked| same(&booked.quoted.offered.offer.terms)),
        };
        self.state
            .readings
            .values()
            .filter(|reading| {
                reading.quoted.is_some_and(|quoted| {
                    quoted.japanese_day() == now.japanese_day() && holds(reading, quoted)
                })
            })
            .count()
    }

    fn try_propose(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        event: ReaderEvent,
    ) -> Result<Answer, CannotDo> {
        let reading = self.state.readings.get(&case).ok_or(CannotDo::NoCase)?;
        let unsigned = DocumentId::from_bytes([0; 32]);
        let fits = reading
            .thread
            .expected()
            .after_reader(unsigned, &event)
            .is_ok();
        if !fits || reading.thread.pending().len() >= limits::PENDING_PROPOSALS {
            return Err(CannotDo::NotNow);
        }
        if !reading.thread.has_room_for_proposal() {
            return Err(CannotDo::Limit);
        }
        self.propose(turn, case, event);
        Ok(Answer::Done)
    }

    fn propose(&mut self, turn: &mut Turn, case: CaseId, event: ReaderEvent) {
        let Some(reading) = self.state.readings.get(&case) else {
            return;
        };
        let proposal = Proposal {
            case,
            requester: reading.thread.requester(),
            reader: self.identity.site,
            follows: reading.thread.head(),
            at: turn.now,
            event,
        };
        if let Ok(bytes) = self.sign(proposal) {
            self.note(turn, Record::ProposalMade(bytes.into()));
        }
    }

    /// Whether the study of a case is being fetched now.
    pub fn is_receiving(&self, case: CaseId) -> bool {
        self.attempts
            .get(&Job::ReceiveStudy(case))
            .is_some_and(|attempt| attempt.running)
    }
}
