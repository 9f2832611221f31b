//! An operation that takes its time: the peer may cancel it while it is answered.
//!
//! One operation is under way at a time (the window is 1/1), so all a peer may send meanwhile is
//! C-CANCEL. Between two answers the socket is asked whether something has come; that costs two system
//! calls and no wait.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::association::Association;
use super::dispatch::Request;
use crate::dicom::dimse::command::{Command, field};
use crate::dicom::pdu::LinkFault;
use crate::dicom::pdu::watch::Watch;

/// Cancels of requests that are not under way, taken in one association while it answers: a peer whose
/// cancels cross our last answers sends a few.
const STRAYS: u32 = 100;

impl Association<'_> {
    /// Whether the peer has cancelled `request` by now.
    pub(super) fn is_cancelled(&mut self, request: &Request<'_>) -> Result<bool, LinkFault> {
        if self.shared.stopping.load(Ordering::Relaxed) {
            return Err(LinkFault::Stopping);
        }
        while self.reader.arrives_within(Duration::ZERO)? {
            let rate = self.shared.config.limits.rate;
            self.reader.set_watch(Watch::flow(rate));
            let command = self.meanwhile(request)?;
            if self.cancels(request, &command)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next command while `request` is under way.
    pub(super) fn meanwhile(&mut self, request: &Request<'_>) -> Result<Command, LinkFault> {
        match self.next_command(request.agreement)? {
            Some((_, command)) => Ok(command),
            None => Err(LinkFault::Message(
                "a release was requested while an operation is under way",
            )),
        }
    }

    /// Whether `command` cancels `request`.
    ///
    /// # Errors
    /// It is no cancel, or one too many of what is not under way.
    pub(super) fn cancels(
        &mut self,
        request: &Request<'_>,
        command: &Command,
    ) -> Result<bool, LinkFault> {
        if command.field != field::C_CANCEL_RQ || command.has_data_set {
            return Err(LinkFault::Message(
                "a request came while another is under way",
            ));
        }
        if command.responded_message_id == request.command.message_id {
            return Ok(true);
        }
        self.strays += 1;
        if self.strays > STRAYS {
            return Err(LinkFault::Message(
                "it cancels what is not under way, again and again",
            ));
        }
        Ok(false)
    }
}
