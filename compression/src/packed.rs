//! Bytes by zstd: as they are, and the bytes of numbers, the lower ones first.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound};

use crate::error::Damaged;
use crate::frame;
use crate::residual::Depth;

/// What zstd looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Search {
    /// What repeats itself in bytes: its level 3.
    Thorough,
    /// The same, by its level 1.
    Quick,
    /// Hardly anything but runs: its level 1 with the longest shortest match and a table of 256 places. In the bytes of numbers
    /// there is as a rule nothing else, and what is found by chance costs more than the bytes themselves.
    Runs,
}

impl Search {
    /// Level, shortest match and places of the table as a power of two; 0 is what the level says.
    fn parameters(self) -> (i32, u32, u32) {
        match self {
            Search::Thorough => (3, 0, 0),
            Search::Quick => (1, 0, 0),
            Search::Runs => (1, 7, 8),
        }
    }
}

/// What an encoder keeps from block to block.
pub(crate) struct Packer {
    context: Option<Compressor<'static>>,
    bytes: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Packer {
        // Without memory for it nothing is packed.
        let mut context = Compressor::new(1).ok();
        if let Some(context) = &mut context {
            // A block says it already. Refusing it costs three bytes.
            let _ = context.set_parameter(CParameter::ContentSizeFlag(false));
        }
        Packer {
            context,
            bytes: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// The packed form of bytes, when there is one.
    pub(crate) fn pack(&mut self, bytes: &[u8], search: Search) -> Option<&[u8]> {
        let room = compress_bound(bytes.len());
        if self.packed.len() < room {
            self.packed.resize(room, 0);
        }
        let context = self.context.as_mut()?;
        let (level, shortest, places) = search.parameters();
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::MinMatch(shortest),
            CParameter::HashLog(places),
        ] {
            context.set_parameter(parameter).ok()?;
        }
        let length = context.compress_to_buffer(bytes, self.packed.as_mut_slice());
        self.packed.get(..length.ok()?)
    }

    /// The packed form of numbers, when there is one.
    pub(crate) fn numbers(
        &mut self,
        numbers: &[u16],
        depth: Depth,
        search: Search,
    ) -> Option<&[u8]> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.extend(numbers.iter().map(|number| *number as u8));
        if depth == Depth::Sixteen {
            bytes.extend(numbers.iter().map(|number| (*number >> 8) as u8));
        }
        let is_packed = self.pack(&bytes, search).map(<[u8]>::len);
        self.bytes = bytes;
        self.packed.get(..is_packed?)
    }
}

/// What a decoder keeps from block to block.
pub(crate) struct Unpacker {
    context: Option<Decompressor<'static>>,
    bytes: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new() -> Unpacker {
        Unpacker {
            context: Decompressor::new().ok(),
            bytes: Vec::new(),
        }
    }

    /// Fills `out`. Nothing beyond it is allocated, whatever window the bytes ask for: what stands before is looked up in it.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn unpack(&mut self, from: &[u8], out: &mut [u8]) -> Result<(), Damaged> {
        frame::check(from, out.len())?;
        let context = self.context.as_mut().ok_or(Damaged::Memory)?;
        match context.decompress_to_buffer(from, out) {
            Ok(length) if length == out.len() => Ok(()),
            Ok(_) => Err(Damaged::Length),
            Err(_) => Err(Damaged::Value),
        }
    }

    /// Fills `out` with numbers.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn numbers(
        &mut self,
        from: &[u8],
        depth: Depth,
        out: &mut [u16],
    ) -> Result<(), Damaged> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let planes = match depth {
            Depth::Eight => 1,
            Depth::Sixteen => 2,
        };
        bytes.resize(planes * out.len(), 0);
        let unpacked = self.unpack(from, &mut bytes);
        let (lower, upper) = bytes.split_at(out.len());
        for (number, lower) in out.iter_mut().zip(lower) {
            *number = u16::from(*lower);
        }
        for (number, upper) in out.iter_mut().zip(upper) {
            *number |= u16::from(*upper) << 8;
        }
        self.bytes = bytes;
        unpacked
    }
}
