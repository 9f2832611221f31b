//! The side that asks.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{COUNT, Came, DATAGRAM_MOST, ECHO, Request, lasting, prepare, read_line, server};

/// How long a server may take to be there.
const READY: Duration = Duration::from_secs(10);
/// How long the last echoes may take, and a count to settle: longer than the queues that are usual.
const LAST: Duration = Duration::from_secs(2);
/// Most pings of one measurement.
const PINGS_MOST: u64 = 1_000_000;

/// What TCP got through.
#[derive(Debug, Clone, Serialize)]
pub struct Goodput {
    /// Megabits of payload a second, at the receiver.
    pub mbit: f64,
    /// What came in the time that counts.
    pub came: Came,
    /// The congestion control of the sender, as far as it is known here.
    pub congestion: Option<String>,
}

/// Sends over TCP for so many seconds, of which the first do not count.
///
/// # Errors
/// When there is no server, the connection breaks, or the congestion control is not to be had.
pub fn send(
    to: IpAddr,
    port: u16,
    seconds: f64,
    skip: f64,
    congestion: Option<&str>,
) -> io::Result<Goodput> {
    let mut stream = connect(to, port)?;
    say(&stream, &Request::Take { skip })?;
    server::give(&mut stream, seconds, congestion)?;
    let congestion = rustix::net::sockopt::tcp_congestion(&stream).ok();
    let came: Came = read_line(&stream)?;
    Ok(Goodput {
        mbit: came.mbit(),
        came,
        congestion,
    })
}

/// The same in the other direction.
///
/// # Errors
/// As of [`send`].
pub fn take(
    to: IpAddr,
    port: u16,
    seconds: f64,
    skip: f64,
    congestion: Option<&str>,
) -> io::Result<Goodput> {
    let mut stream = connect(to, port)?;
    let congestion = congestion.map(str::to_owned);
    let give = Request::Give {
        seconds,
        congestion: congestion.clone(),
    };
    say(&stream, &give)?;
    let came = server::take(&mut stream, skip)?;
    if came.bytes == 0 {
        let said = "the server sent nothing; may it use that congestion control?";
        return Err(io::Error::other(said));
    }
    Ok(Goodput {
        mbit: came.mbit(),
        came,
        congestion,
    })
}

/// Round trips of datagrams, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct RoundTrips {
    /// Datagrams sent.
    pub sent: u64,
    /// Those that came back.
    pub came_back: u64,
    /// The shortest; this and the following are none when none came back.
    pub least_ms: Option<f64>,
    /// The median.
    pub p50_ms: Option<f64>,
    /// What 95 of 100 do not exceed.
    pub p95_ms: Option<f64>,
    /// The longest.
    pub most_ms: Option<f64>,
    /// Each of them, the shortest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub each_ms: Vec<f64>,
}

impl RoundTrips {
    /// Without each single one.
    #[must_use]
    pub fn summed_up(self) -> RoundTrips {
        RoundTrips {
            each_ms: Vec::new(),
            ..self
        }
    }
}

/// Sends a datagram every `interval`, and waits for all to come back.
///
/// # Errors
/// When a socket cannot be had.
pub fn ping(
    to: IpAddr,
    port: u16,
    count: u64,
    interval: Duration,
    size: usize,
) -> io::Result<RoundTrips> {
    let count = count.min(PINGS_MOST);
    let socket = datagrams(to, port)?;
    let mut sent = Vec::new();
    let mut times = Vec::new();
    let mut datagram = vec![0; size.clamp(9, DATAGRAM_MOST)];
    datagram[0] = ECHO;
    let began = Instant::now();
    for number in 0..count {
        datagram[1..9].copy_from_slice(&number.to_be_bytes());
        sent.push(Instant::now());
        // What cannot be sent is lost, as much as what is lost later.
        let _ = socket.send(&datagram);
        let next = began + interval.mul_f64((number + 1) as f64);
        while Instant::now() < next {
            collect(&socket, &sent, &mut times, next)?;
        }
    }
    let end = Instant::now() + LAST;
    while times.len() < sent.len() && Instant::now() < end {
        collect(&socket, &sent, &mut times, end)?;
    }
    times.sort_by(f64::total_cmp);
    let share = |share: f64| {
        let place = ((times.len() as f64 * share).ceil() as usize).max(1) - 1;
        times.get(place).copied()
    };
    Ok(RoundTrips {
        sent: count,
        came_back: times.len() as u64,
        least_ms: times.first().copied(),
        p50_ms: share(0.5),
        p95_ms: share(0.95),
        most_ms: times.last().copied(),
        each_ms: times,
    })
}

