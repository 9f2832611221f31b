//! The serving side's blocking half: opens ranges and packs them into blocks, as far ahead as the stream takes them.

use std::io::{self, Read};
use std::sync::Arc;

use dokuei_keys::id::NodeId;
use tokio::sync::mpsc;

use super::wire::{Block, answer_header};
use super::{ParcelSource, RangeRequest};

/// Answers requests in order until there are no more.
pub(super) struct Shelf {
    pub(super) source: Arc<dyn ParcelSource>,
    pub(super) from: NodeId,
    pub(super) requests: mpsc::Receiver<RangeRequest>,
    pub(super) blocks: mpsc::Sender<Block>,
    /// Blocks written, to be filled again.
    pub(super) empties: mpsc::Receiver<Block>,
    /// The block being packed.
    pub(super) block: Block,
}

impl Shelf {
    /// Runs on a blocking thread. Ends early when a body does not keep its promise; what came before it goes out.
    pub(super) fn run(mut self) {
        while let Some(request) = self.next() {
            let answered = self.answer(&request);
            if let Err(why) = answered {
                tracing::debug!(node = ?self.from, %why, "a range could not be served to its end");
                // Nobody may be there to take it any more.
                let _ = self.hand_over();
                return;
            }
        }
    }

    /// The next request. While there is none, what was packed must not wait.
    fn next(&mut self) -> Option<RangeRequest> {
        if self.block.filled == 0 {
            return self.requests.blocking_recv();
        }
        if let Ok(request) = self.requests.try_recv() {
            return Some(request);
        }
        self.hand_over().ok()?;
        self.requests.blocking_recv()
    }

    fn answer(&mut self, request: &RangeRequest) -> io::Result<()> {
        let body = self.source.open(self.from, request);
        let header = answer_header(
            body.as_ref()
                .map(|body| body.length)
                .map_err(|refusal| *refusal),
        );
        self.pack(&mut &header[..], header.len() as u64)?;
        match body {
            Ok(body) if body.length > request.length => {
                Err(io::Error::other("the source has more than was asked for"))
            }
            Ok(mut body) => self.pack(&mut body.bytes, body.length),
            Err(_) => Ok(()),
        }
    }

    fn pack(&mut self, bytes: &mut dyn Read, length: u64) -> io::Result<()> {
        let mut bytes = bytes.take(length);
        while bytes.limit() > 0 {
            if self.block.is_full() {
                self.hand_over()?;
            }
            match bytes.read(self.block.room()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.block.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let next = self.empties.try_recv().unwrap_or_else(|_| Block::new());
        let full = std::mem::replace(&mut self.block, next);
        self.blocks
            .blocking_send(full)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
