//! The socket of one association, tuned for peers that cannot be changed, and TLS on it where that was agreed.
//!
//! `storescu` and many modalities write each PDU as a 12-byte header and then the body, with Nagle's
//! algorithm on: the body's last part waits for the acknowledgement of the header, which Linux
//! delays by 40 ms. `TCP_QUICKACK` flushes that acknowledgement, but the kernel takes it back at
//! each of our own replies, so it is set again before every blocking read and after every
//! response. That is worth a factor of fifty on small images.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, Connection, ServerConfig, ServerConnection};

use super::fault::{Foreign, PduFault};
use super::watch::{TICK, Watch};
use super::{LinkFault, PDU_HEADER};
use crate::tls::{self, Client};

/// Most that is read and thrown away while a cut connection closes, so that a peer that keeps
/// sending is not listened to for longer than it takes to empty its window.
const CLOSING_DRAIN: usize = 4 * 1024 * 1024;

/// A connected socket with no delay, immediate acknowledgements and ticking time-outs.
#[derive(Debug)]
pub(crate) struct TcpLink {
    socket: TcpStream,
    /// What runs on the socket, once it is agreed. Holds at most a handshake message (64 KiB) or a record (16 KiB)
    /// each way.
    tls: Option<Box<Connection>>,
    received: bool,
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
        Ok(TcpLink {
            socket,
            tls: None,
            received: false,
        })
    }

    /// Accept TLS, bounded by `watch` and until `stopping`. Before anything is answered, what came first must begin as
    /// TLS does: a sender without TLS is told so in its own protocol.
    ///
    /// # Errors
    /// The peer's fault, its silence, or the network.
    pub(crate) fn accept_tls(
        &mut self,
        config: &Arc<ServerConfig>,
        watch: &mut Watch,
        stopping: &AtomicBool,
    ) -> Result<(), LinkFault> {
        let mut first = [0; PDU_HEADER];
        let mut filled = 0;
        while filled < first.len() {
            let before = Instant::now();
            let space = first.get_mut(filled..).unwrap_or_default();
            match self.socket.read(space) {
                Ok(0) => return Err(LinkFault::Closed),
                Ok(count) => {
                    self.received = true;
                    filled += count;
                    watch.moved(count, before.elapsed(), false)?;
                }
                Err(why) => tick(why, watch, before, stopping.load(Ordering::Relaxed))?,
            }
        }
        match Foreign::recognise(first) {
            Some(Foreign::Tls) => {}
            Some(foreign) => return Err(PduFault::Foreign(foreign).into()),
            None if Foreign::is_plain_request(first) => {
                return Err(PduFault::Foreign(Foreign::Plain).into());
            }
            None => return Err(LinkFault::Tls(not_tls())),
        }
        let server = ServerConnection::new(Arc::clone(config)).map_err(LinkFault::Tls)?;
        let tls = self.tls.insert(Box::new(server.into()));
        let mut unread = first.as_slice();
        while !unread.is_empty() {
            tls.read_tls(&mut unread).map_err(LinkFault::Io)?;
        }
        let progress = tls.process_new_packets().map(drop);
        self.shake_hands(progress, watch, stopping)
    }

    /// Begin TLS with whom we called, bounded by `watch`.
    ///
    /// # Errors
    /// The peer's fault, its silence, or the network.
    pub(crate) fn begin_tls(
        &mut self,
        called: &Client,
        watch: &mut Watch,
    ) -> Result<(), LinkFault> {
        let (config, server) = (Arc::clone(&called.config), called.server.clone());
        let client = ClientConnection::new(config, server).map_err(LinkFault::Tls)?;
        self.tls = Some(Box::new(client.into()));
        self.shake_hands(Ok(()), watch, &AtomicBool::new(false))
    }

    /// Exchange messages until both sides agree.
    fn shake_hands(
        &mut self,
        mut progress: Result<(), rustls::Error>,
        watch: &mut Watch,
        stopping: &AtomicBool,
    ) -> Result<(), LinkFault> {
        loop {
            self.flush(watch)?;
            progress.map_err(LinkFault::Tls)?;
            let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_handshaking()) else {
                return Ok(());
            };
            let before = Instant::now();
            progress = match tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(LinkFault::Closed),
                Ok(count) => {
                    self.received = true;
                    watch.moved(count, before.elapsed(), false)?;
                    tls.process_new_packets().map(drop)
                }
                Err(why) => {
                    tick(why, watch, before, stopping.load(Ordering::Relaxed))?;
                    Ok(())
                }
            };
        }
    }

    /// The fingerprint of the certificate that the peer showed and proved.
    pub(crate) fn certificate(&self) -> Option<[u8; 32]> {
        let shown = self.tls.as_ref()?.peer_certificates()?;
        shown.first().map(tls::fingerprint)
    }

    /// The version of TLS and the cipher suite, as they are called.
    pub(crate) fn protection(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        let (version, suite) = (tls.protocol_version()?, tls.negotiated_cipher_suite()?);
        Some(format!("{version:?} {:?}", suite.suite()))
    }

    /// Whether the peer has sent anything at all.
    pub(crate) fn has_received(&self) -> bool {
        self.received
    }

    /// Write all of `bytes`, in one system call where the kernel takes them, bounded by `watch`.
    pub(crate) fn send(&mut self, bytes: &[u8], watch: &mut Watch) -> Result<(), LinkFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.tls {
                Some(tls) => {
                    // Takes what its buffer has room for.
                    let taken = tls.writer().write(rest).map_err(LinkFault::Io)?;
                    rest = rest.get(taken..).unwrap_or_default();
                    if taken == 0 && !tls.wants_write() {
                        return Err(LinkFault::Closed);
                    }
                    self.flush(watch)?;
                }
                None => {
                    let taken = write(&mut self.socket, rest, watch)?;
                    rest = rest.get(taken..).unwrap_or_default();
                }
            }
        }
        acknowledge_now(&self.socket);
        Ok(())
    }

    /// Whether something can be read within `limit` (nothing: at this moment) without waiting. The end of the
    /// connection can be read too.
    pub(crate) fn arrives_within(&mut self, limit: Duration) -> Result<bool, LinkFault> {
        let mut limit = limit;
        loop {
            if let Some(tls) = &mut self.tls {
                let state = tls.process_new_packets().map_err(LinkFault::Tls)?;
                if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
                    return Ok(true);
                }
            }
            if !self.is_readable(limit)? {
                return Ok(false);
            }
            let Some(tls) = &mut self.tls else {
                return Ok(true);
            };
            if tls.read_tls(&mut self.socket).map_err(LinkFault::of)? == 0 {
                return Ok(true);
            }
            // What came may be of TLS itself only; that is not waited for a second time.
            limit = Duration::ZERO;
        }
    }

    /// Whether the peer has closed the connection, with nothing of it left to read.
    pub(in crate::dicom) fn has_ended(&mut self) -> Result<bool, LinkFault> {
        Ok(self.waiting(Duration::ZERO)? == Some(0))
    }

    /// Whether the socket has bytes, or its end, within `limit`.
    fn is_readable(&mut self, limit: Duration) -> Result<bool, LinkFault> {
        Ok(self.waiting(limit)?.is_some())
    }

    /// What is there to read within `limit`: some byte, or no more for ever; none when nothing is.
    fn waiting(&mut self, limit: Duration) -> Result<Option<usize>, LinkFault> {
        // A time-out of nothing would be none.
        let at_once = limit.is_zero();
        if at_once {
            self.socket.set_nonblocking(true)?;
        } else {
            self.socket.set_read_timeout(Some(limit))?;
        }
        let until = Instant::now() + limit;
        let peeked = loop {
            let peeked = self.socket.peek(&mut [0]);
            let is_interrupted =
                matches!(&peeked, Err(why) if why.kind() == ErrorKind::Interrupted);
            let left = until.saturating_duration_since(Instant::now());
            if !is_interrupted || left.is_zero() {
                break peeked;
            }
            // A signal, or being stopped and going on, says nothing about the peer.
            self.socket.set_read_timeout(Some(left))?;
        };
        if at_once {
            self.socket.set_nonblocking(false)?;
        } else {
            self.socket.set_read_timeout(Some(TICK))?;
        }
        match peeked {
            Ok(bytes) => Ok(Some(bytes)),
            Err(why) if is_tick(&why) => Ok(None),
            Err(why) => Err(LinkFault::of(why)),
        }
    }

    /// Write what TLS has ready.
    fn flush(&mut self, watch: &mut Watch) -> Result<(), LinkFault> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            let before = Instant::now();
            let written = tls.write_tls(&mut self.socket);
            account(written, watch, before)?;
        }
        Ok(())
    }

    /// Close so that the peer can still read our last words: stop sending, then wait for its end
    /// for at most `limit`. Closing with unread bytes would reset the connection and destroy an
    /// A-ABORT or A-RELEASE-RP on its way.
    pub(crate) fn close(mut self, limit: Duration) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // Politeness: a peer that takes nothing more is closed without it.
            let _taken = tls.write_tls(&mut self.socket);
        }
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
        acknowledge_now(&self.socket);
        let Some(tls) = &mut self.tls else {
            return self.socket.read(into);
        };
        match tls.reader().read(into) {
            Err(why) if why.kind() == ErrorKind::WouldBlock => {}
            read => return at_the_end(read),
        }
        // Answers to messages of TLS itself, such as a change of keys.
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        if tls.read_tls(&mut self.socket)? == 0 {
            return Ok(0);
        }
        if let Err(why) = tls.process_new_packets() {
            // It says why to the peer, which may be gone.
            let _gone = tls.write_tls(&mut self.socket);
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        // Where that completed no record it is a tick, so that whoever sends one byte at a time is watched.
        at_the_end(tls.reader().read(into))
    }
}

