//! Tells another thread that there is something to do.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Rings until somebody has heard it; rung again meanwhile it is still one call. What there is to do is in the store.
pub struct Bell {
    ring: SyncSender<()>,
    heard: Mutex<Option<Receiver<()>>>,
}

impl Default for Bell {
    fn default() -> Bell {
        let (ring, heard) = sync_channel(1);
        Bell {
            ring,
            heard: Mutex::new(Some(heard)),
        }
    }
}

impl Bell {
    /// Rings. Waits for nobody.
    pub fn ring(&self) {
        // Full: it rings already. Closed: nobody listens any more.
        let _ = self.ring.try_send(());
    }

    /// The end that hears it, for the first that asks.
    pub fn listen(&self) -> Option<Receiver<()>> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.take()
    }
}
