//! The UDP socket of an endpoint, which wakes nobody for every packet. While many come it is read once a millisecond and the
//! system is not asked to tell of them; what is sent is never waited for but by the clock. A node that receives 100 Mbit/s
//! would be woken eight times a millisecond otherwise, and spend more on waking than on the packets.

use std::fmt;
use std::future::Future as _;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::time::{Instant, Sleep, sleep};

use crate::network::lock;

/// Packets gather for so long: a fraction of what a packet may wait in a line's queue. A sender whose socket is full tries
/// again after it.
const GATHER: Duration = Duration::from_millis(1);
/// Packets are counted for so long before it is said how many come.
const COUNTED: Duration = Duration::from_millis(10);
/// So many packets in that time gather, 3 to 40 MB/s. Those of fewer come alone, and more would not fit into what a system
/// gives a socket that asks for nothing, 208 KiB.
const GATHERED: RangeInclusive<usize> = 20..=300;

/// The socket.
pub(super) struct Gathering {
    socket: UdpSocket,
    abilities: UdpSocketState,
    state: Mutex<State>,
    /// There was no room for what was sent last.
    is_full: AtomicBool,
}

struct State {
    /// When counting began, and what was counted.
    since: Instant,
    packets: usize,
    reading: Reading,
}

/// When the socket is read next.
enum Reading {
    /// When the system tells of packets.
    Told(tokio::net::UdpSocket),
    /// When packets had time to gather.
    Due(Pin<Box<Sleep>>),
}

impl Gathering {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// As the system says of the socket.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Arc<Gathering>> {
        let abilities = UdpSocketState::new((&socket).into())?;
        let state = State {
            since: Instant::now(),
            packets: 0,
            reading: told(&socket)?,
        };
        Ok(Arc::new(Gathering {
            socket,
            abilities,
            state: Mutex::new(state),
            is_full: AtomicBool::new(false),
        }))
    }

    fn read(&self, buffers: &mut [IoSliceMut<'_>], read: &mut [RecvMeta]) -> io::Result<usize> {
        self.abilities.recv((&self.socket).into(), buffers, read)
    }

    /// Goes on as before where the system has no room for another descriptor: an error would end the endpoint.
    fn waits_to_be_told(&self, state: &mut State) {
        if let Reading::Due(_) = state.reading
            && let Ok(told) = told(&self.socket)
        {
            state.reading = told;
        }
    }
}

fn told(socket: &UdpSocket) -> io::Result<Reading> {
    tokio::net::UdpSocket::from_std(socket.try_clone()?).map(Reading::Told)
}

impl State {
    /// Counts packets; whether they are to gather, where enough time has passed to say.
    fn count(&mut self, packets: usize, now: Instant) -> Option<bool> {
        self.packets += packets;
        let counted = now.saturating_duration_since(self.since);
        if counted < COUNTED {
            return None;
        }
        // As many as in the time that they are counted for: it may be much longer since the last one.
        let come = self.packets as f64 * COUNTED.as_secs_f64() / counted.as_secs_f64();
        (self.since, self.packets) = (now, 0);
        Some(GATHERED.contains(&(come as usize)))
    }
}

/// How many packets there are, of which the system may give several as one.
fn packets(read: &[RecvMeta]) -> usize {
    read.iter()
        .map(|read| read.len.div_ceil(read.stride.max(1)))
        .sum()
}

impl AsyncUdpSocket for Gathering {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Again {
            socket: self,
            wait: None,
        })
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        let sent = self.abilities.send((&self.socket).into(), transmit);
        if let Err(error) = &sent {
            let is_full = error.kind() == io::ErrorKind::WouldBlock;
            self.is_full.store(is_full, Ordering::Relaxed);
        }
        sent
    }

    fn poll_recv(
        &self,
        context: &mut Context,
        buffers: &mut [IoSliceMut<'_>],
        read: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.state);
        loop {
            let came = match &mut state.reading {
                Reading::Told(socket) => {
                    ready!(socket.poll_recv_ready(context))?;
                    let read = || self.read(buffers, read);
                    match socket.try_io(Interest::READABLE, read) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        came => came?,
                    }
                }
                Reading::Due(due) => {
                    ready!(due.as_mut().poll(context));
                    let came = match self.read(buffers, read) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                        came => came?,
                    };
                    // There are more when all buffers are full.
                    if came < buffers.len() {
                        due.set(sleep(GATHER));
                    }
                    came
                }
            };
            match state.count(packets(&read[..came]), Instant::now()) {
                Some(false) => self.waits_to_be_told(&mut state),
                Some(true) if matches!(state.reading, Reading::Told(_)) => {
                    state.reading = Reading::Due(Box::pin(sleep(GATHER)));
                }
                Some(true) | None => {}
            }
            if came > 0 {
                return Poll::Ready(Ok(came));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.abilities.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.abilities.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.abilities.may_fragment()
    }
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

