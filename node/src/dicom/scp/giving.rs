//! One object of a C-GET on its way back: the requestor may cancel or leave while it is read, decoded and stored.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::association::Association;
use super::dispatch::Request;
use crate::dicom::dimse::command::field;
use crate::dicom::dimse::judge_store_status;
use crate::dicom::pdu::watch::Watch;
use crate::dicom::pdu::{LinkFault, Phase};
use crate::dicom::scu::{Brought, Delivery, Outgoing, SendFault, Transcoding, Way, stream};

/// How long the requestor may take to store one object: as long as an archive may.
const STORING: Duration = Duration::from_secs(120);

/// A transfer syntax into which an object is brought, and who does that.
pub(super) type Bringing<'t> = (&'static str, &'t dyn Transcoding);

/// The association while an object goes out over it; whoever waits for a decoder looks here whether it is still wanted.
struct Giving<'g, 's>(Mutex<Line<'g, 's>>);

struct Line<'g, 's> {
    association: &'g mut Association<'s>,
    request: &'g Request<'g>,
    /// Something of the object was sent.
    has_begun: bool,
    cancelled: bool,
    fault: Option<LinkFault>,
}

impl<'g, 's> Giving<'g, 's> {
    /// The line; one thread uses it, now for sending and now for looking.
    fn line(&self) -> MutexGuard<'_, Line<'g, 's>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line<'_, '_> {
    /// Whether the object is still wanted. One that has begun is: a message has no end but its own, and what the requestor
    /// says meanwhile may be its answer already.
    fn is_wanted(&mut self) -> bool {
        if self.fault.is_none() {
            match self.looked() {
                Ok(cancelled) => self.cancelled |= cancelled,
                Err(fault) => self.fault = Some(fault),
            }
        }
        self.fault.is_none() && (self.has_begun || !self.cancelled)
    }

    /// Whether the requestor has cancelled; a fault when it is gone.
    fn looked(&mut self) -> Result<bool, LinkFault> {
        if !self.has_begun {
            return self.association.is_cancelled(self.request);
        }
        match self.association.reader.source_mut().has_ended()? {
            true => Err(LinkFault::Closed),
            false => Ok(false),
        }
    }

    fn send(&mut self, bytes: &[u8], watch: &mut Watch) -> Result<(), LinkFault> {
        self.has_begun = true;
        let link = self.association.reader.source_mut();
        link.send(bytes, watch)
    }
}

impl Association<'_> {
    /// Send one object on `context`, brought into another transfer syntax where that is said, and wait for its answer.
    /// When the requestor cancels before anything of it was sent, nothing is.
    pub(super) fn give_back(
        &mut self,
        request: &Request<'_>,
        (context, bringing): (u8, Option<Bringing<'_>>),
        object: &mut dyn Outgoing,
        (buffer, cancelled): (&mut Vec<u8>, &mut bool),
    ) -> Result<Delivery, LinkFault> {
        let way = Way {
            context,
            message_id: self.next_message_id(),
            largest_pdu: request.agreement.largest_pdu,
            rate: self.shared.config.limits.rate,
        };
        let giving = Giving(Mutex::new(Line {
            association: self,
            request,
            has_begun: false,
            cancelled: false,
            fault: None,
        }));
        let mut send = |bytes: &[u8], watch: &mut Watch| giving.line().send(bytes, watch);
        let is_wanted = || giving.line().is_wanted();
        let sent = match bringing {
            None => stream(&mut send, &way, None, object, buffer),
            Some((into, by)) => {
                let mut brought = Brought {
                    object: &mut *object,
                    into,
                    by,
                    is_wanted: &is_wanted,
                };
                stream(&mut send, &way, None, &mut brought, buffer)
            }
        };
        let line = giving.0.into_inner();
        let line = line.unwrap_or_else(PoisonError::into_inner);
        *cancelled |= line.cancelled;
        match (sent, line.fault) {
            (Err(SendFault::Link(fault)), _) | (Err(_), Some(fault)) => Err(fault),
            (Ok(()), _) => self.stored(request, way.message_id, cancelled),
            (Err(SendFault::Unreadable(_)), None) if *cancelled => Ok(Delivery::NotAttempted),
            (Err(SendFault::Unreadable(why)), None) => Ok(Delivery::unread(object.kept_in(), why)),
            (Err(SendFault::CutShort(_)), None) => Err(LinkFault::Message(
                "an object of this node could not be read to its end",
            )),
        }
    }

    /// The answer to the C-STORE with this message ID; the peer may cancel while we wait for it.
    fn stored(
        &mut self,
        request: &Request<'_>,
        message_id: u16,
        cancelled: &mut bool,
    ) -> Result<Delivery, LinkFault> {
        let watch = Watch::within(STORING, Phase::Response);
        self.reader.set_watch(watch);
        loop {
            let command = self.meanwhile(request)?;
            if command.field != field::C_STORE_RSP {
                *cancelled |= self.cancels(request, &command)?;
                continue;
            }
            let is_ours = command.responded_message_id == Some(message_id);
            return match command.status {
                Some(status) if is_ours && !command.has_data_set => {
                    Ok(judge_store_status(status).into())
                }
                Some(_) | None => Err(LinkFault::Message("a response is to another request")),
            };
        }
    }
}
