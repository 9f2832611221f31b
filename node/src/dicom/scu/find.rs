//! C-FIND: asks an archive what it has. Its answers are bounded in number, size and time.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::exchange::Exchange;
use super::{Destination, ScuFault};
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::command::field;
use crate::dicom::dimse::message::{cancel_request, find_request};
use crate::dicom::dimse::status::{code, is_pending};
use crate::dicom::dimse::{Level, Model};
use crate::dicom::pdu::proposals::Proposals;
use crate::dicom::pdu::{LinkFault, Phase};

/// Longest time that an archive may spend on one query, whatever it sends meanwhile.
const WHOLE_QUERY: Duration = Duration::from_secs(600);

/// What came of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Everything that matches was given.
    All,
    /// There is more: the caller broke off, or as many as were wanted have come.
    Some,
}

/// Give each match of `identifier` at `level` to `answer`, until that breaks off; at most `most` of
/// them, so that an archive that never ends is left.
///
/// # Errors
/// No association, the service not offered, a failure status, or an answer that breaks the protocol or
/// does not come in time.
pub fn find(
    destination: &Destination,
    model: Model,
    level: Level,
    identifier: &DataSet,
    most: usize,
    answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
) -> Result<Found, ScuFault> {
    let mut identifier = identifier.clone();
    identifier.put_text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, level.code());
    let mut exchange = Exchange::open(destination, model.find_class(), Proposals::default())?;
    let ended = ask(&mut exchange, model, &identifier, most, answer);
    let patience = destination.timeouts.response;
    match ended {
        Ok(Ended::Answered(status)) => {
            exchange.end(Ok(()))?;
            match status {
                code::SUCCESS => Ok(Found::All),
                failure => Err(ScuFault::Failed(failure)),
            }
        }
        Ok(Ended::Enough(message_id)) => {
            leave(exchange, message_id, patience);
            Ok(Found::Some)
        }
        Err(fault) => exchange.end(Err(fault)),
    }
}

enum Ended {
    /// With this status.
    Answered(u16),
    /// No more is wanted of this message.
    Enough(u16),
}

fn ask(
    exchange: &mut Exchange,
    model: Model,
    identifier: &DataSet,
    most: usize,
    answer: &mut dyn FnMut(DataSet) -> ControlFlow<()>,
) -> Result<Ended, LinkFault> {
    let until = Instant::now() + WHOLE_QUERY;
    let message_id = exchange.association.next_message_id();
    exchange.send(
        &find_request(message_id, model.find_class()),
        Some(identifier),
    )?;
    let mut count = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkFault::TimedOut(Phase::Response));
        }
        let patience = exchange.association.timeouts.response.min(left);
        let (command, data_set) = exchange.receive(patience)?;
        let status = command.status_of(field::C_FIND_RSP, message_id)?;
        match (is_pending(status), data_set) {
            (true, Some(found)) => {
                count += 1;
                if answer(found).is_break() || count >= most {
                    return Ok(Ended::Enough(message_id));
                }
            }
            (true, None) => {
                return Err(LinkFault::Message("a match has no data set"));
            }
            (false, _) => return Ok(Ended::Answered(status)),
        }
    }
}

/// Answers read after a cancel, which crosses those on their way.
const STRAGGLERS: usize = 1024;
/// How long they are waited for: whoever asked has what was wanted.
const LEAVING: Duration = Duration::from_secs(5);

/// Cancel, and release once the archive has ended it; one that goes on is left.
fn leave(mut exchange: Exchange, message_id: u16, patience: Duration) {
    let until = Instant::now() + patience.min(LEAVING);
    let cancelled = exchange.send(&cancel_request(message_id), None);
    let ended = cancelled.and_then(|()| {
        for _ in 0..STRAGGLERS {
            let left = until.saturating_duration_since(Instant::now());
            let (command, _) = exchange.receive(left)?;
            if !command.status.is_some_and(is_pending) {
                return Ok(());
            }
        }
        Err(LinkFault::Message("it goes on after a cancel"))
    });
    // What was wanted is here, however it ends.
    let _left = exchange.end(ended);
}
