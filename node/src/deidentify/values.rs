//! New values in the stead of old ones.

use dicom_core::VR;

use super::words;
use crate::dicom::charset::CharacterSets;
use crate::dicom::date_time::date;
use crate::dicom::uid::trim_padding;

/// Stands where a text must stand.
const REMOVED: &[u8] = b"REMOVED";

/// A value that says nothing, of the form of its VR; none where there is none.
pub(super) fn dummy(vr: VR) -> Option<Vec<u8>> {
    Some(match vr {
        VR::DA => b"19000101".to_vec(),
        VR::DT => b"19000101000000".to_vec(),
        VR::TM => b"000000".to_vec(),
        VR::AS => b"000Y".to_vec(),
        VR::IS | VR::DS => b"0".to_vec(),
        VR::UR => b"about:blank".to_vec(),
        VR::AE | VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => {
            REMOVED.to_vec()
        }
        VR::US | VR::SS | VR::OW | VR::OB => vec![0; 2],
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL | VR::AT => vec![0; 4],
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => vec![0; 8],
        _ => return None,
    })
}

/// A value of similar meaning that identifies nobody; none where there is none.
pub(super) fn cleaned(vr: VR, value: &[u8], sets: CharacterSets, days: i64) -> Option<Vec<u8>> {
    match vr {
        VR::DA => each(value, |value| moved(value, days)),
        VR::DT => each(value, |value| {
            let (day, rest) = value.split_at_checked(8)?;
            Some(moved(day, days)? + rest)
        }),
        // What moves by whole days keeps its time of day.
        VR::TM => each(value, |value| {
            let is_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b':');
            value.bytes().all(is_time).then(|| value.to_owned())
        }),
        VR::LO | VR::SH | VR::LT | VR::ST | VR::UT | VR::UC => {
            let known = words::known(&sets.decode_text(value).text);
            let fits = vr != VR::SH || known.len() <= 16;
            (fits && !known.is_empty()).then(|| known.into_bytes())
        }
        _ => None,
    }
}

/// Each value made anew; none when one cannot be.
fn each(value: &[u8], new: impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(trim_padding(value)).ok()?;
    let values = text.split('\\').map(|value| match value.trim_matches(' ') {
        "" => Some(String::new()),
        value => new(value),
    });
    let values: Option<Vec<String>> = values.collect();
    Some(values?.join("\\").into_bytes())
}

/// A date so many days earlier.
fn moved(value: &str, days: i64) -> Option<String> {
    let earlier = date(value)?
        .checked_sub(jiff::Span::new().try_days(days).ok()?)
        .ok()?;
    (earlier.year() > 0).then(|| earlier.strftime("%Y%m%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(vr: VR, value: &[u8]) -> Option<String> {
        cleaned(vr, value, CharacterSets::default(), 400)
            .map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn dates_move_and_what_is_none_does_not_stay() {
        assert_eq!(clean(VR::DA, b"20260301"), Some("20250125".to_owned()));
        assert_eq!(
            clean(VR::DA, b"2026.03.01\\20260302 "),
            Some("20250125\\20250126".to_owned())
        );
        assert_eq!(
            clean(VR::DT, b"20260301101530.5+0900"),
            Some("20250125101530.5+0900".to_owned())
        );
        assert_eq!(clean(VR::TM, b"101530.25 "), Some("101530.25".to_owned()));
        for (vr, wrong) in [
            (VR::DA, &b"YAMADA  "[..]),
            (VR::DT, b"2026"),
            (VR::TM, b"TARO"),
            (VR::DA, "山田".as_bytes()),
        ] {
            assert_eq!(clean(vr, wrong), None);
        }
        assert_eq!(clean(VR::DA, b"00010101"), None);
    }

    #[test]
    fn a_short_value_that_would_be_too_long_goes() {
        assert_eq!(clean(VR::SH, b"CHEST CT"), Some("CHEST CT".to_owned()));
        assert_eq!(clean(VR::SH, b"CHEST ABDOMEN PELVIS"), None);
        assert_eq!(clean(VR::LO, b"YAMADA"), None);
    }
}
