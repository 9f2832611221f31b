//! The body of an answer: whole, or streamed from a blocking worker through a short pipe.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::limits::{PIECE, PIECES, SLOW_AFTER, SLOWEST, STALL_TIME};

/// Pieces that are shorter are copied together rather than sent alone.
const GATHERED: usize = 16 * 1024;

/// The body of an answer.
pub(super) enum Body {
    /// All of it.
    Whole(Option<Bytes>),
    /// What a worker writes.
    Piped(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body {
    /// Nothing.
    pub(super) fn empty() -> Body {
        Body::Whole(None)
    }

    /// A body and the pipe into it.
    pub(super) fn piped() -> (Body, Pipe) {
        let (sender, receiver) = mpsc::channel(PIECES);
        let pipe = Pipe {
            sender,
            gathered: BytesMut::new(),
            began: Instant::now(),
            sent: 0,
            finished: false,
        };
        (Body::Piped(receiver), pipe)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Whole((!bytes.is_empty()).then(|| bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Piped(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Body::Piped(_) => SizeHint::default(),
        }
    }
}

/// The end of an answer that a blocking worker writes into. Dropped without [`Pipe::finish`], the answer is cut off
/// where the client notices it.
pub(super) struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    gathered: BytesMut,
    began: Instant,
    sent: u64,
    finished: bool,
}

impl Pipe {
    /// Everything was written.
    ///
    /// # Errors
    /// When the client is gone or too slow.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.pass_on()?;
        self.finished = true;
        Ok(())
    }

    /// Takes a piece as it is, of about [`PIECE`] bytes at the most; a small one is gathered with others.
    ///
    /// # Errors
    /// When the client is gone or too slow.
    pub(super) fn pass(&mut self, piece: Bytes) -> io::Result<()> {
        if piece.len() < GATHERED {
            return self.write_all(&piece);
        }
        self.pass_on()?;
        self.send(piece)
    }

    /// Whether nobody reads what is written.
    pub(super) fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let piece = self.gathered.split().freeze();
        if piece.is_empty() {
            return Ok(());
        }
        self.send(piece)
    }

    fn send(&mut self, piece: Bytes) -> io::Result<()> {
        self.sent += piece.len() as u64;
        match self.sender.try_send(Ok(piece)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(TrySendError::Full(piece)) => {
                let taken = self.began.elapsed();
                if taken > SLOW_AFTER && self.sent / taken.as_secs().max(1) < SLOWEST {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.wait(piece)
            }
        }
    }

    fn wait(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        let sending = tokio::time::timeout(STALL_TIME, self.sender.send(piece));
        match Handle::current().block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // A client that is gone, or takes nothing, notices by itself.
        let broken = Err(io::ErrorKind::BrokenPipe.into());
        if let Err(TrySendError::Full(broken)) = self.sender.try_send(broken) {
            let _ = self.wait(broken);
        }
    }
}

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathered.capacity() == 0 {
            self.gathered.reserve(PIECE);
        }
        let count = bytes.len().min(PIECE - self.gathered.len());
        self.gathered.extend_from_slice(&bytes[..count]);
        if self.gathered.len() == PIECE {
            self.pass_on()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nobody_reads_is_known_before_anything_is_written() {
        let (body, pipe) = Body::piped();
        assert!(!pipe.is_abandoned());
        drop(body);
        assert!(pipe.is_abandoned());
    }

    #[tokio::test]
    async fn what_is_written_comes_out_in_order_and_no_more_is_held_than_fits() {
        let (body, mut pipe) = Body::piped();
        let written: Vec<u8> = (0..PIECE * 4 + 17).map(|at| (at % 251) as u8).collect();
        let copy = written.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let (first, rest) = copy.split_at(PIECE / 2);
            let (second, third) = rest.split_at(PIECE);
            pipe.write_all(first)?;
            pipe.pass(second.to_vec().into())?;
            pipe.pass(third[..9].to_vec().into())?;
            pipe.write_all(&third[9..])?;
            pipe.finish()
        });
        let Body::Piped(mut pieces) = body else {
            panic!("it is not piped");
        };
        let mut read = Vec::new();
        while let Some(piece) = pieces.recv().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE && pieces.len() <= PIECES);
            read.extend_from_slice(&piece);
        }
        writing.await.unwrap().unwrap();
        assert!(read == written);
    }

    #[tokio::test]
    async fn what_is_not_finished_is_seen_to_be_cut_off() {
        let (body, mut pipe) = Body::piped();
        let writing = tokio::task::spawn_blocking(move || pipe.write_all(&vec![7; PIECE]));
        let Body::Piped(mut pieces) = body else {
            panic!("it is not piped");
        };
        assert!(pieces.recv().await.unwrap().is_ok());
        assert!(pieces.recv().await.unwrap().is_err());
        assert!(pieces.recv().await.is_none());
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_is_gone_ends_the_writing() {
        let (body, mut pipe) = Body::piped();
        drop(body);
        let wrote = tokio::task::spawn_blocking(move || pipe.write_all(&vec![0; PIECE * 3]));
        let error = wrote.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