/// A peer that closes without saying so in TLS has closed: what is complete was handed on, and a PDU that was cut short
/// is noticed as such.
fn at_the_end(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(why) if why.kind() == ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

/// Have the kernel acknowledge at once what has arrived.
fn acknowledge_now(socket: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        // Only a matter of speed: a kernel that refuses still delivers every byte.
        let _refused = socket2::SockRef::from(socket).set_tcp_quickack(true);
    }
}

/// The fault of bytes that are no TLS.
fn not_tls() -> rustls::Error {
    rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)
}

/// Write once. Answers how many bytes were taken.
fn write(socket: &mut TcpStream, bytes: &[u8], watch: &mut Watch) -> Result<usize, LinkFault> {
    let before = Instant::now();
    account(socket.write(bytes), watch, before)
}

/// Account for one write.
fn account(
    written: io::Result<usize>,
    watch: &mut Watch,
    before: Instant,
) -> Result<usize, LinkFault> {
    match written {
        Ok(0) => Err(LinkFault::Closed),
        Ok(count) => {
            watch.moved(count, before.elapsed(), false)?;
            Ok(count)
        }
        Err(why) => tick(why, watch, before, false).map(|()| 0),
    }
}

/// Account for a read or write that moved nothing.
fn tick(
    why: io::Error,
    watch: &mut Watch,
    before: Instant,
    stopping: bool,
) -> Result<(), LinkFault> {
    if is_tick(&why) {
        watch.moved(0, before.elapsed(), stopping)
    } else {
        Err(LinkFault::of(why))
    }
}

/// The time-out of one tick, or a signal: look at the watch and go on.
pub(super) fn is_tick(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
