//! One key against one attribute.

use std::ops::RangeInclusive;

use dicom_core::{Tag, VR};

use super::moment::{Moment, Range};
use super::{Keys, Subject};
use crate::dicom::charset::matching::{NamePattern, TextPattern};
use crate::dicom::charset::{CharacterSets, PersonName};
use crate::dicom::uid::trim_padding;

/// How one key matches. Of several values of a key one has to match (PS3.4 sections C.2.2.2.2 and
/// C.2.2.2.8); of several values of an attribute, likewise.
#[derive(Clone)]
pub(super) enum Matcher {
    /// Everything, also what has no value (section C.2.2.2.3).
    Universal,
    /// These UIDs.
    Uids(Vec<String>),
    /// Dates or times.
    Moments(Vec<Range>),
    /// Text, case and all.
    Texts(Vec<TextPattern>),
    /// Names, in any spelling.
    Names(Vec<NamePattern>),
    /// Numbers in text.
    Numbers(Vec<f64>),
    /// The very bytes.
    Bytes(Vec<u8>),
    /// An item whose attributes match (section C.2.2.2.6).
    Items(Keys),
}

impl Matcher {
    /// The matcher of a key's value.
    pub(super) fn of(vr: VR, value: &[u8], sets: CharacterSets) -> Matcher {
        let code = std::str::from_utf8(trim_padding(value)).unwrap_or_default();
        let code = code.trim_matches([' ', '\0']);
        if value.iter().all(|byte| matches!(byte, 0 | b' ')) || code == "*" {
            return Matcher::Universal;
        }
        let parts = || code.split('\\').map(|part| part.trim_matches(' '));
        match vr {
            VR::UI => Matcher::Uids(parts().map(str::to_owned).collect()),
            VR::DA | VR::TM | VR::DT => {
                let moment = Moment::of(vr);
                match parts().map(|part| moment.range(part)).collect() {
                    Some(ranges) => Matcher::Moments(ranges),
                    // What is no date matches as the text that it is: nobody's date, or a wildcard.
                    None => Matcher::Texts(parts().map(TextPattern::new).collect()),
                }
            }
            VR::IS | VR::DS => match parts().map(|part| part.parse().ok()).collect() {
                Some(numbers) => Matcher::Numbers(numbers),
                None => Matcher::Texts(parts().map(TextPattern::new).collect()),
            },
            VR::PN => {
                let names = sets.decode_person_names(value);
                let patterns = names.iter().map(PersonName::to_value);
                Matcher::Names(patterns.map(|name| NamePattern::new(&name)).collect())
            }
            VR::LT | VR::ST | VR::UT => {
                Matcher::Texts(vec![TextPattern::new(&sets.decode_text(value).text)])
            }
            VR::LO | VR::SH | VR::UC | VR::AE | VR::CS | VR::AS | VR::UR => {
                let values = sets.decode_values(value);
                let patterns = values.iter().map(|value| TextPattern::new(&value.text));
                Matcher::Texts(patterns.collect())
            }
            _ => Matcher::Bytes(value.to_vec()),
        }
    }

    /// A text that every value that matches holds, a name in the form in which names are compared; empty when there is none.
    pub(super) fn certain(&self) -> String {
        match self {
            Matcher::Names(patterns) => match patterns.as_slice() {
                [one] => one.certain(),
                _ => String::new(),
            },
            Matcher::Texts(patterns) => match patterns.as_slice() {
                [one] => one.certain(),
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    /// The whole days, as numbers (YYYYMMDD), between which every date lies that matches.
    pub(super) fn days(&self) -> Option<RangeInclusive<u64>> {
        let Matcher::Moments(ranges) = self else {
            return None;
        };
        let from = ranges.iter().map(Range::first_day).min()?;
        let to = ranges.iter().map(Range::last_day).max()?;
        Some(from..=to)
    }

    /// Whether the attribute of `subject` matches. What has no value matches nothing but the universal key.
    pub(super) fn matches(&self, tag: Tag, vr: VR, subject: &dyn Subject) -> bool {
        match self {
            Matcher::Universal => true,
            Matcher::Items(keys) => subject.items(tag).iter().any(|item| keys.match_with(item)),
            Matcher::Names(patterns) => names_match(patterns, tag, subject),
            Matcher::Texts(patterns) => texts_match(patterns, tag, vr, subject),
            Matcher::Bytes(bytes) => subject.bytes(tag) == Some(bytes),
            Matcher::Uids(uids) => {
                codes(subject, tag).any(|code| uids.iter().any(|uid| uid == code))
            }
            Matcher::Numbers(numbers) => codes(subject, tag)
                .filter_map(|code| code.parse::<f64>().ok())
                .any(|number| numbers.contains(&number)),
            Matcher::Moments(ranges) => {
                let moment = Moment::of(vr);
                codes(subject, tag).any(|code| {
                    let value = moment.value(code);
                    value.is_some_and(|value| ranges.iter().any(|range| range.holds(&value)))
                })
            }
        }
    }
}

fn codes(subject: &dyn Subject, tag: Tag) -> impl Iterator<Item = &str> {
    let bytes = subject.bytes(tag).map(trim_padding).unwrap_or_default();
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.split('\\')
        .map(|code| code.trim_matches([' ', '\0']))
        .filter(|code| !code.is_empty())
}

fn names_match(patterns: &[NamePattern], tag: Tag, subject: &dyn Subject) -> bool {
    if let Some(folded) = subject.folded_name(tag) {
        return patterns
            .iter()
            .any(|pattern| pattern.matches_folded(folded));
    }
    let Some(bytes) = subject.bytes(tag) else {
        return false;
    };
    let names = subject.character_sets().decode_person_names(bytes);
    names
        .iter()
        .any(|name| patterns.iter().any(|pattern| pattern.matches(name)))
}

fn texts_match(patterns: &[TextPattern], tag: Tag, vr: VR, subject: &dyn Subject) -> bool {
    any_text(tag, vr, subject, &mut |text| {
        patterns.iter().any(|pattern| pattern.matches(text))
    })
}

/// Whether one of the texts of an attribute, as they are compared, is what is looked for.
pub(super) fn any_text(
    tag: Tag,
    vr: VR,
    subject: &dyn Subject,
    fits: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let Some(bytes) = subject.bytes(tag) else {
        return false;
    };
    let is_plain = bytes
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\' || *byte == 0);
    if is_plain {
        return std::str::from_utf8(bytes).is_ok_and(|text| fits(text.trim_matches([' ', '\0'])));
    }
    let sets = subject.character_sets();
    if matches!(vr, VR::LT | VR::ST | VR::UT) {
        return fits(&sets.decode_text(bytes).text);
    }
    sets.decode_values(bytes)
        .iter()
        .any(|value| fits(&value.text))
}
