//! Asking a reader to stop.

use dokuei_keys::signed::Signed;

use crate::case::CaseId;
use crate::case::cancel::{CancelRequest, Told};
use crate::case::event::WithdrawalReason;
use crate::case::phase::Phase;
use crate::effect::{Answer, CannotDo, DocumentAnswer};
use crate::record::Record;
use crate::service::{Service, Turn};

impl Service {
    /// Asks the booked reader to stop. Asking again changes nothing.
    pub(crate) fn ask_to_stop(
        &mut self,
        turn: &mut Turn,
        case: CaseId,
        reason: WithdrawalReason,
    ) -> Result<Answer, CannotDo> {
        let request = self.state.requests.get(&case).ok_or(CannotDo::NoCase)?;
        let thread = request.booked().ok_or(CannotDo::NotNow)?;
        if !thread.phase().is_being_read() || thread.is_torn() {
            return Err(CannotDo::NotNow);
        }
        match request.cancel.as_ref().map(|cancel| cancel.told) {
            Some(Told::OnItsWay | Told::Told) => return Ok(Answer::Done),
            Some(Told::Refused) => return Err(CannotDo::NotNow),
            None => {}
        }
        let document = self.sign(CancelRequest {
            case,
            requester: self.identity.site,
            reader: thread.reader(),
            follows: thread.head(),
            at: turn.now,
            reason,
        })?;
        self.note(turn, Record::CancelMade(document.into()));
        Ok(Answer::Done)
    }

    /// A requester's wish arrived and is signed by it. It is taken once for each booking, while somebody reads.
    pub(crate) fn cancel_arrived(
        &mut self,
        turn: &mut Turn,
        document: &Signed<CancelRequest>,
    ) -> DocumentAnswer {
        let cancel = document.content();
        let Some(reading) = self.state.readings.get(&cancel.case) else {
            return DocumentAnswer::Refused;
        };
        let thread = &reading.thread;
        if thread.requester() != cancel.requester {
            return DocumentAnswer::Refused;
        }
        if reading.cancels.contains(&document.id()) {
            return DocumentAnswer::Accepted;
        }
        if !thread.chain().contains(&cancel.follows) {
            return DocumentAnswer::Later;
        }
        let reads = matches!(thread.phase(), Phase::Claimed(_) | Phase::Reported(_));
        if !reads || reading.cancel.is_some() || !thread.is_in_sight(cancel.follows) {
            return DocumentAnswer::Refused;
        }
        self.note(
            turn,
            Record::CancelReceived(document.bytes().to_vec().into()),
        );
        DocumentAnswer::Accepted
    }
}
