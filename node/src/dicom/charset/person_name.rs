//! Person names (PS3.5 §6.2.1): three groups of five components.

use super::pieces::Piece;
use std::fmt;

/// The components of one group, in the order of PS3.5 §6.2.1.1.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct NameGroup {
    /// Family name complex.
    pub family: String,
    /// Given name complex.
    pub given: String,
    /// Middle name.
    pub middle: String,
    /// Name prefix.
    pub prefix: String,
    /// Name suffix.
    pub suffix: String,
}

/// A person's name in up to three representations. Holds patient data: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PersonName {
    /// Alphabetic, or single-byte characters.
    pub alphabetic: NameGroup,
    /// Ideographic: kanji, hanja, hanzi.
    pub ideographic: NameGroup,
    /// Phonetic: kana, hangul.
    pub phonetic: NameGroup,
    /// Whether all of it could be decoded, and was built as the standard says.
    pub exact: bool,
}

impl NameGroup {
    fn components(&self) -> [&str; 5] {
        [
            &self.family,
            &self.given,
            &self.middle,
            &self.prefix,
            &self.suffix,
        ]
    }

    fn component_mut(&mut self, index: usize) -> Option<&mut String> {
        match index {
            0 => Some(&mut self.family),
            1 => Some(&mut self.given),
            2 => Some(&mut self.middle),
            3 => Some(&mut self.prefix),
            4 => Some(&mut self.suffix),
            _ => None,
        }
    }

    /// Whether no component has text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.components()
            .iter()
            .all(|component| component.is_empty())
    }

    /// The components that have text, in order, with spaces between.
    #[must_use]
    pub fn display(&self) -> String {
        self.components()
            .into_iter()
            .filter(|component| !component.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The group as it is written, without trailing delimiters.
    #[must_use]
    pub fn to_value(&self) -> String {
        self.components().join("^").trim_end_matches('^').to_owned()
    }
}

impl PersonName {
    /// Whether no group has text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alphabetic.is_empty() && self.ideographic.is_empty() && self.phonetic.is_empty()
    }

    /// For listings: the name as it is read in the country, and how it is spelled or pronounced in
    /// parentheses, such as `山田 太郎 (やまだ たろう)`. Empty if there is no name.
    #[must_use]
    pub fn display(&self) -> String {
        let mut groups = [&self.ideographic, &self.phonetic, &self.alphabetic]
            .into_iter()
            .filter(|group| !group.is_empty());
        // Without ideographs the alphabetic group leads: it is the one every object has.
        let (first, second) = if self.ideographic.is_empty() && !self.alphabetic.is_empty() {
            (Some(&self.alphabetic), Some(&self.phonetic))
        } else {
            (groups.next(), groups.next())
        };
        let first = first.map(NameGroup::display).unwrap_or_default();
        match second.map(NameGroup::display) {
            Some(second) if !second.is_empty() && second != first => format!("{first} ({second})"),
            Some(_) | None => first,
        }
    }

    /// The name as text of a PN value in UTF-8, without trailing delimiters.
    #[must_use]
    pub fn to_value(&self) -> String {
        [&self.alphabetic, &self.ideographic, &self.phonetic]
            .map(NameGroup::to_value)
            .join("=")
            .trim_end_matches('=')
            .to_owned()
    }

    fn group_mut(&mut self, index: usize) -> Option<&mut NameGroup> {
        match index {
            0 => Some(&mut self.alphabetic),
            1 => Some(&mut self.ideographic),
            2 => Some(&mut self.phonetic),
            _ => None,
        }
    }

    fn trim(&mut self) {
        for group in [
            &mut self.alphabetic,
            &mut self.ideographic,
            &mut self.phonetic,
        ] {
            for index in 0..5 {
                if let Some(component) = group.component_mut(index) {
                    *component = component.trim_matches(' ').to_owned();
                }
            }
        }
    }
}

/// Puts pieces that were cut at name delimiters together to names, one for each value.
///
/// What a name has beyond three groups or five components stays in the last one that there is, with
/// its delimiter, and the name is not exact.
pub(super) fn assemble(pieces: Vec<Piece>) -> Vec<PersonName> {
    let mut names = Vec::new();
    let mut name = PersonName {
        exact: true,
        ..PersonName::default()
    };
    let (mut group, mut component) = (0_usize, 0_usize);
    let mut surplus = None;
    for piece in pieces {
        name.exact &= !piece.inexact && surplus.is_none();
        if let Some(slot) = name
            .group_mut(group)
            .and_then(|group| group.component_mut(component))
        {
            slot.extend(surplus.take());
            slot.push_str(&piece.text);
        }
        match piece.ended_by {
            Some(b'^') if component < 4 => component += 1,
            Some(b'=') if group < 2 => (group, component) = (group + 1, 0),
            Some(delimiter @ (b'^' | b'=')) => surplus = Some(char::from(delimiter)),
            Some(_) => {
                names.push(std::mem::take(&mut name));
                name.exact = true;
                (group, component, surplus) = (0, 0, None);
            }
            None => {}
        }
    }
    names.push(name);
    names.iter_mut().for_each(PersonName::trim);
    names
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonName")
            .field("exact", &self.exact)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NameGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameGroup")
            .field("empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}
