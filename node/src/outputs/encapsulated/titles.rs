//! The title of the document in the character set of the study (PS3.5 section 6.1, PS3.3 C.12.1.1.2).
//!
//! The data set has one Specific Character Set, and the original names must stay in theirs. So the
//! title is UTF-8 under ISO_IR 192, JIS X 0208 under a set that has ISO 2022 IR 87, and ASCII under
//! every other.

use crate::outputs::view::ReportStatus;

/// A word in both encodings; the second is JIS X 0208 without its escape sequences.
struct Word {
    utf8: &'static str,
    jis: &'static [u8],
}

const REPORT: Word = word("画像診断報告書", b"2hA|?GCGJs9p=q");
const NUMBER: Word = word("第", b"Bh");
const VERSION: Word = word("版", b"HG");

const TO_JIS_X_0208: &[u8] = b"\x1B$B";
const TO_ASCII: &[u8] = b"\x1B(B";
const TO_JIS_X_0201: &[u8] = b"\x1B(J";

const fn word(utf8: &'static str, jis: &'static [u8]) -> Word {
    Word { utf8, jis }
}

fn standing(status: ReportStatus) -> (Word, &'static str) {
    match status {
        ReportStatus::Preliminary => (word("速報", b"B.Js"), "PRELIMINARY"),
        ReportStatus::Final => (word("確定", b"3NDj"), "FINAL"),
        ReportStatus::Addendum => (word("追加", b"DI2C"), "ADDENDUM"),
        ReportStatus::Amended => (word("改訂", b"2~D{"), "AMENDED"),
        ReportStatus::Corrected => (word("訂正", b"D{@5"), "CORRECTED"),
        ReportStatus::Retracted => (word("取下げ", b"<h2<$2"), "RETRACTED"),
    }
}

enum Script {
    Ascii,
    Utf8,
    /// Escape sequence that returns to the first character set of the study.
    Jis(&'static [u8]),
}

/// Title bytes for a study with this Specific Character Set; at most 64 bytes, so it fits LO.
pub(super) fn title(character_set: Option<&[u8]>, status: ReportStatus, version: u32) -> Vec<u8> {
    let (standing, english) = standing(status);
    match script(character_set) {
        Script::Ascii => format!("Diagnostic Imaging Report {english} v{version}").into_bytes(),
        Script::Utf8 => format!(
            "{} {} {}{version}{} {english}",
            REPORT.utf8, standing.utf8, NUMBER.utf8, VERSION.utf8
        )
        .into_bytes(),
        Script::Jis(back) => {
            let number = version.to_string();
            let mut out = Vec::new();
            let mut japanese = |word: &Word, then: &[u8]| {
                out.extend_from_slice(TO_JIS_X_0208);
                out.extend_from_slice(word.jis);
                out.extend_from_slice(back);
                out.extend_from_slice(then);
            };
            japanese(&REPORT, b" ");
            japanese(&standing, b" ");
            japanese(&NUMBER, number.as_bytes());
            japanese(&VERSION, b"");
            out
        }
    }
}

/// A value as trimmed ASCII.
pub(super) fn ascii(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    text.is_ascii().then(|| text.trim_matches(['\0', ' ']))
}

fn script(character_set: Option<&[u8]>) -> Script {
    let Some(sets) = character_set.and_then(ascii) else {
        return Script::Ascii;
    };
    let sets: Vec<&str> = sets.split('\\').map(str::trim).collect();
    match sets.split_first() {
        Some((&"ISO_IR 192", [])) => Script::Utf8,
        Some((first, others)) if others.contains(&"ISO 2022 IR 87") => match *first {
            "" | "ISO 2022 IR 6" => Script::Jis(TO_ASCII),
            "ISO 2022 IR 13" => Script::Jis(TO_JIS_X_0201),
            _ => Script::Ascii,
        },
        Some(_) | None => Script::Ascii,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: Option<&[u8]>) -> Vec<u8> {
        title(set, ReportStatus::Retracted, 4_294_967_295)
    }

    #[test]
    fn titles_follow_the_character_set() {
        assert!(of(Some(b"ISO_IR 192")).starts_with("画像診断報告書 取下げ 第".as_bytes()));
        for set in [
            &b""[..],
            b"ISO_IR 100",
            b"ISO_IR 13 ",
            b"GB18030 ",
            b"ISO 2022 IR 87",
        ] {
            assert!(of(Some(set)).is_ascii(), "{set:?}");
            assert!(!of(Some(set)).contains(&0x1B), "{set:?}");
        }
        assert!(of(None).starts_with(b"Diagnostic Imaging Report RETRACTED v"));
    }

    #[test]
    fn escape_sequences_return_to_the_first_set() {
        let plain = of(Some(b"\\ISO 2022 IR 87 "));
        assert!(plain.starts_with(b"\x1B$B2hA|?GCGJs9p=q\x1B(B "));
        assert!(plain.ends_with(b"\x1B$BHG\x1B(B"));
        let kana = of(Some(b"ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159"));
        assert!(kana.ends_with(b"\x1B$BHG\x1B(J"));
        assert!(!kana.windows(3).any(|w| w == b"\x1B(B"));
    }

    #[test]
    fn titles_fit_a_long_string() {
        for set in [None, Some(&b"ISO_IR 192"[..]), Some(b"\\ISO 2022 IR 87")] {
            let title = of(set);
            let characters = std::str::from_utf8(&title).unwrap().chars().count();
            assert!(characters <= 64, "{characters}");
        }
    }
}
