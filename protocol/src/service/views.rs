//! What people ask to see: where each case stands, and why it does not move.

use dokuei_keys::id::SiteId;

use crate::case::CaseId;
use crate::case::cancel::Cancel;
use crate::case::event::CaseOffer;
use crate::case::phase::{Ending, Phase, Standing};
use crate::case::report::Versions;
use crate::case::request::{Keeping, Request};
use crate::case::terms::CaseTerms;
use crate::case::thread::{Happening, Thread};
use crate::input::{Job, Trouble};
use crate::partner::agreement::Agreement;
use crate::service::Service;
use crate::time::Timestamp;

/// Which side of a case this site is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It asked.
    Requester,
    /// It was asked.
    Reader,
}

/// What a case waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing: it is over.
    Nothing,
    /// Nothing: it is over without a report. A person here may offer it again.
    OfferAgain,
    /// A person here must offer it to somebody.
    OfferHere,
    /// The reader's answer to the offer.
    Quote,
    /// A person here must answer the offer.
    QuoteHere,
    /// The requester's choice.
    Booking,
    /// An agreement in force between the two sites.
    Agreement,
    /// A person here, as the agreement in force wants a pseudonym and the sealed study has none.
    Identified,
    /// The partner's key to seal for.
    Prekey,
    /// The requester's grant of the study.
    Grant,
    /// The study is on its way.
    Transfer,
    /// The reader's receipt.
    Receipt,
    /// A person at the reading site must read it.
    Reading,
    /// A person here must read it.
    ReadingHere,
    /// The final report after a preliminary one.
    FinalReport,
    /// The report is on its way to the requester's archive.
    Delivery,
    /// A doctor at the requesting site must read the report.
    Acknowledgement,
    /// A doctor here must read the report.
    AcknowledgementHere,
    /// A job failed and is tried again.
    Retry(Trouble),
    /// The partner is not connected.
    Connection,
    /// The partner has not answered a proposal of this site.
    Answer,
    /// The partner has refused what this site said of the case, and it does not move by itself.
    Refused,
}

impl Waiting {
    /// Whether nothing more is to come by itself, and nobody need do anything.
    pub fn is_over(self) -> bool {
        matches!(self, Waiting::Nothing | Waiting::OfferAgain)
    }
}

/// A case, to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseView {
    /// The case.
    pub case: CaseId,
    /// Which side this site is on.
    pub side: Side,
    /// The other site; none before it was offered.
    pub partner: Option<SiteId>,
    /// The word for where it stands.
    pub phase: &'static str,
    /// What it waits for.
    pub waiting: Waiting,
    /// Since when.
    pub since: Timestamp,
    /// What is asked for; not known any more to a reader for whom it has ended.
    pub terms: Option<CaseTerms>,
    /// What has become of the sealed study here.
    pub keeping: Keeping,
    /// Until when it is kept here, once that can be said.
    pub kept_until: Option<Timestamp>,
    /// When the report was promised.
    pub due: Option<Timestamp>,
    /// Whether it was promised for later than it is needed, and is not there yet.
    pub late: bool,
    /// The request to stop reading it, if there is one: made here, or come here.
    pub cancel: Option<Cancel>,
    /// What happened.
    pub timeline: Vec<Happening>,
}

impl Service {
    /// Every case of this site, oldest first within each side.
    pub fn cases(&self) -> Vec<CaseView> {
        let asked = self
            .state
            .requests
            .keys()
            .filter_map(|case| self.case_view(*case));
        let read = self
            .state
            .readings
            .keys()
            .filter(|case| !self.state.requests.contains_key(case))
            .filter_map(|case| self.case_view(*case));
        let mut views: Vec<CaseView> = asked.chain(read).collect();
        views.sort_by_key(|view| view.timeline.first().map_or(view.since, |first| first.at));
        views
    }

    /// One case.
    pub fn case_view(&self, case: CaseId) -> Option<CaseView> {
        if let Some(request) = self.state.requests.get(&case) {
            let thread = request.foremost();
            let waiting = thread.map_or(Waiting::OfferHere, |thread| {
                self.requester_waits(request, thread)
            });
            return Some(CaseView {
                case,
                side: Side::Requester,
                partner: thread.map(Thread::reader),
                phase: request.code(),
                waiting,
                since: thread
                    .and_then(|thread| thread.timeline().last())
                    .map_or(request.opened, |last| last.at),
                keeping: request.keeping,
                kept_until: self.kept_until(case),
                terms: Some(request.terms.clone()),
                due: thread.map(Thread::phase).and_then(promised),
                late: thread.map(Thread::phase).is_some_and(is_late),
                cancel: request.cancel.clone(),
                timeline: thread
                    .map(|thread| thread.timeline().to_vec())
                    .unwrap_or_default(),
            });
        }
        let reading = self.state.readings.get(&case)?;
        let thread = &reading.thread;
        let expected = thread.expected();
        Some(CaseView {
            case,
            side: Side::Reader,
            partner: Some(thread.requester()),
            phase: expected.code(),
            waiting: self.reader_waits(case, thread),
            since: thread
                .timeline()
                .last()
                .map_or(Timestamp(0), |last| last.at),
            keeping: reading.keeping,
            kept_until: self.kept_until(case),
            terms: expected.offer().map(|offer| offer.terms.clone()),
            due: promised(&expected),
            late: is_late(&expected),
            cancel: reading.cancel.clone(),
            timeline: thread.timeline().to_vec(),
        })
    }

