//! `/dokuei/bulk/1`: a node that is about to fetch asks its partner for a bulk connection, for one of the two may be
//! unable to dial.
//!
//! One frame each way on a stream of its own. The question: kind, u8; the asking side's bulk port, u16 (0: none);
//! number, u64. The answer: the other side's bulk port, u16 (0: none). Numbers are big-endian. Kinds:
//!
//! | kind | meaning |
//! |---|---|
//! | 0 where | only the port is asked for; number 0 |
//! | 1 connection | dial me by QUIC, as I dial you; number 0 |
//! | 2 stream | dial me by TCP, say this number there, and serve |

use std::io;

use futures::AsyncReadExt;

use crate::network::frames::{FrameReader, FrameWriter};
use crate::network::streams::BoxStream;

const QUESTION: usize = 11;
const ANSWER: usize = 2;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Where,
    Connection,
    Stream(u64),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) wish: Wish,
    /// Where the asking side can be dialed, if anywhere.
    pub(super) port: Option<u16>,
}

impl Question {
    fn bytes(self) -> [u8; QUESTION] {
        let (kind, number) = match self.wish {
            Wish::Where => (0, 0),
            Wish::Connection => (1, 0),
            Wish::Stream(number) => (2, number),
        };
        let mut bytes = [kind; QUESTION];
        bytes[1..3].copy_from_slice(&self.port.unwrap_or(0).to_be_bytes());
        bytes[3..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (port, number) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        let wish = match (kind, number) {
            (0, 0) => Wish::Where,
            (1, 0) => Wish::Connection,
            (2, number) => Wish::Stream(number),
            (_, _) => return None,
        };
        Some(Self {
            wish,
            port: port_of(*port),
        })
    }
}

fn port_of(bytes: [u8; 2]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes)).filter(|port| *port != 0)
}

/// Asks, and returns the other side's port.
pub(super) async fn ask(stream: BoxStream, question: Question) -> io::Result<Option<u16>> {
    let (read, write) = stream.split();
    let mut writer = FrameWriter::new(write);
    writer.push_frame(&[&question.bytes()]);
    writer.close().await?;
    let answer = FrameReader::new(read, ANSWER).next().await?;
    let answer = answer.and_then(|answer| answer.try_into().ok());
    answer.map(port_of).ok_or(io::ErrorKind::InvalidData.into())
}

/// Hears a question and answers with this side's port.
pub(super) async fn answer(stream: BoxStream, port: Option<u16>) -> io::Result<Question> {
    let (read, write) = stream.split();
    let question = FrameReader::new(read, QUESTION).next().await?;
    let question = question.and_then(|bytes| Question::parse(&bytes));
    let question = question.ok_or(io::ErrorKind::InvalidData)?;
    let mut writer = FrameWriter::new(write);
    writer.push_frame(&[&port.unwrap_or(0).to_be_bytes()]);
    writer.close().await?;
    Ok(question)
}

#[cfg(test)]
mod tests {
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_asked_is_heard_and_answered() {
        for (wish, port, own) in [
            (Wish::Where, None, Some(4401)),
            (Wish::Connection, Some(1), None),
            (Wish::Stream(u64::MAX), Some(u16::MAX), Some(2)),
        ] {
            let (here, there) = tokio::io::duplex(64);
            let question = Question { wish, port };
            let (asked, heard) = tokio::join!(
                ask(Box::new(here.compat()), question),
                answer(Box::new(there.compat()), own)
            );
            assert_eq!((asked.unwrap(), heard.unwrap()), (own, question));
        }
    }

    #[test]
    fn nonsense_is_no_question() {
        for bad in [
            &[][..],
            &[1; 10],
            &[1; 12],
            &[3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(Question::parse(bad), None, "{bad:?}");
        }
    }
}
