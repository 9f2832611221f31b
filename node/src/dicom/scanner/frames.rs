//! What is open around the current position of a walk: sequences, items, fragments.
//!
//! The stack is explicit and bounded, so that no nesting can overflow a thread's.

use super::encoding::Form;
use super::head::{ITEM_DELIMITATION, SEQUENCE_DELIMITATION};
use dicom_core::Tag;

/// One open sequence, item or run of fragments.
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    /// Where it ends, if it declares its length.
    end: Option<u64>,
    /// Where it ends at the latest: its own end, or the one of what is around it.
    bound: Option<u64>,
    /// How heads are written after it.
    outside: Form,
    pub(super) tag: Tag,
    pub(super) offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Sequence,
    Item,
    /// Encapsulated pixel data (PS3.5 §A.4).
    Fragments,
}

/// What is to be opened.
pub(super) struct Opening {
    pub(super) kind: FrameKind,
    pub(super) tag: Tag,
    pub(super) offset: u64,
    pub(super) end: Option<u64>,
    pub(super) outside: Form,
}

/// All that is open, outermost first.
#[derive(Default)]
pub(super) struct Frames {
    stack: Vec<Frame>,
    /// Open sequences and runs of fragments.
    depth: usize,
}

impl Frames {
    /// Opens a frame, unless sequences would then be nested deeper than `depth_max`.
    pub(super) fn open(&mut self, opening: Opening, depth_max: usize) -> bool {
        if opening.kind != FrameKind::Item {
            if self.depth >= depth_max {
                return false;
            }
            self.depth += 1;
        }
        let bound = opening
            .end
            .or_else(|| self.innermost().and_then(|frame| frame.bound));
        self.stack.push(Frame {
            kind: opening.kind,
            end: opening.end,
            bound,
            outside: opening.outside,
            tag: opening.tag,
            offset: opening.offset,
        });
        true
    }

    /// Closes the innermost frame if it has no declared end and `delimiter` is the one of its kind.
    pub(super) fn delimit(&mut self, delimiter: Tag) -> Option<Form> {
        let frame = self.innermost()?;
        let due = match frame.kind {
            FrameKind::Item => ITEM_DELIMITATION,
            FrameKind::Sequence | FrameKind::Fragments => SEQUENCE_DELIMITATION,
        };
        (frame.end.is_none() && delimiter == due).then(|| self.close())?
    }

    /// Closes all that declared to end at `position`; gives how heads are written from there on.
    pub(super) fn close_ended(&mut self, position: u64) -> Option<Form> {
        let mut outside = None;
        while self
            .innermost()
            .is_some_and(|frame| frame.end == Some(position))
        {
            outside = self.close();
        }
        outside
    }

    fn close(&mut self) -> Option<Form> {
        let frame = self.stack.pop()?;
        if frame.kind != FrameKind::Item {
            self.depth -= 1;
        }
        Some(frame.outside)
    }

    pub(super) fn innermost(&self) -> Option<&Frame> {
        self.stack.last()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.stack.len()
    }

    /// Where all of it ends at the latest, if anything open declares its length.
    pub(super) fn bound(&self) -> Option<u64> {
        self.innermost().and_then(|frame| frame.bound)
    }
}
