//! A small pair of programs to measure a line with: TCP goodput, UDP round trips, UDP arrivals.
//!
//! One [`server`] answers all of them on one port of TCP and UDP. A request is one line of JSON at
//! the beginning of a TCP connection.

pub mod client;
pub mod server;

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The port both sides use unless told otherwise.
pub const PORT: u16 = 7700;
/// Longest line of JSON between the two, in bytes.
const LINE_MOST: u64 = 1024;
/// Bytes written or read at once.
const PIECE: usize = 128 * 1024;
/// Longest datagram that is sent, in bytes.
const DATAGRAM_MOST: usize = 65_000;
/// A side that says and takes nothing for so long is gone. Outages of a line are shorter.
const SILENCE: Duration = Duration::from_secs(120);
/// Longest measurement.
const SENDING_MOST: Duration = Duration::from_secs(3600);
/// The first byte of a datagram that is to come back.
const ECHO: u8 = b'e';
/// The first byte of a datagram that is to be counted; eight bytes of the count's name follow.
const COUNT: u8 = b'c';

/// What a client wants of the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "lowercase")]
enum Request {
    /// Take what follows until it ends, and say what came.
    Take {
        /// Seconds from the first byte on that do not count.
        skip: f64,
    },
    /// Send for so long.
    Give {
        /// For how many seconds.
        seconds: f64,
        /// By which congestion control.
        congestion: Option<String>,
    },
    /// Say what has come of a count of datagrams.
    Counted {
        /// The count's name.
        name: u64,
    },
}

/// What came.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Came {
    /// Bytes of payload.
    pub bytes: u64,
    /// Datagrams; none for TCP.
    pub datagrams: u64,
    /// Seconds between the first that counts and the last.
    pub seconds: f64,
}

impl Came {
    /// Megabits of payload a second.
    pub fn mbit(&self) -> f64 {
        if self.seconds > 0.0 {
            self.bytes as f64 * 8e-6 / self.seconds
        } else {
            0.0
        }
    }
}

/// What both sides set on a connection.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)
}

/// So many seconds, within what is measured at the most.
fn lasting(seconds: f64) -> io::Result<Duration> {
    let time = Duration::try_from_secs_f64(seconds).map_err(io::Error::other)?;
    Ok(time.min(SENDING_MOST))
}

/// Reads one line of JSON.
fn read_line<T: for<'a> Deserialize<'a>>(stream: &TcpStream) -> io::Result<T> {
    let mut line = String::new();
    // Nothing follows a line before it is answered, except what a `Take` takes: there bytes that are
    // read with it would be missing. One byte at a time is slow and right.
    BufReader::with_capacity(1, stream)
        .take(LINE_MOST)
        .read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
