//! Headers of closed studies, written before anybody asks for them.
//!
//! What is to be done lies in the store: a study's row in [`Rows::Headerless`] comes in the transaction that closes the
//! study and goes when its headers are written, so a restart goes on where the node stopped, and memory holds one
//! portion however many wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use dokuei_keys::id::ParcelId;

use super::holdings::Holdings;
use crate::store::{Change, Rows, Store, StoreError};
use crate::studies::bell::Bell;

/// Studies whose rows are taken, and removed, together: a transaction for many small ones.
const PORTION: usize = 64;

/// The thread that writes headers. Dropped, it ends after the study at hand.
pub struct Preparing {
    bell: Arc<Bell>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Preparing {
    /// Starts it: it writes what is missing, and again whenever the bell of closed studies rings.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn start(holdings: Holdings, store: Store, bell: Arc<Bell>) -> std::io::Result<Preparing> {
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            holdings,
            store,
            stop: Arc::clone(&stop),
        };
        let heard = bell.listen();
        let thread = std::thread::Builder::new()
            .name("headers".to_owned())
            .spawn(move || heard.iter().for_each(|heard| work.run(heard)))?;
        Ok(Preparing {
            bell,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    holdings: Holdings,
    store: Store,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, bell: &Receiver<()>) {
        loop {
            match self.portion() {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(target: "dokuei::index", "headers wait until the store works: {error}");
                }
            }
            if self.is_over() || bell.recv().is_err() || self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Writes the headers of some studies; of how many.
    fn portion(&self) -> Result<usize, StoreError> {
        let rows = self.store.beginning_with(Rows::Headerless, &[], PORTION)?;
        let mut done = Change::default();
        for (key, _) in rows {
            if self.is_over() {
                break;
            }
            if let Ok(parcel) = key.as_slice().try_into().map(ParcelId::from_bytes)
                && let Err(error) = self.holdings.prepare(&parcel)
            {
                // Whoever asks for them first has them read then, and hears what is wrong.
                tracing::warn!(target: "dokuei::index", %parcel, "headers are not written: {error}");
            }
            done.removals.push((Rows::Headerless, key));
        }
        let count = done.removals.len();
        self.store.commit(done)?;
        Ok(count)
    }
}
