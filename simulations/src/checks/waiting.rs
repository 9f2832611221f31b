//! What a site says it waits for is so.

use dokuei_protocol::service::views::{Side, Waiting};

use super::Violation;

const RULE: &str = "waiting";

/// A case at one site, and what is true of it in the whole world.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    /// The side that speaks.
    pub(crate) side: Side,
    /// What it says it waits for.
    pub(crate) waiting: Waiting,
    /// Where the requester's chain stands with the partner in question.
    pub(crate) phase: &'static str,
    /// Whether the two nodes are connected, as the speaking site was told.
    pub(crate) connected: bool,
    /// Whether the study is in the reader's archive.
    pub(crate) stored: bool,
    /// Whether an agreement between the two is in force.
    pub(crate) agreed: bool,
    /// Whether the person that the case waits for has gone for good.
    pub(crate) person_gone: bool,
    /// Whether the two sites are partners no more, so that one knows nothing new of the other.
    pub(crate) parted: bool,
    /// Whether a reader gave the booking back, and nobody was booked since.
    pub(crate) given_back: bool,
    /// Whether the reader was asked to stop, and the case was not offered since.
    pub(crate) cancelled: bool,
}

/// Whether a site that says it waits for a connection has none, and the other way round. Holds at any
/// moment.
///
/// # Errors
/// When a site says so although it is connected.
pub(crate) fn connection(situation: &Situation) -> Result<(), Violation> {
    if situation.waiting == Waiting::Connection && situation.connected {
        return Err(Violation::new(
            RULE,
            format!("a connected site waits for the connection: {situation:?}"),
        ));
    }
    Ok(())
}

/// Whether the case is over or waits for a person who has gone, truthfully. Holds at the end, when
/// nothing else can be waited for any more.
///
/// # Errors
/// When something else is waited for, or the reason is not so.
pub(crate) fn at_rest(situation: &Situation) -> Result<(), Violation> {
    let Situation {
        side,
        waiting,
        phase,
        connected,
        stored,
        agreed,
        person_gone,
        parted,
        given_back,
        cancelled,
    } = situation;
    if *parted {
        return parted_at_rest(situation);
    }
    let gone = |phases: &[&str]| *connected && *person_gone && phases.contains(phase);
    let is_so = match (side, waiting) {
        (_, Waiting::Nothing) => match side {
            Side::Requester => ["closed", "withdrawn"].contains(phase),
            Side::Reader => is_over(phase),
        },
        (Side::Requester, Waiting::OfferHere) => {
            *phase == "released" && !*cancelled || *given_back && came_to_nothing(phase)
        }
        (Side::Requester, Waiting::OfferAgain) => {
            !*given_back && (*phase != "released" || *cancelled) && came_to_nothing(phase)
        }
        (Side::Requester, Waiting::Quote) | (Side::Reader, Waiting::QuoteHere) => {
            *person_gone && *phase == "offered"
        }
        (Side::Requester, Waiting::Reading) => gone(&["received", "claimed"]),
        (Side::Requester, Waiting::FinalReport) => gone(&["preliminary", "report-rejected"]),
        (Side::Reader, Waiting::ReadingHere) => {
            let phases = ["received", "claimed", "preliminary", "report-rejected"];
            *person_gone && *stored && phases.contains(phase)
        }
        (Side::Requester, Waiting::AcknowledgementHere) => {
            *person_gone && ["delivered", "acknowledged"].contains(phase)
        }
        (Side::Reader, Waiting::Acknowledgement) => gone(&["delivered", "acknowledged"]),
        (_, Waiting::Connection) => !*connected,
        (Side::Requester, Waiting::Agreement) => *phase == "booked" && !*agreed,
        (Side::Reader, Waiting::Grant) => *phase == "booked" && !*agreed,
        _ => false,
    };
    if is_so {
        Ok(())
    } else {
        Err(Violation::new(
            RULE,
            format!("not so, or nobody does it: {situation:?}"),
        ))
    }
}

/// Between sites that are partners no more a case stands still: it is over, waits for a person here,
/// or for a connection that does not come.
fn parted_at_rest(situation: &Situation) -> Result<(), Violation> {
    let stands = match (situation.side, situation.waiting) {
        (_, Waiting::Nothing | Waiting::Connection)
        | (
            Side::Requester,
            Waiting::OfferHere | Waiting::OfferAgain | Waiting::AcknowledgementHere,
        )
        | (Side::Reader, Waiting::QuoteHere | Waiting::ReadingHere) => true,
        (Side::Requester, Waiting::Agreement) => !situation.agreed,
        _ => false,
    };
    if stands && !situation.connected {
        Ok(())
    } else {
        Err(Violation::new(
            RULE,
            format!("not so between sites that have parted: {situation:?}"),
        ))
    }
}

