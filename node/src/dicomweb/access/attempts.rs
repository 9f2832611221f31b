//! How often a password was wrong, and who waits for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::limits::{REMEMBERED, TRIES, TRIES_FROM_ANYWHERE, WAIT, WAIT_LONGEST};

/// An account, from one address or from anywhere.
type Who = (String, Option<IpAddr>);

struct Failures {
    count: u32,
    until: Instant,
    last: Instant,
}

/// The failures of late.
#[derive(Default)]
pub(super) struct Attempts(BTreeMap<Who, Failures>);

impl Attempts {
    /// How long this account cannot be tried from this address.
    pub(super) fn wait(&self, account: &str, from: IpAddr) -> Option<Duration> {
        let left = |who: Who| {
            let until = self.0.get(&who)?.until;
            until.checked_duration_since(Instant::now())
        };
        let here = left((account.to_owned(), Some(from)));
        here.max(left((account.to_owned(), None)))
            .filter(|left| !left.is_zero())
    }

    /// A password was wrong.
    pub(super) fn failed(&mut self, account: &str, from: IpAddr) {
        self.count((account.to_owned(), Some(from)), TRIES);
        self.count((account.to_owned(), None), TRIES_FROM_ANYWHERE);
    }

    /// A password was right.
    pub(super) fn succeeded(&mut self, account: &str, from: IpAddr) {
        self.0.remove(&(account.to_owned(), Some(from)));
    }

    fn count(&mut self, who: Who, free: u32) {
        let at = Instant::now();
        self.0
            .retain(|_, failures| at.duration_since(failures.last) < 2 * WAIT_LONGEST);
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&who) {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                self.0.remove(&oldest);
            }
        }
        let failures = self.0.entry(who).or_insert(Failures {
            count: 0,
            until: at,
            last: at,
        });
        failures.count += 1;
        failures.last = at;
        if failures.count >= free {
            let doublings = (failures.count - free).min(10);
            failures.until = at + (WAIT * 2_u32.pow(doublings)).min(WAIT_LONGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_too_often_waits_and_others_do_not() {
        let mut attempts = Attempts::default();
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 1..TRIES {
            attempts.failed("a", one);
        }
        assert_eq!(attempts.wait("a", one), None);
        attempts.failed("a", one);
        let first = attempts.wait("a", one).unwrap();
        attempts.failed("a", one);
        assert!(attempts.wait("a", one).unwrap() > first);
        assert_eq!(attempts.wait("a", other), None);
        assert_eq!(attempts.wait("b", one), None);
        attempts.succeeded("a", one);
        assert_eq!(attempts.wait("a", one), None);
        for _ in 0..TRIES_FROM_ANYWHERE {
            attempts.failed("a", one);
        }
        assert!(attempts.wait("a", other).is_some());
        assert!(attempts.wait("a", other).unwrap() <= WAIT_LONGEST);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attempts = Attempts::default();
        for at in 0..3_000 {
            attempts.failed(&at.to_string(), "::1".parse().unwrap());
        }
        assert!(attempts.0.len() <= REMEMBERED);
    }
}
