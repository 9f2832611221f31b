//! A cursor over the body of an association PDU: every read is checked against what remains.

use super::{PduFault, PduKind};

/// What remains of a PDU body, an item or a sub-item. Numbers are big endian (PS3.8 section 9.3.1).
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    kind: PduKind,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8], kind: PduKind) -> Self {
        Cursor { rest: body, kind }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The fault of this PDU.
    pub(super) fn malformed(&self, what: &'static str) -> PduFault {
        PduFault::Malformed {
            kind: self.kind,
            what,
        }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], PduFault> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.malformed("a field or item is cut short")),
        }
    }

    /// The next `N` bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], PduFault> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.malformed("a field or item is cut short")),
        }
    }

    /// All that remains.
    pub(super) fn remainder(&self) -> &'a [u8] {
        self.rest
    }

    /// The next item: its type and a cursor over exactly its announced length.
    pub(super) fn item(&mut self) -> Result<(u8, Cursor<'a>), PduFault> {
        let [kind, _reserved, high, low] = *self.array::<4>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = self.take(length)?;
        Ok((kind, Cursor::new(body, self.kind)))
    }
}
