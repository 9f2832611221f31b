//! Earlier studies of a patient (過去画像) for whoever reads a case: which ones there are is found out here and in this
//! site's own archive, and those that the reader asks for are found and judged. Deciding what goes to whom is `protocol`'s.

mod finding;
mod list;
mod listing;

use tokio::sync::{Semaphore, oneshot};

pub use finding::{Sought, find};
pub use list::{ArchiveAsked, Entry, List, open, seal};
pub use listing::list;

/// Lists that are made at once: each holds an association with the archive, of which those allow few.
const LISTING: usize = 2;
/// Priors that are fetched from the archive at once, for the same reason; each may take an hour of its line.
const FINDING: usize = 1;

/// Who may ask the archive now.
pub struct Turns {
    listing: Semaphore,
    finding: Semaphore,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            listing: Semaphore::new(LISTING),
            finding: Semaphore::new(FINDING),
        }
    }
}

/// Runs what waits for an archive on a thread of its own: the node's end does not wait for it. `work` is told whether it is
/// still wanted. None when the system gives no thread, or the thread failed.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
) -> Option<T> {
    let (done, answer) = oneshot::channel();
    let thread = std::thread::Builder::new().name("priors".to_owned());
    let spawned = thread.spawn(move || {
        let worked = work(&|| !done.is_closed());
        // Nobody waits any more when the node stops.
        let _ = done.send(worked);
    });
    spawned.ok()?;
    answer.await.ok()
}
