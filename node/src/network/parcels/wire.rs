//! The bytes of `/dokuei/parcels/2`, and the sizes both sides keep to.

use std::io;
use std::time::Duration;

use dokuei_compression::Effort;
use futures::{AsyncRead, AsyncReadExt};

use super::{Part, RangeRequest, Refusal};

pub(super) const VERSION: u8 = 2;

/// Bytes moved at a time between disk, thread and stream: large enough that a hand-over costs nothing beside them.
pub(super) const BLOCK: usize = 256 * 1024;

/// Blocks a stream may hold on the receiving side.
pub(super) const BLOCKS_IN: usize = 4;

/// How long bytes wait for more in a block that is not full: at 100 Mbit/s one of eight streams brings a quarter of a block.
pub(super) const LINGER: Duration = Duration::from_millis(50);

/// Blocks waiting to be written on the sending side, beside the one being filled and the one being written.
pub(super) const BLOCKS_OUT: usize = 2;

/// Bytes the other side may send ahead of the sink: one stream window of the transport. Four streams of it fill
/// 100 Mbit/s at 600 ms.
pub(super) const CREDIT: u32 = 2 * 1024 * 1024;

/// Credit is renewed in steps of this, an eighth of the whole.
pub(super) const CREDIT_STEP: u64 = BLOCK as u64;

/// Bytes asked for ahead of the sink: twice the credit, so that the other side never waits for a request.
pub(super) const ASK_AHEAD: u64 = 2 * CREDIT as u64;

/// Requests one stream may have open: fills [`ASK_AHEAD`] with objects of 16 KiB.
pub(super) const REQUESTS_MAX: usize = 256;

/// Streams one fetch may use; a partner serves so many on a connection twice.
pub(super) const STREAMS_MAX: usize = 8;

/// A fetching side that has nothing to ask says so this often.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A serving side gives up a stream on which nothing moved for so long: six signs of life.
pub(super) const DESERTED: Duration = Duration::from_secs(30);

pub(super) const READY: u8 = 1;
pub(super) const BUSY: u8 = 2;
pub(super) const BYE: u8 = 127;

/// Status and length in front of each answer.
pub(super) const ANSWER_HEADER: usize = 9;

const OPEN: u8 = 1;
const REQUEST: u8 = 2;
const GRANT: u8 = 3;
const DONE: u8 = 4;
const REQUEST_PACK: u8 = 5;

const FAST: u8 = 0;
const DENSE: u8 = 1;

/// A block of bytes that is used again and again.
pub(super) struct Block {
    pub(super) bytes: Box<[u8]>,
    pub(super) filled: usize,
}

impl Block {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BLOCK].into(),
            filled: 0,
        }
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

/// What the fetching side says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Open { credit: u32 },
    Request(RangeRequest),
    Credit(u32),
    Done { received: u64 },
}

impl Record {
    pub(super) fn push_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Open { credit } => {
                out.extend_from_slice(&[OPEN, VERSION]);
                out.extend_from_slice(&credit.to_be_bytes());
            }
            Self::Request(range) => {
                let (kind, number, effort) = match range.part {
                    Part::Object(slot) => (REQUEST, slot, None),
                    Part::Pack(number, effort) => (REQUEST_PACK, number, Some(effort)),
                };
                out.push(kind);
                out.extend_from_slice(&range.parcel);
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&range.offset.to_be_bytes());
                out.extend_from_slice(&range.length.to_be_bytes());
                out.extend(effort.map(|effort| match effort {
                    Effort::Fast => FAST,
                    Effort::Dense => DENSE,
                }));
            }
            Self::Credit(bytes) => {
                out.push(GRANT);
                out.extend_from_slice(&bytes.to_be_bytes());
            }
            Self::Done { received } => {
                out.push(DONE);
                out.extend_from_slice(&received.to_be_bytes());
            }
        }
    }

    /// The record `bytes` begin with, and its length; `None` while it is not whole.
    fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some((&kind, body)) = bytes.split_first() else {
            return Ok(None);
        };
        let length = match kind {
            OPEN => 5,
            REQUEST => 52,
            REQUEST_PACK => 53,
            GRANT => 4,
            DONE => 8,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let record = match kind {
            OPEN if body[0] != VERSION => return Err(io::ErrorKind::Unsupported.into()),
            OPEN => Self::Open {
                credit: u32_at(body, 1),
            },
            GRANT => Self::Credit(u32_at(body, 0)),
            DONE => Self::Done {
                received: u64_at(body, 0),
            },
            _ => Self::Request(RangeRequest {
                parcel: array_at(body, 0),
                part: part(u32_at(body, 32), body.get(52))?,
                offset: u64_at(body, 36),
                length: u64_at(body, 44),
            }),
        };
        Ok(Some((record, 1 + length)))
    }
}

