//! The people of a site: who sends studies, who reads them, who reads the reports. They look at their
//! lists now and then and do what is next, sometimes something else, sometimes what cannot be done.

use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::check::Check;
use dokuei_protocol::case::event::{ReleaseReason, WithdrawalReason};
use dokuei_protocol::case::report::{Reception, ReportStatus};
use dokuei_protocol::case::terms::{CaseTerms, Modality, Priority, Specialty};
use dokuei_protocol::input::{Command, IssueReport, OpenCase};
use dokuei_protocol::partner::agreement::Naming;
use dokuei_protocol::service::views::{CaseView, Side, Waiting};
use dokuei_protocol::service::{Quoting, Service};
use dokuei_protocol::time::Span;

use super::World;
use super::agenda::Event;
use super::site::Asker;
use crate::checks::{Violation, waiting};
use crate::parcel::{self, SealedReport};
use crate::tally::Group;

impl World {
    /// People look at their lists and act.
    pub(super) fn look(&mut self, site: usize) -> Result<(), Violation> {
        let again = match self.is_calm() {
            true => self.chance.between(10, 20),
            false => self.chance.between(15, 60),
        };
        self.put(Span::MINUTE.times(again), Event::Look(site));
        let views = self.sites[site].service().map(|service| service.cases());
        for view in views.into_iter().flatten() {
            let situation = self.situation(site, &view);
            if let Some(situation) = situation.filter(|_| self.hears(site, &view)) {
                waiting::connection(&situation)?;
            }
            match view.side {
                Side::Requester => self.act_as_requester(site, &view)?,
                Side::Reader => self.act_as_reader(site, &view)?,
            }
        }
        Ok(())
    }

    /// Whether there is a partner, and its certificates hold by the clock of the site that looks. Otherwise its node is
    /// connected to bring others, or still connected because it was a partner a moment ago, and nothing goes over the line.
    fn hears(&self, site: usize, view: &CaseView) -> bool {
        let service = self.sites[site].service();
        let partners = service.map(|service| &service.state().partners);
        let partner = partners.and_then(|all| all.get(&view.partner?));
        partner.is_some_and(|partner| partner.in_force(self.clock(site)))
    }

    pub(super) fn person(
        &mut self,
        site: usize,
        what: &'static str,
        command: Command,
    ) -> Result<(), Violation> {
        self.tally.count(Group::People, what);
        self.command(site, what, Asker::Person, command)
    }

    /// Whether somebody does something now: with this chance, and surely once it is calm.
    fn does(&mut self, percent: u32) -> bool {
        self.is_calm() || self.chance.percent(percent)
    }

    /// Something that people do only before it is calm.
    fn fancies(&mut self, percent: u32) -> bool {
        !self.is_calm() && self.chance.percent(percent)
    }

    fn act_as_reader(&mut self, site: usize, view: &CaseView) -> Result<(), Violation> {
        if self.is_calm() && self.sites[site].staff.reader_leaves {
            return Ok(());
        }
        let case = view.case;
        let reading = self.sites[site]
            .service()
            .and_then(|service| service.state().readings.get(&case));
        let is_offered = reading.is_some_and(|reading| reading.priors.offer.is_some());
        if self.fancies(if is_offered { 30 } else { 1 }) {
            self.ask_for_priors(site, case)?;
        }
        let by_hand = self.sites[site].quoting == Quoting::ByHand;
        match (view.waiting, view.phase) {
            (Waiting::QuoteHere, _) if by_hand && self.does(20) => {
                let hours = [None, Some(1), Some(24)][self.chance.below(3) as usize];
                match self.chance.percent(60) {
                    true => self.person(site, "quotes", Command::Quote { case, hours }),
                    false => self.person(site, "declines", Command::Decline(case)),
                }
            }
            (Waiting::ReadingHere, "received") if self.fancies(6) => self.give_back(site, case),
            (Waiting::ReadingHere, "received") if self.chance.percent(70) => {
                let delegation = self.sites[site].staff.reader.clone();
                self.person(site, "claims", Command::Claim { case, delegation })
            }
            (Waiting::ReadingHere, "claimed") if view.cancel.is_some() && self.does(50) => {
                self.tally.count(Group::People, "stops as asked");
                self.give_back(site, case)
            }
            (Waiting::ReadingHere, "claimed") if self.fancies(4) => self.give_back(site, case),
            (Waiting::ReadingHere, "received" | "claimed" | "preliminary" | "report-rejected") => {
                let status = match (self.fancies(40), view.phase) {
                    (true, phase) if phase != "report-rejected" => ReportStatus::Preliminary,
                    _ => ReportStatus::Final,
                };
                if self.does(40) {
                    self.issue(site, case, status)?;
                }
                Ok(())
            }
            (_, "final" | "delivered" | "acknowledged" | "closed") if self.fancies(3) => {
                let statuses = [
                    ReportStatus::Addendum,
                    ReportStatus::Amended,
                    ReportStatus::Corrected,
                    ReportStatus::Retracted,
                    ReportStatus::Preliminary,
                    ReportStatus::Final,
                ];
                let status = self
                    .chance
                    .pick(&statuses)
                    .unwrap_or(ReportStatus::Addendum);
                self.issue(site, case, status)
            }
            _ if self.fancies(2) => self.do_nonsense(site, case),
            _ => Ok(()),
        }
    }

