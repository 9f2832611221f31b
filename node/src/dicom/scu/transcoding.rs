//! The seam to whoever brings objects into transfer syntaxes that a destination takes instead of theirs.

use std::fmt::Debug;
use std::io::{self, Read};

use super::Outgoing;
use crate::language::{Explain, Message, displayed_in_english};

/// Brings objects into another transfer syntax while they are sent. What is kept stays as it is.
pub trait Transcoding: Debug + Send + Sync {
    /// The transfer syntaxes into which an object that is kept in `transfer_syntax` can be brought, the most wanted
    /// first.
    fn ways(&self, transfer_syntax: &str) -> &'static [&'static str];

    /// The data set of `object` in one of these. Blocks, and so does reading it; while either waits, it asks at least every
    /// 20 ms whether the object is still wanted, and gives up when it is not.
    ///
    /// # Errors
    /// The object cannot be read; or, with an [`Untranscoded`] inside, it cannot be brought into that form.
    fn open<'o>(
        &'o self,
        object: &'o mut dyn Outgoing,
        into: &str,
        is_wanted: &'o IsWanted<'o>,
    ) -> io::Result<Box<dyn Read + Send + 'o>>;
}

/// Says whether whoever is to have an object still wants it.
pub type IsWanted<'w> = dyn Fn() -> bool + Sync + 'w;

/// An object could not be brought into another transfer syntax.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Untranscoded {
    /// Why.
    pub why: Message,
    /// Whether it may come off later: the decoders have too much to do.
    pub for_now: bool,
}

impl Explain for Untranscoded {
    fn message(&self) -> Message {
        self.why.clone()
    }
}

displayed_in_english!(Untranscoded);

/// An object on its way into another transfer syntax.
pub(in crate::dicom) struct Brought<'b> {
    pub(in crate::dicom) object: &'b mut dyn Outgoing,
    pub(in crate::dicom) into: &'static str,
    pub(in crate::dicom) by: &'b dyn Transcoding,
    pub(in crate::dicom) is_wanted: &'b IsWanted<'b>,
}

impl Outgoing for Brought<'_> {
    fn sop_class(&self) -> &str {
        self.object.sop_class()
    }

    fn sop_instance(&self) -> &str {
        self.object.sop_instance()
    }

    fn transfer_syntax(&self) -> &str {
        self.into
    }

    fn kept_in(&self) -> &str {
        self.object.kept_in()
    }

    fn study(&self) -> Option<&str> {
        self.object.study()
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.by.open(&mut *self.object, self.into, self.is_wanted)
    }
}
