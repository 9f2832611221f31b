//! Lets go of what is set aside and is the image that is here in another coding: what a crash left cannot be compared while
//! the register is opened, and decoders may know more after an update.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dokuei_keys::id::ParcelId;

use crate::chance::chance;
use crate::studies::intake::StudyIntake;
use crate::studies::likeness::{Likeness, likeness};
use crate::studies::quarantine::{Quarantined, Why};
use crate::studies::register::RegisterError;
use crate::transcoding::Transcoder;

/// How long one start looks through what is set aside: some thousand headers, or as many frames as this gives time for.
const SETTLING: Duration = Duration::from_secs(60);

/// What is set aside, in an order of its own for each turn: a few objects that take all the time of every start must not
/// be all that is ever looked at.
fn in_turn(mut all: Vec<(ParcelId, Quarantined)>, turn: ParcelId) -> Vec<(ParcelId, Quarantined)> {
    all.sort_by_cached_key(|(name, _)| {
        *blake3::keyed_hash(turn.as_bytes(), name.as_bytes()).as_bytes()
    });
    all
}

/// Looks through what is set aside, beside everything else. Needs a tokio runtime.
pub fn start(intake: &Arc<StudyIntake>) {
    let intake = Arc::clone(intake);
    tokio::task::spawn_blocking(move || match settle(&intake) {
        Ok(0) => {}
        Ok(count) => {
            tracing::info!(target: "dokuei::intake", count, "images that were set aside are here in another coding, and are removed");
        }
        Err(error) => {
            tracing::warn!(target: "dokuei::intake", "what is set aside cannot be looked through: {error}");
        }
    });
}

/// Removes what is the same as what is here; how many those were. Blocks.
///
/// # Errors
/// [`RegisterError`] when what is here cannot be read, or one cannot be removed.
pub(super) fn settle(intake: &StudyIntake) -> Result<usize, RegisterError> {
    let Some(transcoder) = &intake.transcoder else {
        return Ok(0);
    };
    let (quarantine, begun) = (intake.register.quarantine(), Instant::now());
    let mut settled = 0;
    let turn = ParcelId::from_rng(&mut chance());
    for (name, kept) in in_turn(quarantine.all(), turn) {
        // What is left is settled after another start, or by a person.
        if begun.elapsed() > SETTLING {
            break;
        }
        if is_here(intake, transcoder, (&name, &kept))? {
            quarantine.discard(&name)?;
            settled += 1;
        }
    }
    Ok(settled)
}

fn is_here(
    intake: &StudyIntake,
    transcoder: &Transcoder,
    (name, kept): (&ParcelId, &Quarantined),
) -> Result<bool, RegisterError> {
    if !matches!(kept.why, Why::Content | Why::Unknown) {
        return Ok(false);
    }
    let register = &intake.register;
    let twin = register.held_object(&kept.sop_instance)?;
    let twin = twin.filter(|twin| twin.study == kept.study);
    let twin = twin.and_then(|twin| register.sealed(&twin));
    let aside = register.quarantine().sealed(name, kept, register.site());
    let both = twin.zip(aside);
    let likeness = both.map(|(twin, aside)| likeness(transcoder, [&twin, &aside]));
    Ok(matches!(likeness, Some(Ok(Likeness::Same))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::register::tests::site;

    #[test]
    fn each_that_is_set_aside_comes_first_in_some_turn() {
        let site = site();
        for number in 0..5 {
            let sent = site.send("1.1", "1.9", &number.to_string());
            assert_eq!(sent.is_ok(), number == 0);
        }
        let all = site.register.quarantine().all();
        let first = |turn: u8| {
            let turn = in_turn(all.clone(), ParcelId::from_bytes([turn; 32]));
            assert_eq!(turn.len(), all.len());
            turn[0].0
        };
        let first: std::collections::BTreeSet<_> = (0..=u8::MAX).map(first).collect();
        assert_eq!((first.len(), all.len()), (4, 4));
    }
}