/// The part that a request names: an object, or a pack when there is an effort behind its number.
fn part(number: u32, effort: Option<&u8>) -> io::Result<Part> {
    match effort {
        None => Ok(Part::Object(number)),
        Some(&FAST) => Ok(Part::Pack(number, Effort::Fast)),
        Some(&DENSE) => Ok(Part::Pack(number, Effort::Dense)),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array_at(bytes, at))
}

/// Reads records. Cancel-safe.
pub(super) struct RecordReader<R> {
    inner: R,
    buffer: Vec<u8>,
    used: usize,
    chunk: Box<[u8]>,
}

/// Bytes of records read at a time.
const READ: usize = 4 * 1024;

impl<R: AsyncRead + Unpin> RecordReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: Vec::with_capacity(READ),
            used: 0,
            chunk: vec![0; READ].into(),
        }
    }

    /// The next record, or `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some((record, length)) = Record::parse(&self.buffer[self.used..])? {
                self.used += length;
                return Ok(Some(record));
            }
            self.buffer.drain(..self.used);
            self.used = 0;
            let read = self.inner.read(&mut self.chunk).await?;
            if read == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            self.buffer.extend_from_slice(&self.chunk[..read]);
        }
    }
}

/// The header of an answer.
pub(super) fn answer_header(answer: Result<u64, Refusal>) -> [u8; ANSWER_HEADER] {
    let (status, length) = match answer {
        Ok(length) => (0, length),
        Err(Refusal::Missing) => (1, 0),
        Err(Refusal::Refused) => (2, 0),
        Err(Refusal::Later) => (3, 0),
    };
    let mut header = [status; ANSWER_HEADER];
    header[1..].copy_from_slice(&length.to_be_bytes());
    header
}

/// What an answer's header says; `None` when it makes no sense.
pub(super) fn parse_answer(header: &[u8; ANSWER_HEADER]) -> Option<Result<u64, Refusal>> {
    match (header[0], u64_at(header, 1)) {
        (0, length) => Some(Ok(length)),
        (1, 0) => Some(Err(Refusal::Missing)),
        (2, 0) => Some(Err(Refusal::Refused)),
        (3, 0) => Some(Err(Refusal::Later)),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> [Record; 6] {
        let range = RangeRequest {
            parcel: std::array::from_fn(|i| i as u8),
            part: Part::Object(0x0102_0304),
            offset: 0x1122_3344_5566_7788,
            length: 5,
        };
        [
            Record::Open { credit: CREDIT },
            Record::Request(range),
            Record::Request(RangeRequest {
                part: Part::Pack(7, Effort::Fast),
                ..range
            }),
            Record::Request(RangeRequest {
                part: Part::Pack(u32::MAX, Effort::Dense),
                ..range
            }),
            Record::Credit(0),
            Record::Done { received: u64::MAX },
        ]
    }

    #[tokio::test]
    async fn records_come_back_as_they_went_and_every_cut_is_noticed() {
        let mut bytes = Vec::new();
        records()
            .into_iter()
            .for_each(|record| record.push_to(&mut bytes));
        let mut reader = RecordReader::new(bytes.as_slice());
        for record in records() {
            assert_eq!(reader.next().await.unwrap(), Some(record));
        }
        assert_eq!(reader.next().await.unwrap(), None);
        let mut whole = Vec::new();
        for record in records() {
            let mut alone = Vec::new();
            record.push_to(&mut alone);
            for cut in 1..alone.len() {
                let mut reader = RecordReader::new(&alone[..cut]);
                assert_eq!(
                    reader.next().await.unwrap_err().kind(),
                    io::ErrorKind::UnexpectedEof
                );
            }
            whole.extend(alone);
        }
        assert_eq!(whole, bytes);
    }

    #[tokio::test]
    async fn nonsense_is_no_record() {
        let no_effort = [&[REQUEST_PACK][..], &[2; 53]].concat();
        for bad in [&[0][..], &[6, 1], &[OPEN, 1, 0, 0, 0, 0], &no_effort] {
            assert!(RecordReader::new(bad).next().await.is_err(), "{bad:?}");
        }
        for (header, sense) in [
            ([0; 9], true),
            ([1, 0, 0, 0, 0, 0, 0, 0, 1], false),
            ([4; 9], false),
        ] {
            assert_eq!(parse_answer(&header).is_some(), sense);
        }
        for answer in [
            Ok(7),
            Err(Refusal::Missing),
            Err(Refusal::Refused),
            Err(Refusal::Later),
        ] {
            assert_eq!(parse_answer(&answer_header(answer)), Some(answer));
        }
    }
}
