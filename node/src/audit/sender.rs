//! Brings the messages that wait to the collector: one connection, one thread, oldest first.
//!
//! Syslog has no answers (RFC 5425): a message that was written may still be lost with the collector's end of the
//! connection. So what was written stays in the spool until the connection has held for [`SETTLING`] after it, and goes
//! again otherwise. A message may arrive twice when the collector dies in that second; its number tells.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::spool::Spool;
use super::syslog;
use crate::language::{Explain as _, Message};
use crate::say;
use crate::store::StoreError;
use crate::tls::Client;

/// How long a connection may take to be made, and each step of the handshake.
const CONNECTING: Duration = Duration::from_secs(10);
/// Steps of a handshake: two round trips, and whatever small pieces they come in.
const STEPS: usize = 64;
/// How long a write may wait for the collector.
const WRITING: Duration = Duration::from_secs(30);
/// How long a connection must hold after a write before what was written counts as taken.
const SETTLING: Duration = Duration::from_secs(1);
/// The same while the node stops.
const SETTLING_AT_STOP: Duration = Duration::from_millis(200);
/// How often it is asked meanwhile whether the node stops.
const LOOK: Duration = Duration::from_millis(50);
/// How long a look at the connection takes that has nothing to say.
const GLANCE: Duration = Duration::from_millis(1);
/// How long to wait for messages before the connection is looked at again.
const IDLE: Duration = Duration::from_secs(30);
/// First and longest pause after a failure; each is twice the one before.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Why the last attempt failed, for whoever asks. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Message>>>);

impl Trouble {
    pub(super) fn get(&self) -> Option<Message> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sets it; whether that is another state than before: trouble or none.
    fn set(&self, trouble: Option<Message>) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = held.is_some() != trouble.is_some();
        *held = trouble;
        turned
    }
}

/// The collector, and what goes there.
pub(super) struct Sender {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Client,
    pub(super) spool: Arc<Spool>,
    pub(super) trouble: Trouble,
}

impl Sender {
    /// Sends until the spool is closed; then what still waits, once.
    pub(super) fn run(&self) {
        let mut pause = PAUSE;
        loop {
            if !self.spool.wait_for_messages(IDLE) {
                if self.spool.is_closing() {
                    return;
                }
                continue;
            }
            match self.converse() {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    let (host, port) = (&self.host, self.port);
                    let why = error.message();
                    let text = why.en.clone();
                    if self.trouble.set(Some(why)) {
                        tracing::warn!(target: "dokuei::audit", "audit messages wait: {host}:{port} does not take them: {text}");
                    }
                    if self.spool.is_closing() {
                        return;
                    }
                    self.spool.rest(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// One connection, until the spool closes and is empty.
    fn converse(&self) -> io::Result<()> {
        let mut stream = self.connect()?;
        loop {
            self.watch(&mut stream, GLANCE)?;
            let (end, messages) = self.spool.batch().map_err(of_store)?;
            for message in &messages {
                stream.write_all(&syslog::framed(message))?;
            }
            stream.flush()?;
            self.settle(&mut stream)?;
            self.spool.remove_before(end).map_err(of_store)?;
            if self.trouble.set(None) {
                tracing::info!(target: "dokuei::audit", "the collector takes audit messages again");
            }
            while !self.spool.wait_for_messages(IDLE) {
                if self.spool.is_closing() {
                    stream.conn.send_close_notify();
                    return stream.flush();
                }
                self.watch(&mut stream, GLANCE)?;
            }
        }
    }

    fn connect(&self) -> io::Result<Stream> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (host, self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECTING) {
                Ok(socket) => return self.handshake(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn handshake(&self, mut socket: TcpStream) -> io::Result<Stream> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(CONNECTING))?;
        socket.set_write_timeout(Some(WRITING))?;
        let mut connection =
            ClientConnection::new(Arc::clone(&self.tls.config), self.tls.server.clone())
                .map_err(io::Error::other)?;
        for _ in 0..STEPS {
            if !connection.is_handshaking() {
                return Ok(StreamOwned::new(connection, socket));
            }
            connection.complete_io(&mut socket)?;
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Waits until what was written counts as taken.
    fn settle(&self, stream: &mut Stream) -> io::Result<()> {
        let written = Instant::now();
        loop {
            self.watch(stream, LOOK)?;
            let settling = match self.spool.is_closing() {
                true => SETTLING_AT_STOP,
                false => SETTLING,
            };
            if written.elapsed() >= settling {
                return Ok(());
            }
        }
    }

    /// Looks for `patience` whether the collector closes the connection. It has nothing to say; what it says is not read
    /// further.
    fn watch(&self, stream: &mut Stream, patience: Duration) -> io::Result<()> {
        stream.sock.set_read_timeout(Some(patience))?;
        let mut said = [0; 64];
        match stream.read(&mut said) {
            Ok(0) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(()),
                _ => Err(error),
            },
        }
    }
}

fn of_store(error: StoreError) -> io::Error {
    io::Error::other(error)
}

/// What a person reads of messages that wait.
pub(super) fn waiting(host: &str, count: u64, why: &Message) -> Message {
    let why = why.clone();
    say!(
        "監査証跡 {count} 件を {host} に送れず、保管しています（{why}）",
        "{count} audit messages wait because {host} does not take them ({why})";
        why = why
    )
}