    fn requester_waits(&self, request: &Request, thread: &Thread) -> Waiting {
        let case = request.case;
        let waits = match thread.phase() {
            phase if thread.is_torn() && !phase.is_over() => return Waiting::Refused,
            Phase::Offered(_) => Waiting::Quote,
            Phase::Quoted(_) => Waiting::Booking,
            Phase::Booked(_) => match self.agreement_with(thread.reader()) {
                None => return Waiting::Agreement,
                Some(agreement) if !agreement.allows(request.naming) => {
                    return Waiting::Identified;
                }
                Some(_) => Waiting::Prekey,
            },
            Phase::HandingOver(_) => Waiting::Transfer,
            Phase::Received(_) | Phase::Claimed(_) => Waiting::Reading,
            Phase::Reported(reported) => {
                let arriving = reported.versions.awaited().next();
                match (arriving, reported.standing()) {
                    (Some(version), _) => {
                        return self.job_waits(
                            Job::ReceiveReport(case, version.issued.version),
                            Waiting::Delivery,
                        );
                    }
                    (None, Standing::Preliminary | Standing::Rejected) => Waiting::FinalReport,
                    (None, Standing::Final) => Waiting::Delivery,
                    (None, Standing::Delivered | Standing::Acknowledged) => {
                        return Waiting::AcknowledgementHere;
                    }
                }
            }
            Phase::Closed(_) => return Waiting::Nothing,
            Phase::Ended(ending) => return after(ending, request),
        };
        if self.is_connected(thread.reader()).is_some() {
            waits
        } else {
            Waiting::Connection
        }
    }

    fn reader_waits(&self, case: CaseId, thread: &Thread) -> Waiting {
        let reading = self.state.readings.get(&case);
        let sealed = reading.is_some_and(|reading| reading.sealed.is_some());
        let waits = match thread.expected() {
            phase if sealed && phase.grant().is_some() => Waiting::Prekey,
            Phase::Offered(offered) if self.is_unanswered(thread.requester(), &offered.offer) => {
                Waiting::Agreement
            }
            Phase::Offered(_) => return Waiting::QuoteHere,
            Phase::Quoted(_) => Waiting::Booking,
            Phase::Booked(_) => Waiting::Grant,
            Phase::HandingOver(_) if reading.is_some_and(|it| it.keeps_quiet(self.now)) => {
                return Waiting::Refused;
            }
            Phase::HandingOver(_) => {
                return self.job_waits(Job::ReceiveStudy(case), Waiting::Transfer);
            }
            Phase::Received(_) | Phase::Claimed(_) => {
                let stored = reading.is_some_and(|reading| reading.stored);
                return if stored {
                    Waiting::ReadingHere
                } else {
                    self.job_waits(Job::StoreStudy(case), Waiting::ReadingHere)
                };
            }
            Phase::Reported(reported) => match reported.standing() {
                Standing::Preliminary | Standing::Rejected => return Waiting::ReadingHere,
                Standing::Final => Waiting::Delivery,
                Standing::Delivered | Standing::Acknowledged => Waiting::Acknowledgement,
            },
            Phase::Closed(_) | Phase::Ended(_) if thread.phase().is_over() => Waiting::Nothing,
            Phase::Closed(_) | Phase::Ended(_) => Waiting::Answer,
        };
        if waits != Waiting::Nothing && self.is_connected(thread.requester()).is_none() {
            Waiting::Connection
        } else {
            waits
        }
    }

    /// The agreement in force with a partner.
    fn agreement_with(&self, site: SiteId) -> Option<&Agreement> {
        let partner = self.state.partners.get(&site)?;
        partner.agreement(self.now).map(|(_, agreement)| agreement)
    }

    /// Whether an offer falls under an agreement that the requester has not answered yet.
    fn is_unanswered(&self, requester: SiteId, offer: &CaseOffer) -> bool {
        let partner = self.state.partners.get(&requester);
        partner
            .and_then(|partner| partner.agreements.get(&offer.agreement))
            .is_some_and(|state| !state.accepted)
    }

    fn job_waits(&self, job: Job, otherwise: Waiting) -> Waiting {
        let trouble = self
            .attempts
            .get(&job)
            .filter(|attempt| !attempt.running)
            .and_then(|attempt| attempt.trouble);
        let unreachable = self
            .partner_of(job)
            .is_some_and(|site| self.is_connected(site).is_none());
        match trouble {
            _ if unreachable => Waiting::Connection,
            Some(trouble) => Waiting::Retry(trouble),
            None => otherwise,
        }
    }
}

/// What a requester's case waits for when it has ended without a report. One that a reader gave back
/// after it was booked has to go to somebody else, also when somebody has declined it since; an offer
/// that came to nothing, was taken back, or was given back because the requester asked for that, is over.
fn after(ending: &Ending, request: &Request) -> Waiting {
    match ending {
        Ending::Withdrawn(_) => Waiting::Nothing,
        _ if request.given_back => Waiting::OfferHere,
        Ending::Released(_) if request.cancel.is_some() => Waiting::OfferAgain,
        Ending::Released(_) => Waiting::OfferHere,
        Ending::Declined(_) | Ending::Expired | Ending::NotChosen => Waiting::OfferAgain,
    }
}

/// Whether the report was promised for later than the offer says that it is needed, and none is final.
fn is_late(phase: &Phase) -> bool {
    let needed = phase.offer().map(|offer| offer.terms.due);
    let written = phase.versions().is_some_and(Versions::is_final);
    promised(phase)
        .zip(needed)
        .is_some_and(|(promised, needed)| needed < promised)
        && !written
}

fn promised(phase: &Phase) -> Option<Timestamp> {
    match phase {
        Phase::Quoted(quoted) => Some(quoted.quote.due),
        phase => phase.booking().map(|booked| booked.quoted.quote.due),
    }
}
