//! The sending side: one task per member, holding its queue across connections.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{DocumentStream, Message, Outgoing};
use crate::language::{self, Explain as _};
use crate::network::error::SendError;
use crate::network::limits::{DOCUMENTS_IN_FLIGHT, Limits, PONG_PATIENCE};
use crate::network::partners::{CourierEnds, Partner};
use crate::network::swarm::Report;
use crate::say;

/// Bytes queued for writing at once: several documents share a packet, none is copied long before it can go.
const WRITE_AHEAD: usize = 128 * 1024;

/// Delivers documents to one member.
pub(in crate::network) struct Courier {
    partner: Arc<Partner>,
    ends: CourierEnds,
    reports: mpsc::Sender<Report>,
    limits: Limits,
    /// Accepted from callers and not answered, in order; the first `sent` are on the current stream.
    queue: VecDeque<Outgoing>,
    sent: usize,
    stream: Option<DocumentStream>,
    pulse: Pulse,
}

/// Whether the other side still lives.
struct Pulse {
    heard: Instant,
    pings: u64,
    /// The number and time of a ping not answered yet.
    asked: Option<(u64, Instant)>,
    /// It was reported that this ping is not answered.
    reported: bool,
}

impl Pulse {
    /// When an unanswered ping makes the connection suspect.
    fn suspect_at(&self) -> Option<Instant> {
        let (_, at) = self.asked.filter(|_| !self.reported)?;
        Some(at.max(self.heard) + PONG_PATIENCE)
    }
}

enum Turn {
    Stream(Option<DocumentStream>),
    Document(Option<Outgoing>),
    Frame(io::Result<Option<Vec<u8>>>),
    Written(io::Result<()>),
    Tick,
    Removed,
}

impl Courier {
    pub(in crate::network) fn new(
        partner: Arc<Partner>,
        ends: CourierEnds,
        reports: mpsc::Sender<Report>,
        limits: Limits,
    ) -> Self {
        let pulse = Pulse {
            heard: Instant::now(),
            pings: 0,
            asked: None,
            reported: false,
        };
        Self {
            partner,
            ends,
            reports,
            limits,
            queue: VecDeque::new(),
            sent: 0,
            stream: None,
            pulse,
        }
    }

    /// Runs until the member is removed; whatever is left is answered `NotAMember`.
    pub(in crate::network) async fn run(mut self) {
        loop {
            self.fill();
            match self.turn().await {
                Turn::Stream(Some(stream)) => self.use_stream(stream),
                Turn::Document(Some(document)) => self.queue.push_back(document),
                Turn::Frame(frame) => self.received(frame).await,
                Turn::Written(Ok(())) => {}
                Turn::Written(Err(error)) => self.lose(&error).await,
                Turn::Tick => self.tick().await,
                Turn::Stream(None) | Turn::Document(None) | Turn::Removed => break,
            }
            self.partner
                .waiting
                .store(self.queue.len(), Ordering::Relaxed);
        }
        for document in self.queue.drain(..) {
            document.answer(Err(SendError::NotAMember));
        }
    }

    async fn turn(&mut self) -> Turn {
        let wake = self.wake();
        let (reader, writer) = match &mut self.stream {
            Some(stream) => (Some(&mut stream.reader), Some(&mut stream.writer)),
            None => (None, None),
        };
        let frame = async {
            match reader {
                Some(reader) => reader.next().await,
                None => pending().await,
            }
        };
        let write = async {
            match writer {
                Some(writer) if !writer.is_idle() => writer.drive().await,
                Some(_) | None => pending().await,
            }
        };
        tokio::select! {
            () = self.partner.removed.cancelled() => Turn::Removed,
            stream = self.ends.streams.recv() => Turn::Stream(stream),
            document = self.ends.inbox.recv(), if self.queue.len() < DOCUMENTS_IN_FLIGHT => Turn::Document(document),
            frame = frame => Turn::Frame(frame),
            written = write => Turn::Written(written),
            () = sleep_until(wake) => Turn::Tick,
        }
    }

