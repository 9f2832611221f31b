//! Who still uses a connection, and streams that count as its use.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use quinn::{RecvStream, SendStream};
use tokio::time::Instant;

use crate::network::lock;

/// How many streams are open on a connection, and since when there is none.
pub(super) struct Uses(Mutex<(usize, Instant)>);

impl Uses {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new((0, now)))
    }

    /// Since when nothing is open; `None` while something is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let (open, since) = *lock(&self.0);
        (open == 0).then_some(since)
    }

    fn begin(self: &Arc<Self>) -> Seat {
        lock(&self.0).0 += 1;
        Seat(Arc::clone(self))
    }
}

/// One use.
struct Seat(Arc<Uses>);

impl Drop for Seat {
    fn drop(&mut self) {
        let mut uses = lock(&self.0.0);
        *uses = (uses.0.saturating_sub(1), Instant::now());
    }
}

/// Both directions of one QUIC stream.
pub(super) struct Joined {
    send: SendStream,
    receive: RecvStream,
    _seat: Seat,
}

impl Joined {
    pub(super) fn new((send, receive): (SendStream, RecvStream), uses: &Arc<Uses>) -> Self {
        Self {
            send,
            receive,
            _seat: uses.begin(),
        }
    }
}

impl AsyncRead for Joined {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        AsyncRead::poll_read(Pin::new(&mut self.get_mut().receive), cx, bytes)
    }
}

impl AsyncWrite for Joined {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.get_mut().send), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().send), cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(Pin::new(&mut self.get_mut().send), cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_from_the_end_of_its_last_stream() {
        let start = Instant::now();
        let uses = Arc::new(Uses::new(start));
        assert_eq!(uses.idle_since(), Some(start));
        let (first, second) = (uses.begin(), uses.begin());
        drop(first);
        assert_eq!(uses.idle_since(), None);
        drop(second);
        assert!(uses.idle_since().is_some_and(|since| since > start));
    }
}
