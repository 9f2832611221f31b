//! The side that waits.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{COUNT, Came, DATAGRAM_MOST, ECHO, PIECE, Request, lasting, prepare, read_line};

/// Connections that are answered at once; more are closed.
const CONNECTIONS_MOST: usize = 64;
/// Counts that are kept; then the one with the smallest name is forgotten.
const COUNTS_MOST: usize = 64;
/// Bytes of datagrams that may wait in the socket: 40 ms at 1 Gbit/s.
const RECEIVE_BUFFER: usize = 5_000_000;

type Counts = Arc<Mutex<BTreeMap<u64, Count>>>;

struct Count {
    first: Instant,
    came: Came,
}

/// Answers on this port until the process ends.
///
/// # Errors
/// When the port is taken, or a socket breaks.
pub fn serve(port: u16) -> io::Result<()> {
    // Both versions of IP, where there are both.
    let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let everywhere = match TcpListener::bind(everywhere) {
        Ok(_) => everywhere,
        Err(_) => SocketAddr::from(([0, 0, 0, 0], port)),
    };
    let datagrams = UdpSocket::bind(everywhere)?;
    // The system may allow less; then some datagrams are missed when this process is kept waiting.
    let _ = socket2::SockRef::from(&datagrams).set_recv_buffer_size(RECEIVE_BUFFER);
    let counts = Counts::default();
    let listener = TcpListener::bind(everywhere)?;
    let answering = Arc::new(AtomicUsize::new(0));
    {
        let counts = counts.clone();
        thread::spawn(move || answer_datagrams(&datagrams, &counts));
    }
    loop {
        let (stream, _) = listener.accept()?;
        if answering.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MOST {
            answering.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (answering, counts) = (answering.clone(), counts.clone());
        thread::spawn(move || {
            if let Err(error) = answer(stream, &counts) {
                eprintln!("line: a measurement broke off: {error}");
            }
            answering.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn answer(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    prepare(&stream)?;
    let came = match read_line(&stream)? {
        Request::Take { skip } => take(&mut stream, skip)?,
        Request::Give {
            seconds,
            congestion,
        } => return give(&mut stream, seconds, congestion.as_deref()),
        Request::Counted { name } => {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts
                .get(&name)
                .map_or(Came::default(), |count| count.came)
        }
    };
    writeln!(stream, "{}", serde_json::to_string(&came)?)
}

/// Takes bytes until they end. Those of the first `skip` seconds do not count.
pub(super) fn take(stream: &mut TcpStream, skip: f64) -> io::Result<Came> {
    let skip = Duration::try_from_secs_f64(skip).unwrap_or_default();
    let mut piece = vec![0; PIECE];
    let mut came = Came::default();
    let mut first = None;
    let mut counted_from = None;
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(came);
        }
        let now = Instant::now();
        if now - *first.get_or_insert(now) < skip {
            continue;
        }
        // What comes with the first that counts was sent before: it sets the clock, no more.
        match counted_from {
            None => counted_from = Some(now),
            Some(from) => {
                came.bytes += length as u64;
                came.seconds = (now - from).as_secs_f64();
            }
        }
    }
}

/// Sends bytes for so long.
pub(super) fn give(
    stream: &mut TcpStream,
    seconds: f64,
    congestion: Option<&str>,
) -> io::Result<()> {
    if let Some(name) = congestion {
        rustix::net::sockopt::set_tcp_congestion(&*stream, name)?;
    }
    let wanted = lasting(seconds)?;
    let piece = vec![0x5a; PIECE];
    let began = Instant::now();
    while began.elapsed() < wanted {
        stream.write_all(&piece)?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}

fn answer_datagrams(socket: &UdpSocket, counts: &Counts) {
    let mut datagram = vec![0; DATAGRAM_MOST];
    loop {
        // A refusal of an answer that was sent before arrives here, and concerns nobody else.
        let Ok((length, from)) = socket.recv_from(&mut datagram) else {
            continue;
        };
        match datagram[..length] {
            [ECHO, ..] => {
                // An answer that cannot be sent is one that is lost, as the client will see.
                let _ = socket.send_to(&datagram[..length], from);
            }
            [COUNT, a, b, c, d, e, f, g, h, ..] => {
                let name = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                count(counts, name, length);
            }
            _ => {}
        }
    }
}

fn count(counts: &Counts, name: u64, length: usize) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if counts.len() == COUNTS_MOST && !counts.contains_key(&name) {
        counts.pop_first();
    }
    let count = counts.entry(name).or_insert(Count {
        first: now,
        came: Came::default(),
    });
    count.came.bytes += length as u64;
    count.came.datagrams += 1;
    count.came.seconds = (now - count.first).as_secs_f64();
}
