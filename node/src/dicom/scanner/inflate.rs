//! Inflating a deflated data set (PS3.5 §A.5) within bounds, a piece at a time.

use super::limits::Limits;
use super::malformed::MalformedKind;
use flate2::{Decompress, FlushDecompress, Status};

/// Size of one inflated piece: large enough that skipping a value is cheap.
const PIECE_BYTES: usize = 64 * 1024;

/// A raw deflate stream that is being inflated.
pub(crate) struct Inflater {
    stream: Decompress,
    piece: Vec<u8>,
    limits: Limits,
    ended: bool,
    trailing: u64,
}

impl Inflater {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            stream: Decompress::new(false),
            piece: vec![0; PIECE_BYTES],
            limits,
            ended: false,
            trailing: 0,
        }
    }

    /// Inflates `bytes` and hands every piece to `take`.
    ///
    /// # Errors
    /// What `take` returns, or what `refuse` makes of: a broken stream, more output than allowed, a
    /// higher ratio than allowed.
    pub(crate) fn push<E>(
        &mut self,
        mut bytes: &[u8],
        refuse: impl Fn(MalformedKind) -> E,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            if self.ended {
                self.trailing = self.trailing.saturating_add(bytes.len() as u64);
                return Ok(());
            }
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(bytes, &mut self.piece, FlushDecompress::None)
                .map_err(|_| refuse(MalformedKind::InflateBroken))?;
            // Both are at most the lengths of the slices handed in.
            let consumed = (self.stream.total_in() - before_in) as usize;
            let produced = (self.stream.total_out() - before_out) as usize;
            bytes = bytes.get(consumed..).unwrap_or_default();
            self.check_bounds().map_err(&refuse)?;
            take(self.piece.get(..produced).unwrap_or_default())?;
            match status {
                Status::StreamEnd => self.ended = true,
                Status::Ok | Status::BufError if consumed == 0 && produced == 0 => {
                    // No progress: the stream waits for bytes that have not come yet.
                    return Ok(());
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }

    fn check_bounds(&self) -> Result<(), MalformedKind> {
        let (input, output) = (self.stream.total_in(), self.stream.total_out());
        if output > self.limits.inflated_bytes {
            return Err(MalformedKind::InflateTooLarge);
        }
        let ratio_counts = output > self.limits.inflate_ratio_from;
        if ratio_counts && output > input.saturating_mul(self.limits.inflate_ratio) {
            return Err(MalformedKind::InflateRatio);
        }
        Ok(())
    }

    /// Whether the stream has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that came after the end of the stream.
    pub(crate) fn trailing(&self) -> u64 {
        self.trailing
    }
}
