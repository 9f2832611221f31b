//! How answers look to people: times, sizes, tables.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::language::Language;

/// A field as text; empty when it is absent.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A message of an answer in the language of this process.
pub(super) fn message<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field][Language::current().code()]
        .as_str()
        .unwrap_or_default()
}

/// A time in milliseconds as local date and time.
pub(super) fn time(milliseconds: &Value) -> String {
    let moment = milliseconds
        .as_u64()
        .and_then(|at| i64::try_from(at / 1000).ok())
        .and_then(|at| Timestamp::from_second(at).ok());
    moment
        .map(|moment| {
            moment
                .to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        })
        .unwrap_or_default()
}

/// A number of bytes in a unit that is read at a glance.
pub(super) fn bytes(value: &Value) -> String {
    let bytes = value.as_u64().unwrap_or(0) as f64;
    match bytes {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} kB", bytes / 1e3),
    }
}

/// Prints rows in aligned columns under their headings. Characters of the East Asian scripts take two
/// cells.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = headings.iter().map(|heading| cells(heading)).collect();
    for row in rows {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = (*width).max(cells(field));
        }
    }
    let line = |fields: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = fields
            .zip(&widths)
            .map(|(field, width)| format!("{field}{}", " ".repeat(width - cells(field))))
            .collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

fn cells(text: &str) -> usize {
    text.chars()
        .map(|character| if is_wide(character) { 2 } else { 1 })
        .sum()
}

/// Whether a terminal gives a character two cells (Unicode TR 11: wide and fullwidth, in the blocks
/// that names and messages here use).
fn is_wide(character: char) -> bool {
    matches!(u32::from(character), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_takes_two_cells() {
        assert_eq!(cells("読影 CT"), 7);
        assert_eq!(cells("ｶﾅ"), 2);
    }

    #[test]
    fn sizes_have_a_readable_unit() {
        assert_eq!(bytes(&Value::from(28_700_000_u64)), "28.7 MB");
        assert_eq!(bytes(&Value::from(5_368_709_120_u64)), "5.4 GB");
    }
}
