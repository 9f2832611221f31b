//! One association we requested.

use std::collections::BTreeMap;

use super::{Destination, ScuFault, Timeouts};
use crate::dicom::dimse::command::{Command, field};
use crate::dicom::dimse::message;
use crate::dicom::pdu::associate::{
    AssociateAccept, AssociateRequest, ContextResult, ProposedContext,
};
use crate::dicom::pdu::link::TcpLink;
use crate::dicom::pdu::proposals::Proposals;
use crate::dicom::pdu::reader::{Arrival, PduReader};
use crate::dicom::pdu::watch::Watch;
use crate::dicom::pdu::writer;
use crate::dicom::pdu::{
    Abort, CONTEXT_LIMIT, LinkFault, PduFault, PduKind, Phase, Rejection, SMALLEST_PEER_PDU,
};

/// What one presentation context is proposed for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) sop_class: String,
    pub(super) transfer_syntax: String,
}

/// What the destination answered to a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Accepted, on this context.
    Accepted(u8),
    /// Not accepted in this transfer syntax.
    Refused,
}

/// An established association. After any `LinkFault` it must be aborted.
pub(super) struct Association {
    pub(super) reader: PduReader<TcpLink>,
    pub(super) timeouts: Timeouts,
    /// Longest P-DATA-TF body the destination takes.
    pub(super) largest_pdu: u32,
    answers: BTreeMap<Pair, Answer>,
    message_id: u16,
}

impl Association {
    /// Connect, and propose `pairs` (at most 128; the rest is not proposed).
    ///
    /// # Errors
    /// No connection, a rejection, or a fault on the way.
    pub(super) fn open(destination: &Destination, pairs: Vec<Pair>) -> Result<Self, ScuFault> {
        let (link, watch) = connected(destination)?;
        Self::over(link, watch, destination, pairs)
    }

    /// The same, with proposals beside the contexts.
    ///
    /// # Errors
    /// As of [`Association::open`].
    pub(super) fn open_with(
        destination: &Destination,
        pairs: Vec<Pair>,
        proposals: Proposals,
    ) -> Result<Self, ScuFault> {
        let (link, watch) = connected(destination)?;
        Self::proposing(link, watch, destination, pairs, proposals)
    }

    /// Propose `pairs` over a connection, within what `watch` has left.
    ///
    /// # Errors
    /// A rejection, or a fault on the way.
    pub(super) fn over(
        link: TcpLink,
        watch: Watch,
        destination: &Destination,
        pairs: Vec<Pair>,
    ) -> Result<Self, ScuFault> {
        Self::proposing(link, watch, destination, pairs, Proposals::default())
    }

    fn proposing(
        link: TcpLink,
        watch: Watch,
        destination: &Destination,
        pairs: Vec<Pair>,
        proposals: Proposals,
    ) -> Result<Self, ScuFault> {
        let timeouts = destination.timeouts;
        let mut association = Association {
            reader: PduReader::new(link, watch, None),
            timeouts,
            largest_pdu: SMALLEST_PEER_PDU,
            answers: BTreeMap::new(),
            message_id: 0,
        };
        match association.negotiate(destination, pairs, proposals) {
            Ok(None) => Ok(association),
            Ok(Some(rejection)) => Err(ScuFault::Rejected(rejection)),
            Err(fault) => {
                association.abort();
                Err(fault.into())
            }
        }
    }

