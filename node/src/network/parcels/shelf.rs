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
}

/// The stream is gone.
struct Gone;

impl Shelf {
    /// Runs on a blocking thread. Ends early, so that the stream is reset, when a body does not keep its promise.
    pub(super) fn run(mut self) {
        let mut block = Block::new();
        loop {
            let request = if block.filled == 0 {
                self.requests.blocking_recv()
            } else {
                match self.requests.try_recv() {
                    Ok(request) => Some(request),
                    // Nothing more for now: what there is must not wait.
                    Err(_) => {
                        let Ok(next) = self.hand_over(block) else {
                            return;
                        };
                        block = next;
                        continue;
                    }
                }
            };
            let Some(request) = request else {
                return;
            };
            match self.answer(&request, block) {
                Ok(next) => block = next,
                Err(why) => {
                    tracing::debug!(node = ?self.from, %why, "a range could not be served to its end");
                    return;
                }
            }
        }
    }

    fn answer(&mut self, request: &RangeRequest, mut block: Block) -> io::Result<Block> {
        let body = self.source.open(self.from, request);
        let header = answer_header(
            body.as_ref()
                .map(|body| body.length)
                .map_err(|refusal| *refusal),
        );
        let mut header = &header[..];
        while !header.is_empty() {
            block = self.make_room(block)?;
            block.filled += header.read(block.room())?;
        }
        let Ok(body) = body else {
            return Ok(block);
        };
        if body.length > request.length {
            return Err(io::Error::other("the source gave more than was asked for"));
        }
        let mut bytes = body.bytes.take(body.length);
        while bytes.limit() > 0 {
            block = self.make_room(block)?;
            match bytes.read(block.room()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => block.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(block)
    }

    fn make_room(&mut self, block: Block) -> io::Result<Block> {
        if !block.is_full() {
            return Ok(block);
        }
        self.hand_over(block)
            .map_err(|Gone| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn hand_over(&mut self, block: Block) -> Result<Block, Gone> {
        self.blocks.blocking_send(block).map_err(|_| Gone)?;
        Ok(self.empties.try_recv().unwrap_or_else(|_| Block::new()))
    }
}
