//! Turns at reading and storing objects: as many at once as there is memory for, and the others wait for a while. A turn
//! goes with the work: it is given back when that is over, not when the client is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;
use super::limits::{
    DECODED_MIB, DECODERS_OF_ONE, DECODERS_WAITED_FOR, FILES, FILES_OF_ONE, READERS,
    READERS_OF_ONE, STORERS, STORERS_OF_ONE, TURN_TIME,
};

/// The turns.
pub(super) struct Turns {
    reading: Shared,
    /// Files of the viewer.
    serving: Shared,
    storing: Shared,
    /// Requests that decode, or wait to.
    decoding: Shared,
    /// MiB of frames.
    frames: Arc<Semaphore>,
}

/// Turns of one kind: some for all, fewer for each visitor, so that a slow one leaves some to others.
struct Shared {
    all: Arc<Semaphore>,
    each: usize,
    of_one: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// A turn at decoding, and the memory of its frames.
pub(super) struct DecodingTurn {
    _place: Turn,
    _memory: OwnedSemaphorePermit,
}

/// One turn, until it is dropped.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            reading: Shared::new(READERS, READERS_OF_ONE),
            serving: Shared::new(FILES, FILES_OF_ONE),
            storing: Shared::new(STORERS, STORERS_OF_ONE),
            decoding: Shared::new(DECODERS_WAITED_FOR, DECODERS_OF_ONE),
            frames: Arc::new(Semaphore::new(DECODED_MIB as usize)),
        }
    }
}

impl Turns {
    /// A turn at reading for this visitor.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) async fn to_read(&self, visitor: &str) -> Result<Turn, Refusal> {
        self.reading.turn(visitor).await
    }

    /// A turn at giving out a file of the viewer.
    ///
    /// # Errors
    /// As [`Turns::to_read`].
    pub(super) async fn to_serve(&self, visitor: &str) -> Result<Turn, Refusal> {
        self.serving.turn(visitor).await
    }

    /// A turn at storing.
    ///
    /// # Errors
    /// As [`Turns::to_read`].
    pub(super) async fn to_store(&self, visitor: &str) -> Result<Turn, Refusal> {
        self.storing.turn(visitor).await
    }

    /// A turn at decoding frames that take so many bytes at a time. What would take more than there are has all of them
    /// for itself.
    ///
    /// # Errors
    /// When as many wait as may wait, or there is none in time.
    pub(super) async fn to_decode(
        &self,
        visitor: &str,
        bytes: u64,
    ) -> Result<DecodingTurn, Refusal> {
        let place = self.decoding.turn_now(visitor).ok_or_else(Refusal::busy)?;
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

impl Shared {
    fn new(all: usize, each: usize) -> Shared {
        Shared {
            all: Arc::new(Semaphore::new(all)),
            each,
            of_one: Mutex::default(),
        }
    }

    async fn turn(&self, visitor: &str) -> Result<Turn, Refusal> {
        let own = self.own(visitor);
        let waiting = async {
            let own = own.acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn {
                _own: own,
                _of_all: of_all,
            })
        };
        let turn = tokio::time::timeout(TURN_TIME, waiting).await;
        turn.ok().flatten().ok_or_else(Refusal::busy)
    }

    fn turn_now(&self, visitor: &str) -> Option<Turn> {
        Some(Turn {
            _own: self.own(visitor).try_acquire_owned().ok()?,
            _of_all: Arc::clone(&self.all).try_acquire_owned().ok()?,
        })
    }

    /// The turns of one visitor. Those of whoever has or awaits none are forgotten: there are no more than connections.
    fn own(&self, visitor: &str) -> Arc<Semaphore> {
        let mut of_one = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        of_one.retain(|_, turns| Arc::strong_count(turns) > 1);
        let own = of_one.entry(visitor.to_owned());
        Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

/// Runs what blocks on a worker.
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

/// The same for what needs a turn, which stays with the worker when nobody waits any more, and comes back with the result.
///
/// # Errors
/// As [`blocking`].
pub(super) async fn with_turn<T: Send + 'static, H: Send + 'static>(
    turn: H,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<(T, H), Refusal> {
    blocking(move || Ok((work()?, turn))).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, MutexGuard};

    use super::*;

    /// Work that goes on until it is let go.
    #[derive(Default)]
    struct Gate {
        open: Mutex<bool>,
        opened: Condvar,
        inside: AtomicUsize,
        most: AtomicUsize,
    }

    impl Gate {
        fn pass(&self) {
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(inside, Ordering::SeqCst);
            let is_shut = |open: &mut bool| !*open;
            let guard: MutexGuard<'_, bool> = self.open.lock().unwrap();
            drop(self.opened.wait_while(guard, is_shut).unwrap());
            self.inside.fetch_sub(1, Ordering::SeqCst);
        }

        fn open(&self) {
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }
    }

    #[tokio::test]
    async fn clients_that_go_away_make_no_more_work_at_once_than_there_are_turns() {
        let (turns, gate) = (Arc::new(Turns::default()), Arc::new(Gate::default()));
        for at in 0..4 * READERS {
            let (turns, gate) = (Arc::clone(&turns), Arc::clone(&gate));
            let asking = async move {
                let turn = turns.to_read(&at.to_string()).await?;
                with_turn(turn, move || {
                    gate.pass();
                    Ok(())
                })
                .await
            };
            // Polled until it waits for its worker or its turn, and dropped there.
            let mut asking = std::pin::pin!(asking);
            assert!(futures::poll!(asking.as_mut()).is_pending());
        }
        let is_full = || gate.inside.load(Ordering::SeqCst) == READERS;
        while !is_full() {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.reading.all.available_permits(), 0);
        gate.open();
        let back = turns.reading.all.acquire_many(READERS as u32).await;
        assert!(back.is_ok());
        assert_eq!(gate.most.load(Ordering::SeqCst), READERS);
    }

    #[tokio::test]
    async fn one_visitor_leaves_turns_to_others() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..READERS_OF_ONE {
            held.push(turns.to_read("slow").await.ok().unwrap());
        }
        assert!(futures::poll!(std::pin::pin!(turns.to_read("slow"))).is_pending());
        assert!(turns.to_read("other").await.is_ok());
        drop(held);
        assert!(turns.to_read("slow").await.is_ok());
        let of_one = turns.reading.of_one.lock().unwrap();
        assert!(
            of_one.len() <= 2,
            "who has no turn is forgotten with the next"
        );
    }
}