    fn give_back(&mut self, site: usize, case: CaseId) -> Result<(), Violation> {
        let reasons = [
            ReleaseReason::ShiftEnded,
            ReleaseReason::OutsideCompetence,
            ReleaseReason::ImageQuality,
        ];
        let reason = self
            .chance
            .pick(&reasons)
            .unwrap_or(ReleaseReason::ShiftEnded);
        self.person(site, "gives back", Command::Release(case, reason))
    }

    /// A report version is signed, sealed on the disk, and issued.
    fn issue(&mut self, site: usize, case: CaseId, status: ReportStatus) -> Result<(), Violation> {
        let Some(service) = self.sites[site].service() else {
            return Ok(());
        };
        let Ok(next) = service.next_version(case, status) else {
            return Ok(());
        };
        let (id, report) = (self.sites[site].id, DocumentId::of(&self.chance.bytes()));
        let (manifest, key) = parcel::report(&mut self.chance, id);
        let sealed = SealedReport {
            case,
            version: next.version,
            status,
            report,
        };
        self.sites[site]
            .store
            .reports
            .insert(manifest.parcel, sealed);
        let issue = IssueReport {
            case,
            version: next.version,
            status,
            predecessor: next.predecessor,
            report,
            delegation: self.sites[site].staff.reader.clone(),
            manifest,
            key,
        };
        self.person(site, "reports", Command::IssueReport(Box::new(issue)))
    }

    fn act_as_requester(&mut self, site: usize, view: &CaseView) -> Result<(), Violation> {
        let case = view.case;
        if view.phase == "claimed" && view.cancel.is_none() && self.fancies(5) {
            let reason = WithdrawalReason::ReadElsewhere;
            return self.person(site, "asks to stop", Command::Withdraw(case, reason));
        }
        if self.fancies(2) {
            let reason = WithdrawalReason::NotNeeded;
            self.person(site, "withdraws", Command::Withdraw(case, reason))?;
            if self.fancies(50) {
                let to = view.partner.into_iter().collect();
                return self.person(site, "thinks again", Command::Offer { case, to });
            }
            return Ok(());
        }
        let may_offer = matches!(view.waiting, Waiting::OfferHere | Waiting::OfferAgain)
            || view.phase == "withdrawn";
        if may_offer && self.fancies(20) {
            let to = self.candidates(site);
            return self.person(site, "offers again", Command::Offer { case, to });
        }
        if self.fancies(2) {
            return self.do_nonsense(site, case);
        }
        let doctor_is_here = !(self.is_calm() && self.sites[site].staff.doctor_leaves);
        if doctor_is_here && self.does(50) {
            return self.acknowledge(site, case);
        }
        Ok(())
    }

    /// A doctor reads the newest report that has been delivered.
    fn acknowledge(&mut self, site: usize, case: CaseId) -> Result<(), Violation> {
        let request = self.sites[site]
            .service()
            .and_then(|service| service.state().requests.get(&case));
        let open = request.and_then(|request| request.booked());
        let versions = open
            .filter(|thread| !thread.phase().is_over())
            .and_then(|thread| thread.phase().versions());
        let delivered = versions.into_iter().flat_map(|versions| versions.all());
        let newest = delivered
            .filter(|version| version.reception == Reception::Delivered)
            .map(|version| version.issued.version)
            .max();
        match newest {
            Some(version) => self.person(site, "acknowledges", Command::Acknowledge(case, version)),
            None => Ok(()),
        }
    }

