//! What the standard says of each attribute: PS3.15 Table E.1-1 (Basic Profile of edition 2026c, options of edition
//! 2024b; `tools/deidentify-table` says how the file is made) and a part of Table E.3.10-1, the safe private attributes.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use dicom_core::Tag;

use super::options::{Options, Treatment};

const PROFILE: &str = include_str!("../../assets/deidentify/profile.txt");
const SAFE_PRIVATE: &str = include_str!("../../assets/deidentify/safe-private.txt");

static TABLE: LazyLock<HashMap<Tag, Row>> =
    LazyLock::new(|| PROFILE.lines().filter_map(row).collect());
static SAFE: LazyLock<HashSet<(&'static str, u16, u8)>> = LazyLock::new(safe);

/// An action of the Basic Profile (PS3.15 Table E.1-1a). Of a compound one the module's type of the attribute decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basic {
    /// D: a dummy value.
    Dummy,
    /// Z: empty, or a dummy value.
    Empty,
    /// X: removed. Also what is not understood.
    Remove,
    /// U: another UID, the same wherever it stands.
    Uid,
    /// Z/D.
    EmptyOrDummy,
    /// X/Z.
    RemoveOrEmpty,
    /// X/D.
    RemoveOrDummy,
    /// X/Z/D.
    RemoveEmptyOrDummy,
    /// X/Z/U*: sequences of references.
    RemoveEmptyOrUids,
}

/// What is done to an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It stays; what is in a sequence is treated by itself.
    Keep,
    /// It is replaced by something of similar meaning, or treated as the Basic Profile says.
    Clean(Basic),
    /// As the Basic Profile says.
    Basic(Basic),
}

struct Row {
    basic: Basic,
    options: Vec<(u32, Treatment)>,
}

/// What is done to a standard attribute; none when the table does not name it.
pub(super) fn action(tag: Tag, options: &Options) -> Option<Action> {
    let row = TABLE.get(&tag)?;
    Some(match options.treatment(&row.options) {
        Some(Treatment::Keep) => Action::Keep,
        Some(Treatment::Clean) => Action::Clean(row.basic),
        None => Action::Basic(row.basic),
    })
}

/// Whether the private element `element` (within its block) of this creator and group is known to identify nobody.
pub(super) fn is_safe_private(creator: &str, group: u16, element: u8) -> bool {
    SAFE.contains(&(creator, group, element))
}

fn row(line: &str) -> Option<(Tag, Row)> {
    let mut words = line.split(' ');
    let tag = u32::from_str_radix(words.next()?, 16).ok()?;
    let basic = basic(words.next()?);
    let options = words.filter_map(option).collect();
    Some((Tag((tag >> 16) as u16, tag as u16), Row { basic, options }))
}

/// What is no action of the standard removes.
fn basic(code: &str) -> Basic {
    match code {
        "D" => Basic::Dummy,
        "Z" => Basic::Empty,
        "U" => Basic::Uid,
        "Z/D" => Basic::EmptyOrDummy,
        "X/Z" => Basic::RemoveOrEmpty,
        "X/D" => Basic::RemoveOrDummy,
        "X/Z/D" => Basic::RemoveEmptyOrDummy,
        "X/Z/U*" => Basic::RemoveEmptyOrUids,
        _ => Basic::Remove,
    }
}

fn option(word: &str) -> Option<(u32, Treatment)> {
    let (code, treatment) = word.split_at_checked(6)?;
    let treatment = match treatment {
        "K" => Treatment::Keep,
        "C" => Treatment::Clean,
        _ => return None,
    };
    Some((code.parse().ok()?, treatment))
}

fn safe() -> HashSet<(&'static str, u16, u8)> {
    let mut all = HashSet::new();
    for line in SAFE_PRIVATE.lines() {
        let mut parts = line.split('|');
        let (creator, group, elements) = (parts.next(), parts.next(), parts.next());
        let group = group.and_then(|group| u16::from_str_radix(group, 16).ok());
        let (Some(creator), Some(group)) = (creator, group) else {
            continue;
        };
        let elements = elements.unwrap_or_default().split(' ');
        let elements = elements.filter_map(|element| u8::from_str_radix(element, 16).ok());
        all.extend(elements.map(|element| (creator, group, element)));
    }
    all
}

