//! Answers that a worker writes while they go out.

use std::io;

use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY};

use super::answer::{Answer, set};
use super::body::{Body, Pipe};

/// How long an answer with images is kept: never without asking again, since who may see them may change.
const ASKED_AGAIN: &str = "private, no-cache";

/// An answer of this media type and entity tag that `write` writes. `turn` is held until that is over.
pub(super) fn piped(
    kind: &str,
    tag: Option<&str>,
    turn: impl Send + 'static,
    write: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static,
) -> Answer {
    let mut answer = Response::new(piped_body(turn, write));
    set(&mut answer, CONTENT_TYPE, kind);
    validated(&mut answer, tag);
    answer
}

/// The same without a head.
pub(super) fn piped_body(
    turn: impl Send + 'static,
    write: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static,
) -> Body {
    let (body, mut pipe) = Body::piped();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        if let Err(error) = write(&mut pipe).and_then(|()| pipe.finish()) {
            tracing::debug!(target: "dokuei::web", "an answer was cut off: {error}");
        }
    });
    body
}

/// Says how an answer is kept, and what else there would be at its address.
pub(super) fn validated(answer: &mut Answer, tag: Option<&str>) {
    set(answer, CACHE_CONTROL, ASKED_AGAIN);
    set(answer, VARY, "accept");
    if let Some(tag) = tag {
        set(answer, ETAG, tag);
    }
}
