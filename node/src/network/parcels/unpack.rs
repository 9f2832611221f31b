//! The fetching side's blocking half: takes the answers apart and gives them to the sink.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::wire::{ANSWER_HEADER, BYE, Block, parse_answer};
use super::{ParcelSink, RangeOutcome, RangeRequest};
use crate::language::Explain as _;
use crate::network::error::FetchError;
use crate::network::lock;

/// What the asynchronous half must know of this one.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Bytes of the stream taken in: the credit to renew.
    pub(super) consumed: u64,
    /// Bytes asked for that came or will not come.
    pub(super) settled: u64,
    /// Bytes the sink took.
    pub(super) written: u64,
    /// Ranges answered.
    pub(super) ranges: u64,
    /// The other side said goodbye.
    pub(super) bye: bool,
    /// Nothing more will be taken in.
    pub(super) failed: Option<FetchError>,
}

/// Requests sent and not answered, in order.
pub(super) type Open = Arc<Mutex<VecDeque<RangeRequest>>>;

/// Takes one stream apart.
pub(super) struct Unpacker {
    open: Open,
    sink: Arc<dyn ParcelSink>,
    header: [u8; ANSWER_HEADER],
    header_filled: usize,
    current: Option<Body>,
    progress: Progress,
}

struct Body {
    range: RangeRequest,
    length: u64,
    written: u64,
}

impl Unpacker {
    pub(super) fn new(open: Open, sink: Arc<dyn ParcelSink>) -> Self {
        Self {
            open,
            sink,
            header: [0; ANSWER_HEADER],
            header_filled: 0,
            current: None,
            progress: Progress::default(),
        }
    }

    /// Runs on a blocking thread until the stream's task is gone or something fails.
    pub(super) fn run(
        mut self,
        mut blocks: mpsc::Receiver<Block>,
        empties: &mpsc::Sender<Block>,
        told: &watch::Sender<Progress>,
    ) {
        while let Some(mut block) = blocks.blocking_recv() {
            if let Err(error) = self.take(block.content()) {
                self.progress.failed = Some(error);
            }
            self.progress.consumed += block.filled as u64;
            told.send_replace(self.progress.clone());
            if self.progress.failed.is_some() {
                return;
            }
            block.filled = 0;
            drop(empties.try_send(block));
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), FetchError> {
        while !bytes.is_empty() {
            bytes = match self.current.take() {
                None => self.take_header(bytes)?,
                Some(body) => self.take_body(body, bytes)?,
            };
        }
        Ok(())
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FetchError> {
        if self.progress.bye {
            return Err(FetchError::Malformed);
        }
        if self.header_filled == 0 && bytes[0] == BYE && lock(&self.open).is_empty() {
            self.progress.bye = true;
            return Ok(&bytes[1..]);
        }
        let more = bytes.len().min(ANSWER_HEADER - self.header_filled);
        self.header[self.header_filled..][..more].copy_from_slice(&bytes[..more]);
        self.header_filled += more;
        if self.header_filled == ANSWER_HEADER {
            self.header_filled = 0;
            self.begin()?;
        }
        Ok(&bytes[more..])
    }

    fn begin(&mut self) -> Result<(), FetchError> {
        let answer = parse_answer(&self.header).ok_or(FetchError::Malformed)?;
        let range = lock(&self.open).pop_front().ok_or(FetchError::Malformed)?;
        match answer {
            Ok(length) if length > range.length => Err(FetchError::Malformed),
            Ok(0) => self.finish(&range, RangeOutcome::Complete { length: 0 }, range.length),
            Ok(length) => {
                self.current = Some(Body {
                    range,
                    length,
                    written: 0,
                });
                Ok(())
            }
            Err(refusal) => self.finish(&range, RangeOutcome::Refused(refusal), range.length),
        }
    }

    fn take_body<'a>(&mut self, mut body: Body, bytes: &'a [u8]) -> Result<&'a [u8], FetchError> {
        let left = usize::try_from(body.length - body.written).unwrap_or(usize::MAX);
        let (mine, rest) = bytes.split_at(bytes.len().min(left));
        let at = body.range.offset.saturating_add(body.written);
        self.sink.write(&body.range, at, mine).map_err(sink_error)?;
        body.written += mine.len() as u64;
        self.progress.written += mine.len() as u64;
        self.progress.settled += mine.len() as u64;
        if body.written == body.length {
            let outcome = RangeOutcome::Complete {
                length: body.length,
            };
            self.finish(&body.range, outcome, body.range.length - body.length)?;
        } else {
            self.current = Some(body);
        }
        Ok(rest)
    }

