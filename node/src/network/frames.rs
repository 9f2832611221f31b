//! Length-prefixed frames: four bytes of length, big-endian, then that many bytes. Both halves can be dropped and
//! polled again at any point, so they may stand in a `select!`.

use std::io;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of the length in front of each frame.
const LENGTH: usize = 4;

/// Bytes asked of the stream at a time.
const READ: usize = 16 * 1024;

/// Reads frames of at most `max` bytes.
pub(super) struct FrameReader<R> {
    inner: R,
    max: usize,
    buffer: Vec<u8>,
    chunk: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(inner: R, max: usize) -> Self {
        Self {
            inner,
            max,
            buffer: Vec::new(),
            chunk: vec![0; READ].into(),
        }
    }

    /// The next frame, or `None` when the other side closed its half after a whole frame. Cancel-safe.
    ///
    /// # Errors
    /// `InvalidData` for a frame longer than allowed, before any of it is kept; `UnexpectedEof` for one cut short.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            let read = self.inner.read(&mut self.chunk).await?;
            if read == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            self.buffer.extend_from_slice(&self.chunk[..read]);
        }
    }

    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(prefix) = self.buffer.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > self.max {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.buffer.len() < LENGTH + length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(LENGTH + length);
        let mut frame = std::mem::replace(&mut self.buffer, rest);
        frame.drain(..LENGTH);
        Ok(Some(frame))
    }
}

/// Writes bytes, and frames, that were pushed before. What is pushed is bounded by who pushes.
pub(super) struct FrameWriter<W> {
    inner: W,
    pending: Vec<u8>,
    written: usize,
    flushed: bool,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            pending: Vec::new(),
            written: 0,
            flushed: true,
        }
    }

    /// Queues one frame made of `parts`.
    pub(super) fn push_frame(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.push(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        parts.iter().for_each(|part| self.push(part));
    }

    /// Queues bytes as they are.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.flushed = false;
    }

    /// Bytes queued and not written yet.
    pub(super) fn pending(&self) -> usize {
        self.pending.len() - self.written
    }

    pub(super) fn is_idle(&self) -> bool {
        self.flushed
    }

    /// Writes and flushes what is queued. Cancel-safe.
    pub(super) async fn drive(&mut self) -> io::Result<()> {
        while self.written < self.pending.len() {
            let written = self.inner.write(&self.pending[self.written..]).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += written;
        }
        self.pending.clear();
        self.written = 0;
        self.inner.flush().await?;
        self.flushed = true;
        Ok(())
    }

    /// Writes what is queued and ends our half of the stream.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.drive().await?;
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    async fn written(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = FrameWriter::new(&mut bytes);
        for frame in frames {
            writer.push_frame(&[&frame[..frame.len() / 2], &frame[frame.len() / 2..]]);
        }
        assert_eq!(writer.is_idle(), frames.is_empty());
        writer.drive().await.unwrap();
        assert!(writer.is_idle());
        bytes
    }

    #[tokio::test]
    async fn frames_come_back_as_they_went() {
        let big = vec![5; 100_000];
        let bytes = written(&[b"one", b"", &big]).await;
        let mut reader = FrameReader::new(Cursor::new(bytes), 100_000);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"one");
        assert_eq!(reader.next().await.unwrap().unwrap(), b"");
        assert_eq!(reader.next().await.unwrap().unwrap(), big);
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_frame_too_long_is_refused_at_its_length() {
        let mut bytes = written(&[b"abc"]).await;
        bytes.extend_from_slice(&[0xff; 8]);
        let mut reader = FrameReader::new(Cursor::new(bytes), 3);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"abc");
        assert_eq!(
            reader.next().await.unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert!(reader.buffer.capacity() <= 2 * READ);
    }

    #[tokio::test]
    async fn every_cut_is_noticed() {
        let bytes = written(&[b"abcdef"]).await;
        for cut in 1..bytes.len() {
            let mut reader = FrameReader::new(Cursor::new(&bytes[..cut]), 64);
            assert_eq!(
                reader.next().await.unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "{cut}"
            );
        }
    }
}
