//! A-ASSOCIATE-RQ and A-ASSOCIATE-AC (PS3.8 sections 9.3.2 and 9.3.3, PS3.7 annex D.3.3).

use std::collections::BTreeSet;

use super::item::Cursor;
use super::proposals::Proposals;
use super::title::AeTitle;
use super::uid::uid_field;
use super::writer::put_header;
use super::{
    ADVERTISED_PDU, APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION,
    PduFault, PduKind, TRANSFER_SYNTAX_LIMIT,
};

const APPLICATION_CONTEXT_ITEM: u8 = 0x10;
const CONTEXT_PROPOSED_ITEM: u8 = 0x20;
const CONTEXT_RESULT_ITEM: u8 = 0x21;
const ABSTRACT_SYNTAX_ITEM: u8 = 0x30;
const TRANSFER_SYNTAX_ITEM: u8 = 0x40;
const USER_INFORMATION_ITEM: u8 = 0x50;
const MAXIMUM_LENGTH_ITEM: u8 = 0x51;
const IMPLEMENTATION_CLASS_ITEM: u8 = 0x52;
const IMPLEMENTATION_VERSION_ITEM: u8 = 0x55;

/// What a peer that names no maximum length is taken to accept: the smallest default in the field.
const UNSTATED_MAXIMUM: u32 = 16_384;

/// Version 1 of the upper layer protocol: bit 0 (PS3.8 table 9-11).
const PROTOCOL_VERSION: u16 = 1;

/// A proposed presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProposedContext {
    /// Odd, unique in the association.
    pub(crate) id: u8,
    /// SOP class UID.
    pub(crate) abstract_syntax: String,
    /// At least one transfer syntax UID, in the requestor's order.
    pub(crate) transfer_syntaxes: Vec<String>,
}

/// A-ASSOCIATE-RQ as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssociateRequest {
    /// Bit 0 is version 1.
    pub(crate) protocol_version: u16,
    pub(crate) called: AeTitle,
    pub(crate) calling: AeTitle,
    pub(crate) application_context: String,
    pub(crate) contexts: Vec<ProposedContext>,
    /// Longest P-DATA-TF body the sender takes; 0 is no limit.
    pub(crate) maximum_length: u32,
    pub(crate) proposals: Proposals,
}

/// Result of a proposed context (PS3.8 table 9-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContextResult {
    Accepted = 0,
    UserRejected = 1,
    ProviderRejected = 2,
    AbstractSyntaxNotSupported = 3,
    TransferSyntaxesNotSupported = 4,
}

/// One answered presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnsweredContext {
    pub(crate) id: u8,
    pub(crate) result: ContextResult,
    /// Meaningful when accepted; may be absent otherwise.
    pub(crate) transfer_syntax: Option<String>,
}

/// A-ASSOCIATE-AC as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssociateAccept {
    pub(crate) contexts: Vec<AnsweredContext>,
    /// Longest P-DATA-TF body the sender takes; 0 is no limit.
    pub(crate) maximum_length: u32,
    /// What is granted of the requestor's.
    pub(crate) proposals: Proposals,
}

