//! Storage commitment, both ways (PS3.4 annex J): asks an archive to answer for what it was sent, and
//! answers who asked us, over a new association.

use std::time::Duration;

use super::exchange::Exchange;
use super::{Destination, ScuFault};
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::command::{Command, field};
use crate::dicom::dimse::commitment::{self, REQUEST};
use crate::dicom::dimse::message::{Answer, action_request, event_request, response};
use crate::dicom::dimse::status::code;
use crate::dicom::dimse::{COMMITMENT, COMMITMENT_INSTANCE, Committed, Reference};
use crate::dicom::pdu::LinkFault;
use crate::dicom::pdu::proposals::{Proposals, Role};

/// Ask `destination` to commit to `references`. Its answer, if it comes over the same association
/// within `stay`; else it comes to our receiving side, and names `transaction`.
///
/// # Errors
/// No association, the service not offered, a failure status, or an answer that breaks the protocol or
/// does not come in time.
pub fn request_commitment(
    destination: &Destination,
    transaction: &str,
    references: &[Reference],
    stay: Duration,
) -> Result<Option<Committed>, ScuFault> {
    let mut exchange = Exchange::open(destination, COMMITMENT, Proposals::default())?;
    let asked = ask(&mut exchange, transaction, references);
    match asked {
        Ok((code::SUCCESS, None)) => {}
        Ok((code::SUCCESS, Some(early))) => return exchange.end(Ok(Some(early))),
        Ok((failure, _)) => {
            exchange.end(Ok(()))?;
            return Err(ScuFault::Failed(failure));
        }
        Err(fault) => return exchange.end(Err(fault)),
    }
    match exchange.association.reader.arrives_within(stay) {
        Ok(true) => {
            let heard = hear(&mut exchange, transaction);
            exchange.end(heard).map(Some)
        }
        // It was asked, and may answer over an association of its own.
        Ok(false) | Err(_) => {
            exchange.association.release();
            Ok(None)
        }
    }
}

/// The status of the request; and the event report, where an archive is so quick that it comes before.
fn ask(
    exchange: &mut Exchange,
    transaction: &str,
    references: &[Reference],
) -> Result<(u16, Option<Committed>), LinkFault> {
    let message_id = exchange.association.next_message_id();
    let command = action_request(message_id, COMMITMENT, COMMITMENT_INSTANCE, REQUEST);
    let data_set = commitment::request(transaction, references);
    exchange.send(&command, Some(&data_set))?;
    let patience = exchange.association.timeouts.response;
    let (command, data_set) = exchange.receive(patience)?;
    if command.field != field::N_EVENT_REPORT_RQ {
        let status = command.status_of(field::N_ACTION_RSP, message_id)?;
        return Ok((status, None));
    }
    let early = take(exchange, &command, data_set.as_ref(), transaction)?;
    let status = status(exchange, field::N_ACTION_RSP, message_id)?;
    Ok((status, Some(early)))
}

/// The status of the response to `message_id`; what is in its data set does not matter.
fn status(exchange: &mut Exchange, expected: u16, message_id: u16) -> Result<u16, LinkFault> {
    let patience = exchange.association.timeouts.response;
    let (command, _information) = exchange.receive(patience)?;
    command.status_of(expected, message_id)
}

/// Take the event report of `transaction`.
fn hear(exchange: &mut Exchange, transaction: &str) -> Result<Committed, LinkFault> {
    let patience = exchange.association.timeouts.response;
    let (command, data_set) = exchange.receive(patience)?;
    if command.field != field::N_EVENT_REPORT_RQ {
        return Err(LinkFault::Message(
            "something else came than the event report",
        ));
    }
    take(exchange, &command, data_set.as_ref(), transaction)
}

/// Take and answer an event report, which is to be of `transaction`.
fn take(
    exchange: &mut Exchange,
    command: &Command,
    data_set: Option<&DataSet>,
    transaction: &str,
) -> Result<Committed, LinkFault> {
    let committed = data_set.and_then(Committed::read);
    let ours = committed.filter(|committed| committed.transaction == transaction);
    let answer = Answer::status(match ours {
        Some(_) => code::SUCCESS,
        None => code::INVALID_ARGUMENT,
    });
    exchange.send(&response(command, &answer), None)?;
    ours.ok_or(LinkFault::Message("an event report is of another request"))
}

/// Tell who asked us for commitment what came of it.
///
/// # Errors
/// No association, the service not offered, a failure status, or an answer that breaks the protocol or
/// does not come in time.
pub fn report_commitment(destination: &Destination, committed: &Committed) -> Result<(), ScuFault> {
    // The requestor of the association is the SCP here (PS3.4 section J.3.3.1.1).
    let role = Role {
        sop_class: COMMITMENT.to_owned(),
        is_scu: false,
        is_scp: true,
    };
    let proposals = Proposals {
        roles: vec![role],
        ..Proposals::default()
    };
    let mut exchange = Exchange::open(destination, COMMITMENT, proposals)?;
    let message_id = exchange.association.next_message_id();
    let event = committed.event();
    let command = event_request(message_id, COMMITMENT, COMMITMENT_INSTANCE, event);
    let report = committed.report(destination.calling_ae.as_str());
    // Some answer no roles and take the report all the same, so it is tried.
    let answered = exchange
        .send(&command, Some(&report))
        .and_then(|()| status(&mut exchange, field::N_EVENT_REPORT_RSP, message_id));
    match exchange.end(answered)? {
        code::SUCCESS => Ok(()),
        failure => Err(ScuFault::Failed(failure)),
    }
}
