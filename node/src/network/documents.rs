//! `/dokuei/documents/1`: signed documents to one node, in order, at least once.
//!
//! Each side opens one long-lived stream and sends its own documents on it; answers come back on the same stream.
//! Frames are [`super::frames`]; the first byte is the kind:
//!
//! | kind | from | body |
//! |---|---|---|
//! | 1 hello | opener, then acceptor | version, u16 big-endian (1) |
//! | 2 document | opener | id, 32 bytes; the document's bytes |
//! | 3 answer | acceptor | id, 32 bytes; 0 accepted, 1 later, 2 refused; seconds, u32 big-endian |
//! | 4 ping, 5 pong | opener, acceptor | number, u64 big-endian |
//!
//! The greeting (hello both ways) proves that both sides list each other: only then is a node connected.

mod courier;
mod inbox;

use std::io;

use futures::AsyncReadExt;
use futures::io::{ReadHalf, WriteHalf};
use libp2p::swarm::ConnectionId;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

pub(super) use self::courier::Courier;
pub(super) use self::inbox::receive;
use super::error::SendError;
use super::events::Answer;
use super::frames::{FrameReader, FrameWriter};
use super::limits::{MESSAGE_MAX, STREAM_TIMEOUT};
use super::streams::{BoxStream, Link, Protocol};

/// The version said in hello.
const VERSION: u16 = 1;

/// A document's id, as the sender gives it.
const ID: usize = 32;

/// The longest frame: kind, id, document.
const FRAME_MAX: usize = 1 + ID + MESSAGE_MAX;

/// One document on its way out.
pub(super) struct Outgoing {
    pub(super) id: [u8; 32],
    pub(super) bytes: Vec<u8>,
    /// `None` once the caller was told that no answer came in time.
    pub(super) reply: Option<oneshot::Sender<Result<Answer, SendError>>>,
    pub(super) give_up: Instant,
}

/// A frame of this protocol.
enum Message<'a> {
    Hello(u16),
    Document { id: [u8; ID], bytes: &'a [u8] },
    Answer { id: [u8; ID], answer: Answer },
    Ping(u64),
    Pong(u64),
}

impl Outgoing {
    /// Whether somebody waits for the answer.
    fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    fn answer(self, answer: Result<Answer, SendError>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(answer);
        }
    }
}

impl<'a> Message<'a> {
    fn push_to<W: futures::AsyncWrite + Unpin>(&self, writer: &mut FrameWriter<W>) {
        match self {
            Self::Hello(version) => writer.push_frame(&[&[1], &version.to_be_bytes()]),
            Self::Document { id, bytes } => writer.push_frame(&[&[2], id, bytes]),
            Self::Answer { id, answer } => {
                let (code, seconds) = match answer {
                    Answer::Accepted => (0, 0),
                    Answer::Later { seconds } => (1, *seconds),
                    Answer::Refused => (2, 0),
                };
                writer.push_frame(&[&[3], id, &[code], &seconds.to_be_bytes()]);
            }
            Self::Ping(number) => writer.push_frame(&[&[4], &number.to_be_bytes()]),
            Self::Pong(number) => writer.push_frame(&[&[5], &number.to_be_bytes()]),
        }
    }

    fn parse(frame: &'a [u8]) -> Option<Self> {
        let (kind, body) = frame.split_first()?;
        Some(match kind {
            1 => Self::Hello(u16::from_be_bytes(body.try_into().ok()?)),
            2 => {
                let (id, bytes) = body.split_first_chunk::<ID>()?;
                Self::Document { id: *id, bytes }
            }
            3 => {
                let (id, rest) = body.split_first_chunk::<ID>()?;
                let (code, seconds) = rest.split_first()?;
                let seconds = u32::from_be_bytes(seconds.try_into().ok()?);
                let answer = match (code, seconds) {
                    (0, 0) => Answer::Accepted,
                    (1, seconds) => Answer::Later { seconds },
                    (2, 0) => Answer::Refused,
                    (_, _) => return None,
                };
                Self::Answer { id: *id, answer }
            }
            4 => Self::Ping(u64::from_be_bytes(body.try_into().ok()?)),
            5 => Self::Pong(u64::from_be_bytes(body.try_into().ok()?)),
            _ => return None,
        })
    }
}

/// A stream on which both have said hello.
pub(super) struct DocumentStream {
    pub(super) connection: ConnectionId,
    reader: FrameReader<ReadHalf<BoxStream>>,
    writer: FrameWriter<WriteHalf<BoxStream>>,
}

impl DocumentStream {
    fn new(connection: ConnectionId, stream: BoxStream) -> Self {
        let (read, write) = stream.split();
        Self {
            connection,
            reader: FrameReader::new(read, FRAME_MAX),
            writer: FrameWriter::new(write),
        }
    }

    async fn expect_hello(&mut self) -> io::Result<()> {
        let frame = self
            .reader
            .next()
            .await?
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        match Message::parse(&frame) {
            Some(Message::Hello(VERSION)) => Ok(()),
            Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Opens the documents stream of `link` and greets the partner.
///
/// # Errors
/// `Unsupported` when the other side does not speak this protocol with us; any other when it closed the connection,
/// which is what a node does that does not list us.
pub(super) async fn greet(link: &Link) -> io::Result<DocumentStream> {
    let mut stream = DocumentStream::new(link.connection, link.open(Protocol::Documents).await?);
    let greeting = async {
        Message::Hello(VERSION).push_to(&mut stream.writer);
        stream.writer.drive().await?;
        stream.expect_hello().await
    };
    timeout(STREAM_TIMEOUT, greeting).await??;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_back_as_they_went_and_nothing_else_is_one() {
        let answers = [
            Answer::Accepted,
            Answer::Later { seconds: 7 },
            Answer::Refused,
        ];
        let mut bytes = Vec::new();
        let mut writer = FrameWriter::new(&mut bytes);
        for answer in answers {
            Message::Answer {
                id: [1; ID],
                answer,
            }
            .push_to(&mut writer);
        }
        Message::Document {
            id: [2; ID],
            bytes: b"x",
        }
        .push_to(&mut writer);
        writer.drive().await.unwrap();
        let mut reader = FrameReader::new(bytes.as_slice(), FRAME_MAX);
        for expected in answers {
            let frame = reader.next().await.unwrap().unwrap();
            assert!(
                matches!(Message::parse(&frame), Some(Message::Answer { id, answer }) if answer == expected && id == [1; ID])
            );
            for cut in 0..frame.len() {
                assert!(Message::parse(&frame[..cut]).is_none(), "{cut}");
            }
        }
        let frame = reader.next().await.unwrap().unwrap();
        assert!(
            matches!(Message::parse(&frame), Some(Message::Document { id, bytes: b"x" }) if id == [2; ID])
        );
        for bad in [&[][..], &[0], &[6, 0], &[1, 0], &[4, 1, 2], &[2; 20]] {
            assert!(Message::parse(bad).is_none(), "{bad:?}");
        }
    }
}
