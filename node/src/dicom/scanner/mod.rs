//! The gate: a bounded scanner over every DICOM data set from outside.
//!
//! Bytes are pushed as they arrive; the scanner checks the structure (PS3.5 §7), keeps the few values
//! that [`Header`] shows, and lets everything else pass. Memory is constant whatever the object's
//! size, and time is proportional to the number of elements, not to their length.
//!
//! **Refused** is what cannot be identified safely: no valid SOP Class, SOP Instance, Study or Series
//! UID; two different values for one identifying attribute; a structure whose boundaries are
//! uncertain; a length beyond the end; a bomb. **Carried**, unchanged and with a [`Finding`], is
//! everything else: old vendors' deviations are normal in real data.

mod encoding;
mod frames;
pub(crate) mod head;
mod inflate;
mod kept;
mod limits;
mod malformed;
mod pixels;
mod walk;

pub use encoding::{Encoding, TransferSyntax};
pub use limits::{
    DEPTH_MAX, ELEMENTS_MAX, INFLATE_RATIO_FROM, INFLATE_RATIO_MAX, INFLATED_BYTES_MAX,
    KEPT_BYTES_MAX, Limits, META_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use malformed::{FINDINGS_MAX, Finding, FindingKind, Findings, Malformed, MalformedKind};

pub(crate) use kept::Kept;

use crate::dicom::header::Header;
use dicom_core::Tag;
pub(crate) use encoding::Form;
use inflate::Inflater;
use walk::Walk;

/// A scan of one data set in progress.
pub struct Scanner {
    transfer_syntax: TransferSyntax,
    walk: Walk,
    inflater: Option<Inflater>,
    /// Bytes there will be, if known, as transferred.
    total: Option<u64>,
    /// Bytes pushed so far, as transferred.
    pushed: u64,
    failed: Option<Malformed>,
}

/// What a well-formed data set was found to hold, before it is asked who it is.
///
/// Holds patient data: no `Debug`.
pub struct Scanned {
    pub(crate) transfer_syntax: TransferSyntax,
    pub(crate) kept: Kept,
    pub(crate) findings: Findings,
    pub(crate) bytes: u64,
    encapsulated_pixels: bool,
}

impl Scanner {
    /// Starts the scan of a data set that is written in `transfer_syntax`.
    #[must_use]
    pub fn new(transfer_syntax: TransferSyntax, limits: Limits) -> Self {
        let form = Form::from(transfer_syntax.encoding());
        let (inflater, limits_inside) = match transfer_syntax.encoding() {
            Encoding::DeflatedExplicitLittle => (
                Some(Inflater::new(limits)),
                Limits {
                    total: None,
                    ..limits
                },
            ),
            Encoding::ImplicitLittle | Encoding::ExplicitLittle | Encoding::ExplicitBig => {
                (None, limits)
            }
        };
        Self {
            transfer_syntax,
            walk: Walk::new(form, limits_inside),
            inflater,
            total: limits.total,
            pushed: 0,
            failed: None,
        }
    }

    /// Takes the next bytes of the data set, in pieces of any size: fragments of PDVs, blocks of a
    /// file.
    ///
    /// # Errors
    /// [`Malformed`] as soon as the bytes so far cannot be carried; the same again afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        self.pushed = self.pushed.saturating_add(bytes.len() as u64);
        let walk = &mut self.walk;
        let outcome = match &mut self.inflater {
            None => walk.push(bytes),
            Some(inflater) => {
                let offset = self.pushed;
                let refuse = |kind| Malformed {
                    kind,
                    tag: Tag(0, 0),
                    offset,
                };
                inflater.push(bytes, refuse, |piece| walk.push(piece))
            }
        };
        if let Err(malformed) = outcome {
            self.failed = Some(malformed);
        }
        outcome
    }

    /// The value of a wanted attribute of the top level that has gone by already, with its padding.
    #[must_use]
    pub fn seen(&self, tag: Tag) -> Option<&[u8]> {
        self.walk.seen(tag)
    }

    /// Bytes pushed so far, as transferred.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pushed
    }

    /// Ends the scan of a complete data set and says which object it is.
    ///
    /// # Errors
    /// [`Malformed`] if the data set is not complete, or cannot be identified.
    pub fn finish(self) -> Result<Header, Malformed> {
        Header::new(self.finish_structure()?)
    }

    /// Ends the scan as [`Scanner::finish`] does, without asking who the object is. For data sets
    /// that are no composite objects.
    ///
    /// # Errors
    /// [`Malformed`] if the data set is not complete.
    pub fn finish_structure(self) -> Result<Scanned, Malformed> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let at_end = |kind| Malformed {
            kind,
            tag: Tag(0, 0),
            offset: self.pushed,
        };
        if self
            .inflater
            .as_ref()
            .is_some_and(|inflater| !inflater.has_ended())
        {
            return Err(at_end(MalformedKind::Truncated));
        }
        let mut walked = self.walk.finish()?;
        match self.total {
            Some(total) if self.pushed < total => return Err(at_end(MalformedKind::Truncated)),
            Some(total) if self.pushed > total => {
                return Err(at_end(MalformedKind::LengthBeyondEnd));
            }
            Some(_) | None => {}
        }
        // One byte of padding makes a deflated data set even (PS3.5 §A.5).
        if self
            .inflater
            .is_some_and(|inflater| inflater.trailing() > 1)
        {
            walked
                .findings
                .record(FindingKind::TrailingAfterDeflate, Tag(0, 0), self.pushed);
        }
        if !self.transfer_syntax.is_standard() {
            walked
                .findings
                .record(FindingKind::UnknownTransferSyntax, Tag(0x0002, 0x0010), 0);
        }
        pixels::check(&self.transfer_syntax, &mut walked)?;
        Ok(Scanned {
            encapsulated_pixels: walked.pixels.is_some_and(|pixels| pixels.encapsulated),
            transfer_syntax: self.transfer_syntax,
            kept: walked.kept,
            findings: walked.findings,
            bytes: walked.bytes,
        })
    }
}

impl Scanned {
    /// The deviations that were found.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether the top level holds pixel data in fragments.
    pub(crate) fn has_encapsulated_pixels(&self) -> bool {
        self.encapsulated_pixels
    }

    /// The value of a kept attribute as it came, with its padding.
    #[must_use]
    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.kept.value(tag)
    }
}
