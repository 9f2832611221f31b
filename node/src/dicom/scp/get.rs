//! C-GET (PS3.4 section C.4.3): objects go back over the association that asked for them, on the
//! contexts where the requestor took the role of an SCP: each on one of the transfer syntax it is kept in, else
//! brought into that of another.

use std::time::{Duration, Instant};

use super::association::Association;
use super::dispatch::Request;
use super::find::NOT_OFFERED;
use super::giving::Bringing;
use super::handing::Handing;
use super::holdings::{Recipient, Selected};
use super::identifier::Purpose;
use super::negotiation::Agreement;
use super::notice::Operation;
use super::tally::Tally;
use crate::dicom::dimse::{Model, QueryFailure};
use crate::dicom::pdu::LinkFault;
use crate::dicom::scu::{Delivery, Outgoing, Transcoding};

/// How often the requestor is told how far it is: often enough for a progress bar.
pub(super) const TOLD_EVERY: Duration = Duration::from_secs(1);

impl Association<'_> {
    /// Send what the identifier names back to who asks.
    pub(super) fn get(&mut self, request: &Request<'_>, model: Model) -> Result<(), LinkFault> {
        let selected = match self.select(request, model)? {
            Ok(selected) => selected,
            Err(failure) => return self.refuse(request, Operation::Get, failure),
        };
        let mut tally = Tally::new(selected.iter().map(|one| one.sop_instance().to_owned()));
        let holdings = self.shared.services.holdings.as_deref();
        let to = Recipient {
            title: request.caller.calling_ae.clone(),
            host: request.caller.address.ip().to_canonical().to_string(),
        };
        let mut handing = Handing::begin(holdings, request.caller, to, &selected);
        let mut buffer = Vec::new();
        let mut told = Instant::now();
        let mut cancelled = false;
        for (index, mut object) in selected.into_iter().enumerate() {
            cancelled = cancelled || self.is_cancelled(request)?;
            if cancelled {
                break;
            }
            let transcoding = self.shared.services.transcoding.as_deref();
            let fit = fit(request.agreement, &*object, transcoding);
            let is_brought = matches!(fit, Some((_, Some(_))));
            let delivery = match fit {
                Some(way) => {
                    let noted = (&mut buffer, &mut cancelled);
                    self.give_back(request, way, &mut *object, noted)?
                }
                None => Delivery::NotAccepted {
                    sop_class: object.sop_class().to_owned(),
                    transfer_syntax: object.transfer_syntax().to_owned(),
                },
            };
            tally.note(index, &delivery);
            if delivery.is_stored() {
                handing.arrived(index);
            }
            if is_brought && delivery.is_stored() {
                tally.note_transcoded();
            }
            if told.elapsed() >= TOLD_EVERY {
                self.answer(request, &tally.pending(), None)?;
                told = Instant::now();
            }
        }
        self.conclude(request, &request.caller.calling_ae, &tally, cancelled)
    }

    /// What a retrieval names.
    pub(super) fn select(
        &mut self,
        request: &Request<'_>,
        model: Model,
    ) -> Result<Result<Vec<Selected>, QueryFailure>, LinkFault> {
        let identifier = self.identifier(request, model, Purpose::Retrieval)?;
        let holdings = self.shared.services.holdings.as_deref().ok_or(NOT_OFFERED);
        Ok(identifier.and_then(|identifier| {
            holdings?.select(request.caller, identifier.level, &identifier.keys)
        }))
    }
}

/// The context on which the requestor takes `object`: as it is kept if it may be, and else brought into another transfer
/// syntax.
fn fit<'t>(
    agreement: &Agreement,
    object: &dyn Outgoing,
    transcoding: Option<&'t dyn Transcoding>,
) -> Option<(u8, Option<Bringing<'t>>)> {
    let open_for = |transfer_syntax: &str| {
        let mut contexts = agreement.contexts.iter();
        let fitting = contexts.find(|(_, open)| {
            open.requestor_is_scp
                && open.abstract_syntax == object.sop_class()
                && open.transfer_syntax == transfer_syntax
        });
        fitting.map(|(context, _)| *context)
    };
    let kept = object.transfer_syntax();
    if let Some(context) = open_for(kept) {
        return Some((context, None));
    }
    let by = transcoding?;
    let mut ways = by.ways(kept).iter();
    ways.find_map(|into| Some((open_for(into)?, Some((*into, by)))))
}
