//! Sessions of people who have logged in. In memory only: a node that starts anew knows none.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::limits::{SESSION_IDLE, SESSION_LONGEST, SESSIONS};

struct Session {
    account: String,
    began: Instant,
    used: Instant,
}

/// The sessions, by the hash of their cookie.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<[u8; 32], Session>);

impl Sessions {
    /// Begins a session. The one that was idle longest ends when there are too many.
    pub(super) fn begin(&mut self, cookie: [u8; 32], account: &str) {
        self.0.retain(|_, session| !is_over(session));
        if self.0.len() >= SESSIONS {
            let idlest = self.0.iter().min_by_key(|(_, session)| session.used);
            if let Some(cookie) = idlest.map(|(cookie, _)| *cookie) {
                self.0.remove(&cookie);
            }
        }
        let at = Instant::now();
        let account = account.to_owned();
        self.0.insert(
            cookie,
            Session {
                account,
                began: at,
                used: at,
            },
        );
    }

    /// The account of a session that is not over; it is used now.
    pub(super) fn used(&mut self, cookie: &[u8; 32]) -> Option<String> {
        let session = self.0.get_mut(cookie)?;
        if is_over(session) {
            self.0.remove(cookie);
            return None;
        }
        session.used = Instant::now();
        Some(session.account.clone())
    }

    /// The account of a session that is not over; it is not used by that.
    pub(super) fn whose(&self, cookie: &[u8; 32]) -> Option<String> {
        let session = self.0.get(cookie).filter(|session| !is_over(session))?;
        Some(session.account.clone())
    }

    /// Ends one; whose it was.
    pub(super) fn end(&mut self, cookie: &[u8; 32]) -> Option<String> {
        self.0.remove(cookie).map(|session| session.account)
    }

    /// Ends those of an account.
    pub(super) fn end_all_of(&mut self, account: &str) {
        self.0.retain(|_, session| session.account != account);
    }
}

fn is_over(session: &Session) -> bool {
    session.used.elapsed() > SESSION_IDLE || session.began.elapsed() > SESSION_LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bounded_and_end() {
        let mut sessions = Sessions::default();
        let cookie = |at: usize| {
            let mut cookie = [0; 32];
            cookie[..8].copy_from_slice(&at.to_be_bytes());
            cookie
        };
        for at in 0..=SESSIONS {
            sessions.begin(cookie(at), if at % 2 == 0 { "a" } else { "b" });
        }
        assert_eq!(sessions.0.len(), SESSIONS);
        assert!(sessions.used(&cookie(0)).is_none(), "the idlest made room");
        assert_eq!(sessions.used(&cookie(1)).as_deref(), Some("b"));
        assert_eq!(sessions.whose(&cookie(1)).as_deref(), Some("b"));
        sessions.end_all_of("b");
        assert!(sessions.used(&cookie(1)).is_none());
        sessions.end(&cookie(2));
        assert!(sessions.used(&cookie(2)).is_none() && sessions.used(&cookie(4)).is_some());
    }
}
