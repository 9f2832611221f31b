//! The requester's side: opening, offering, booking, granting, receiving reports.

use std::collections::BTreeMap;

use dokuei_keys::envelope::{GrantContext, RecipientRole, wrap};
use dokuei_keys::id::{DocumentId, ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_keys::signed::Signed;

use crate::case::CaseId;
use crate::case::check::Check;
use crate::case::event::{Grant, Link, Proposal, ReaderEvent, RequesterEvent, WithdrawalReason};
use crate::case::phase::{Phase, Standing};
use crate::case::report::ReportIssued;
use crate::case::request::Request;
use crate::effect::{Answer, CannotDo, DocumentAnswer};
use crate::input::OpenCase;
use crate::limits;
use crate::partner::agreement::Naming;
use crate::record::Record;
use crate::service::{Service, Turn};
use crate::state::Held;
use crate::study::manifest::ManifestReference;
use crate::time::Timestamp;

impl Service {
    pub(crate) fn open_case(
        &mut self,
        turn: &mut Turn,
        open: OpenCase,
    ) -> Result<Answer, CannotDo> {
        if self.open_cases() >= limits::OPEN_CASES {
            return Err(CannotDo::TooManyCases);
        }
        let to = self.check_candidates(&open.to, turn.now, open.naming)?;
        let may_be_sent = open.check.may_be_sent();
        self.note_check(turn, open.manifest.parcel, open.check);
        if !may_be_sent {
            return Err(CannotDo::HeldBack);
        }
        let case = CaseId::random(&mut self.rng);
        self.keep_content_key(turn, open.manifest.parcel, open.key);
        self.note(turn, Record::CaseOpened(case, open.manifest, open.terms));
        if open.naming == Naming::Pseudonymous {
            self.note(turn, Record::CasePseudonymous(case));
        }
        self.note(turn, Record::CaseChecked(case));
        self.offer_to(turn, case, &to)?;
        Ok(Answer::Opened(case))
    }

    /// Notes what the check before sending found. The same again is no news.
    pub(crate) fn note_check(&mut self, turn: &mut Turn, parcel: ParcelId, check: Check) -> Answer {
        if self.state.checks.get(&parcel) != Some(&check) {
            self.note(turn, Record::StudyChecked(parcel, check));
        }
        Answer::Done
    }

    /// Checks whom to ask for a study that is sealed under this name; gives each once, with the agreement it falls
    /// under.
    fn check_candidates(
        &self,
        to: &[SiteId],
        now: Timestamp,
        naming: Naming,
    ) -> Result<BTreeMap<SiteId, DocumentId>, CannotDo> {
        if to.is_empty() || to.len() > limits::CANDIDATES {
            return Err(CannotDo::Candidates);
        }
        let mut candidates = BTreeMap::new();
        for site in to {
            let partner = self.state.partners.get(site).ok_or(CannotDo::NoPartner)?;
            let (id, agreement) = partner.agreement(now).ok_or(CannotDo::NoAgreement)?;
            if !agreement.allows(naming) {
                return Err(CannotDo::Identified);
            }
            candidates.insert(*site, id);
        }
        Ok(candidates)
    }

    pub(crate) fn offer(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        to: &[SiteId],
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        let to = self.check_candidates(to, turn.now, request.naming)?;
        self.offer_to(turn, case, &to)
    }

    fn offer_to(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        to: &BTreeMap<SiteId, DocumentId>,
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        if !to.keys().all(|site| request.may_offer_to(*site)) {
            return Err(CannotDo::NotNow);
        }
        let until = turn.now.after(limits::OFFER);
        let offers: Vec<_> = to
            .iter()
            .map(|(site, agreement)| (*site, request.offer(*agreement, until)))
            .collect();
        for (site, offer) in offers {
            self.link(turn, case, site, RequesterEvent::Offered(offer));
        }
        Ok(Answer::Done)
    }

    /// Takes a case back; once somebody reads it, asks that reader to stop.
    pub(crate) fn withdraw(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        reason: WithdrawalReason,
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        let open: Vec<SiteId> = open_threads(request);
        if open.is_empty()
            || !open
                .iter()
                .all(|site| request.threads[site].phase().may_withdraw())
        {
            return self.ask_to_stop(turn, case, reason);
        }
        for site in open {
            self.link(turn, case, site, RequesterEvent::Withdrawn(reason));
        }
        Ok(Answer::Done)
    }

    pub(crate) fn acknowledge(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        version: u32,
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        let thread = request.booked().ok_or(CannotDo::NotNow)?;
        let (reader, event) = (thread.reader(), RequesterEvent::Acknowledged(version));
        // What was delivered can be acknowledged once, and until the case is closed.
        if thread.phase().clone().after_requester(&event).is_err() {
            return Err(CannotDo::NotNow);
        }
        if !thread.has_room() {
            return Err(CannotDo::Limit);
        }
        self.link(turn, case, reader, event);
        Ok(Answer::Done)
    }

    /// A reader's proposal arrived and is signed by it.
    pub(crate) fn proposal_arrived(
        &mut self,
        turn: &mut Turn,
        document: &Signed<Proposal>,
    ) -> DocumentAnswer {
        let (id, proposal) = (document.id(), document.content().clone());
        let Some(thread) = self
            .state
            .requests
            .get(&proposal.case)
            .and_then(|request| request.threads.get(&proposal.reader))
        else {
            return DocumentAnswer::Refused;
        };
        if thread.knows(id) {
            return DocumentAnswer::Accepted;
        }
        if !thread.has_room_for_proposal() {
            return DocumentAnswer::Refused;
        }
        if !thread.chain().contains(&proposal.follows) {
            return DocumentAnswer::Later;
        }
        let admitted = thread.admits(id, &proposal) && self.still_wanted(&proposal, turn.now);
        self.note(
            turn,
            Record::ProposalReceived(document.bytes().to_vec().into()),
        );
        let answer = if admitted {
            RequesterEvent::Admitted(id)
        } else {
            RequesterEvent::NotAdmitted(id)
        };
        self.link(turn, proposal.case, proposal.reader, answer);
        if let (true, ReaderEvent::Reported(issued)) = (admitted, &proposal.event) {
            self.open_report_key(turn, proposal.case, proposal.reader, issued);
        }
        DocumentAnswer::Accepted
    }

    /// Whether a proposal that fits the chain also comes in time.
    fn still_wanted(&self, proposal: &Proposal, now: Timestamp) -> bool {
        match &proposal.event {
            ReaderEvent::Quoted(quote) => now < quote.until,
            ReaderEvent::Declined(_)
            | ReaderEvent::Received(_)
            | ReaderEvent::Claimed(_)
            | ReaderEvent::Released(_)
            | ReaderEvent::Reported(_) => true,
        }
    }

    fn open_report_key(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        reader: SiteId,
        issued: &ReportIssued,
    ) {
        let context = GrantContext {
            case: *case.as_bytes(),
            parcel: issued.grant.manifest.parcel,
            sender: reader,
            recipient: self.identity.site,
            role: RecipientRole::Requester,
            commitment: issued.grant.manifest.commitment,
        };
        let parcel = issued.grant.manifest.parcel;
        let key = self.open_key(&issued.grant, &context);
        match key.filter(|_| !self.is_taken(parcel, Held::Report(case, issued.version))) {
            Some(key) => self.keep_content_key(turn, parcel, key),
            None => self.link(
                turn,
                case,
                reader,
                RequesterEvent::ReportRejected(issued.version),
            ),
        }
    }

    /// A report version was fetched, verified and stored, or can never be.
    pub(crate) fn report_received(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        version: u32,
        well: bool,
    ) {
        let Some(reader) = self
            .state
            .requests
            .get(&case)
            .and_then(Request::booked)
            .map(|thread| thread.reader())
        else {
            return;
        };
        let event = if well {
            RequesterEvent::Delivered(version)
        } else {
            RequesterEvent::ReportRejected(version)
        };
        self.link(turn, case, reader, event);
    }

    /// What follows by itself for every case of this site.
    pub(crate) fn advance_requests(&mut self, turn: &mut Turn) {
        let open: Vec<CaseId> = self
            .state
            .requests
            .values()
            .filter(|request| !request.is_over())
            .map(|request| request.case)
            .collect();
        for case in open {
            self.expire_offers(turn, case);
            self.book(turn, case);
            self.grant(turn, case);
            self.close(turn, case);
        }
    }

    fn expire_offers(&mut self, turn: &mut Turn, case: CaseId) {
        let Some(request) = self.state.requests.get(&case) else {
            return;
        };
        let late = |phase: &Phase| offer_end(phase).is_some_and(|until| until <= turn.now);
        let expired: Vec<SiteId> = request
            .threads
            .values()
            .filter(|thread| late(thread.phase()))
            .map(|thread| thread.reader())
            .collect();
        for reader in expired {
            self.link(turn, case, reader, RequesterEvent::Expired);
        }
    }

    /// Books the quote that promises the report first; everybody else is told.
    fn book(&mut self, turn: &mut Turn, case: CaseId) {
        let Some(request) = self
            .state
            .requests
            .get(&case)
            .filter(|request| request.booked().is_none())
        else {
            return;
        };
        let quotes = request
            .threads
            .values()
            .filter_map(|thread| match thread.phase() {
                Phase::Quoted(quoted) if turn.now < quoted.quote.until => {
                    Some((quoted.quote.due, thread.reader(), quoted.document))
                }
                _ => None,
            });
        let Some((_, winner, quote)) = quotes.min() else {
            return;
        };
        let others: Vec<SiteId> = open_threads(request)
            .into_iter()
            .filter(|site| *site != winner)
            .collect();
        self.link(turn, case, winner, RequesterEvent::Booked(quote));
        for other in others {
            self.link(turn, case, other, RequesterEvent::NotChosen);
        }
    }

    /// Hands the booked reader the key, as soon as its prekey is known.
    fn grant(&mut self, turn: &mut Turn, case: CaseId) {
        let Some(request) = self.state.requests.get(&case) else {
            return;
        };
        let Some(thread) = request
            .booked()
            .filter(|thread| matches!(thread.phase(), Phase::Booked(_)))
        else {
            return;
        };
        let (reader, manifest) = (thread.reader(), request.manifest.clone());
        let Some(key) = self.vault.content.get(&manifest.parcel) else {
            return;
        };
        let (key, role) = (key.duplicate(), RecipientRole::Reader);
        let Ok(grant) = self.wrap_for(turn.now, case, reader, role, manifest, &key) else {
            return;
        };
        self.link(turn, case, reader, RequesterEvent::Granted(Box::new(grant)));
    }

    fn close(&mut self, turn: &mut Turn, case: CaseId) {
        let Some(thread) = self.state.requests.get(&case).and_then(Request::booked) else {
            return;
        };
        let done = matches!(thread.phase(), Phase::Reported(reported) if reported.standing() == Standing::Acknowledged);
        let reader = thread.reader();
        if done {
            self.link(turn, case, reader, RequesterEvent::Closed);
        }
    }

    /// Wraps a parcel's content key for a partner, for a prekey in force. A study is handed out under
    /// an agreement in force, and under the name that this wants. A report goes back under the booking that it answers, whatever has
    /// become of the agreement since: what was promised is kept.
    pub(crate) fn wrap_for(
        &mut self,
        now: Timestamp,
        case: CaseId,
        recipient: SiteId,
        role: RecipientRole,
        manifest: ManifestReference,
        key: &ContentKey,
    ) -> Result<Grant, CannotDo> {
        let partner = self
            .state
            .partners
            .get(&recipient)
            .ok_or(CannotDo::NoPartner)?;
        if role == RecipientRole::Reader {
            let (_, agreement) = partner.agreement(now).ok_or(CannotDo::NoAgreement)?;
            let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
            if !agreement.allows(request.naming) {
                return Err(CannotDo::Identified);
            }
        }
        // Nothing is sealed for a key of which its site says that it is in other hands.
        let prekey = partner.prekey.as_ref().filter(|_| partner.barred.is_none());
        let prekey = prekey.ok_or(CannotDo::NoPrekey)?;
        if !prekey.validity.contains(now.seconds()) {
            return Err(CannotDo::NoPrekey);
        }
        let context = GrantContext {
            case: *case.as_bytes(),
            parcel: manifest.parcel,
            sender: self.identity.site,
            recipient,
            role,
            commitment: manifest.commitment,
        };
        let key = wrap(key, prekey, &context, &mut self.rng).map_err(|_| CannotDo::NoPrekey)?;
        Ok(Grant { manifest, key })
    }

    /// Adds a link to a chain, signed.
    pub(crate) fn link(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        reader: SiteId,
        event: RequesterEvent,
    ) {
        let Some(request) = self.state.requests.get(&case) else {
            return;
        };
        let thread = request.threads.get(&reader);
        let link = Link {
            case,
            requester: self.identity.site,
            reader,
            sequence: thread.map_or(0, |thread| thread.chain().len() as u32),
            previous: thread.map(|thread| thread.head()),
            at: turn.now,
            event,
        };
        if let Ok(bytes) = self.sign(link) {
            self.note(turn, Record::LinkMade(bytes.into()));
        }
    }

    pub(crate) fn request_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let threads = self
            .state
            .requests
            .values()
            .flat_map(|request| request.threads.values());
        threads
            .filter_map(|thread| offer_end(thread.phase()))
            .filter(|until| *until > now)
            .min()
    }

    /// The content key of a sealed report or study that this site holds.
    pub fn content_key(&self, parcel: ParcelId) -> Option<&ContentKey> {
        self.vault.content.get(&parcel)
    }
}

fn open_threads(request: &Request) -> Vec<SiteId> {
    request
        .threads
        .values()
        .filter(|thread| !thread.phase().is_over())
        .map(|thread| thread.reader())
        .collect()
}

fn offer_end(phase: &Phase) -> Option<Timestamp> {
    match phase {
        Phase::Offered(offered) => Some(offered.offer.until),
        Phase::Quoted(quoted) => Some(quoted.offered.offer.until),
        Phase::Booked(_)
        | Phase::HandingOver(_)
        | Phase::Received(_)
        | Phase::Claimed(_)
        | Phase::Reported(_)
        | Phase::Closed(_)
        | Phase::Ended(_) => None,
    }
}