/// Takes one echo, or waits until the time is there.
fn collect(
    socket: &UdpSocket,
    sent: &[Instant],
    times: &mut Vec<f64>,
    until: Instant,
) -> io::Result<()> {
    let wait = until.saturating_duration_since(Instant::now());
    // The system takes no wait of nothing.
    socket.set_read_timeout(Some(wait.max(Duration::from_micros(1))))?;
    let mut echo = [0; 9];
    // Longer ones are cut off; refusals and the end of the wait bring nothing.
    if socket.recv(&mut echo).is_ok() {
        let now = Instant::now();
        let place = |place, byte: &u8| place << 8 | usize::from(*byte);
        if let Some(sent) = sent.get(echo[1..].iter().fold(0, place)) {
            times.push((now - *sent).as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

/// What of datagrams arrived.
#[derive(Debug, Clone, Serialize)]
pub struct Arrived {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes of payload in them.
    pub sent_bytes: u64,
    /// What came.
    pub came: Came,
    /// Megabits a second of IP packets (over IPv4) that came.
    pub ip_mbit: f64,
    /// The share that did not come.
    pub lost: f64,
}

/// Sends datagrams at a rate, counted in bits of IP packets, and asks over TCP what came.
///
/// # Errors
/// When there is no server.
pub fn flood(to: IpAddr, port: u16, rate: u64, seconds: f64, size: usize) -> io::Result<Arrived> {
    // Headers of IPv4 and UDP.
    const HEADERS: u64 = 28;
    let wanted = lasting(seconds)?;
    let stream = connect(to, port)?;
    let socket = datagrams(to, port)?;
    let name = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = u64::try_from(name.as_nanos()).unwrap_or_default();
    let mut datagram = vec![0; size.clamp(9, DATAGRAM_MOST)];
    datagram[0] = COUNT;
    datagram[1..9].copy_from_slice(&name.to_be_bytes());
    let size = datagram.len() as u64;
    let each = Duration::from_secs_f64((size + HEADERS) as f64 * 8.0 / rate.max(1) as f64);
    let began = Instant::now();
    let mut sent = 0u64;
    while began.elapsed() < wanted {
        let due = (began.elapsed().as_secs_f64() / each.as_secs_f64()) as u64;
        // A machine that cannot send so fast sends for no longer.
        while sent < due && began.elapsed() < wanted {
            // What the device does not take is lost, and is to count as such.
            let _ = socket.send(&datagram);
            sent += 1;
        }
        thread::sleep(each.clamp(Duration::from_micros(100), Duration::from_millis(10)));
    }
    thread::sleep(LAST);
    say(&stream, &Request::Counted { name })?;
    let came: Came = read_line(&stream)?;
    // The first one only sets the clock.
    let bits = came.datagrams.saturating_sub(1) * (size + HEADERS) * 8;
    Ok(Arrived {
        sent,
        sent_bytes: sent * size,
        came,
        ip_mbit: if came.seconds > 0.0 {
            bits as f64 * 1e-6 / came.seconds
        } else {
            0.0
        },
        lost: 1.0 - came.datagrams as f64 / sent.max(1) as f64,
    })
}

fn datagrams(to: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect((to, port))?;
    Ok(socket)
}

fn say(mut stream: &TcpStream, request: &Request) -> io::Result<()> {
    writeln!(stream, "{}", serde_json::to_string(request)?)
}

/// Connects, also when the server is not there yet.
fn connect(to: IpAddr, port: u16) -> io::Result<TcpStream> {
    let deadline = Instant::now() + READY;
    loop {
        match TcpStream::connect_timeout(&(to, port).into(), READY) {
            Ok(stream) => {
                prepare(&stream)?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_the_loopback_answers_everything() {
        let port = free_port();
        thread::spawn(move || server::serve(port));
        let here = IpAddr::from([127, 0, 0, 1]);
        let sent = send(here, port, 0.2, 0.0, None).unwrap();
        assert!(sent.came.bytes > 0 && sent.mbit > 0.0);
        let taken = take(here, port, 0.2, 0.0, Some("reno")).unwrap();
        assert!(taken.came.bytes > 0);
        let trips = ping(here, port, 20, Duration::from_millis(1), 64).unwrap();
        assert_eq!((trips.came_back, trips.each_ms.len()), (20, 20));
        assert_eq!(trips.each_ms.last().copied(), trips.most_ms);
        let arrived = flood(here, port, 10_000_000, 0.2, 1000).unwrap();
        assert!(arrived.sent > 100 && arrived.came.datagrams > 0);
        assert!(take(here, port, 0.1, 0.0, Some("nothing")).is_err());
    }

    fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }
}
