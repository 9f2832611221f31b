//! Text in the character sets of the field, and how it is matched (`dicom/charset`).

use dicom_core::VR;
use dokuei_node::dicom::charset::matching::{NamePattern, PATTERN_CHARS, TextPattern, fold};
use dokuei_node::dicom::charset::{CharacterSets, encode};

/// Bytes of text that one byte may become: a control character in a value is `＼u{1F}`.
const GROWTH: usize = 8;

/// Whatever the bytes, they can be shown, in proportion to their number; a text matches itself.
///
/// The first line of an input is its Specific Character Set.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (terms, value) = end.map_or((&[][..], data), |at| (&data[..at], &data[at + 1..]));
    let sets = CharacterSets::read(terms);
    let text = sets.decode_text(value);
    shown(&text.text, value);
    for value_of in sets.decode_values(value) {
        shown(&value_of.text, value);
        if value_of.text.chars().count() <= PATTERN_CHARS {
            assert!(TextPattern::new(&value_of.text).matches(&value_of.text));
        }
    }
    names(sets, value);
    for vr in [VR::LO, VR::PN, VR::LT, VR::CS] {
        written(sets, vr, value);
    }
}

fn shown(text: &str, value: &[u8]) {
    let is_shown = |char: char| matches!(char, '\n' | '\r' | '\t' | '\u{C}') || !char.is_control();
    assert!(text.chars().all(is_shown));
    assert!(text.len() <= GROWTH * value.len());
}

fn names(sets: CharacterSets, value: &[u8]) {
    for name in sets.decode_person_names(value) {
        shown(&name.display(), value);
        let key = name.to_value();
        let folded = fold(&key);
        assert!(fold(&folded) == folded, "folding twice is not folding once");
        // An empty last group is not written, and what stands in a group it did not have is none of its own.
        if key.chars().count() <= PATTERN_CHARS && name.exact {
            assert!(NamePattern::new(&key).matches(&name));
        }
    }
}

/// Written in UTF-8, an exact text is the same text.
fn written(sets: CharacterSets, vr: VR, value: &[u8]) {
    let once = sets.to_utf8_value(vr, value);
    assert!(once.text.len() <= GROWTH * value.len().max(1));
    if once.exact {
        let again = CharacterSets::read(b"ISO_IR 192").to_utf8_value(vr, &encode(&once.text));
        assert!(vr == VR::CS || again.text == once.text, "written otherwise");
    }
}
