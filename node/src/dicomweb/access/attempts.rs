//! How often passwords were wrong, and who waits for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::client::counted_as;
use super::super::limits::{
    REMEMBERED, TRIES, TRIES_FROM_ANYWHERE, TRIES_OF_ADDRESS, WAIT, WAIT_LONGEST,
};
use super::NAME;

/// Who is counted: an account from one address, an account from anywhere, whatever account from one address.
type Who = (Option<String>, Option<IpAddr>);

struct Failures {
    count: u32,
    until: Instant,
    last: Instant,
}

/// The failures of late.
#[derive(Default)]
pub(super) struct Attempts(BTreeMap<Who, Failures>);

/// A try that counts as a failure until it is taken back.
pub(super) struct Try(Vec<(Who, Instant)>);

impl Attempts {
    /// Begins a try at an account: it counts before anything is known of the password, so that as many as come at once
    /// are as many tries. Gives how long the next try has to wait instead.
    pub(super) fn begin(&mut self, account: &str, from: IpAddr) -> Result<Try, Duration> {
        let at = Instant::now();
        self.0
            .retain(|_, failures| at.duration_since(failures.last) < 2 * WAIT_LONGEST);
        // No account has a longer name.
        let account: String = account.chars().take(NAME).collect();
        let from = counted_as(from);
        let counted = [
            ((Some(account.clone()), Some(from)), TRIES),
            ((Some(account), None), TRIES_FROM_ANYWHERE),
            ((None, Some(from)), TRIES_OF_ADDRESS),
        ];
        let left = |who: &Who| self.0.get(who)?.until.checked_duration_since(at);
        let wait = counted.iter().filter_map(|(who, _)| left(who)).max();
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        let tries = counted.map(|(who, free)| (who.clone(), self.count(who, free, at)));
        Ok(Try(tries.into()))
    }

    /// The password was right.
    pub(super) fn take_back(&mut self, tried: Try) {
        for (who, until) in tried.0 {
            // A right password says nothing of those that others tried; of its own place it says all.
            let is_own = matches!(who, (Some(_), Some(_)));
            let Some(failures) = self.0.get_mut(&who) else {
                continue;
            };
            failures.count = failures.count.saturating_sub(1);
            failures.until = until;
            if is_own || failures.count == 0 {
                self.0.remove(&who);
            }
        }
    }

    /// Counts one; until when it had to wait before.
    fn count(&mut self, who: Who, free: u32, at: Instant) -> Instant {
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
        let before = failures.until;
        failures.count += 1;
        failures.last = at;
        if failures.count >= free {
            let doublings = (failures.count - free).min(10);
            failures.until = at + (WAIT * 2_u32.pow(doublings)).min(WAIT_LONGEST);
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many tries are let try, none of them answered yet.
    fn let_try(attempts: &mut Attempts, account: &str, from: &str, tries: u32) -> u32 {
        let begun = (0..tries).filter(|_| attempts.begin(account, address(from)).is_ok());
        u32::try_from(begun.count()).unwrap()
    }

    #[test]
    fn who_is_wrong_too_often_waits_and_others_do_not() {
        let mut attempts = Attempts::default();
        assert_eq!(let_try(&mut attempts, "a", "10.0.0.1", 50), TRIES);
        let wait = attempts.begin("a", address("10.0.0.1")).err();
        assert!(wait.is_some_and(|wait| wait <= WAIT));
        assert_eq!(let_try(&mut attempts, "a", "10.0.0.2", 1), 1);
        assert_eq!(let_try(&mut attempts, "b", "10.0.0.1", 1), 1);
        let anywhere = (3..200).map(|at| format!("10.0.0.{at}"));
        let let_in: u32 = anywhere
            .map(|from| let_try(&mut attempts, "a", &from, 1))
            .sum();
        assert_eq!(let_in, TRIES_FROM_ANYWHERE - TRIES - 1);
    }

    #[test]
    fn one_address_tries_few_accounts_at_a_time() {
        let mut attempts = Attempts::default();
        let tried: u32 = (0..200)
            .map(|at| let_try(&mut attempts, &at.to_string(), "2001:db8::1", 1))
            .sum();
        assert_eq!(tried, TRIES_OF_ADDRESS);
        // The other addresses of one host are the same one; another host is another.
        assert_eq!(let_try(&mut attempts, "x", "2001:db8::2", 1), 0);
        assert_eq!(let_try(&mut attempts, "x", "2001:db8:0:1::1", 1), 1);
    }

    #[test]
    fn a_right_password_takes_back_its_own_tries_only() {
        let mut attempts = Attempts::default();
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 1..TRIES {
            assert!(attempts.begin("a", one).is_ok());
        }
        let right = attempts.begin("a", one).ok().unwrap();
        assert!(attempts.begin("a", one).is_err(), "while it is looked at");
        attempts.take_back(right);
        assert_eq!(let_try(&mut attempts, "a", "10.0.0.1", 50), TRIES);
        let everywhere = (Some("a".to_owned()), None);
        assert_eq!(attempts.0[&everywhere].count, 2 * TRIES - 1);
        let right = attempts.begin("a", other).ok().unwrap();
        attempts.take_back(right);
        assert_eq!(attempts.0[&everywhere].count, 2 * TRIES - 1);
        assert!(attempts.begin("a", one).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attempts = Attempts::default();
        for at in 0..3_000_u32 {
            let from = IpAddr::from(at.to_be_bytes());
            let _ = attempts.begin(&at.to_string(), from);
        }
        assert!(attempts.0.len() <= REMEMBERED);
    }
}
