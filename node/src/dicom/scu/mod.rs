//! The calling side: C-ECHO and C-STORE to an archive, C-FIND and C-MOVE of what it has, storage commitment.
//!
//! One presentation context is proposed for each pair of SOP class and transfer syntax that the
//! objects at hand need, and one for each other transfer syntax into which they can be brought where the
//! destination does not accept the first ([`Transcoding`]); what it does not accept in any is
//! reported per object. Data sets are streamed in constant memory, one C-STORE outstanding at a
//! time. Every wait has a deadline; after any fault the association is aborted and never used
//! again.

mod association;
mod commitment;
mod destination;
mod exchange;
mod find;
mod outcome;
mod probe;
mod retrieve;
mod sending;
mod store;
mod transcoding;

use association::{Answer, Association, Pair};
pub use commitment::{report_commitment, request_commitment};
pub use destination::{Destination, Timeouts};
pub use exchange::SYNTAXES;
pub use find::{Found, find};
pub use outcome::{Delivery, Ended, Outcome, ScuFault, Summary};
pub use probe::{Step, Taken, advice, probe};
pub use retrieve::{Retrieved, retrieve};
pub(super) use sending::{SendFault, Way, stream};
pub(super) use store::store_for;
pub use store::{Outgoing, store, store_arriving};
pub(super) use transcoding::Brought;
pub use transcoding::{IsWanted, Transcoding, Untranscoded};

use super::dimse::VERIFICATION;
use super::dimse::status::code;

/// Implicit VR Little Endian, which every implementation accepts (PS3.5 section 10.1).
const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";

/// Ask `destination` whether it is there (C-ECHO).
///
/// # Errors
/// Why not: no connection, the association rejected, the service not offered, a failure status, or
/// an answer that broke the protocol or did not come in time.
pub fn echo(destination: &Destination) -> Result<(), ScuFault> {
    let pair = Pair {
        sop_class: VERIFICATION.to_owned(),
        transfer_syntax: IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
    };
    let mut association = Association::open(destination, vec![pair.clone()])?;
    let answered = match association.answer(&pair) {
        Some(Answer::Accepted(context)) => association.echo(context),
        Some(Answer::Refused) | None => {
            association.release();
            return Err(ScuFault::EchoNotOffered);
        }
    };
    match answered {
        Ok(status) => {
            association.release();
            match status {
                code::SUCCESS => Ok(()),
                failure => Err(ScuFault::EchoFailed(failure)),
            }
        }
        Err(fault) => {
            association.abort();
            Err(fault.into())
        }
    }
}
