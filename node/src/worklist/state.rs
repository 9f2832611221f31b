//! Where a case stands, in the four states of a unified procedure step (PS3.4 section CC.1.1), and in how many steps it
//! is read. A step that ended stays what it is: what a case does after that is a new one.

use dokuei_protocol::case::phase::Phase;
use dokuei_protocol::case::report::{ReportStatus, Versions};
use dokuei_protocol::case::thread::Happening;
use dokuei_protocol::time::Timestamp;

/// The state of a workitem, Procedure Step State (0074,1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody reads it yet.
    Scheduled,
    /// Somebody reads it.
    InProgress,
    /// A final report is signed.
    Completed,
    /// It ended without one.
    Canceled,
}

impl State {
    /// Its defined term.
    pub fn term(self) -> &'static str {
        match self {
            State::Scheduled => "SCHEDULED",
            State::InProgress => "IN PROGRESS",
            State::Completed => "COMPLETED",
            State::Canceled => "CANCELED",
        }
    }

    /// The state with this term.
    pub fn from_term(term: &str) -> Option<State> {
        let all = [
            State::Scheduled,
            State::InProgress,
            State::Completed,
            State::Canceled,
        ];
        all.into_iter().find(|state| state.term() == term)
    }

    /// The state of a case in this phase.
    pub fn of(phase: &Phase) -> State {
        match phase {
            Phase::Offered(_)
            | Phase::Quoted(_)
            | Phase::Booked(_)
            | Phase::HandingOver(_)
            | Phase::Received(_) => State::Scheduled,
            Phase::Claimed(_) => State::InProgress,
            Phase::Reported(reported) => State::of_versions(&reported.versions),
            Phase::Closed(_) => State::Completed,
            Phase::Ended(_) => State::Canceled,
        }
    }

    /// A final report completes the step, also one that did not verify at the requester: a completed step is not
    /// reopened, and what replaces the report is one of its later versions.
    fn of_versions(versions: &Versions) -> State {
        let is_final = |status| status != ReportStatus::Preliminary;
        let mut all = versions.all().iter();
        match all.any(|version| is_final(version.issued.status)) {
            true => State::Completed,
            false => State::InProgress,
        }
    }

    /// Whether nothing of the workitem changes any more.
    pub fn is_final(self) -> bool {
        matches!(self, State::Completed | State::Canceled)
    }
}

/// One way of a case from an offer to the end of everybody who was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// When it was first offered.
    pub offered: Timestamp,
    /// When it last moved.
    pub moved: Timestamp,
    /// When somebody began to read.
    pub claimed: Option<Timestamp>,
    /// When the first final report was signed.
    pub reported: Option<Timestamp>,
    /// The word for how it ended, when everybody who was asked is through with it.
    pub ended: Option<&'static str>,
}

/// The rounds of a case, from what happened with each of those who were asked.
pub(super) fn rounds(timelines: &[&[Happening]]) -> Vec<Round> {
    let mut all: Vec<(usize, &Happening)> = Vec::new();
    for (thread, timeline) in timelines.iter().enumerate() {
        all.extend(timeline.iter().map(|happening| (thread, happening)));
    }
    all.sort_by_key(|(thread, happening)| (happening.at, *thread));
    let mut rounds: Vec<Round> = Vec::new();
    let mut open = std::collections::BTreeSet::new();
    for (thread, happening) in all {
        if happening.what == "offered" {
            if open.is_empty() {
                rounds.push(Round {
                    offered: happening.at,
                    moved: happening.at,
                    claimed: None,
                    reported: None,
                    ended: None,
                });
            }
            open.insert(thread);
        }
        let Some(round) = rounds.last_mut() else {
            continue;
        };
        round.moved = happening.at;
        match happening.what {
            "claimed" => round.claimed = Some(happening.at),
            "final" => round.reported = round.reported.or(Some(happening.at)),
            "declined" | "withdrawn" | "expired" | "released" | "not-chosen" => {
                open.remove(&thread);
                if open.is_empty() {
                    round.ended = Some(happening.what);
                }
            }
            _ => {}
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use dokuei_protocol::case::event::{DeclineReason, ReleaseReason, WithdrawalReason};
    use dokuei_protocol::case::phase::Ending;

    use super::*;

    fn happened(words: &[(u64, &'static str)]) -> Vec<Happening> {
        let happening = |(at, what): &(u64, &'static str)| Happening {
            at: Timestamp(*at),
            what,
        };
        words.iter().map(happening).collect()
    }

    #[test]
    fn what_ended_is_cancelled_however_it_ended() {
        for ending in [
            Ending::Declined(DeclineReason::ByHand),
            Ending::Withdrawn(WithdrawalReason::NotNeeded),
            Ending::Expired,
            Ending::Released(ReleaseReason::ShiftEnded),
            Ending::NotChosen,
        ] {
            assert_eq!(State::of(&Phase::Ended(ending)), State::Canceled);
        }
    }

    #[test]
    fn every_state_has_a_term_of_its_own() {
        for (state, is_final) in [
            (State::Scheduled, false),
            (State::InProgress, false),
            (State::Completed, true),
            (State::Canceled, true),
        ] {
            assert_eq!(State::from_term(state.term()), Some(state));
            assert_eq!(state.is_final(), is_final);
        }
        assert_eq!(State::from_term("DONE"), None);
    }

    #[test]
    fn a_case_that_was_given_back_is_read_in_two_rounds() {
        let first = happened(&[
            (1, "offered"),
            (2, "quoted"),
            (3, "booked"),
            (6, "released"),
        ]);
        let second = happened(&[
            (1, "offered"),
            (3, "not-chosen"),
            (7, "offered"),
            (8, "quoted"),
        ]);
        let rounds = rounds(&[&first, &second]);
        assert_eq!(rounds.len(), 2);
        assert_eq!(rounds[0].ended, Some("released"));
        assert_eq!((rounds[1].offered, rounds[1].ended), (Timestamp(7), None));
    }

    #[test]
    fn a_report_says_when_it_was_claimed_and_signed_and_later_versions_open_nothing() {
        let only = happened(&[
            (1, "offered"),
            (4, "claimed"),
            (5, "preliminary"),
            (6, "final"),
            (7, "closed"),
            (9, "addendum"),
        ]);
        let rounds = rounds(&[&only]);
        assert_eq!(rounds.len(), 1);
        assert_eq!(rounds[0].claimed, Some(Timestamp(4)));
        assert_eq!(rounds[0].reported, Some(Timestamp(6)));
        assert_eq!(rounds[0].ended, None);
    }
}
