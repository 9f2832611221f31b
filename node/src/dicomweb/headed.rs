//! An object whose header was read: what it is, and how its bytes go on.

use super::answer::Refusal;
use super::decoding::undecodable;
use super::limits::GOING_BACK;
use super::retrieve::{OpenObject, lost, open};
use crate::dicom::dataset::{Bounds, DataSet, ReadError};
use crate::dicom::scanner::{Encoding, TransferSyntax};
use crate::dicom::uid::Uid;
use crate::index::holdings::{Holdings, Instance};
use crate::language::Message;
use crate::pixels::DecodeError;
use crate::say;
use crate::transcoding::ranges::Plain;

/// An object up to its pixel data.
pub(super) struct Headed {
    pub syntax: TransferSyntax,
    pub header: DataSet,
    /// Its next byte is the first of the pixel data.
    pub plain: Plain<'static>,
}

impl Headed {
    /// Opens an object and reads its header.
    ///
    /// # Errors
    /// When its time here is over, or it cannot be read.
    pub(super) fn read(
        holdings: &Holdings,
        instance: &Instance,
        bounds: &Bounds,
    ) -> Result<Headed, Refusal> {
        let opened = open(holdings, instance).map_err(|error| lost(&error))?;
        let OpenObject { head, data_set } = opened.ok_or_else(Refusal::not_found)?;
        let syntax = Uid::parse_lenient(head.transfer_syntax.as_bytes());
        let syntax = TransferSyntax::from(syntax.map_err(|_| Refusal::failed())?);
        let mut plain = Plain::of(data_set, syntax.encoding());
        let header = plain.header(syntax.encoding(), bounds);
        let header = header.map_err(|error| {
            tracing::error!(target: "dokuei::web", "an object cannot be read: {error}");
            match error {
                ReadError::TooLarge => undecodable(DecodeError::TooLarge.into()),
                ReadError::Io(_) | ReadError::Malformed(_) => Refusal::failed(),
            }
        })?;
        Ok(Headed {
            syntax,
            header,
            plain,
        })
    }

    /// Refuses frames that lie in such an order that reading them costs too much.
    ///
    /// # Errors
    /// That.
    pub(super) fn must_be_in_order(encoding: Encoding, numbers: &[u32]) -> Result<(), Refusal> {
        let pairs = numbers.iter().zip(numbers.iter().skip(1));
        let back = pairs.filter(|(first, next)| next <= first).count();
        match encoding == Encoding::DeflatedExplicitLittle && back > GOING_BACK {
            true => Err(Refusal::bad_request(out_of_order())),
            false => Ok(()),
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.syntax.encoding()
    }
}

fn out_of_order() -> Message {
    say!(
        "圧縮された（Deflate）オブジェクトのフレームは、番号の小さい順に指定してください。",
        "This object is deflated: ask for its frames in ascending order."
    )
}