    /// Send the request and read the answer; a rejection is an answer.
    fn negotiate(
        &mut self,
        destination: &Destination,
        pairs: Vec<Pair>,
        proposals: Proposals,
    ) -> Result<Option<Rejection>, LinkFault> {
        let proposed: Vec<(u8, Pair)> = (1..=u8::MAX).step_by(2).zip(pairs).collect();
        debug_assert!(proposed.len() <= CONTEXT_LIMIT);
        let contexts = proposed.iter().map(|(id, pair)| ProposedContext {
            id: *id,
            abstract_syntax: pair.sop_class.clone(),
            transfer_syntaxes: vec![pair.transfer_syntax.clone()],
        });
        let mut request = AssociateRequest::new(
            destination.called_ae.clone(),
            destination.calling_ae.clone(),
            contexts.collect(),
        );
        request.proposals = proposals;
        self.send(&request.encode())?;
        let accept = match self.reader.next()? {
            Arrival::Associate(PduKind::AssociateAccept, body) => AssociateAccept::decode(body)?,
            Arrival::Associate(PduKind::AssociateReject, body) => {
                return Ok(Some(Rejection::decode(body)?));
            }
            other => return Err(other.unexpected("in answer to the association request")),
        };
        if (1..SMALLEST_PEER_PDU).contains(&accept.maximum_length) {
            return Err(LinkFault::Pdu(PduFault::Malformed {
                kind: PduKind::AssociateAccept,
                what: "it takes PDUs of less than 128 bytes only",
            }));
        }
        self.largest_pdu = writer::largest_pdu(accept.maximum_length);
        for (id, pair) in proposed {
            let accepted = accept.contexts.iter().any(|c| {
                c.id == id
                    && c.result == ContextResult::Accepted
                    && c.transfer_syntax.as_ref() == Some(&pair.transfer_syntax)
            });
            let answer = if accepted {
                Answer::Accepted(id)
            } else {
                Answer::Refused
            };
            self.answers.insert(pair, answer);
        }
        Ok(None)
    }

    /// What the destination answered to `pair`; nothing if it was not proposed.
    pub(super) fn answer(&self, pair: &Pair) -> Option<Answer> {
        self.answers.get(pair).copied()
    }

    /// C-ECHO; answers the status.
    pub(super) fn echo(&mut self, context: u8) -> Result<u16, LinkFault> {
        let message_id = self.next_message_id();
        let mut pdus = Vec::new();
        let request = message::echo_request(message_id);
        writer::put_command(&mut pdus, context, &request, self.largest_pdu);
        self.send(&pdus)?;
        self.response(context, field::C_ECHO_RSP, message_id)
    }

    pub(super) fn next_message_id(&mut self) -> u16 {
        self.message_id = self.message_id.checked_add(1).unwrap_or(1);
        self.message_id
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), LinkFault> {
        let mut watch = Watch::flow(self.timeouts.rate);
        self.reader.source_mut().send(bytes, &mut watch)
    }

    /// The status of the response to `message_id`.
    pub(super) fn response(
        &mut self,
        context: u8,
        expected: u16,
        message_id: u16,
    ) -> Result<u16, LinkFault> {
        let watch = Watch::within(self.timeouts.response, Phase::Response);
        self.reader.set_watch(watch);
        let command = self.command(context)?;
        judge_response(&command, expected, message_id)
    }

    /// The next whole command set, on `context`.
    pub(super) fn command(&mut self, context: u8) -> Result<Command, LinkFault> {
        match self.reader.command(|open| open == context, None)? {
            Some((_, command)) => Ok(command),
            None => Err(Arrival::ReleaseRequest.unexpected("instead of a response")),
        }
    }

    /// Release the association. What was answered stands whether or not the reply comes.
    pub(super) fn release(mut self) {
        let watch = Watch::within(self.timeouts.release, Phase::Release);
        self.reader.set_watch(watch);
        if self.send(&writer::release(PduKind::ReleaseRequest)).is_ok() {
            let _reply = self.reader.next();
        }
    }

    /// Abort the association.
    pub(super) fn abort(mut self) {
        let mut watch = Watch::within(self.timeouts.release, Phase::Release);
        let link = self.reader.source_mut();
        if link.send(&writer::abort(Abort::USER), &mut watch).is_ok() {
            self.reader.into_source().close(self.timeouts.release);
        }
    }
}

/// A connection, and what is left of the time for the negotiation.
fn connected(destination: &Destination) -> Result<(TcpLink, Watch), ScuFault> {
    let mut link = destination.connect(&destination.addresses()?)?;
    let patience = destination.timeouts.negotiation;
    let mut watch = Watch::within(patience, Phase::Negotiation);
    destination.protect(&mut link, &mut watch)?;
    Ok((link, watch))
}

/// The status of a response, which must be to the request `message_id` and have no data set.
fn judge_response(command: &Command, expected: u16, message_id: u16) -> Result<u16, LinkFault> {
    let status = command.status_of(expected, message_id)?;
    match command.has_data_set {
        true => Err(LinkFault::Message("a response announces a data set")),
        false => Ok(status),
    }
}
