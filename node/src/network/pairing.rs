//! `/dokuei/pairing/1`: two nodes that do not know each other yet exchange a few frames. Another room checks the code.
//!
//! Frames of at most 16 KiB in turn, the dialing side first, at most three each way, 30 s in all. The side that was
//! dialed says nothing about why it ends a conversation.

use std::io;
use std::sync::{Arc, Mutex};

use dokuei_keys::id::NodeId;
use futures::AsyncReadExt;
use futures::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::PairError;
use super::events::NetworkEvent;
use super::frames::{FrameReader, FrameWriter};
use super::gate::Gate;
use super::limits::{PAIRING_DEADLINE, PAIRING_FRAME_MAX, PAIRING_FRAMES};
use super::lock;
use super::status::Path;
use super::streams::{Arrival, BoxStream, Link, Protocol};
use super::swarm::Command;

/// A conversation with a node that was dialed without knowing it. Dropping it closes the connection.
pub struct PairingConversation {
    node: NodeId,
    path: Path,
    turns: usize,
    deadline: Instant,
    reader: FrameReader<ReadHalf<BoxStream>>,
    writer: FrameWriter<WriteHalf<BoxStream>>,
    _hang_up: HangUp,
}

/// Closes a pairing connection when dropped. If the swarm's loop has no room for that, probation closes it later.
pub(super) struct HangUp {
    pub(super) link: Link,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Drop for HangUp {
    fn drop(&mut self) {
        drop(self.commands.try_send(Command::Close(self.link.connection)));
    }
}

impl PairingConversation {
    pub(super) async fn start(hang_up: HangUp, path: Path) -> Result<Self, PairError> {
        let deadline = Instant::now() + PAIRING_DEADLINE;
        // A node without an open window ends the connection, or does not know this protocol: both are its No.
        let stream = hang_up
            .link
            .open(Protocol::Pairing)
            .await
            .map_err(|_| PairError::Refused)?;
        let (read, write) = stream.split();
        Ok(Self {
            node: hang_up.link.node,
            path,
            turns: 0,
            deadline,
            reader: FrameReader::new(read, PAIRING_FRAME_MAX),
            writer: FrameWriter::new(write),
            _hang_up: hang_up,
        })
    }

    /// The key that TLS proved for the other side.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// How it was reached.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// Sends a frame of at most 16 KiB and waits for the reply; at most three times.
    ///
    /// # Errors
    /// `Refused` when the other side ends the conversation, `Late` 30 s after it began, `TooLarge` for a frame too
    /// long or one too many.
    pub async fn exchange(&mut self, frame: &[u8]) -> Result<Vec<u8>, PairError> {
        if frame.len() > PAIRING_FRAME_MAX || self.turns == PAIRING_FRAMES {
            return Err(PairError::TooLarge);
        }
        self.turns += 1;
        self.writer.push_frame(&[frame]);
        let turn = async {
            self.writer.drive().await?;
            self.reader.next().await
        };
        match timeout_at(self.deadline, turn).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Ok(None) | Err(_)) => Err(PairError::Refused),
            Err(_) => Err(PairError::Late),
        }
    }
}

/// Holds a conversation someone else began, if the window has a seat for it.
pub(super) async fn receive(
    arrival: Arrival,
    gate: Arc<Mutex<Gate>>,
    events: mpsc::Sender<NetworkEvent>,
) {
    let (node, connection) = (arrival.node, arrival.connection);
    if let Err(why) = lock(&gate).begin_conversation(connection, Instant::now()) {
        tracing::info!(?node, %why, "pairing refused");
        return;
    }
    let conversation = timeout(PAIRING_DEADLINE, converse(arrival, &gate, &events));
    if !matches!(conversation.await, Ok(Ok(()))) {
        tracing::info!(?node, "pairing conversation broken off");
    }
    lock(&gate).end_conversation(connection);
}

async fn converse(
    arrival: Arrival,
    gate: &Mutex<Gate>,
    events: &mpsc::Sender<NetworkEvent>,
) -> io::Result<()> {
    let (read, write) = arrival.stream.split();
    let mut reader = FrameReader::new(read, PAIRING_FRAME_MAX);
    let mut writer = FrameWriter::new(write);
    for turn in 0..PAIRING_FRAMES {
        let Some(frame) = reader.next().await? else {
            return Ok(());
        };
        // The window may have been closed while the frame was on its way.
        if !lock(gate).is_speaking(arrival.connection, Instant::now()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (reply, replied) = oneshot::channel();
        let event = NetworkEvent::Pairing {
            from: arrival.node,
            turn,
            frame,
            reply,
        };
        events
            .send(event)
            .await
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        match replied.await {
            Ok(reply) if reply.len() <= PAIRING_FRAME_MAX => writer.push_frame(&[&reply]),
            Ok(_) | Err(_) => return writer.close().await,
        }
        writer.drive().await?;
    }
    writer.close().await?;
    // The last reply is on its way: the side that dialed hangs up when it has it.
    match reader.next().await? {
        None => Ok(()),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}
