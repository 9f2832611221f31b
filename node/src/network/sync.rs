//! `/dokuei/sync/1` and `/dokuei/ready/1`: one question, one answer, one short stream. What they mean is the protocol crate's
//! business.
//!
//! A question is one frame. The answer is one frame whose first byte says 0, the answer follows, or 1, there is none.

use std::io;
use std::sync::Arc;

use futures::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::error::SyncError;
use super::events::NetworkEvent;
use super::frames::{FrameReader, FrameWriter};
use super::limits::{Limits, MESSAGE_MAX, SETTLE};
use super::partners::Partner;
use super::streams::{Arrival, BoxStream, Link, Protocol};

const ANSWER: u8 = 0;
const NONE: u8 = 1;

/// How often one question is asked. Between two nodes that both dialed, one connection replaces the other within moments,
/// and the question with it; it changes nothing at the other side, so it may be asked again.
const TIMES: usize = 3;

/// Asks `partner` a question of this protocol.
pub(super) async fn ask(
    partner: &Partner,
    protocol: Protocol,
    request: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, SyncError> {
    if request.len() > MESSAGE_MAX {
        return Err(SyncError::TooLarge);
    }
    let _permit = partner.asking.try_acquire().map_err(|_| SyncError::Busy)?;
    let link = partner.link_soon(SETTLE).await;
    let link = link.ok_or(SyncError::NotConnected)?;
    match timeout(
        limits.sync_patience,
        ask_over(link, partner, (protocol, request)),
    )
    .await
    {
        Ok(Some(Some(answer))) => Ok(answer),
        Ok(Some(None)) => Err(SyncError::Refused),
        Ok(None) | Err(_) => Err(SyncError::Unanswered),
    }
}

/// Asks over `link`, and over those that take its place. `None` when there was no answer over any.
async fn ask_over(
    mut link: Link,
    partner: &Partner,
    (protocol, request): (Protocol, &[u8]),
) -> Option<Option<Vec<u8>>> {
    for _ in 1..TIMES {
        let asked = async { exchange(link.open(protocol).await?, request).await };
        match asked.await {
            Ok(answer) => return Some(answer),
            Err(_) => {
                link = timeout(SETTLE, partner.another_link(Some(link.connection)))
                    .await
                    .ok()?
            }
        }
    }
    let stream = link.open(protocol).await.ok()?;
    exchange(stream, request).await.ok()
}

async fn exchange(stream: BoxStream, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let (read, write) = stream.split();
    let mut writer = FrameWriter::new(write);
    writer.push_frame(&[request]);
    writer.close().await?;
    let mut reader = FrameReader::new(read, 1 + MESSAGE_MAX);
    let mut answer = reader.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    match answer.first() {
        Some(&ANSWER) => {
            answer.remove(0);
            Ok(Some(answer))
        }
        Some(&NONE) => Ok(None),
        Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Answers one question of a member, or lets the stream go.
pub(super) async fn receive(
    arrival: Arrival,
    partner: Arc<Partner>,
    events: mpsc::Sender<NetworkEvent>,
    limits: Limits,
) {
    let conversation = answer(arrival, &partner, &events);
    match timeout(limits.sync_patience, conversation).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(node = ?partner.node, kind = %error.kind(), "sync stream ended")
        }
        Err(_) => tracing::debug!(node = ?partner.node, "sync question took too long"),
    }
}

async fn answer(
    arrival: Arrival,
    partner: &Partner,
    events: &mpsc::Sender<NetworkEvent>,
) -> io::Result<()> {
    let protocol = arrival.protocol;
    let (read, write) = arrival.stream.split();
    sleep(partner.charge()).await;
    let request = FrameReader::new(read, MESSAGE_MAX)
        .next()
        .await?
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let (sender, answered) = oneshot::channel();
    let (from, answer) = (partner.node, sender);
    let event = match protocol {
        Protocol::Ready => NetworkEvent::Ready {
            from,
            said: request,
            answer,
        },
        _ => NetworkEvent::Sync {
            from,
            request,
            answer,
        },
    };
    events
        .send(event)
        .await
        .map_err(|_| io::ErrorKind::BrokenPipe)?;
    let mut writer = FrameWriter::new(write);
    match answered.await {
        Ok(answer) if answer.len() <= MESSAGE_MAX => writer.push_frame(&[&[ANSWER], &answer]),
        Ok(_) | Err(_) => writer.push_frame(&[&[NONE]]),
    }
    writer.close().await
}
