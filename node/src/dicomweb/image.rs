//! Frames of one object that lies here, as a decoder wants them.

use std::io::ErrorKind;

use super::answer::Refusal;
use super::headed::Headed;
use super::retrieve::{lost, open};
use crate::dicom::dataset::ReadError;
use crate::dicom::scanner::Encoding;
use crate::index::holdings::{Holdings, Instance};
use crate::pixels::{DecodeError, Image};
use crate::transcoding::frames::{self, FrameError};
use crate::transcoding::ranges::Plain;

/// Why there is no frame.
pub(super) enum NoFrame {
    /// The object has no pixel data.
    NoImage,
    /// It has, but this frame cannot be decoded.
    Undecodable(DecodeError),
    /// It cannot be read.
    Refused(Refusal),
}

impl From<DecodeError> for NoFrame {
    fn from(error: DecodeError) -> NoFrame {
        NoFrame::Undecodable(error)
    }
}

impl From<FrameError> for NoFrame {
    fn from(error: FrameError) -> NoFrame {
        match error {
            FrameError::NoImage => NoFrame::NoImage,
            FrameError::Undecodable(error) => NoFrame::Undecodable(error),
            FrameError::Unreadable(ReadError::TooLarge) => {
                NoFrame::Undecodable(DecodeError::TooLarge)
            }
            // Its time here is over.
            FrameError::Unreadable(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
                NoFrame::Refused(Refusal::not_found())
            }
            FrameError::Unreadable(error) => {
                tracing::error!(target: "dokuei::web", "an object cannot be read: {error}");
                NoFrame::Refused(Refusal::failed())
            }
        }
    }
}

/// The frames of an object that were asked for.
pub(super) struct Frames {
    holdings: Holdings,
    instance: Instance,
    encoding: Encoding,
    found: frames::Frames,
    /// Where the reading stands; none before the first frame.
    plain: Option<Plain<'static>>,
}

impl Frames {
    /// Finds frames, each counted from 1.
    ///
    /// # Errors
    /// [`NoFrame`].
    pub(super) fn find(
        (holdings, instance): (&Holdings, &Instance),
        headed: Headed,
        numbers: &[u32],
    ) -> Result<Frames, NoFrame> {
        let encoding = headed.encoding();
        Headed::must_be_in_order(encoding, numbers).map_err(NoFrame::Refused)?;
        let Headed {
            syntax,
            header,
            mut plain,
        } = headed;
        let found = frames::Frames::find((&syntax, header), &mut plain, numbers)?;
        Ok(Frames {
            holdings: holdings.clone(),
            instance: instance.clone(),
            encoding,
            found,
            plain: None,
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.found.count()
    }

    /// The number, from 1 on, of the frame at this place.
    pub(super) fn number(&self, at: usize) -> Option<u32> {
        self.found.number(at)
    }

    /// Most bytes of one of them as it is kept.
    pub(super) fn longest(&self) -> u64 {
        self.found.longest()
    }

    /// What a decoder must know of the frame at this place.
    pub(super) fn image(&self, at: usize) -> Result<Image, DecodeError> {
        self.found.image(at)
    }

    /// The bytes of the frame at this place. Blocks.
    pub(super) fn source(&mut self, at: usize) -> Result<Vec<u8>, NoFrame> {
        let begins = self.found.begins(at);
        let plain = match self.plain.take() {
            Some(plain) if plain.position() <= begins => plain,
            Some(_) | None => self.opened()?,
        };
        Ok(self.found.source(at, self.plain.insert(plain))?)
    }

    fn opened(&self) -> Result<Plain<'static>, NoFrame> {
        let opened = open(&self.holdings, &self.instance);
        let opened = opened.map_err(|error| NoFrame::Refused(lost(&error)))?;
        let opened = opened.ok_or_else(|| NoFrame::Refused(Refusal::not_found()))?;
        Ok(Plain::of(opened.data_set, self.encoding))
    }
}
