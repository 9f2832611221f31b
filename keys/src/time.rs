//! Points and spans of time. This crate has no clock: whoever calls says what time it is.

use minicbor::{Decode, Encode};

use crate::error::{Refused, Why};

/// Seconds since 1970-01-01T00:00:00 UTC, leap seconds not counted (POSIX time). In CBOR a plain unsigned integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct UnixSeconds(#[n(0)] pub u64);

impl UnixSeconds {
    /// This time and `seconds` more; stays at the largest value instead of wrapping.
    #[must_use]
    pub const fn after(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A span of time, `from` included, `until` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Validity {
    /// The first second inside.
    #[n(0)]
    pub from: UnixSeconds,
    /// The first second that is outside again.
    #[n(1)]
    pub until: UnixSeconds,
}

impl Validity {
    /// The span of `seconds` that starts at `from`.
    #[must_use]
    pub const fn starting(from: UnixSeconds, seconds: u64) -> Self {
        Self {
            from,
            until: from.after(seconds),
        }
    }

    /// Is `at` inside?
    #[must_use]
    pub fn contains(&self, at: UnixSeconds) -> bool {
        self.from <= at && at < self.until
    }

    /// The length in seconds; 0 for a span that ends before it starts.
    #[must_use]
    pub const fn seconds(&self) -> u64 {
        self.until.0.saturating_sub(self.from.0)
    }

    /// Refuses an empty or backward span, and one longer than `longest` seconds.
    ///
    /// # Errors
    /// [`Why::EmptyValidity`] or [`Why::LifeTooLong`].
    pub fn check_length(&self, longest: u64) -> Result<(), Refused> {
        if self.seconds() == 0 {
            return Err(Why::EmptyValidity.into());
        }
        if self.seconds() > longest {
            return Err(Why::LifeTooLong { seconds: longest }.into());
        }
        Ok(())
    }

    /// Refuses a time outside this span.
    ///
    /// # Errors
    /// [`Why::NotYetValid`] or [`Why::Expired`].
    pub fn check_contains(&self, at: UnixSeconds) -> Result<(), Refused> {
        if at < self.from {
            return Err(Why::NotYetValid.into());
        }
        if at >= self.until {
            return Err(Why::Expired.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_includes_its_start_and_excludes_its_end() {
        let span = Validity::starting(UnixSeconds(100), 10);
        let inside: Vec<bool> = [99, 100, 109, 110]
            .iter()
            .map(|at| span.contains(UnixSeconds(*at)))
            .collect();
        assert_eq!(inside, [false, true, true, false]);
        assert_eq!(
            span.check_contains(UnixSeconds(99)).unwrap_err().why(),
            Why::NotYetValid
        );
        assert_eq!(
            span.check_contains(UnixSeconds(110)).unwrap_err().why(),
            Why::Expired
        );
    }

    #[test]
    fn an_empty_backward_or_overlong_span_is_refused() {
        let backward = Validity {
            from: UnixSeconds(5),
            until: UnixSeconds(4),
        };
        assert_eq!(
            backward.check_length(10).unwrap_err().why(),
            Why::EmptyValidity
        );
        let long = Validity::starting(UnixSeconds(0), 11);
        assert_eq!(
            long.check_length(10).unwrap_err().why(),
            Why::LifeTooLong { seconds: 10 }
        );
        assert!(long.check_length(11).is_ok());
        assert_eq!(UnixSeconds(u64::MAX).after(1), UnixSeconds(u64::MAX));
    }
}
