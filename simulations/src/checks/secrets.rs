//! Private halves of prekeys are destroyed in time: what was granted two weeks ago stays closed.

use dokuei_protocol::limits;
use dokuei_protocol::time::Timestamp;

use super::Violation;

/// Checks when the kept private halves were published, by the site's own clock.
///
/// # Errors
/// When one should be gone.
pub(crate) fn check(
    published: impl Iterator<Item = Timestamp>,
    now: Timestamp,
) -> Result<(), Violation> {
    let mut late = published.filter(|at| at.after(limits::PREKEY_KEPT) <= now);
    match late.next() {
        Some(at) => Err(Violation::new(
            "secrets",
            format!("a prekey published at {} is still kept at {}", at.0, now.0),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_kept_too_long_is_noticed() {
        let now = Timestamp(limits::PREKEY_KEPT.0 + 5);
        assert!(check([Timestamp(6), now].into_iter(), now).is_ok());
        assert!(check([now, Timestamp(5)].into_iter(), now).is_err());
    }
}
