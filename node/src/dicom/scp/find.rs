//! C-FIND (PS3.4 section C.4.1): matches are sent as they are found. That it is cancelled, or the caller gone, is noticed
//! while there is none, too.

use std::ops::ControlFlow;

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::association::Association;
use super::dispatch::Request;
use super::identifier::{Identifier, Purpose};
use super::notice::Operation;
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::message::Answer;
use crate::dicom::dimse::status::code;
use crate::dicom::dimse::{Looked, Model, QueryFailure, QueryStatus};
use crate::dicom::pdu::LinkFault;

pub(super) const NOT_OFFERED: QueryFailure = QueryFailure::new(
    QueryStatus::NotAuthorised,
    "not offered to this caller",
    "この装置には許可されていません",
);

impl Association<'_> {
    /// Answer a query.
    pub(super) fn find(&mut self, request: &Request<'_>, model: Model) -> Result<(), LinkFault> {
        match self.identifier(request, model, Purpose::Query)? {
            Ok(identifier) => self.stream_matches(request, model, &identifier),
            Err(failure) => self.refuse(request, Operation::Find, failure),
        }
    }

    fn stream_matches(
        &mut self,
        request: &Request<'_>,
        model: Model,
        identifier: &Identifier,
    ) -> Result<(), LinkFault> {
        let shared = self.shared;
        let Some(holdings) = shared.services.holdings.as_deref() else {
            return self.refuse(request, Operation::Find, NOT_OFFERED);
        };
        let mut ended = Ok(false);
        let mut answer = |looked: Looked| {
            ended = match looked {
                Looked::Match(found) => self.pend(request, identifier, found),
                Looked::InVain => self.is_cancelled(request),
            };
            match ended {
                Ok(false) => ControlFlow::Continue(()),
                Ok(true) | Err(_) => ControlFlow::Break(()),
            }
        };
        let keys = &identifier.keys;
        let found = holdings.find(request.caller, model, identifier.level, keys, &mut answer);
        match (ended?, found) {
            (true, _) => self.answer(request, &Answer::status(code::CANCELLED), None),
            (false, Ok(())) => self.answer(request, &Answer::status(code::SUCCESS), None),
            (false, Err(failure)) => self.refuse(request, Operation::Find, failure),
        }
    }

    /// Send one match; whether the peer has cancelled.
    fn pend(
        &mut self,
        request: &Request<'_>,
        identifier: &Identifier,
        mut found: DataSet,
    ) -> Result<bool, LinkFault> {
        if self.is_cancelled(request)? {
            return Ok(true);
        }
        let level = identifier.level.code();
        found.put_text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, level);
        let title = self.shared.config.ae_title.as_str();
        found.put_text(tags::RETRIEVE_AE_TITLE, VR::AE, title);
        let status = if has_all(&found, &identifier.keys) {
            code::PENDING
        } else {
            code::PENDING_WITHOUT_SOME_KEYS
        };
        let bytes = request.open.encode(&found);
        self.answer(request, &Answer::status(status), Some(&bytes))?;
        Ok(false)
    }
}

/// Whether a match has every key that was asked for; group lengths and the character set of the
/// request are none.
fn has_all(found: &DataSet, keys: &DataSet) -> bool {
    keys.elements().iter().all(|key| {
        let is_key = key.tag.element() != 0 && key.tag != tags::SPECIFIC_CHARACTER_SET;
        !is_key || found.element(key.tag).is_some()
    })
}
