//! The receiving side: one task per inbound documents stream.

use std::io;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::{DocumentStream, ID, Message, VERSION};
use crate::network::events::{Answer, NetworkEvent};
use crate::network::limits::{DOCUMENTS_IN_FLIGHT, STREAM_TIMEOUT};
use crate::network::partners::Partner;
use crate::network::streams::Arrival;

/// What the sender hears when the node's loop drops a document without a word.
const NO_WORD: Answer = Answer::Later { seconds: 5 };

type Answered = ([u8; ID], Answer);

/// Receives documents until the stream ends.
///
/// While connections settle a node may have two of these. Their documents then arrive twice, but never out of order for
/// the first time: the newer stream begins with the first document that is unanswered on the older one.
pub(in crate::network) async fn receive(
    arrival: Arrival,
    partner: Arc<Partner>,
    events: mpsc::Sender<NetworkEvent>,
) {
    let _permit = arrival.permit;
    let mut inbox = Inbox {
        stream: DocumentStream::new(arrival.connection, arrival.stream),
        partner: partner.clone(),
        events,
        answers: FuturesUnordered::new(),
        held: None,
        rest_until: Instant::now(),
    };
    let ended = tokio::select! {
        ended = inbox.run() => ended,
        () = partner.removed.cancelled() => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(node = ?partner.node, kind = %error.kind(), "documents stream ended");
    }
}

struct Inbox {
    stream: DocumentStream,
    partner: Arc<Partner>,
    events: mpsc::Sender<NetworkEvent>,
    answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// A document read, for which the node's loop has no room yet.
    held: Option<NetworkEvent>,
    /// The partner brought too much: nothing more is read before this time.
    rest_until: Instant,
}

enum Turn {
    Frame(Option<Vec<u8>>),
    Answered(Answered),
    Delivered,
    Written,
    Rested,
}

impl Inbox {
    async fn run(&mut self) -> io::Result<()> {
        timeout(STREAM_TIMEOUT, self.stream.expect_hello()).await??;
        Message::Hello(VERSION).push_to(&mut self.stream.writer);
        loop {
            match self.turn().await? {
                Turn::Frame(None) => return Ok(()),
                Turn::Frame(Some(frame)) => self.frame(&frame)?,
                Turn::Answered((id, answer)) => {
                    Message::Answer { id, answer }.push_to(&mut self.stream.writer)
                }
                Turn::Delivered | Turn::Written | Turn::Rested => {}
            }
        }
    }

    /// Reading waits while a document is held, answers are not taken, or the allowance is used up: the sender feels
    /// it as back-pressure, and what is kept here stays bounded.
    async fn turn(&mut self) -> io::Result<Turn> {
        let resting = Instant::now() < self.rest_until;
        let writing = !self.stream.writer.is_idle();
        let reading = self.held.is_none() && !resting && !writing;
        tokio::select! {
            frame = self.stream.reader.next(), if reading => Ok(Turn::Frame(frame?)),
            Some(answered) = self.answers.next() => Ok(Turn::Answered(answered)),
            written = self.stream.writer.drive(), if writing => written.map(|()| Turn::Written),
            permit = self.events.reserve(), if self.held.is_some() => {
                let permit = permit.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                if let Some(event) = self.held.take() {
                    permit.send(event);
                }
                Ok(Turn::Delivered)
            }
            () = sleep_until(self.rest_until), if resting => Ok(Turn::Rested),
        }
    }

    fn frame(&mut self, frame: &[u8]) -> io::Result<()> {
        match Message::parse(frame) {
            // The sender counts what is unanswered, and cannot know of fewer than we do.
            Some(Message::Document { .. }) if self.answers.len() >= DOCUMENTS_IN_FLIGHT => {
                Err(io::ErrorKind::InvalidData.into())
            }
            Some(Message::Document { id, bytes }) => {
                self.rest_until = Instant::now() + self.partner.charge();
                let (answer, answered) = oneshot::channel();
                self.held = Some(NetworkEvent::Document {
                    from: self.partner.node,
                    id,
                    bytes: bytes.to_vec(),
                    answer,
                });
                let answer = async move { (id, answered.await.unwrap_or(NO_WORD)) };
                self.answers.push(Box::pin(answer));
                Ok(())
            }
            Some(Message::Ping(number)) => {
                Message::Pong(number).push_to(&mut self.stream.writer);
                Ok(())
            }
            Some(Message::Hello(_) | Message::Answer { .. } | Message::Pong(_)) | None => {
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }
}
