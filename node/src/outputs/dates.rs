//! Dates and times as printed.
//!
//! DICOM DA and TM carry no zone and may be malformed: what cannot be read is printed as received.

use jiff::civil::Date;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

/// First days of the Japanese eras, newest first.
const ERAS: &[(&str, i16, i8, i8)] = &[
    ("令和", 2019, 5, 1),
    ("平成", 1989, 1, 8),
    ("昭和", 1926, 12, 25),
    ("大正", 1912, 7, 30),
    ("明治", 1868, 1, 25),
];

/// Longest RFC 3339 text accepted: date, time, nine fractional digits, offset.
const MAX_TIMESTAMP_BYTES: usize = 40;

/// Read a DICOM DA (`YYYYMMDD`), also in the retired form `YYYY.MM.DD`.
pub(super) fn date(da: &str) -> Option<Date> {
    let digits: String = da.trim().chars().filter(|c| *c != '.').collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = digits.get(0..4)?.parse().ok()?;
    let month = digits.get(4..6)?.parse().ok()?;
    let day = digits.get(6..8)?.parse().ok()?;
    Date::new(year, month, day).ok()
}

/// `2024-01-15`, or the text as received.
pub(crate) fn date_text(da: &str) -> String {
    date(da).map_or_else(|| da.trim().to_owned(), |date| date.to_string())
}

/// `1961-04-03 (昭和36年)`, or the text as received.
pub(super) fn birth_date_text(da: &str) -> String {
    let Some(date) = date(da) else {
        return da.trim().to_owned();
    };
    match era(date) {
        Some((era, 1)) => format!("{date} ({era}元年)"),
        Some((era, year)) => format!("{date} ({era}{year}年)"),
        None => date.to_string(),
    }
}

fn era(date: Date) -> Option<(&'static str, i16)> {
    ERAS.iter().find_map(|(name, year, month, day)| {
        let first = Date::new(*year, *month, *day).ok()?;
        (date >= first).then(|| (*name, date.year() - year + 1))
    })
}

/// Completed years between birth and study.
pub(super) fn age(birth: &str, study: &str) -> Option<i16> {
    let (birth, study) = (date(birth)?, date(study)?);
    let before_birthday = (study.month(), study.day()) < (birth.month(), birth.day());
    let years = study.year() - birth.year() - i16::from(before_birthday);
    (years >= 0).then_some(years)
}

/// `14:05` from a DICOM TM (`HHMMSS.FFFFFF`, also `HH:MM:SS`), or the text as received.
pub(super) fn time_text(tm: &str) -> String {
    let trimmed = tm.trim();
    let digits: String = trimmed.chars().filter(|c| *c != ':').take(4).collect();
    let in_range = |text: Option<&str>, limit: u8| {
        text.and_then(|t| t.parse::<u8>().ok())
            .is_some_and(|n| n < limit)
    };
    if digits.len() == 4
        && digits.bytes().all(|b| b.is_ascii_digit())
        && in_range(digits.get(0..2), 24)
        && in_range(digits.get(2..4), 60)
    {
        let (hours, minutes) = digits.split_at(2);
        format!("{hours}:{minutes}")
    } else {
        trimmed.to_owned()
    }
}

/// A signing time: civil date and time with the offset it was signed at.
#[derive(Clone, Copy)]
pub(super) struct SigningTime {
    pub(super) date: Date,
    pub(super) time: jiff::civil::Time,
    pub(super) offset: Offset,
}

impl SigningTime {
    /// Read RFC 3339 with an offset.
    ///
    /// `None` when date, time or offset is missing or out of range.
    pub(super) fn read(text: &str) -> Option<SigningTime> {
        if text.len() > MAX_TIMESTAMP_BYTES {
            return None;
        }
        let pieces = Pieces::parse(text).ok()?;
        Some(SigningTime {
            date: pieces.date(),
            time: pieces.time()?,
            offset: pieces.to_numeric_offset()?,
        })
    }

    /// `2024-01-15 14:05:09 (UTC+09:00)`.
    pub(super) fn text(&self) -> String {
        let (sign, hours, minutes) = self.offset_parts();
        format!(
            "{} {:02}:{:02}:{:02} (UTC{sign}{hours:02}:{minutes:02})",
            self.date,
            self.time.hour(),
            self.time.minute(),
            self.time.second(),
        )
    }

