//! Answers whose worker first finds out whether there will be one.

use std::io;

use http::Response;
use tokio::sync::oneshot;

use super::answer::{Answer, Refusal, warn};
use super::body::{Body, Pipe};

/// Tells whoever waits for the head of an answer that it can go, with a warning in it, or why there is none.
pub(super) struct Begun(Option<oneshot::Sender<Result<Option<String>, Refusal>>>);

impl Begun {
    /// The head can go. It went already: nothing.
    pub(super) fn go_on(&mut self, warning: Option<String>) {
        if let Some(waiting) = self.0.take() {
            // Who does not wait any more is gone.
            let _ = waiting.send(Ok(warning));
        }
    }

    /// Whether somebody waits for the head, or has it.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| !waiting.is_closed())
    }

    /// There is no answer.
    ///
    /// # Errors
    /// None: so that a worker can end with it.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        if let Some(waiting) = self.0.take() {
            let _ = waiting.send(Err(refusal));
        }
        Ok(())
    }
}

/// An answer that `work` writes on a worker, as soon as that says that there will be one. `turn` is held until it is over.
///
/// # Errors
/// The refusal that `work` says, or that it failed.
pub(super) async fn begun(
    turn: impl Send + 'static,
    work: impl FnOnce(&mut Pipe, &mut Begun) -> io::Result<()> + Send + 'static,
) -> Result<Answer, Refusal> {
    let (body, mut pipe) = Body::piped();
    let (sender, begun) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let written = work(&mut pipe, &mut Begun(Some(sender)));
        match written.and_then(|()| pipe.finish()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Other => {
                tracing::error!(target: "dokuei::web", "an answer was cut off: {error}");
            }
            Err(_gone) => {}
        }
    });
    let warning = begun.await.unwrap_or_else(|_| Err(Refusal::failed()))?;
    let mut answer = Response::new(body);
    if let Some(warning) = warning {
        warn(&mut answer, &warning);
    }
    Ok(answer)
}
