//! Damaged bytes: scanned to an answer, never a panic, never beyond the bounds.

use crate::dataset::{Form, transfer_syntax};
use crate::files::{names, read, scan_within};
use dicom_dictionary_std::tags;
use dokuei_node::dicom::charset::CharacterSets;
use dokuei_node::dicom::scanner::{FINDINGS_MAX, Limits, Scanner};
use dokuei_node::studies::attributes::Attributes;
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::LazyLock;

/// Small files of every encoding.
static ORIGINALS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    ["objects", "broken", "charsets"]
        .into_iter()
        .flat_map(|folder| {
            names(folder)
                .into_iter()
                .map(move |name| read(folder, &name))
        })
        .filter(|file| file.len() < 12 * 1024)
        .collect()
});

#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 1_usize..64).prop_map(|(at, count)| Damage::Remove(at, count)),
        (
            any::<Index>(),
            proptest::collection::vec(any::<u8>(), 1..16)
        )
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), 1_usize..512).prop_map(|(at, count)| Damage::Repeat(at, count)),
    ]
}

impl Damage {
    fn apply(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        let length = file.len();
        match self {
            Self::Flip(at, mask) => file[at.index(length)] ^= mask,
            Self::Set(at, byte) => file[at.index(length)] = *byte,
            Self::Cut(at) => file.truncate(at.index(length)),
            Self::Remove(at, count) => {
                let start = at.index(length);
                file.drain(start..length.min(start + count));
            }
            Self::Insert(at, bytes) => {
                let start = at.index(length);
                file.splice(start..start, bytes.iter().copied());
            }
            Self::Repeat(at, count) => {
                let start = at.index(length);
                let again = file[start..length.min(start + count)].to_vec();
                file.splice(start..start, again);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_get_an_answer(
        which in any::<Index>(),
        damages in proptest::collection::vec(damage(), 1..6),
        piece in 1_usize..5000,
        known in any::<bool>(),
    ) {
        let mut file = ORIGINALS[which.index(ORIGINALS.len())].clone();
        for damage in &damages {
            damage.apply(&mut file);
        }
        let limits = Limits { total: known.then_some(file.len() as u64), ..Limits::default() };
        match scan_within(&file, piece, limits) {
            Ok(scanned) => {
                // Whatever is carried can be shown.
                prop_assert!(scanned.header.findings().as_slice().len() <= FINDINGS_MAX);
                let attributes = Attributes::of(&scanned.header);
                let name = attributes.name(tags::PATIENT_NAME);
                prop_assert!(name.is_empty() || !name.display().is_empty());
                let _ = (scanned.header.study_date(), scanned.header.study_time());
                let _ = (scanned.header.image(), scanned.header.timezone_offset());
            }
            Err(malformed) => prop_assert!(malformed.offset <= 1 << 32),
        }
    }

    #[test]
    fn a_cut_file_is_not_taken_for_a_whole_one(which in any::<Index>(), cut in any::<Index>()) {
        let names = names("objects");
        let file = read("objects", &names[which.index(names.len())]);
        let limits = Limits::for_total(file.len() as u64);
        prop_assert!(scan_within(&file[..cut.index(file.len())], 512, limits).is_err());
    }

    #[test]
    fn noise_gets_an_answer(
        noise in proptest::collection::vec(any::<u8>(), 0..4096),
        which in 0_usize..4,
        piece in 1_usize..600,
    ) {
        let transfer_syntax = [
            Form::Implicit.transfer_syntax(),
            Form::Explicit.transfer_syntax(),
            Form::Big.transfer_syntax(),
            transfer_syntax("1.2.840.10008.1.2.1.99"),
        ][which].clone();
        let mut scanner = Scanner::new(transfer_syntax, Limits::default());
        let pushed = noise.chunks(piece).try_for_each(|piece| scanner.push(piece));
        let finished = scanner.finish();
        if let Err(malformed) = pushed {
            prop_assert_eq!(finished.unwrap_err(), malformed);
        }
    }

    #[test]
    fn any_bytes_decode_to_text_that_can_be_shown(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        which in 0_usize..8,
    ) {
        let terms: [&[u8]; 8] = [b"", b"ISO_IR 192", b"GB18030", b"ISO_IR 100",
            b"ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159", b"\\ISO 2022 IR 149",
            b"\\ISO 2022 IR 58", b"nonsense"];
        let sets = CharacterSets::read(terms[which]);
        let text = sets.decode_text(&noise);
        let shown = |text: &str| text.chars().all(|char| {
            matches!(char, '\n' | '\r' | '\t' | '\u{C}') || !char.is_control()
        });
        prop_assert!(shown(&text.text));
        let replaced = text.text.contains(char::REPLACEMENT_CHARACTER);
        prop_assert!(!replaced || which == 1 || which == 2);
        for value in sets.decode_values(&noise) {
            prop_assert!(shown(&value.text));
        }
        for name in sets.decode_person_names(&noise) {
            prop_assert!(shown(&name.display()));
        }
    }

    #[test]
    fn utf8_text_comes_back_as_it_was(text in "[^\\\\\\p{C}\\x00-\\x1F\\x7F]{0,60}") {
        let sets = CharacterSets::read(b"ISO_IR 192");
        let value = dokuei_node::dicom::charset::encode(&text);
        prop_assert_eq!(value.len() % 2, 0);
        let decoded = sets.decode_text(&value);
        prop_assert!(decoded.exact);
        prop_assert_eq!(decoded.text, text.trim_end_matches(' '));
    }
}