/// The tags of the table, without those of repeating groups.
#[cfg(test)]
pub(super) fn tags() -> impl Iterator<Item = Tag> {
    TABLE.keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deidentify::options::Dates;
    use dicom_dictionary_std::tags;

    #[test]
    fn the_table_has_every_row_of_its_edition() {
        // 655 with the three of repeating groups, which are removed as groups; the row of private attributes is code.
        assert_eq!(PROFILE.lines().count(), 655);
        assert_eq!(TABLE.len(), 652);
        let count = |basic: Basic| TABLE.values().filter(|row| row.basic == basic).count();
        // X: 415 with three of repeating groups.
        let counts = [
            (Basic::Dummy, 93),
            (Basic::Empty, 42),
            (Basic::Remove, 412),
            (Basic::Uid, 55),
            (Basic::EmptyOrDummy, 6),
            (Basic::RemoveOrEmpty, 11),
            (Basic::RemoveOrDummy, 23),
            (Basic::RemoveEmptyOrDummy, 8),
            (Basic::RemoveEmptyOrUids, 2),
        ];
        for (basic, expected) in counts {
            assert_eq!(count(basic), expected, "{basic:?}");
        }
        let with_options = TABLE.values().filter(|row| !row.options.is_empty()).count();
        let options: usize = TABLE.values().map(|row| row.options.len()).sum();
        assert_eq!((with_options, options), options_of_file());
    }

    /// Every option word of the file, so that none was lost in reading.
    fn options_of_file() -> (usize, usize) {
        let lines = PROFILE.lines().filter(|line| !line[..8].contains('x'));
        let words = lines.map(|line| line.split(' ').count() - 2);
        words.fold((0, 0), |(rows, all), words| {
            (rows + usize::from(words > 0), all + words)
        })
    }

    #[test]
    fn actions_are_those_of_the_standard() {
        let plain = Options::default();
        for (tag, basic) in [
            (tags::PATIENT_NAME, Basic::Empty),
            (tags::PATIENT_ID, Basic::EmptyOrDummy),
            (tags::PATIENT_BIRTH_DATE, Basic::Empty),
            (tags::STUDY_INSTANCE_UID, Basic::Uid),
            (tags::SERIES_DATE, Basic::RemoveOrDummy),
            (tags::INSTITUTION_NAME, Basic::RemoveEmptyOrDummy),
            (tags::REFERENCED_IMAGE_SEQUENCE, Basic::RemoveEmptyOrUids),
            (tags::STUDY_DESCRIPTION, Basic::Remove),
        ] {
            assert_eq!(action(tag, &plain), Some(Action::Basic(basic)), "{tag}");
        }
        assert_eq!(action(tags::ROWS, &plain), None);
        let chosen = Options {
            dates: Dates::Shift,
            keep_institution: true,
            clean_descriptors: true,
            ..Options::default()
        };
        assert_eq!(action(tags::INSTITUTION_NAME, &chosen), Some(Action::Keep));
        let cleaned = |tag, basic| assert_eq!(action(tag, &chosen), Some(Action::Clean(basic)));
        cleaned(tags::STUDY_DESCRIPTION, Basic::Remove);
        cleaned(tags::STUDY_DATE, Basic::Empty);
    }

    #[test]
    fn a_private_element_is_safe_under_its_creator_only() {
        assert!(is_safe_private("GEMS_PARM_01", 0x0043, 0x39));
        assert!(!is_safe_private("GEMS_PARM_02", 0x0043, 0x39));
        assert!(!is_safe_private("GEMS_PARM_01", 0x0043, 0x10));
        assert!(SAFE.len() > 50);
    }
}
