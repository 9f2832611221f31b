//! What stands in a stream of bytes from a peer, without a connection: for looking into a recording, and for trying the
//! readers on any bytes.

use std::io::Read;
use std::time::Duration;

use super::associate::{AssociateAccept, AssociateRequest};
use super::reader::PduReader;
use super::watch::Watch;
use super::{AeTitle, LinkFault, PduFault, PduKind, Phase};

pub use super::reader::{Arrival, Fragment};

/// How long reading may take altogether: what is recorded does not wait.
const PATIENCE: Duration = Duration::from_secs(600);

/// Hands every PDU and every part of a value to `hear`, in their order. Gives what ended it: of a whole recording that
/// it was closed.
pub fn listen(source: &mut dyn Read, hear: &mut dyn FnMut(Arrival<'_>)) -> LinkFault {
    let watch = Watch::within(PATIENCE, Phase::Message);
    let mut reader = PduReader::new(source, watch, None);
    loop {
        match reader.next() {
            Ok(arrival) => hear(arrival),
            Err(fault) => return fault,
        }
    }
}

/// The PDU that this program would write for the association request with this body: only what concerns it, with its own
/// user information.
///
/// # Errors
/// The fault of the request.
pub fn request_again(body: &[u8]) -> Result<Vec<u8>, PduFault> {
    Ok(AssociateRequest::decode(body)?.encode())
}

/// The PDU that this program would write for the acceptance with this body, between two titles.
///
/// # Errors
/// The fault of the acceptance.
pub fn acceptance_again(
    body: &[u8],
    called: &AeTitle,
    calling: &AeTitle,
) -> Result<Vec<u8>, PduFault> {
    Ok(AssociateAccept::decode(body)?.encode(called, calling))
}

/// The kind of a PDU by its header, and the length of its body.
///
/// # Errors
/// The fault of the header.
pub fn header(bytes: [u8; super::PDU_HEADER]) -> Result<(PduKind, u32), PduFault> {
    super::judge_header(bytes)
}
