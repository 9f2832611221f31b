//! Rates, times, shares and sizes as people write them.

use std::time::Duration;

/// Fastest rate that can be set, in bits a second: what the bound on bytes under way is made for.
pub const RATE_MOST: u64 = 10_000_000_000;
/// Longest time that can be set: beyond it a mistake in the unit is likelier than a wish.
pub const TIME_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a value was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {wanted}")]
pub struct AmountError {
    /// What was written.
    pub given: String,
    /// What could have been.
    pub wanted: &'static str,
}

/// A rate in bits a second: `20mbit`, `1.5gbit`, `64kbit`, `800bit`; `none` is no limit.
///
/// # Errors
/// When it is not written so, or above [`RATE_MOST`].
pub fn rate(text: &str) -> Result<Option<u64>, AmountError> {
    let wanted = "a rate such as 20mbit, 1gbit (at most 10gbit) or none";
    if text == "none" {
        return Ok(None);
    }
    let units = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];
    let bits = scaled(text, &units).filter(|bits| (1.0..=RATE_MOST as f64).contains(bits));
    bits.map(|bits| Some(bits.round() as u64))
        .ok_or_else(|| refused(text, wanted))
}

/// A time: `15ms`, `3s`, `250us`; `0` is none.
///
/// # Errors
/// When it is not written so, or above [`TIME_MOST`].
pub fn time(text: &str) -> Result<Duration, AmountError> {
    let wanted = "a time such as 15ms, 2.5s or 0";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let seconds = scaled(text, &units).filter(|seconds| *seconds <= TIME_MOST.as_secs_f64());
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| refused(text, wanted))
}

/// A share of all packets: `0.5%` or `0.005`.
///
/// # Errors
/// When it is not written so, or not between 0 and 1.
pub fn share(text: &str) -> Result<f64, AmountError> {
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    share
        .filter(|share| *share <= 1.0)
        .ok_or_else(|| refused(text, "a share such as 0.5% or 0.005"))
}

/// A size in bytes: `64kb` (1000 bytes each), `2mb`, `1500b`.
///
/// # Errors
/// When it is not written so, or above 1 GB.
pub fn size(text: &str) -> Result<u64, AmountError> {
    let bytes = scaled(text, &[("mb", 1e6), ("kb", 1e3), ("b", 1.0)]);
    let bytes = bytes.filter(|bytes| *bytes <= 1e9);
    bytes
        .map(|bytes| bytes.round() as u64)
        .ok_or_else(|| refused(text, "a size such as 64kb or 1500b"))
}

/// What is said of both ways: `X` for both, `X/Y` for up and down; `-` leaves that way as it is.
///
/// # Errors
/// When one of them is not what `one` reads.
pub fn both<T: Clone>(
    text: &str,
    one: impl Fn(&str) -> Result<T, AmountError>,
) -> Result<[Option<T>; 2], AmountError> {
    let way = |text: &str| match text {
        "-" => Ok(None),
        text => one(text).map(Some),
    };
    match text.split_once('/') {
        Some((up, down)) => Ok([way(up)?, way(down)?]),
        None => {
            let value = one(text)?;
            Ok([Some(value.clone()), Some(value)])
        }
    }
}

/// A refusal of what was written.
pub(crate) fn refused(given: &str, wanted: &'static str) -> AmountError {
    AmountError {
        given: given.to_owned(),
        wanted,
    }
}

fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse().ok().filter(|_| plain)
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (unit, scale) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(number(&text[..text.len() - unit.len()])? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_their_units() {
        assert_eq!(rate("20mbit"), Ok(Some(20_000_000)));
        assert_eq!(rate("1.5gbit"), Ok(Some(1_500_000_000)));
        assert_eq!(rate("none"), Ok(None));
        assert_eq!(time("15ms"), Ok(Duration::from_millis(15)));
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(time("0"), Ok(Duration::ZERO));
        assert_eq!(share("0.5%"), Ok(0.005));
        assert_eq!(share("1"), Ok(1.0));
        assert_eq!(size("64kb"), Ok(64_000));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "", "20", "mbit", "-5mbit", "0bit", "11gbit", "1e9bit", "infbit",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["", "5", "5m", "-1s", "nans", "9999999s"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert!(share("101%").is_err() && share("-1%").is_err() && size("2gb").is_err());
    }

    #[test]
    fn each_way_is_said_or_left() {
        let of = |text| both(text, rate);
        assert_eq!(of("8bit"), Ok([Some(Some(8)), Some(Some(8))]));
        assert_eq!(of("8bit/none"), Ok([Some(Some(8)), Some(None)]));
        assert_eq!(of("-/8bit"), Ok([None, Some(Some(8))]));
        assert!(of("8bit/").is_err() && of("-").is_err());
    }
}