fn came_to_nothing(phase: &str) -> bool {
    ["declined", "expired", "not-chosen", "released"].contains(&phase)
}

fn is_over(phase: &str) -> bool {
    let over = [
        "closed",
        "declined",
        "withdrawn",
        "expired",
        "released",
        "not-chosen",
    ];
    over.contains(&phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dokuei_protocol::input::Trouble;

    fn situation(side: Side, waiting: Waiting, phase: &'static str) -> Situation {
        Situation {
            side,
            waiting,
            phase,
            connected: true,
            stored: true,
            agreed: true,
            person_gone: false,
            parted: false,
            given_back: phase == "released",
            cancelled: false,
        }
    }

    #[test]
    fn what_is_over_is_at_rest_and_nothing_else_without_a_reason() {
        use Side::{Reader, Requester};
        assert!(at_rest(&situation(Requester, Waiting::Nothing, "closed")).is_ok());
        assert!(at_rest(&situation(Requester, Waiting::OfferAgain, "expired")).is_ok());
        assert!(at_rest(&situation(Requester, Waiting::OfferHere, "released")).is_ok());
        assert!(at_rest(&situation(Requester, Waiting::Nothing, "withdrawn")).is_ok());
        assert!(at_rest(&situation(Reader, Waiting::Nothing, "not-chosen")).is_ok());
        for (side, waiting, phase) in [
            (Requester, Waiting::Nothing, "received"),
            (Requester, Waiting::OfferHere, "claimed"),
            (Requester, Waiting::OfferHere, "expired"),
            (Requester, Waiting::OfferAgain, "released"),
            (Requester, Waiting::Prekey, "booked"),
            (Requester, Waiting::Transfer, "handing-over"),
            (Requester, Waiting::Delivery, "final"),
            (
                Requester,
                Waiting::Retry(Trouble::ArchiveUnreachable),
                "final",
            ),
            (Reader, Waiting::Answer, "claimed"),
            (Reader, Waiting::Booking, "quoted"),
            (Reader, Waiting::Nothing, "claimed"),
            (Requester, Waiting::Connection, "claimed"),
            (Requester, Waiting::Agreement, "booked"),
        ] {
            let situation = situation(side, waiting, phase);
            assert!(at_rest(&situation).is_err(), "{situation:?}");
        }
        // Given back by one reader, declined by the next.
        let mut back = situation(Requester, Waiting::OfferHere, "declined");
        back.given_back = true;
        assert!(at_rest(&back).is_ok());
        back.waiting = Waiting::OfferAgain;
        assert!(at_rest(&back).is_err());
    }

    #[test]
    fn a_person_who_is_there_is_not_waited_for() {
        for (side, waiting, phase) in [
            (Side::Requester, Waiting::Reading, "claimed"),
            (Side::Reader, Waiting::ReadingHere, "received"),
            (Side::Requester, Waiting::AcknowledgementHere, "delivered"),
            (Side::Requester, Waiting::FinalReport, "preliminary"),
            (Side::Reader, Waiting::QuoteHere, "offered"),
        ] {
            let mut situation = situation(side, waiting, phase);
            assert!(at_rest(&situation).is_err(), "{situation:?}");
            situation.person_gone = true;
            assert!(at_rest(&situation).is_ok(), "{situation:?}");
            situation.phase = "booked";
            assert!(at_rest(&situation).is_err(), "{situation:?}");
        }
    }

    #[test]
    fn a_reader_waits_for_a_person_only_when_the_study_is_there() {
        let mut situation = situation(Side::Reader, Waiting::ReadingHere, "received");
        (situation.person_gone, situation.stored) = (true, false);
        assert!(at_rest(&situation).is_err());
    }

    #[test]
    fn a_connection_that_is_there_is_not_waited_for() {
        let mut situation = situation(Side::Reader, Waiting::Connection, "received");
        assert!(connection(&situation).is_err());
        situation.connected = false;
        assert!(connection(&situation).is_ok());
        assert!(at_rest(&situation).is_ok());
    }

    #[test]
    fn between_sites_that_have_parted_a_case_stands_still() {
        for (side, waiting, is_so) in [
            (Side::Reader, Waiting::ReadingHere, true),
            (Side::Requester, Waiting::Connection, true),
            (Side::Requester, Waiting::Transfer, false),
            (Side::Reader, Waiting::Acknowledgement, false),
        ] {
            let mut situation = situation(side, waiting, "withdrawn");
            (situation.parted, situation.connected) = (true, false);
            assert_eq!(at_rest(&situation).is_ok(), is_so, "{situation:?}");
            situation.connected = true;
            assert!(at_rest(&situation).is_err(), "{situation:?}");
        }
    }
}
