//! Turns at reading and storing objects: as many at once as there is memory for, and the others wait for a while.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;
use super::limits::{READERS, STORERS, TURN_TIME};

/// The turns.
pub(super) struct Turns {
    reading: Arc<Semaphore>,
    storing: Arc<Semaphore>,
}

/// One turn, until it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            reading: Arc::new(Semaphore::new(READERS)),
            storing: Arc::new(Semaphore::new(STORERS)),
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
