//! Turns at reading and storing objects: as many at once as there is memory for, and the others wait for a while.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;
use super::limits::{DECODED_MIB, DECODERS_WAITED_FOR, READERS, STORERS, TURN_TIME};

/// The turns.
pub(super) struct Turns {
    reading: Arc<Semaphore>,
    storing: Arc<Semaphore>,
    /// Requests that decode, or wait to.
    decoding: Arc<Semaphore>,
    /// MiB of frames.
    frames: Arc<Semaphore>,
}

/// A turn at decoding, and the memory of its frames.
pub(super) struct DecodingTurn {
    _place: Turn,
    _memory: Turn,
}

/// One turn, until it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            reading: Arc::new(Semaphore::new(READERS)),
            storing: Arc::new(Semaphore::new(STORERS)),
            decoding: Arc::new(Semaphore::new(DECODERS_WAITED_FOR)),
            frames: Arc::new(Semaphore::new(DECODED_MIB as usize)),
        }
    }
}

impl Turns {
    /// A turn at reading.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) async fn to_read(&self) -> Result<Turn, Refusal> {
        turn(&self.reading).await
    }

    /// A turn at storing.
    ///
    /// # Errors
    /// As [`Turns::to_read`].
    pub(super) async fn to_store(&self) -> Result<Turn, Refusal> {
        turn(&self.storing).await
    }

    /// A turn at decoding frames that take so many bytes at a time. What would take more than there are has all of them
    /// for itself.
    ///
    /// # Errors
    /// When as many wait as may wait, or there is none in time.
    pub(super) async fn to_decode(&self, bytes: u64) -> Result<DecodingTurn, Refusal> {
        let place = Arc::clone(&self.decoding).try_acquire_owned();
        let place = place.map_err(|_| Refusal::busy())?;
        let wanted = bytes.div_ceil(1 << 20).clamp(1, u64::from(DECODED_MIB));
        let wanted = u32::try_from(wanted).unwrap_or(DECODED_MIB);
        let waiting = Arc::clone(&self.frames).acquire_many_owned(wanted);
        let memory = tokio::time::timeout(TURN_TIME, waiting).await;
        let memory = memory.ok().and_then(Result::ok).ok_or_else(Refusal::busy)?;
        Ok(DecodingTurn {
            _place: place,
            _memory: memory,
        })
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<Turn, Refusal> {
    let waiting = tokio::time::timeout(TURN_TIME, Arc::clone(turns).acquire_owned()).await;
    waiting.ok().and_then(Result::ok).ok_or_else(Refusal::busy)
}

/// Runs what blocks on a worker, with its turn.
///
/// # Errors
/// When the worker failed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(Refusal::failed()),
    }
}