/// Whoever finds the socket full tries again a little later: to be told when there is room is to be told of every packet that
/// has left.
#[derive(Debug)]
struct Again {
    socket: Arc<Gathering>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl UdpPoller for Again {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        if self.wait.is_none() && !self.socket.is_full.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(GATHER)));
        ready!(wait.as_mut().poll(context));
        self.wait = None;
        self.socket.is_full.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt as _;

    use super::*;

    /// Reads until something is there; how many packets.
    async fn read(gathering: &Gathering) -> usize {
        let (mut first, mut second) = ([0; 100], [0; 100]);
        poll_fn(|context| {
            let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
            let mut read = [RecvMeta::default(); 2];
            gathering
                .poll_recv(context, &mut buffers, &mut read)
                .map(|came| packets(&read[..came.unwrap()]))
        })
        .await
    }

    async fn room(again: &mut Pin<Box<dyn UdpPoller>>) -> io::Result<()> {
        poll_fn(|context| again.as_mut().poll_writable(context)).await
    }

    fn pair() -> (Arc<Gathering>, UdpSocket) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(socket.local_addr().unwrap()).unwrap();
        (Gathering::new(socket).unwrap(), sender)
    }

    #[tokio::test]
    async fn packets_are_read_told_of_and_gathered() {
        let (gathering, sender) = pair();
        for _ in 0..3 {
            sender.send(b"alone").unwrap();
            assert_eq!(read(&gathering).await, 1);
        }
        let begun = Instant::now();
        lock(&gathering.state).reading = Reading::Due(Box::pin(sleep(GATHER)));
        for _ in 0..5 {
            sender.send(b"one of many").unwrap();
        }
        let mut came = 0;
        while came < 5 {
            came += read(&gathering).await;
        }
        assert!(begun.elapsed() >= GATHER);
        // However it is waited for.
        sender.send(b"the last").unwrap();
        assert_eq!(read(&gathering).await, 1);
        let quiet = async {
            poll_fn(|context| {
                let mut buffers = [0; 100];
                let mut read = [RecvMeta::default()];
                let mut buffers = [IoSliceMut::new(&mut buffers)];
                let polled = gathering.poll_recv(context, &mut buffers, &mut read);
                assert!(polled.is_pending());
                match lock(&gathering.state).reading {
                    Reading::Told(_) => Poll::Ready(()),
                    Reading::Due(_) => Poll::Pending,
                }
            })
            .await;
        };
        let deadline = Duration::from_secs(60);
        tokio::time::timeout(deadline, quiet).await.unwrap();
    }

    #[tokio::test]
    async fn neither_few_packets_nor_more_than_a_socket_holds_gather() {
        let (gathering, _) = pair();
        let mut state = lock(&gathering.state);
        // Packets in a millisecond.
        for (come, gather) in [(1, false), (8, true), (30, true), (40, false)] {
            let begun = state.since;
            let said: Vec<bool> = (1..=20)
                .filter_map(|at| state.count(come, begun + Duration::from_millis(at)))
                .collect();
            assert_eq!(said, [gather; 2], "{come} packets in a millisecond");
        }
        // After a pause.
        let later = state.since + Duration::from_secs(1);
        assert_eq!(state.count(50, later), Some(false));
    }

    #[tokio::test]
    async fn what_finds_the_socket_full_goes_on_a_little_later() {
        let (gathering, _) = pair();
        let mut again = Arc::clone(&gathering).create_io_poller();
        assert!(room(&mut again).now_or_never().is_some());
        gathering.is_full.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        assert!(room(&mut again).now_or_never().is_none());
        room(&mut again).await.unwrap();
        assert!(begun.elapsed() >= GATHER);
        assert!(room(&mut again).now_or_never().is_some());
    }
}