    /// What people try that cannot be done, mostly.
    fn do_nonsense(&mut self, site: usize, case: CaseId) -> Result<(), Violation> {
        let other = (site + 1) % self.sites.len();
        let (here, partner) = (&self.sites[site].staff, self.sites[other].id);
        let (reader, technologist) = (here.reader.clone(), here.technologist.clone());
        let foreign = self.sites[other].staff.reader.clone();
        let command = match self.chance.below(8) {
            0 => Command::Claim {
                case,
                delegation: reader,
            },
            6 => Command::Claim {
                case,
                delegation: technologist,
            },
            7 => Command::Claim {
                case,
                delegation: foreign,
            },
            1 => Command::Acknowledge(case, self.chance.between(0, 4) as u32),
            2 => Command::Decline(case),
            3 => Command::AcceptAgreement(partner),
            4 => Command::Withdraw(
                CaseId::from_bytes(self.chance.bytes()),
                WithdrawalReason::NotNeeded,
            ),
            _ => Command::Offer {
                case,
                to: vec![partner, partner],
            },
        };
        self.person(site, "tries something", command)
    }

    /// One to three partners to ask.
    fn candidates(&mut self, site: usize) -> Vec<SiteId> {
        let Some(service) = self.sites[site].service() else {
            return Vec::new();
        };
        // Mostly those that say they read something; now and then just anybody.
        let known = service.state().partners.iter();
        let (readers, all): (Vec<_>, Vec<_>) = known
            .map(|(site, partner)| (partner.capacity.as_ref().map(|_| *site), *site))
            .unzip();
        let readers: Vec<SiteId> = readers.into_iter().flatten().collect();
        let mut partners = match self.chance.percent(15) || readers.is_empty() {
            true => all,
            false => readers,
        };
        let count = self.chance.between(1, 3);
        let mut candidates = Vec::new();
        for _ in 0..count {
            if partners.is_empty() {
                break;
            }
            let at = self.chance.below(partners.len() as u64) as usize;
            candidates.push(partners.swap_remove(at));
        }
        candidates
    }

    /// Under which name a person sends to these: as the agreements want it, now and then not.
    fn naming_for(&mut self, site: usize, to: &[SiteId]) -> Naming {
        let now = self.clock(site);
        let wants = |service: &Service| {
            let partners = to.iter().filter_map(|to| service.state().partners.get(to));
            let agreements = partners.filter_map(|partner| partner.agreement(now));
            agreements.map(|(_, agreement)| agreement.naming).max()
        };
        let wanted = self.sites[site].service().and_then(wants);
        match self.chance.percent(5) {
            true => Naming::Identified,
            false => wanted.unwrap_or_default(),
        }
    }

    /// A study is ready to be read.
    pub(super) fn open(&mut self, site: usize) -> Result<(), Violation> {
        let to = self.candidates(site);
        if to.is_empty() {
            if !self.is_calm() {
                self.put(Span::MINUTE.times(40), Event::Open(site));
            }
            return Ok(());
        }
        let id = self.sites[site].id;
        let naming = self.naming_for(site, &to);
        let (manifest, reference, key) = parcel::study(&mut self.chance, id);
        let asked = self.sites[site].service();
        let earlier = asked.and_then(|service| service.state().requests.keys().next().copied());
        let terms = CaseTerms {
            modality: match self.chance.below(10) {
                0..7 => Modality::Ct,
                7..9 => Modality::Mr,
                _ => Modality::Us,
            },
            specialty: Specialty::Chest,
            priority: Priority::Routine,
            objects: reference.objects,
            bytes: reference.bytes,
            due: self.clock(site).after(Span::DAY),
            addition_to: earlier.filter(|_| self.chance.percent(20)),
        };
        self.sites[site]
            .store
            .studies
            .insert(reference.parcel, manifest);
        let open = OpenCase {
            manifest: reference,
            key,
            naming,
            check: Check::default(),
            terms,
            to,
        };
        self.person(site, "opens", Command::OpenCase(Box::new(open)))
    }
}