    /// The same moment at a DICOM offset (`&ZZXX`, PS3.3 C.12.1.1.8).
    pub(super) fn at_offset(&self, zone: &str) -> Option<SigningTime> {
        let (sign, digits) = match zone.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let hours: i32 = digits.get(0..2)?.parse().ok()?;
        let minutes: i32 = digits.get(2..4)?.parse().ok()?;
        let offset = Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()?;
        let moment = self
            .offset
            .to_timestamp(self.date.to_datetime(self.time))
            .ok()?;
        let local = offset.to_datetime(moment);
        Some(SigningTime {
            date: local.date(),
            time: local.time(),
            offset,
        })
    }

    /// DICOM DA.
    pub(super) fn dicom_date(&self) -> String {
        self.date.strftime("%Y%m%d").to_string()
    }

    /// DICOM TM, to the second.
    pub(super) fn dicom_time(&self) -> String {
        self.time.strftime("%H%M%S").to_string()
    }

    /// DICOM DT with offset.
    pub(super) fn dicom_date_time(&self) -> String {
        let (sign, hours, minutes) = self.offset_parts();
        let (date, time) = (self.dicom_date(), self.dicom_time());
        format!("{date}{time}{sign}{hours:02}{minutes:02}")
    }

    /// Sign, hours and minutes of the offset.
    pub(super) fn offset_parts(&self) -> (char, i32, i32) {
        let seconds = self.offset.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.abs() / 60;
        (sign, minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_carry_the_era_and_odd_ones_are_printed_as_received() {
        assert_eq!(birth_date_text("19610403"), "1961-04-03 (昭和36年)");
        assert_eq!(birth_date_text("19890107"), "1989-01-07 (昭和64年)");
        assert_eq!(birth_date_text("19890108"), "1989-01-08 (平成元年)");
        assert_eq!(birth_date_text("2019.05.01"), "2019-05-01 (令和元年)");
        assert_eq!(birth_date_text("18500101"), "1850-01-01");
        assert_eq!(birth_date_text("19610231"), "19610231");
        assert_eq!(birth_date_text(""), "");
        assert_eq!(date_text("20240115"), "2024-01-15");
    }

    #[test]
    fn age_counts_completed_years() {
        assert_eq!(age("19610403", "20240402"), Some(62));
        assert_eq!(age("19610403", "20240403"), Some(63));
        assert_eq!(age("20250101", "20240101"), None);
        assert_eq!(age("", "20240101"), None);
    }

    #[test]
    fn times_are_hours_and_minutes() {
        assert_eq!(time_text("140509.123456"), "14:05");
        assert_eq!(time_text("14:05:09"), "14:05");
        assert_eq!(time_text("1405"), "14:05");
        assert_eq!(time_text("14"), "14");
        assert_eq!(time_text("9999"), "9999");
        assert_eq!(time_text("午後2時"), "午後2時");
    }

    #[test]
    fn signing_times_move_to_the_zone_of_the_study() {
        let signed = SigningTime::read("2024-01-15T22:04:31+09:00").unwrap();
        assert_eq!(signed.dicom_date_time(), "20240115220431+0900");
        let utc = signed.at_offset("+0000").unwrap();
        assert_eq!(
            (utc.dicom_date(), utc.dicom_time()),
            ("20240115".into(), "130431".into())
        );
        let west = signed.at_offset("-1000").unwrap();
        assert_eq!(west.dicom_date_time(), "20240115030431-1000");
        for bad in ["", "0900", "+9", "+09:00", "+9999"] {
            assert!(signed.at_offset(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn signing_times_need_an_offset() {
        let read = |text| SigningTime::read(text).map(|time| time.text());
        assert_eq!(
            read("2024-01-15T14:05:09+09:00").unwrap(),
            "2024-01-15 14:05:09 (UTC+09:00)"
        );
        assert_eq!(
            read("2024-01-15T05:05:09.5Z").unwrap(),
            "2024-01-15 05:05:09 (UTC+00:00)"
        );
        assert_eq!(
            read("2024-01-15T05:05:09-03:30").unwrap(),
            "2024-01-15 05:05:09 (UTC-03:30)"
        );
        assert!(read("2024-01-15T14:05:09").is_none());
        assert!(read("2024-01-15").is_none());
        assert!(read("今日").is_none());
        assert!(read(&"9".repeat(1000)).is_none());
    }
}