impl ProposedContext {
    fn decode(mut cursor: Cursor<'_>) -> Result<Self, PduFault> {
        let [id, _, _, _] = *cursor.array::<4>()?;
        let mut abstract_syntax = None;
        let mut transfer_syntaxes = Vec::new();
        while !cursor.is_empty() {
            let (kind, item) = cursor.item()?;
            match kind {
                ABSTRACT_SYNTAX_ITEM => {
                    let earlier = abstract_syntax.replace(uid(item)?);
                    if earlier.is_some() {
                        return Err(item.malformed("a context has two abstract syntaxes"));
                    }
                }
                TRANSFER_SYNTAX_ITEM => {
                    if transfer_syntaxes.len() == TRANSFER_SYNTAX_LIMIT {
                        return Err(item.malformed("a context has more than 128 transfer syntaxes"));
                    }
                    transfer_syntaxes.push(uid(item)?);
                }
                // PS3.8 section 9.3.1: items of unrecognised types are skipped.
                _unrecognised => {}
            }
        }
        let Some(abstract_syntax) = abstract_syntax else {
            return Err(cursor.malformed("a context has no abstract syntax"));
        };
        if transfer_syntaxes.is_empty() {
            return Err(cursor.malformed("a context has no transfer syntax"));
        }
        Ok(ProposedContext {
            id,
            abstract_syntax,
            transfer_syntaxes,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_item(out, CONTEXT_PROPOSED_ITEM, |out| {
            out.extend_from_slice(&[self.id, 0, 0, 0]);
            put_uid(out, ABSTRACT_SYNTAX_ITEM, &self.abstract_syntax);
            for syntax in &self.transfer_syntaxes {
                put_uid(out, TRANSFER_SYNTAX_ITEM, syntax);
            }
        });
    }
}

impl AnsweredContext {
    fn decode(mut cursor: Cursor<'_>) -> Result<Self, PduFault> {
        let [id, _, result, _] = *cursor.array::<4>()?;
        let result = match result {
            0 => ContextResult::Accepted,
            1 => ContextResult::UserRejected,
            2 => ContextResult::ProviderRejected,
            3 => ContextResult::AbstractSyntaxNotSupported,
            4 => ContextResult::TransferSyntaxesNotSupported,
            _reserved => return Err(cursor.malformed("a context has a reserved result")),
        };
        let mut transfer_syntax = None;
        // The sub-item of a rejected context is not significant (PS3.8 section 9.3.3.2): some
        // peers leave it out, some leave it empty.
        while result == ContextResult::Accepted && !cursor.is_empty() {
            let (kind, item) = cursor.item()?;
            if kind == TRANSFER_SYNTAX_ITEM && transfer_syntax.replace(uid(item)?).is_some() {
                return Err(item.malformed("a context was accepted with two transfer syntaxes"));
            }
        }
        if result == ContextResult::Accepted && transfer_syntax.is_none() {
            return Err(cursor.malformed("a context was accepted without a transfer syntax"));
        }
        Ok(AnsweredContext {
            id,
            result,
            transfer_syntax,
        })
    }
}

impl AssociateRequest {
    /// Decode the body of an A-ASSOCIATE-RQ.
    ///
    /// # Errors
    /// The peer's fault; nothing beyond `body` was looked at.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, PduFault> {
        let mut cursor = Cursor::new(body, PduKind::AssociateRequest);
        let [high, low, _, _] = *cursor.array::<4>()?;
        let called = title(&mut cursor, "the called AE title is empty or not printable")?;
        let calling = title(
            &mut cursor,
            "the calling AE title is empty or not printable",
        )?;
        cursor.take(32)?;
        let mut application_context = None;
        let mut user = (UNSTATED_MAXIMUM, Proposals::default());
        let mut contexts = Vec::new();
        let mut seen = BTreeSet::new();
        while !cursor.is_empty() {
            let (kind, item) = cursor.item()?;
            match kind {
                APPLICATION_CONTEXT_ITEM => application_context = Some(uid(item)?),
                CONTEXT_PROPOSED_ITEM => {
                    let context = ProposedContext::decode(item)?;
                    check_id(context.id, &mut seen, &item)?;
                    contexts.push(context);
                }
                USER_INFORMATION_ITEM => user = user_information(item)?,
                _unrecognised => {}
            }
        }
        let Some(application_context) = application_context else {
            return Err(cursor.malformed("it names no application context"));
        };
        if contexts.is_empty() {
            return Err(cursor.malformed("it proposes no presentation context"));
        }
        Ok(AssociateRequest {
            protocol_version: u16::from_be_bytes([high, low]),
            called,
            calling,
            application_context,
            contexts,
            maximum_length: user.0,
            proposals: user.1,
        })
    }

    /// A request of version 1 with our user information.
    pub(crate) fn new(called: AeTitle, calling: AeTitle, contexts: Vec<ProposedContext>) -> Self {
        AssociateRequest {
            protocol_version: PROTOCOL_VERSION,
            called,
            calling,
            application_context: APPLICATION_CONTEXT.to_owned(),
            contexts,
            maximum_length: ADVERTISED_PDU,
            proposals: Proposals::default(),
        }
    }

    /// The whole PDU.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.protocol_version.to_be_bytes());
        body.extend_from_slice(&[0; 2]);
        put_titles(&mut body, &self.called, &self.calling);
        put_uid(
            &mut body,
            APPLICATION_CONTEXT_ITEM,
            &self.application_context,
        );
        for context in &self.contexts {
            context.encode(&mut body);
        }
        put_user_information(&mut body, self.maximum_length, &self.proposals);
        whole(PduKind::AssociateRequest, &body)
    }

    /// Whether the requestor speaks version 1.
    pub(crate) fn speaks_version_1(&self) -> bool {
        self.protocol_version & PROTOCOL_VERSION != 0
    }
}

