//! A stream that ends when its connection does. Muxers do not all wake those who wait on a stream of a connection that
//! was closed, and a dead connection may take its transport minutes to give up.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A stream and the end of its connection; one wait for each direction, for each may have a task of its own.
pub(in crate::network) struct Ending<S> {
    stream: S,
    reading: Pin<Box<WaitForCancellationFutureOwned>>,
    writing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Ending<S> {
    pub(in crate::network) fn new(stream: S, ended: &CancellationToken) -> Self {
        Self {
            stream,
            reading: Box::pin(ended.clone().cancelled_owned()),
            writing: Box::pin(ended.clone().cancelled_owned()),
        }
    }
}

/// What the stream says; while it says nothing, whether its connection ended.
fn unless_ended<T>(
    said: Poll<io::Result<T>>,
    ended: &mut Pin<Box<WaitForCancellationFutureOwned>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    match said {
        Poll::Ready(said) => Poll::Ready(said),
        Poll::Pending => ended
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::ConnectionAborted.into())),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ending<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_read(cx, bytes);
        unless_ended(said, &mut this.reading, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ending<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_write(cx, bytes);
        unless_ended(said, &mut this.writing, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_flush(cx);
        unless_ended(said, &mut this.writing, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_close(cx);
        unless_ended(said, &mut this.writing, cx)
    }
}
