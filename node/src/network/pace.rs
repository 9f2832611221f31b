//! How fast bulk data may leave this node at which hours: the rest of the line is for everything else in the house. It
//! counts for all partners and all ways together; what sends waits here before it writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// From one minute of the day to another no more than so much is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// The first minute of the day, by the clock of this machine.
    pub from: u16,
    /// The minute it ends with, excluded. Before `from`: on the next day. The same: always.
    pub until: u16,
    /// Bytes a second, at least 1.
    pub bytes_per_second: u64,
}

impl Cap {
    fn holds_at(&self, minute: u16) -> bool {
        match self.from < self.until {
            true => (self.from..self.until).contains(&minute),
            false => minute >= self.from || minute < self.until,
        }
    }
}

/// Bytes that are let go at a time: little enough that several streams have about equal shares, and nobody's queue fills.
const PIECE: usize = 16 * 1024;
/// For so long nothing is sent and may be made up for.
const SAVED: Duration = Duration::from_millis(100);
/// How often it is looked what hour it is.
const LOOK: Duration = Duration::from_secs(1);

/// What is kept to.
pub(super) struct Pace {
    caps: Vec<Cap>,
    state: Mutex<State>,
}

struct State {
    /// Bytes that may be sent; below zero, what was sent too early.
    balance: i64,
    counted: Instant,
    cap: Option<u64>,
    looked: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::new(Vec::new())
    }
}

impl Pace {
    /// Of several caps at one time the lowest holds.
    pub(super) fn new(caps: Vec<Cap>) -> Pace {
        Pace {
            caps,
            state: Mutex::new(State {
                balance: 0,
                counted: Instant::now(),
                cap: None,
                looked: None,
            }),
        }
    }

    /// Bytes a second that may be sent at this hour, if there is a limit.
    pub(super) fn cap(&self) -> Option<u64> {
        if self.caps.is_empty() {
            return None;
        }
        self.cap_at(minute_of_day())
    }

    fn cap_at(&self, minute: u16) -> Option<u64> {
        let caps = self.caps.iter().filter(|cap| cap.holds_at(minute));
        caps.map(|cap| cap.bytes_per_second.max(1)).min()
    }

    /// How many of these bytes may be sent now, at least one.
    ///
    /// # Errors
    /// After which time to ask again.
    pub(super) fn take(&self, bytes: usize) -> Result<usize, Duration> {
        if self.caps.is_empty() {
            return Ok(bytes);
        }
        self.take_at(bytes, Instant::now(), minute_of_day)
    }

    fn take_at(
        &self,
        bytes: usize,
        now: Instant,
        minute: impl Fn() -> u16,
    ) -> Result<usize, Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_none_or(|looked| now - looked >= LOOK) {
            state.cap = self.cap_at(minute());
            state.looked = Some(now);
        }
        let Some(cap) = state.cap else {
            return Ok(bytes);
        };
        let earned = |time: Duration| {
            let bytes = u128::from(cap) * time.as_nanos() / 1_000_000_000;
            i64::try_from(bytes).unwrap_or(i64::MAX)
        };
        let gained = earned(now.saturating_duration_since(state.counted));
        if gained > 0 {
            state.balance = state.balance.saturating_add(gained).min(earned(SAVED));
            state.counted = now;
        }
        if state.balance < 0 {
            let missing = u128::from(state.balance.unsigned_abs());
            let nanoseconds = (missing * 1_000_000_000).div_ceil(u128::from(cap));
            return Err(Duration::from_nanos(
                u64::try_from(nanoseconds).unwrap_or(u64::MAX),
            ));
        }
        let taken = bytes.min(PIECE);
        state.balance -= taken as i64;
        Ok(taken)
    }
}

fn minute_of_day() -> u16 {
    let now = jiff::Zoned::now();
    now.hour() as u16 * 60 + now.minute() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(from: u16, until: u16, bytes_per_second: u64) -> Cap {
        Cap {
            from,
            until,
            bytes_per_second,
        }
    }

    #[test]
    fn hours_begin_end_and_go_over_midnight() {
        let holds = |from, until| move |minute| cap(from, until, 1).holds_at(minute);
        let day = holds(480, 1080);
        assert!(!day(479) && day(480) && day(1079) && !day(1080));
        let night = holds(1320, 360);
        assert!(night(1320) && night(0) && night(359) && !night(360) && !night(720));
        let always = holds(60, 60);
        assert!((0..1440).all(always));
    }

    #[test]
    fn no_more_is_sent_than_the_cap_says_and_no_less() {
        let pace = Pace::new(vec![cap(0, 720, 1_000_000), cap(600, 660, 250_000)]);
        for (minute, expected) in [(5, 1_000_000.0), (610, 250_000.0)] {
            let begin = Instant::now() + Duration::from_secs(100 * u64::from(minute));
            let (mut now, mut sent) = (begin, 0);
            while now - begin < Duration::from_secs(10) {
                match pace.take_at(1_000_000, now, || minute) {
                    Ok(taken) => sent += taken,
                    Err(wait) => now += wait,
                }
            }
            let rate = sent as f64 / 10.0;
            assert!((rate / expected - 1.0).abs() < 0.05, "{rate}");
        }
    }

    #[test]
    fn what_was_not_sent_is_not_saved_up_and_without_a_cap_all_goes() {
        let pace = Pace::new(vec![cap(0, 720, 100_000)]);
        let begin = Instant::now() + Duration::from_secs(1_000);
        pace.take_at(1, begin, || 5).unwrap();
        let later = begin + Duration::from_secs(3_600);
        let mut sent = 0;
        while let Ok(taken) = pace.take_at(1_000_000, later, || 5) {
            sent += taken;
        }
        assert!(sent <= 10_000 + PIECE, "{sent}");
        let evening = later + LOOK;
        assert_eq!(pace.take_at(1_000_000, evening, || 800), Ok(1_000_000));
        assert_eq!(Pace::default().take(77), Ok(77));
    }
}