    fn finish(
        &mut self,
        range: &RangeRequest,
        outcome: RangeOutcome,
        short_of: u64,
    ) -> Result<(), FetchError> {
        self.sink.finished(range, outcome).map_err(sink_error)?;
        self.progress.ranges += 1;
        self.progress.settled += short_of;
        Ok(())
    }
}

fn sink_error(error: io::Error) -> FetchError {
    FetchError::Sink(error.message())
}

#[cfg(test)]
mod tests {
    use super::super::wire::answer_header;
    use super::super::{Part, Refusal};
    use super::*;

    #[derive(Default)]
    struct Memory(Mutex<(Vec<u8>, Vec<RangeOutcome>)>);

    impl ParcelSink for Memory {
        fn write(&self, range: &RangeRequest, at: u64, bytes: &[u8]) -> io::Result<()> {
            let mut memory = lock(&self.0);
            if range.part == Part::Object(66) {
                return Err(io::Error::other("no space left"));
            }
            assert!(at >= range.offset);
            memory.0.extend_from_slice(bytes);
            Ok(())
        }

        fn finished(&self, _: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
            lock(&self.0).1.push(outcome);
            Ok(())
        }
    }

    fn range(slot: u32, length: u64) -> RangeRequest {
        RangeRequest {
            parcel: [1; 32],
            part: Part::Object(slot),
            offset: 100,
            length,
        }
    }

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(answer_header(Ok(5)));
        bytes.extend(b"hello");
        bytes.extend(answer_header(Err(Refusal::Missing)));
        bytes.extend(answer_header(Ok(0)));
        bytes.extend(answer_header(Ok(1)));
        bytes.extend(b"!");
        bytes.push(BYE);
        bytes
    }

    fn unpacker(ranges: &[RangeRequest]) -> (Unpacker, Arc<Memory>) {
        let memory = Arc::new(Memory::default());
        let open = Arc::new(Mutex::new(ranges.iter().copied().collect()));
        (Unpacker::new(open, memory.clone()), memory)
    }

    #[test]
    fn answers_are_taken_apart_wherever_they_are_cut() {
        let ranges = [range(0, 5), range(1, 7), range(2, 3), range(3, 9)];
        let stream = stream();
        for size in 1..=stream.len() {
            let (mut unpacker, memory) = unpacker(&ranges);
            for piece in stream.chunks(size) {
                unpacker.take(piece).unwrap();
            }
            let memory = lock(&memory.0);
            assert_eq!(memory.0, b"hello!");
            assert_eq!(
                memory.1,
                [
                    RangeOutcome::Complete { length: 5 },
                    RangeOutcome::Refused(Refusal::Missing),
                    RangeOutcome::Complete { length: 0 },
                    RangeOutcome::Complete { length: 1 },
                ]
            );
            assert_eq!(unpacker.progress.settled, 24);
            assert!(unpacker.progress.bye);
            assert_eq!(unpacker.take(&[0]), Err(FetchError::Malformed));
        }
    }

    #[test]
    fn what_was_not_asked_for_is_malformed() {
        let too_long = answer_header(Ok(6));
        let unknown = [9; ANSWER_HEADER];
        for (ranges, bytes) in [
            (&[range(0, 5)][..], &too_long[..]),
            (&[range(0, 5)], &unknown),
            (&[], &too_long),
            (&[range(0, 5)], &[BYE; ANSWER_HEADER]),
        ] {
            let (mut unpacker, _) = unpacker(ranges);
            assert_eq!(unpacker.take(bytes), Err(FetchError::Malformed));
        }
    }

    #[test]
    fn a_full_disk_is_told_in_its_own_words() {
        let (mut unpacker, _) = unpacker(&[range(66, 5)]);
        let refused = unpacker.take(&stream());
        let told = io::Error::other("no space left").message();
        assert_eq!(refused, Err(FetchError::Sink(told)));
    }
}
