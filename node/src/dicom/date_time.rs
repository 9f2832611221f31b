//! Dates, times and zones of DICOM values (PS3.5 §6.2: DA, TM; PS3.3 §C.12.1.1.8).

use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// A DA value, `YYYYMMDD`, or `YYYY.MM.DD` as ACR-NEMA wrote it.
pub(crate) fn date(text: &str) -> Option<Date> {
    let digits: String = match text.len() {
        8 => text.to_owned(),
        10 if text.get(4..5) == Some(".") && text.get(7..8) == Some(".") => text.replace('.', ""),
        _ => return None,
    };
    let digits = all_digits(&digits)?;
    Date::new(
        digits.get(0..4)?.parse().ok()?,
        digits.get(4..6)?.parse().ok()?,
        digits.get(6..8)?.parse().ok()?,
    )
    .ok()
}

/// A TM value, `HH[MM[SS[.F{1,6}]]]`, or with colons as ACR-NEMA wrote it. A leap second (60) becomes
/// the last moment of its minute.
pub(crate) fn time(text: &str) -> Option<Time> {
    let (whole, fraction) = match text.trim_end().split_once('.') {
        Some((whole, fraction)) => (whole, all_digits(fraction)?),
        None => (text.trim_end(), ""),
    };
    let colons_removed = whole.replace(':', "");
    let digits = all_digits(&colons_removed)?;
    if !matches!(digits.len(), 2 | 4 | 6) || fraction.len() > 6 {
        return None;
    }
    let part = |range: std::ops::Range<usize>| match digits.get(range) {
        Some(part) => part.parse::<i8>().ok(),
        None => Some(0),
    };
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    match part(4..6)? {
        60 => Time::new(part(0..2)?, part(2..4)?, 59, 999_999_999).ok(),
        second => Time::new(part(0..2)?, part(2..4)?, second, nanoseconds).ok(),
    }
}

/// An offset from UTC, `+HHMM` or `-HHMM`, from -12:00 to +14:00.
pub(crate) fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.trim_end().split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = all_digits(digits).filter(|digits| digits.len() == 4)?;
    let (hours, minutes): (i32, i32) = (
        digits.get(0..2)?.parse().ok()?,
        digits.get(2..4)?.parse().ok()?,
    );
    let seconds = sign * (hours * 3600 + minutes * 60);
    let valid = minutes < 60 && (-12 * 3600..=14 * 3600).contains(&seconds);
    valid.then(|| Offset::from_seconds(seconds).ok())?
}

fn all_digits(text: &str) -> Option<&str> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date("20240229"), Date::new(2024, 2, 29).ok());
        assert_eq!(date("1997.06.09"), Date::new(1997, 6, 9).ok());
        for wrong in [
            "",
            "20230229",
            "2024022",
            "2024-02-29",
            "2024O229",
            "0000.0.000",
        ] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(time("10"), Time::new(10, 0, 0, 0).ok());
        assert_eq!(time("1019"), Time::new(10, 19, 0, 0).ok());
        assert_eq!(time("101938.29"), Time::new(10, 19, 38, 290_000_000).ok());
        assert_eq!(
            time("10:19:38.290000"),
            Time::new(10, 19, 38, 290_000_000).ok()
        );
        assert_eq!(time("235960"), Time::new(23, 59, 59, 999_999_999).ok());
        for wrong in [
            "",
            "1",
            "25",
            "1060",
            "101938.",
            "101938.1234567",
            "-1",
            "10 19",
        ] {
            assert_eq!(time(wrong).is_some(), wrong == "101938.", "{wrong}");
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(offset("+0900"), Offset::from_seconds(9 * 3600).ok());
        assert_eq!(
            offset("-0330"),
            Offset::from_seconds(-(3 * 3600 + 1800)).ok()
        );
        for wrong in [
            "", "0900", "+9", "+1500", "-1300", "+0960", "+09:0", "ー0900",
        ] {
            assert_eq!(offset(wrong), None, "{wrong}");
        }
    }
}
