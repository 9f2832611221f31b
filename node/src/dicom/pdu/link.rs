//! The socket of one association, tuned for peers that cannot be changed.
//!
//! `storescu` and many modalities write each PDU as a 12-byte header and then the body, with Nagle's
//! algorithm on: the body's last part waits for the acknowledgement of the header, which Linux
//! delays by 40 ms. `TCP_QUICKACK` flushes that acknowledgement, but the kernel takes it back at
//! each of our own replies, so it is set again before every blocking read and after every
//! response. That is worth a factor of fifty on small images.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::LinkFault;
use super::watch::{TICK, Watch};

/// Most that is read and thrown away while a cut connection closes, so that a peer that keeps
/// sending is not listened to for longer than it takes to empty its window.
const CLOSING_DRAIN: usize = 4 * 1024 * 1024;

/// A connected socket with no delay, immediate acknowledgements and ticking time-outs.
#[derive(Debug)]
pub(crate) struct TcpLink {
    socket: TcpStream,
}

impl TcpLink {
    /// Tune `socket`.
    ///
    /// # Errors
    /// The operating system refused a socket option: the connection is already gone.
    pub(crate) fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        Ok(TcpLink { socket })
    }

    /// Have the kernel acknowledge at once what has arrived.
    fn acknowledge_now(&self) {
        #[cfg(target_os = "linux")]
        {
            // Only a matter of speed: a kernel that refuses still delivers every byte.
            let _refused = socket2::SockRef::from(&self.socket).set_tcp_quickack(true);
        }
    }

    /// Write all of `bytes`, in one system call where the kernel takes them, bounded by `watch`.
    pub(crate) fn send(&mut self, bytes: &[u8], watch: &mut Watch) -> Result<(), LinkFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = Instant::now();
            match self.socket.write(rest) {
                Ok(0) => return Err(LinkFault::Closed),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    watch.moved(count, before.elapsed(), false)?;
                }
                Err(e) if is_tick(&e) => watch.moved(0, before.elapsed(), false)?,
                Err(e) if is_gone(&e) => return Err(LinkFault::Closed),
                Err(e) => return Err(LinkFault::Io(e)),
            }
        }
        self.acknowledge_now();
        Ok(())
    }

    /// Whether something can be read within `limit` (nothing: at this moment) without waiting. The end of the
    /// connection can be read too.
    pub(crate) fn arrives_within(&mut self, limit: Duration) -> Result<bool, LinkFault> {
        // A time-out of nothing would be none.
        let at_once = limit.is_zero();
        if at_once {
            self.socket.set_nonblocking(true)?;
        } else {
            self.socket.set_read_timeout(Some(limit))?;
        }
        let peeked = self.socket.peek(&mut [0]);
        if at_once {
            self.socket.set_nonblocking(false)?;
        } else {
            self.socket.set_read_timeout(Some(TICK))?;
        }
        match peeked {
            Ok(_) => Ok(true),
            Err(e) if is_tick(&e) => Ok(false),
            Err(e) if is_gone(&e) => Err(LinkFault::Closed),
            Err(e) => Err(LinkFault::Io(e)),
        }
    }

    /// Close so that the peer can still read our last words: stop sending, then wait for its end
    /// for at most `limit`. Closing with unread bytes would reset the connection and destroy an
    /// A-ABORT or A-RELEASE-RP on its way.
    pub(crate) fn close(mut self, limit: Duration) {
        let shut = self.socket.shutdown(Shutdown::Write);
        // A time-out of nothing would be none.
        let tick = limit.clamp(Duration::from_millis(1), TICK);
        if shut
            .and_then(|()| self.socket.set_read_timeout(Some(tick)))
            .is_err()
        {
            return;
        }
        let begun = Instant::now();
        let mut drained = 0;
        let mut scrap = [0; 4096];
        while drained < CLOSING_DRAIN && begun.elapsed() < limit {
            match self.socket.read(&mut scrap) {
                Ok(0) => return,
                Ok(count) => drained += count,
                Err(e) if is_tick(&e) => {}
                Err(_) => return,
            }
        }
    }
}

impl Read for TcpLink {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.acknowledge_now();
        self.socket.read(into)
    }
}

/// The time-out of one tick, or a signal: look at the watch and go on.
pub(super) fn is_tick(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The peer is gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}
