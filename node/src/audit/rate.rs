//! How often one kind of event is told: whoever can connect can cause some of them.

use std::time::{Duration, Instant};

/// A bounded rate of events.
pub struct Rate {
    since: Instant,
    count: u64,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate {
            since: Instant::now(),
            count: 0,
        }
    }
}

impl Rate {
    /// Events of one [`Rate::WINDOW`]: as many as notices of DICOM connections.
    const MOST: u64 = 100;
    const WINDOW: Duration = Duration::from_secs(60);

    /// Whether one more is told, with how many before it were not.
    pub fn admits(&mut self) -> Option<u64> {
        let mut before = 0;
        if self.since.elapsed() >= Rate::WINDOW {
            before = self.count.saturating_sub(Rate::MOST);
            *self = Rate::default();
        }
        self.count += 1;
        (self.count <= Rate::MOST).then_some(before)
    }
}

/// A description, with how many before it are not told.
#[must_use]
pub fn described(description: &str, before: u64) -> String {
    match before {
        0 => description.to_owned(),
        before => format!("{description} ({before} more before it are not listed)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_told_than_fit() {
        let mut rate = Rate::default();
        let told = (0..Rate::MOST + 50).filter_map(|_| rate.admits());
        assert_eq!(told.count() as u64, Rate::MOST);
        rate.since = Instant::now().checked_sub(Rate::WINDOW).unwrap();
        assert_eq!(rate.admits(), Some(50));
        assert_eq!(rate.admits(), Some(0));
        assert_eq!(described("x", 50), "x (50 more before it are not listed)");
    }
}
