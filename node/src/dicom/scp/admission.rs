//! Who may stay: bounds on associations in all and per address.
//!
//! A connection that has not yet sent its association request costs its owner nothing, so it is
//! worth the least: where a limit is reached, the oldest such connection gives way to the new one,
//! and after those the association that has been idle longest. A crowd of silent connections
//! therefore cannot keep a modality out, not even from the modality's own address. An association
//! with a message under way never gives way.

use std::collections::BTreeMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::config::Limits;

/// How long a fresh connection is left alone before it may be made to give way: an honest peer has
/// sent its request long before.
const GRACE: Duration = Duration::from_millis(250);

/// Connections turned away that may at the same time wait to be told so. Beyond that they are
/// closed without a word.
const TURNED_AWAY: usize = 8;

/// What an open connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its association request is awaited.
    Negotiating,
    /// It is to be told that there is no place.
    TurnedAway,
    /// It has an association and waits for its next message.
    Idle,
    /// It has an association and a message under way.
    Busy,
}

struct Connection {
    address: IpAddr,
    stage: Stage,
    /// When it came to its stage.
    since: Instant,
    socket: TcpStream,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

/// The open connections.
pub(super) struct Admissions {
    limits: Limits,
    open: Mutex<Open>,
    left: Condvar,
}

/// A place among the open connections, given back when dropped.
pub(super) struct Place {
    admissions: Arc<Admissions>,
    number: u64,
}

/// What becomes of a new connection.
pub(super) enum Admission {
    /// It is served.
    Served(Place),
    /// It is told that there is no place; whether the limit is that of its address.
    TurnedAway(Place, bool),
    /// It is closed at once; likewise.
    Closed(bool),
}

impl Admissions {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Admissions {
            limits,
            open: Mutex::default(),
            left: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Every change is a single insert or remove, so a panic elsewhere leaves it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Find a place for `socket` from `address` (an IPv4 address as such, not mapped).
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub(super) fn admit(
        self: &Arc<Self>,
        socket: &TcpStream,
        address: IpAddr,
    ) -> std::io::Result<Admission> {
        let socket = socket.try_clone()?;
        let mut open = self.lock();
        let from_address = open.count(|c| c.stage != Stage::TurnedAway && c.address == address);
        let in_all = open.count(|c| c.stage != Stage::TurnedAway);
        let per_address = from_address >= self.limits.per_address;
        let full = per_address || in_all >= self.limits.associations;
        let stage =
            if !full || open.make_room(&self.limits, |c| !per_address || c.address == address) {
                Stage::Negotiating
            } else if open.count(|c| c.stage == Stage::TurnedAway) < TURNED_AWAY {
                Stage::TurnedAway
            } else {
                return Ok(Admission::Closed(per_address));
            };
        let number = open.insert(Connection {
            address,
            stage,
            since: Instant::now(),
            socket,
        });
        drop(open);
        let place = Place {
            admissions: Arc::clone(self),
            number,
        };
        Ok(match stage {
            Stage::TurnedAway => Admission::TurnedAway(place, per_address),
            Stage::Negotiating | Stage::Idle | Stage::Busy => Admission::Served(place),
        })
    }

    /// Wait until every connection has left, at most for `grace`; then cut those that remain.
    pub(super) fn empty(&self, grace: Duration) {
        let open = self.lock();
        let (open, _timed_out) = self
            .left
            .wait_timeout_while(open, grace, |open| !open.connections.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        for connection in open.connections.values() {
            connection.cut();
        }
    }
}

impl Open {
    fn count(&self, which: impl Fn(&Connection) -> bool) -> usize {
        self.connections.values().filter(|c| which(c)).count()
    }

    fn insert(&mut self, connection: Connection) -> u64 {
        let number = self.next;
        self.next += 1;
        self.connections.insert(number, connection);
        number
    }

    /// Cut the oldest silent connection among `which`, or else the longest idle; it gives its place
    /// up at once.
    fn make_room(&mut self, limits: &Limits, which: impl Fn(&Connection) -> bool) -> bool {
        let least = |stage: Stage, rest: Duration| {
            let candidates = self.connections.iter();
            candidates
                .filter(|(_, c)| c.stage == stage && c.since.elapsed() >= rest && which(c))
                .min_by_key(|(_, c)| c.since)
                .map(|(number, _)| *number)
        };
        let chosen =
            least(Stage::Negotiating, GRACE).or_else(|| least(Stage::Idle, limits.yielding));
        let Some(connection) = chosen.and_then(|number| self.connections.remove(&number)) else {
            return false;
        };
        connection.cut();
        true
    }
}

impl Connection {
    fn cut(&self) {
        // It fails only when the connection is gone already.
        let _gone = self.socket.shutdown(Shutdown::Both);
    }
}

impl Place {
    /// The association waits for its next message.
    pub(super) fn rest(&self) {
        self.enter(Stage::Idle);
    }

    /// A message is under way.
    pub(super) fn work(&self) {
        self.enter(Stage::Busy);
    }

    /// Whether the connection had to give way.
    pub(super) fn is_lost(&self) -> bool {
        !self
            .admissions
            .lock()
            .connections
            .contains_key(&self.number)
    }

    fn enter(&self, stage: Stage) {
        if let Some(connection) = self.admissions.lock().connections.get_mut(&self.number) {
            connection.stage = stage;
            connection.since = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admissions.lock().connections.remove(&self.number);
        self.admissions.left.notify_all();
    }
}
