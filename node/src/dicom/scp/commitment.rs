//! Storage commitment (PS3.4 annex J).
//!
//! What is asked for is judged and noted durably before the request is answered. The event report goes
//! out over the association that asked, in a moment when the peer says nothing: many ask and release
//! at once, and a report that crosses a release confuses them. What the association did not deliver is
//! delivered over a new one, by whoever keeps what is owed.

use std::time::Duration;

use super::association::Association;
use super::dispatch::Request;
use super::negotiation::Agreement;
use super::{Commitments, Owed};
use crate::dicom::dimse::command::Command;
use crate::dicom::dimse::commitment::{self, Committed, REQUEST};
use crate::dicom::dimse::message::{self, Answer};
use crate::dicom::dimse::status::code;
use crate::dicom::dimse::{COMMITMENT, COMMITMENT_INSTANCE};
use crate::dicom::pdu::LinkFault;
use crate::dicom::pdu::writer::{put_command, put_data_set};

/// How long the peer must have said nothing before it is told: a release follows its request sooner.
const QUIET: Duration = Duration::from_millis(200);

/// Answers owed within one association: beyond, they go over new ones.
const OWED: usize = 16;

/// What an association owes its peer.
#[derive(Default)]
pub(super) struct Debts {
    /// Not reported yet, with the context to report it on.
    waiting: Vec<(u8, Owed)>,
    /// Reported in this message, and not answered yet.
    reported: Option<(u16, Owed)>,
}

impl Association<'_> {
    /// N-ACTION: note what is owed, and answer.
    pub(super) fn commit(&mut self, request: &Request<'_>) -> Result<(), LinkFault> {
        let data_set = self.read_data_set(request)?;
        let services = &self.shared.services;
        let kept = (
            services.holdings.as_deref(),
            services.commitments.as_deref(),
        );
        let (Some(holdings), Some(commitments)) = kept else {
            return self.answer(request, &Answer::status(code::NOT_AUTHORISED), None);
        };
        if !commitments.serves(request.caller) {
            return self.answer(request, &Answer::status(code::NOT_AUTHORISED), None);
        }
        let asked = data_set.ok().as_ref().and_then(commitment::read_request);
        let status = match asked {
            _ if request.command.sop_instance.valid() != Some(COMMITMENT_INSTANCE) => {
                code::NO_SUCH_INSTANCE
            }
            _ if request.command.type_id != Some(REQUEST) => code::NO_SUCH_ACTION,
            None => code::INVALID_ARGUMENT,
            Some((transaction, references)) => {
                let verdicts = holdings.commits(request.caller, &references);
                let owed = Owed {
                    to: request.caller.calling_ae.clone(),
                    committed: Committed {
                        transaction,
                        verdicts: references.into_iter().zip(verdicts).collect(),
                    },
                };
                self.owe(commitments, request.context, owed)
            }
        };
        self.answer(request, &Answer::status(status), None)
    }

    fn owe(&mut self, commitments: &dyn Commitments, context: u8, owed: Owed) -> u16 {
        if let Err(failure) = commitments.owe(&owed) {
            tracing::warn!(target: "dokuei::dicom::scp", "storage commitment refused: {failure}");
            return code::RESOURCE_LIMITATION;
        }
        if self.debts.waiting.len() < OWED {
            self.debts.waiting.push((context, owed));
        } else {
            commitments.postpone(&owed);
        }
        code::SUCCESS
    }

    /// Report one of the answers owed, if the peer is waiting for it.
    pub(super) fn pay(&mut self, agreement: &Agreement) -> Result<(), LinkFault> {
        if self.debts.reported.is_some() || self.debts.waiting.is_empty() {
            return Ok(());
        }
        if self.reader.arrives_within(QUIET)? {
            return Ok(());
        }
        let (context, owed) = self.debts.waiting.remove(0);
        let message_id = self.next_message_id();
        let title = self.shared.config.ae_title.as_str();
        let report = owed.committed.report(title);
        let event = owed.committed.event();
        let command = message::event_request(message_id, COMMITMENT, COMMITMENT_INSTANCE, event);
        let mut pdus = Vec::new();
        put_command(&mut pdus, context, &command, agreement.largest_pdu);
        if let Some(open) = agreement.contexts.get(&context) {
            let bytes = open.encode(&report);
            put_data_set(&mut pdus, context, &bytes, agreement.largest_pdu);
        }
        self.debts.reported = Some((message_id, owed));
        self.send(&pdus)
    }

    /// N-EVENT-REPORT-RSP: whether it answers our report.
    pub(super) fn settle(&mut self, command: &Command) -> Result<(), LinkFault> {
        match self.debts.reported.take() {
            Some((message_id, owed)) if command.responded_message_id == Some(message_id) => {
                if let Some(commitments) = self.shared.services.commitments.as_deref() {
                    match command.status {
                        Some(code::SUCCESS) => commitments.settle(&owed),
                        Some(_) | None => commitments.postpone(&owed),
                    }
                }
                Ok(())
            }
            reported => {
                self.debts.reported = reported;
                Err(LinkFault::Message(
                    "a response came to a request never made",
                ))
            }
        }
    }

    /// The association is over: what is still owed needs another.
    pub(super) fn postpone_debts(&mut self) {
        let Some(commitments) = self.shared.services.commitments.as_deref() else {
            return;
        };
        let reported = self.debts.reported.take().map(|(_, owed)| owed);
        let waiting = self.debts.waiting.drain(..).map(|(_, owed)| owed);
        for owed in waiting.chain(reported) {
            commitments.postpone(&owed);
        }
    }

    /// N-EVENT-REPORT: an archive answers a request of ours over an association of its own.
    pub(super) fn hear(&mut self, request: &Request<'_>) -> Result<(), LinkFault> {
        let data_set = self.read_data_set(request)?;
        let answers = self.shared.services.answers.as_deref();
        let committed = data_set.ok().as_ref().and_then(Committed::read);
        let status = match (answers, committed) {
            (Some(answers), Some(committed)) => {
                if answers.heard(request.caller, committed) {
                    code::SUCCESS
                } else {
                    code::NO_SUCH_INSTANCE
                }
            }
            (Some(_), None) => code::INVALID_ARGUMENT,
            (None, _) => code::PROCESSING_FAILURE,
        };
        self.answer(request, &Answer::status(status), None)
    }
}
