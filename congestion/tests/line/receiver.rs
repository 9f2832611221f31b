//! The other end: acknowledges every fourth packet, as the node asks for, at once when one is missing, and
//! otherwise after 25 ms (RFC 9000 §13.2).

/// What one receiver holds. Times are nanoseconds.
#[derive(Default)]
pub(crate) struct Receiver {
    next: u64,
    unacked: u32,
    unreported: Vec<u64>,
    due: Option<u64>,
}

/// How long an acknowledgement waits at most.
pub(crate) const DELAY: u64 = 25_000_000;

impl Receiver {
    /// A packet came; whether it is to be acknowledged now.
    pub(crate) fn take(&mut self, now: u64, number: u64) -> bool {
        self.unreported.push(number);
        self.unacked += 1;
        let missing = number != self.next;
        self.next = self.next.max(number + 1);
        if self.unacked == 1 {
            self.due = Some(now + DELAY);
        }
        missing || self.unacked >= 4
    }

    /// When the waiting acknowledgement is to be sent.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due
    }

    /// The packets of the next acknowledgement. Those of one that gets lost are in the next, too.
    pub(crate) fn acknowledge(&mut self, lost: bool) -> Option<Vec<u64>> {
        self.unacked = 0;
        self.due = None;
        if lost || self.unreported.is_empty() {
            return None;
        }
        let mut numbers = std::mem::take(&mut self.unreported);
        numbers.sort_unstable();
        Some(numbers)
    }
}
