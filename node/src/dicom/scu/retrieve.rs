//! C-MOVE: has an archive send what it has, to us or to another. How far it is comes from whoever runs
//! there: it is bounded in number and time, and what has arrived is known by what was stored.

use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::exchange::Exchange;
use super::{Destination, ScuFault};
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::command::field;
use crate::dicom::dimse::message::{cancel_request, move_request};
use crate::dicom::dimse::status::code;
use crate::dicom::dimse::{Level, Model};
use crate::dicom::pdu::proposals::Proposals;
use crate::dicom::pdu::{AeTitle, LinkFault, Phase};

/// Longest retrieval: a study of 10 GB over 100 Mbit/s takes a quarter of it.
const WHOLE_RETRIEVAL: Duration = Duration::from_secs(3600);

/// Longest silence in it. Many archives say nothing until it is over, or fetch from tape first.
const SILENCE: Duration = Duration::from_secs(900);

/// Responses that are not the last: more than one for each object there can be.
const RESPONSES: usize = 200_000;

/// What the archive says of a retrieval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieved {
    /// The last status: 0000, or B000 where some sub-operations failed.
    pub status: u16,
    /// Objects sent.
    pub completed: u16,
    /// Objects not sent.
    pub failed: u16,
    /// Objects sent with a warning.
    pub warning: u16,
}

/// Have `destination` send what `identifier` names at `level` to the entity `to`, as long as it is
/// `wanted`.
///
/// # Errors
/// No association, the service not offered, a failure status (A801 where it does not know `to`), or an
/// answer that breaks the protocol or does not come in time.
pub fn retrieve(
    destination: &Destination,
    model: Model,
    level: Level,
    identifier: &DataSet,
    to: &AeTitle,
    wanted: &dyn Fn() -> bool,
) -> Result<Retrieved, ScuFault> {
    let mut identifier = identifier.clone();
    identifier.put_text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, level.code());
    let mut exchange = Exchange::open(destination, model.move_class(), Proposals::default())?;
    let message_id = exchange.association.next_message_id();
    let request = move_request(message_id, model.move_class(), to);
    let ended = exchange
        .send(&request, Some(&identifier))
        .and_then(|()| follow(&mut exchange, message_id, wanted));
    let retrieved = exchange.end(ended)?;
    match retrieved.status {
        code::SUCCESS | code::SOME_FAILED => Ok(retrieved),
        failure => Err(ScuFault::Failed(failure)),
    }
}

fn follow(
    exchange: &mut Exchange,
    message_id: u16,
    wanted: &dyn Fn() -> bool,
) -> Result<Retrieved, LinkFault> {
    let until = Instant::now() + WHOLE_RETRIEVAL;
    let mut cancelled = false;
    for _ in 0..RESPONSES {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkFault::TimedOut(Phase::Response));
        }
        let (command, _failed) = exchange.receive(SILENCE.min(left))?;
        let status = command.status_of(field::C_MOVE_RSP, message_id)?;
        if status != code::PENDING {
            return Ok(Retrieved {
                status,
                completed: command.counts.completed,
                failed: command.counts.failed,
                warning: command.counts.warning,
            });
        }
        if !cancelled && !wanted() {
            exchange.send(&cancel_request(message_id), None)?;
            cancelled = true;
        }
    }
    Err(LinkFault::Message("it never ends"))
}