impl AssociateAccept {
    /// Decode the body of an A-ASSOCIATE-AC.
    ///
    /// # Errors
    /// The peer's fault; nothing beyond `body` was looked at.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, PduFault> {
        let mut cursor = Cursor::new(body, PduKind::AssociateAccept);
        // Version and the echoed titles are not to be tested (PS3.8 section 9.3.3).
        cursor.take(68)?;
        let mut user = (UNSTATED_MAXIMUM, Proposals::default());
        let mut contexts = Vec::new();
        let mut seen = BTreeSet::new();
        while !cursor.is_empty() {
            let (kind, item) = cursor.item()?;
            match kind {
                CONTEXT_RESULT_ITEM => {
                    let context = AnsweredContext::decode(item)?;
                    check_id(context.id, &mut seen, &item)?;
                    contexts.push(context);
                }
                USER_INFORMATION_ITEM => user = user_information(item)?,
                _unrecognised => {}
            }
        }
        Ok(AssociateAccept {
            contexts,
            maximum_length: user.0,
            proposals: user.1,
        })
    }

    /// The whole PDU answering a request between these titles.
    pub(crate) fn encode(&self, called: &AeTitle, calling: &AeTitle) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&PROTOCOL_VERSION.to_be_bytes());
        body.extend_from_slice(&[0; 2]);
        put_titles(&mut body, called, calling);
        put_uid(&mut body, APPLICATION_CONTEXT_ITEM, APPLICATION_CONTEXT);
        for context in &self.contexts {
            put_item(&mut body, CONTEXT_RESULT_ITEM, |out| {
                out.extend_from_slice(&[context.id, 0, context.result as u8, 0]);
                // Readers exist that insist on the sub-item even where it means nothing.
                let syntax = context.transfer_syntax.as_deref();
                put_uid(out, TRANSFER_SYNTAX_ITEM, syntax.unwrap_or_default());
            });
        }
        put_user_information(&mut body, self.maximum_length, &self.proposals);
        whole(PduKind::AssociateAccept, &body)
    }
}

fn uid(item: Cursor<'_>) -> Result<String, PduFault> {
    match uid_field(item.remainder()) {
        Some(uid) => Ok(uid.to_owned()),
        None => Err(item.malformed("an item that must be a UID is not")),
    }
}

fn title(cursor: &mut Cursor<'_>, fault: &'static str) -> Result<AeTitle, PduFault> {
    let field = cursor.array::<16>()?;
    AeTitle::from_field(field).ok_or(cursor.malformed(fault))
}

/// Identifiers are odd and unique, so no more than `CONTEXT_LIMIT` contexts can pass.
fn check_id(id: u8, seen: &mut BTreeSet<u8>, item: &Cursor<'_>) -> Result<(), PduFault> {
    if id.is_multiple_of(2) {
        return Err(item.malformed("a presentation context identifier is even"));
    }
    if !seen.insert(id) {
        return Err(item.malformed("a presentation context identifier comes twice"));
    }
    Ok(())
}

/// The maximum length and the negotiations of the user information; what is not answered there stays
/// at its default.
fn user_information(mut cursor: Cursor<'_>) -> Result<(u32, Proposals), PduFault> {
    let mut maximum = UNSTATED_MAXIMUM;
    let mut proposals = Proposals::default();
    while !cursor.is_empty() {
        let (kind, item) = cursor.item()?;
        if kind == MAXIMUM_LENGTH_ITEM {
            let Ok(bytes) = <[u8; 4]>::try_from(item.remainder()) else {
                return Err(item.malformed("the maximum length is not four bytes"));
            };
            maximum = u32::from_be_bytes(bytes);
        } else {
            proposals.take(kind, item)?;
        }
    }
    Ok((maximum, proposals))
}

/// An item: type, reserved byte, length of what `fill` writes. Our own items are far below 64 KiB.
fn put_item(out: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[kind, 0, 0, 0]);
    let begin = out.len();
    fill(out);
    let length = ((out.len() - begin) as u16).to_be_bytes();
    if let Some(place) = out.get_mut(begin - 2..begin) {
        place.copy_from_slice(&length);
    }
}

fn put_uid(out: &mut Vec<u8>, kind: u8, uid: &str) {
    put_item(out, kind, |out| out.extend_from_slice(uid.as_bytes()));
}

fn put_titles(out: &mut Vec<u8>, called: &AeTitle, calling: &AeTitle) {
    out.extend_from_slice(&called.to_field());
    out.extend_from_slice(&calling.to_field());
    out.extend_from_slice(&[0; 32]);
}

fn put_user_information(out: &mut Vec<u8>, maximum_length: u32, proposals: &Proposals) {
    put_item(out, USER_INFORMATION_ITEM, |out| {
        put_item(out, MAXIMUM_LENGTH_ITEM, |out| {
            out.extend_from_slice(&maximum_length.to_be_bytes());
        });
        put_uid(out, IMPLEMENTATION_CLASS_ITEM, IMPLEMENTATION_CLASS_UID);
        proposals.put(out, |out, kind, bytes| {
            put_item(out, kind, |out| out.extend_from_slice(bytes));
        });
        put_uid(out, IMPLEMENTATION_VERSION_ITEM, IMPLEMENTATION_VERSION);
    });
}

/// A PDU with its header.
pub(super) fn whole(kind: PduKind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + super::PDU_HEADER);
    put_header(&mut out, kind, body.len() as u32);
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests;
