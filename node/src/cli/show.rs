//! How answers look to people: times, sizes, tables.

use std::fmt;
use std::io::{self, Write as _};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::language::{Language, size};
use crate::outputs::dates::date_text;
use crate::say;

/// Prints a line. Whoever reads may have enough of it (`| head`): then nothing more is to be said, and no failure.
pub(super) fn line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
        let enough = error.kind() == io::ErrorKind::BrokenPipe;
        std::process::exit(i32::from(!enough));
    }
}

/// A field as text; empty when it is absent.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Stands behind text with characters that could not be decoded, here and in printed reports.
const INEXACT: &str = "※";

/// A field as text, with a mark behind it when parts of it could not be decoded.
pub(super) fn marked(value: &Value, field: &str) -> String {
    let text = text(value, field);
    match is_inexact(value, field) {
        true => format!("{text} {INEXACT}").trim_start().to_owned(),
        false => text.to_owned(),
    }
}

fn is_inexact(value: &Value, field: &str) -> bool {
    let mut fields = value["inexact"].as_array().into_iter().flatten();
    fields.any(|inexact| inexact == field)
}

/// Says what the mark means, when one of these carries it.
pub(super) fn explain_marks<'a>(mut shown: impl Iterator<Item = &'a Value>) {
    let carries = |value: &Value| {
        value["inexact"]
            .as_array()
            .is_some_and(|fields| !fields.is_empty())
    };
    if shown.any(carries) {
        outln!(
            "{}",
            say!(
                "{INEXACT} 一部の文字を復元できないため、元の値のまま（\\x..）表示しているか、規格外の文字を含みます。",
                "{INEXACT} Some characters could not be decoded and are shown raw (\\x..), or are none that the standard has."
            )
        );
    }
}

/// A message of an answer in the language of this process.
pub(super) fn message<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field][Language::current().code()]
        .as_str()
        .unwrap_or_default()
}

/// A DICOM date of an answer as people read it, or as it came when it is none.
pub(super) fn day(value: &Value, field: &str) -> String {
    date_text(text(value, field))
}

/// The short ids of cases.
pub(super) fn cases(cases: &Value) -> String {
    let cases = cases.as_array().into_iter().flatten();
    cases
        .map(|case| text(case, "short"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The beginning of an id, as people compare and type it.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A time in milliseconds as local date and time.
pub(super) fn time(milliseconds: &Value) -> String {
    local(milliseconds, "%Y-%m-%d %H:%M:%S")
}

/// A time in milliseconds as local date.
pub(super) fn date(milliseconds: &Value) -> String {
    local(milliseconds, "%Y-%m-%d")
}

/// A time in milliseconds as local date and time to the minute.
pub(super) fn minute(milliseconds: &Value) -> String {
    local(milliseconds, "%Y-%m-%d %H:%M")
}

/// A time in milliseconds as local date and time, with the zone's distance from UTC.
pub(super) fn zoned(milliseconds: &Value) -> String {
    local(milliseconds, "%Y-%m-%d %H:%M:%S (%:z)")
}

fn local(milliseconds: &Value, form: &str) -> String {
    let moment = milliseconds
        .as_u64()
        .and_then(|at| i64::try_from(at / 1000).ok())
        .and_then(|at| Timestamp::from_second(at).ok());
    moment
        .map(|moment| {
            moment
                .to_zoned(TimeZone::system())
                .strftime(form)
                .to_string()
        })
        .unwrap_or_default()
}

/// How long ago a time in milliseconds was, in its two largest units.
pub(super) fn elapsed(since: &Value) -> String {
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    long(now.saturating_sub(since.as_u64().unwrap_or(now)) / 60_000)
}

fn long(minutes: u64) -> String {
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let said = match (days, hours) {
        (0, 0) => say!("{minutes} 分", "{minutes} min"),
        (0, _) => say!("{hours} 時間 {minutes} 分", "{hours} h {minutes} min"),
        (_, _) => say!("{days} 日 {hours} 時間", "{days} d {hours} h"),
    };
    said.text().to_owned()
}

/// A number of bytes in a unit that is read at a glance.
pub(super) fn bytes(value: &Value) -> String {
    size(value.as_u64().unwrap_or(0))
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
        outln!("{}", padded.join("  ").trim_end());
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// Lines of label and value, the values under each other; further lines of a value are indented like
/// its first. `indent` spaces come first.
pub(super) fn fields(indent: usize, fields: &[(&str, String)]) -> String {
    let width = fields
        .iter()
        .map(|(label, _)| cells(label))
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for (label, value) in fields {
        let mut label = *label;
        for line in value.lines() {
            let gap = " ".repeat(width - cells(label) + 2);
            let line = format!("{}{label}{gap}{line}", " ".repeat(indent));
            out.push_str(line.trim_end());
            out.push('\n');
            label = "";
        }
    }
    out
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
    fn a_day_is_read_in_either_form() {
        let of = |date: &str| day(&serde_json::json!({ "date": date }), "date");
        assert_eq!(of("19961029"), "1996-10-29");
        assert_eq!(of("1996.10.29"), "1996-10-29");
        assert_eq!(of("unknown"), "unknown");
        assert_eq!(day(&Value::Null, "date"), "");
    }

    #[test]
    fn japanese_takes_two_cells() {
        assert_eq!(cells("読影 CT"), 7);
        assert_eq!(cells("ｶﾅ"), 2);
    }

    #[test]
    fn a_long_time_is_told_in_two_units() {
        let numbers = |text: String| -> Vec<u64> {
            let words = text.split(' ');
            words.filter_map(|word| word.parse().ok()).collect()
        };
        assert_eq!(numbers(long(59)), [59]);
        assert_eq!(numbers(long(72)), [1, 12]);
        assert_eq!(numbers(long(3 * 1440 + 4 * 60 + 5)), [3, 4]);
    }

    #[test]
    fn values_stand_under_each_other() {
        let shown = fields(
            2,
            &[
                ("接続", "QUIC\nTCP".into()),
                ("path", "x".into()),
                ("-", String::new()),
            ],
        );
        assert_eq!(shown, "  接続  QUIC\n        TCP\n  path  x\n");
    }

    #[test]
    fn sizes_have_a_readable_unit() {
        assert_eq!(bytes(&Value::from(28_700_000_u64)), "28.7 MB");
        assert_eq!(bytes(&Value::from(5_368_709_120_u64)), "5.4 GB");
    }
}