    /// The next time something is due: a ping, a death, or a document given up.
    fn wake(&self) -> Instant {
        let awaited = self.queue.iter().filter(|document| document.is_awaited());
        let give_up = awaited.map(|document| document.give_up).min();
        let pulse = match (&self.stream, self.pulse.asked) {
            (None, _) => None,
            (Some(_), None) => Some(self.pulse.heard + self.limits.heartbeat),
            (Some(_), Some(_)) => {
                let dead = self.pulse.heard + self.limits.idle;
                Some(self.pulse.suspect_at().map_or(dead, |at| at.min(dead)))
            }
        };
        let idle = Instant::now() + self.limits.idle;
        [give_up, pulse]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    /// A new stream: everything unanswered goes out again, in order.
    fn use_stream(&mut self, stream: DocumentStream) {
        self.stream = Some(stream);
        self.sent = 0;
        self.pulse.heard = Instant::now();
        self.pulse.asked = None;
        self.ping();
    }

    fn fill(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        // A caller that stopped waiting has lost interest. What is on the wire keeps its place until it is answered:
        // the receiver counts it too.
        let mut index = self.sent;
        while index < self.queue.len() && stream.writer.pending() < WRITE_AHEAD {
            if !self.queue[index].is_awaited() {
                self.queue.remove(index);
                continue;
            }
            let Outgoing { id, bytes, .. } = &self.queue[index];
            Message::Document { id: *id, bytes }.push_to(&mut stream.writer);
            index += 1;
        }
        self.sent = index;
    }

    async fn received(&mut self, frame: io::Result<Option<Vec<u8>>>) {
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return self.lose(&io::ErrorKind::UnexpectedEof.into()).await,
            Err(error) => return self.lose(&error).await,
        };
        self.pulse.heard = Instant::now();
        match Message::parse(&frame) {
            Some(Message::Answer { id, answer }) => {
                let asked = self
                    .queue
                    .iter()
                    .take(self.sent)
                    .position(|document| document.id == id);
                if let Some(document) = asked.and_then(|index| self.queue.remove(index)) {
                    self.sent -= 1;
                    document.answer(Ok(answer));
                }
            }
            Some(Message::Pong(number)) => {
                if let Some((asked, at)) = self.pulse.asked
                    && asked == number
                {
                    self.partner.set_round_trip(at.elapsed());
                    self.pulse.asked = None;
                }
            }
            Some(Message::Hello(_) | Message::Document { .. } | Message::Ping(_)) | None => {
                self.lose(&io::ErrorKind::InvalidData.into()).await;
            }
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        for document in self
            .queue
            .iter_mut()
            .filter(|document| document.give_up <= now)
        {
            if let Some(reply) = document.reply.take() {
                let _ = reply.send(Err(SendError::Unanswered));
            }
        }
        if self.stream.is_none() {
            self.queue.retain(Outgoing::is_awaited);
            return;
        }
        if now >= self.pulse.heard + self.limits.idle {
            self.lose(&io::ErrorKind::TimedOut.into()).await;
        } else if self.pulse.suspect_at().is_some_and(|at| at <= now) {
            self.pulse.reported = true;
            if let Some(stream) = &self.stream {
                let report = Report::Silent(stream.connection);
                drop(self.reports.send(report).await);
            }
        } else if now >= self.pulse.heard + self.limits.heartbeat && self.pulse.asked.is_none() {
            self.ping();
        }
    }

    fn ping(&mut self) {
        if let Some(stream) = &mut self.stream {
            self.pulse.pings += 1;
            self.pulse.asked = Some((self.pulse.pings, Instant::now()));
            self.pulse.reported = false;
            Message::Ping(self.pulse.pings).push_to(&mut stream.writer);
        }
    }

    /// The stream failed, so the connection is not to be trusted: the swarm closes it and another follows.
    async fn lose(&mut self, error: &io::Error) {
        if let Some(stream) = self.stream.take() {
            self.sent = 0;
            let report = Report::Broken {
                connection: stream.connection,
                why: broken(error),
            };
            drop(self.reports.send(report).await);
        }
    }
}

/// Why a documents stream failed, as its connection's end is told.
fn broken(error: &io::Error) -> language::Message {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => say!(
            "相手のノードが接続を終えました",
            "the other node ended the connection"
        ),
        io::ErrorKind::InvalidData => say!(
            "相手のノードから予期しないデータが届きました",
            "the other node sent something that makes no sense here"
        ),
        _ => error.message(),
    }
}
