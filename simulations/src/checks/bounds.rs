//! What is held in memory and asked of the node stays within bounds.

use dokuei_protocol::limits;
use dokuei_protocol::time::Timestamp;

use super::Violation;

/// Documents that may wait for one partner. A case makes about a dozen; with the few cases that a run
/// has, more mean that a site says the same again and again.
const OUTBOX_MOST: usize = 400;
/// Proposals of one case that may come too late or not fit, in a run. They do when both sides act at the
/// same time; far more mean that two sites contradict each other in circles.
const VAIN_MOST: usize = 60;

/// What a site holds and does, as its node counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Documents that wait for one partner, the most of all partners.
    pub(crate) outbox: usize,
    /// Proposals that wait for an answer in one case, the most of all cases.
    pub(crate) pending: usize,
    /// Proposals of one case that were not admitted, the most of all cases.
    pub(crate) vain: usize,
    /// Documents on the way to one partner, the most of all partners.
    pub(crate) sending: usize,
    /// Records that contradicted the state.
    pub(crate) contradictions: u64,
    /// Whether the node does not act: no key is revoked in a run, and no old copy put back.
    pub(crate) halted: bool,
}

/// Checks the load of a site.
///
/// # Errors
/// Names the first bound that does not hold.
pub(crate) fn check(load: &Load) -> Result<(), Violation> {
    let bounds = [
        (load.outbox, OUTBOX_MOST, "documents wait for one partner"),
        // A study that cannot be opened goes back even when a person has filled the queue.
        (
            load.pending,
            limits::PENDING_PROPOSALS + 1,
            "proposals of one case wait for an answer",
        ),
        (load.vain, VAIN_MOST, "proposals of one case were in vain"),
        // What was agreed is dropped with its partner while it is on its way.
        (
            load.sending,
            limits::SENDING_WINDOW + 2,
            "documents are on their way to one partner",
        ),
        (
            load.contradictions as usize,
            0,
            "records contradicted the state",
        ),
        (
            usize::from(load.halted),
            0,
            "node believes its own data to be older than it is",
        ),
    ];
    match bounds.iter().find(|(is, most, _)| is > most) {
        Some((is, most, what)) => Err(Violation::new(
            "bounds",
            format!("{is} {what}, at most {most} may"),
        )),
        None => Ok(()),
    }
}

/// Checks that a site asks to be woken later, not now: it would spin.
///
/// # Errors
/// When it does.
pub(crate) fn wakes_later(at: Timestamp, now: Timestamp) -> Result<(), Violation> {
    if at > now {
        Ok(())
    } else {
        Err(Violation::new("bounds", "a site asks to be woken at once"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_noticed() {
        let good = Load {
            outbox: OUTBOX_MOST,
            pending: limits::PENDING_PROPOSALS,
            vain: VAIN_MOST,
            sending: limits::SENDING_WINDOW,
            contradictions: 0,
            halted: false,
        };
        assert!(check(&good).is_ok());
        let bad = [
            Load {
                outbox: OUTBOX_MOST + 1,
                ..good
            },
            Load {
                pending: limits::PENDING_PROPOSALS + 2,
                ..good
            },
            Load {
                vain: VAIN_MOST + 1,
                ..good
            },
            Load {
                sending: limits::SENDING_WINDOW + 3,
                ..good
            },
            Load {
                contradictions: 1,
                ..good
            },
            Load {
                halted: true,
                ..good
            },
        ];
        for load in bad {
            assert!(check(&load).is_err(), "{load:?}");
        }
    }

    #[test]
    fn a_wake_up_for_now_is_noticed() {
        assert!(wakes_later(Timestamp(2), Timestamp(1)).is_ok());
        assert!(wakes_later(Timestamp(1), Timestamp(1)).is_err());
        assert!(wakes_later(Timestamp(0), Timestamp(1)).is_err());
    }
}
