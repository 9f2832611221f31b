//! Workitems: one for each round of a case, and one for each version that follows a final report.

use dokuei_keys::id::{ParcelId, PersonId, SiteId};
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::phase::Phase;
use dokuei_protocol::case::report::{Reception, ReportStatus, Versions};
use dokuei_protocol::case::thread::Thread;
use dokuei_protocol::service::Service;
use dokuei_protocol::service::views::{CaseView, Side};

use super::kept::{Kept, Said};
use super::state::{Round, State, rounds};
use crate::dicom::uid::Uid;

/// What a workitem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A study is to be read.
    Reading,
    /// A version that follows the final report: an addendum and the like.
    Version(u32, ReportStatus),
}

/// What the service says of one case.
#[derive(Clone)]
pub(super) struct Facts {
    view: CaseView,
    rounds: Vec<Round>,
    state: State,
    reader: Option<PersonId>,
    versions: Versions,
    partner: Option<String>,
    parcel: Option<ParcelId>,
    is_stored: bool,
}

/// One workitem. Holds patient data: no `Debug`.
#[derive(Clone)]
pub(super) struct Item {
    /// Its SOP Instance UID.
    pub uid: String,
    /// What it is about.
    pub work: Work,
    /// Which round of the case, from zero.
    pub round: u32,
    /// Where it stands.
    pub state: State,
    /// The case as the command line shows it.
    pub view: CaseView,
    /// What happened in the round.
    pub happened: Round,
    /// UID of the workitem in whose place it came.
    pub replaces: Option<String>,
    /// Who reads it.
    pub reader: Option<PersonId>,
    /// Name of the partner.
    pub partner: Option<String>,
    /// Parcel of the study, at the site that asks.
    pub parcel: Option<ParcelId>,
    /// Whether the images are where they are read.
    pub is_ready: bool,
    /// Report versions that came of it.
    pub reports: Vec<u32>,
    /// What clients said of it.
    pub said: Said,
}

impl Facts {
    /// Every case of this site that was offered to somebody.
    pub(super) fn all(service: &Service) -> Vec<Facts> {
        let views = service.cases().into_iter();
        views.filter_map(|view| Facts::of(service, view)).collect()
    }

    /// One case, if it was offered to somebody.
    pub(super) fn one(service: &Service, case: CaseId) -> Option<Facts> {
        Facts::of(service, service.case_view(case)?)
    }

    fn of(service: &Service, view: CaseView) -> Option<Facts> {
        let state = service.state();
        let request = state.requests.get(&view.case);
        let reading = state.readings.get(&view.case);
        let (threads, phase): (Vec<&Thread>, Phase) = match (request, reading) {
            (Some(request), _) => {
                let phase = request.foremost()?.phase().clone();
                (request.threads.values().collect(), phase)
            }
            (None, Some(reading)) => (vec![&reading.thread], reading.thread.expected()),
            (None, None) => return None,
        };
        let timelines: Vec<_> = threads.iter().map(|thread| thread.timeline()).collect();
        let rounds = rounds(&timelines);
        let name = view.partner.and_then(|site| state.partners.get(&site));
        Some(Facts {
            rounds,
            state: State::of(&phase),
            reader: reader(&phase),
            versions: phase.versions().cloned().unwrap_or_default(),
            partner: name.map(|partner| partner.name.clone()),
            parcel: request.map(|request| request.manifest.parcel),
            is_stored: reading.is_none_or(|reading| reading.stored),
            view,
        })
    }

    /// The workitems of the case.
    pub(super) fn items(&self, site: SiteId, kept: &Kept) -> Vec<Item> {
        let case = self.view.case;
        let mut items: Vec<Item> = Vec::new();
        let last = self.rounds.len().saturating_sub(1);
        for (number, happened) in self.rounds.iter().enumerate() {
            let round = number as u32;
            let said = kept.said(case, round);
            let is_last = number == last;
            items.push(Item {
                uid: said
                    .uid
                    .clone()
                    .unwrap_or_else(|| uid(site, case, "round", round)),
                work: Work::Reading,
                round,
                state: if is_last { self.state } else { State::Canceled },
                happened: happened.clone(),
                replaces: items.last().map(|before| before.uid.clone()),
                reader: self.reader.filter(|_| is_last),
                partner: self.partner.clone(),
                parcel: self.parcel,
                is_ready: self.is_stored,
                reports: self.reports().filter(|_| is_last).collect(),
                view: self.view.clone(),
                said,
            });
        }
        let Some(reading) = items.last().cloned() else {
            return items;
        };
        for version in self.versions.all() {
            let (number, status) = (version.issued.version, version.issued.status);
            if matches!(status, ReportStatus::Preliminary | ReportStatus::Final) {
                continue;
            }
            items.push(Item {
                uid: uid(site, case, "version", number),
                work: Work::Version(number, status),
                state: State::Completed,
                replaces: None,
                reader: Some(version.issued.author),
                said: Said::default(),
                reports: vec![number],
                ..reading.clone()
            });
        }
        items
    }

    /// The versions that a reading comes to and that stand: what follows them is work of its own.
    fn reports(&self) -> impl Iterator<Item = u32> + '_ {
        let all = self.versions.all().iter();
        let of_reading = all.filter(|version| {
            let status = version.issued.status;
            version.reception != Reception::Rejected
                && matches!(status, ReportStatus::Preliminary | ReportStatus::Final)
        });
        of_reading.map(|version| version.issued.version)
    }

    /// The case.
    pub(super) fn case(&self) -> CaseId {
        self.view.case
    }
}

/// Who reads it, from the moment that somebody does.
fn reader(phase: &Phase) -> Option<PersonId> {
    match phase {
        Phase::Claimed(claimed) => Some(claimed.by),
        Phase::Reported(reported) => Some(reported.claimed.by),
        Phase::Closed(closed) => Some(closed.reported.claimed.by),
        Phase::Offered(_)
        | Phase::Quoted(_)
        | Phase::Booked(_)
        | Phase::HandingOver(_)
        | Phase::Received(_)
        | Phase::Ended(_) => None,
    }
}

impl Item {
    /// Input Readiness State (0040,4041).
    pub(super) fn readiness(&self) -> &'static str {
        match self.is_ready {
            true => "READY",
            false => "INCOMPLETE",
        }
    }

    /// Whether this site reads the study.
    pub(super) fn is_read_here(&self) -> bool {
        self.view.side == Side::Reader
    }
}

/// The UID of a workitem: of this site, since each site manages its own, and the same whenever it is asked for.
fn uid(site: SiteId, case: CaseId, what: &str, number: u32) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("dokuei 2026 UID of a workitem");
    hasher.update(site.as_bytes());
    hasher.update(case.as_bytes());
    hasher.update(what.as_bytes());
    hasher.update(&number.to_be_bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Uid::derived(digest).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_of_one_site_one_case_and_one_round() {
        let of = |site, case, what, number| {
            uid(
                SiteId::from_bytes([site; 32]),
                CaseId::from_bytes([case; 32]),
                what,
                number,
            )
        };
        let known = of(1, 2, "round", 0);
        assert_eq!(known, of(1, 2, "round", 0));
        assert!(known.starts_with("2.25.") && known.len() <= 64);
        for other in [
            of(3, 2, "round", 0),
            of(1, 3, "round", 0),
            of(1, 2, "round", 1),
            of(1, 2, "version", 0),
        ] {
            assert_ne!(known, other);
        }
    }
}
