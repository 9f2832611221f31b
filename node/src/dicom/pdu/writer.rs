//! Encodes the PDUs we send, except the association's own items.

use super::{Abort, PDU_HEADER, PduKind, VALUE_HEADER};

/// Begin a PDU: type, reserved byte, length of the body.
pub(crate) fn put_header(out: &mut Vec<u8>, kind: PduKind, length: u32) {
    out.extend_from_slice(&[kind as u8, 0]);
    out.extend_from_slice(&length.to_be_bytes());
}

/// A-RELEASE-RQ or A-RELEASE-RP.
pub(crate) fn release(kind: PduKind) -> [u8; 10] {
    [kind as u8, 0, 0, 0, 0, 4, 0, 0, 0, 0]
}

/// A-ABORT.
pub(crate) fn abort(abort: Abort) -> [u8; 10] {
    let kind = PduKind::Abort as u8;
    [kind, 0, 0, 0, 0, 4, 0, 0, abort.source, abort.reason]
}

/// The headers of a P-DATA-TF with one value of `length` bytes.
pub(crate) fn data_header(
    context: u8,
    is_command: bool,
    is_last: bool,
    length: u32,
) -> [u8; PDU_HEADER + VALUE_HEADER] {
    let pdu = (length + VALUE_HEADER as u32).to_be_bytes();
    let item = (length + 2).to_be_bytes();
    let control = u8::from(is_command) | (u8::from(is_last) << 1);
    [
        PduKind::Data as u8,
        0,
        pdu[0],
        pdu[1],
        pdu[2],
        pdu[3],
        item[0],
        item[1],
        item[2],
        item[3],
        context,
        control,
    ]
}

/// Bytes of data in one PDU to a peer that takes bodies of at most `largest` bytes: an even
/// number, as fragments must be (PS3.8 annex E.1).
pub(crate) fn chunk_length(largest: u32) -> usize {
    (largest as usize).saturating_sub(VALUE_HEADER).max(2) & !1
}

/// A whole command set as P-DATA-TF PDUs of at most `largest` bytes.
pub(crate) fn put_command(out: &mut Vec<u8>, context: u8, command: &[u8], largest: u32) {
    put_message(out, context, true, command, largest);
}

/// A whole data set, likewise.
pub(crate) fn put_data_set(out: &mut Vec<u8>, context: u8, data_set: &[u8], largest: u32) {
    put_message(out, context, false, data_set, largest);
}

fn put_message(out: &mut Vec<u8>, context: u8, is_command: bool, bytes: &[u8], largest: u32) {
    let mut chunks = bytes.chunks(chunk_length(largest)).peekable();
    while let Some(chunk) = chunks.next() {
        let (is_last, length) = (chunks.peek().is_none(), chunk.len() as u32);
        out.extend_from_slice(&data_header(context, is_command, is_last, length));
        out.extend_from_slice(chunk);
    }
}

/// The longest P-DATA-TF body to send to a peer that stated `maximum` (0: no limit).
pub(crate) fn largest_pdu(maximum: u32) -> u32 {
    match maximum {
        0 => super::ADVERTISED_PDU,
        stated => stated.min(super::ADVERTISED_PDU),
    }
}
