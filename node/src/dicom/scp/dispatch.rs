//! Which service a request belongs to: one file each.

use super::Caller;
use super::association::Association;
use super::negotiation::{Agreement, OpenContext};
use crate::dicom::dimse::Service;
use crate::dicom::dimse::command::{Command, field};
use crate::dicom::dimse::message::{self, Answer};
use crate::dicom::dimse::reader::wrong_context;
use crate::dicom::dimse::status::code;
use crate::dicom::pdu::LinkFault;
use crate::dicom::pdu::writer::{put_command, put_data_set};

/// A request, and where it came.
pub(super) struct Request<'r> {
    pub(super) caller: &'r Caller,
    pub(super) agreement: &'r Agreement,
    pub(super) context: u8,
    pub(super) open: &'r OpenContext,
    pub(super) command: &'r Command,
}

impl Association<'_> {
    /// Do what `command` asks for, and answer it.
    pub(super) fn obey(
        &mut self,
        caller: &Caller,
        agreement: &Agreement,
        context: u8,
        command: &Command,
    ) -> Result<(), LinkFault> {
        let Some(open) = agreement.contexts.get(&context) else {
            return Err(wrong_context());
        };
        let request = Request {
            caller,
            agreement,
            context,
            open,
            command,
        };
        match (command.field, Service::of(&open.abstract_syntax)) {
            (field::C_STORE_RQ, _) => {
                let (status, comment) = self.store(caller, agreement, context, command)?;
                self.answer(&request, &Answer::failure(status, comment), None)
            }
            (field::C_ECHO_RQ, _) => {
                self.pass_over_data_set(context, command)?;
                let well = self.shared.intake.echo(caller);
                let status = match well {
                    true => code::SUCCESS,
                    false => code::PROCESSING_FAILURE,
                };
                self.answer(&request, &Answer::status(status), None)
            }
            (field::C_FIND_RQ, Service::Find(model)) => self.find(&request, model),
            (field::C_MOVE_RQ, Service::Move(model)) => self.forward(&request, model),
            (field::C_GET_RQ, Service::Get(model)) => self.get(&request, model),
            (field::N_ACTION_RQ, Service::Commitment) => self.commit(&request),
            (field::N_EVENT_REPORT_RQ, Service::Commitment) => self.hear(&request),
            (field::N_EVENT_REPORT_RSP, Service::Commitment) => self.settle(command),
            // It comes too late: what it is to cancel has been answered. It has no response.
            (field::C_CANCEL_RQ, _) => Ok(()),
            (response, _) if response & field::RESPONSE != 0 => Err(LinkFault::Message(
                "a response came to a request never made",
            )),
            _other_service => {
                self.pass_over_data_set(context, command)?;
                self.answer(
                    &request,
                    &Answer::status(code::UNRECOGNISED_OPERATION),
                    None,
                )
            }
        }
    }

    /// Answer `request` in one write, with a data set where the answer says so.
    pub(super) fn answer(
        &mut self,
        request: &Request<'_>,
        answer: &Answer<'_>,
        data_set: Option<&[u8]>,
    ) -> Result<(), LinkFault> {
        if request.command.message_id.is_none() {
            return Err(LinkFault::Message("a request has no message ID"));
        }
        let answer = Answer {
            has_data_set: data_set.is_some(),
            ..answer.clone()
        };
        let response = message::response(request.command, &answer);
        let largest = request.agreement.largest_pdu;
        let mut pdus = Vec::with_capacity(512 + data_set.map_or(0, <[u8]>::len));
        put_command(&mut pdus, request.context, &response, largest);
        if let Some(bytes) = data_set {
            put_data_set(&mut pdus, request.context, bytes, largest);
        }
        self.send(&pdus)
    }
}
