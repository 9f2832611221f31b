//! The defined terms of Specific Character Set (0008,0005): PS3.3 §C.12.1.1.2.

use super::sets::{G0, G1, Latin};

/// How the text of a data set is encoded, as its Specific Character Set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repertoire {
    /// UTF-8 (ISO_IR 192).
    Utf8,
    /// GB 18030, and GBK, which is part of it.
    Gb18030,
    /// One or two byte sets, which escape sequences exchange (ISO/IEC 2022).
    Iso2022 {
        /// What is active at the start of each value, name component and line.
        g0: G0,
        g1: Option<G1>,
    },
}

/// What one term stands for.
enum Term {
    Utf8,
    Gb18030,
    /// A set that is active from the start if it is the first value.
    SingleByte(G0, Option<G1>),
    /// A set of two-byte characters, which only escape sequences activate.
    MultiByte,
}

/// The default repertoire: ISO-IR 6 as G0, no G1 (PS3.5 §6.1.2.1).
pub(super) const DEFAULT: Repertoire = Repertoire::Iso2022 {
    g0: G0::Ascii,
    g1: None,
};

/// Reads a Specific Character Set value. The second part is false if a term is none that the standard
/// defines; it is then read as the default repertoire.
///
/// Terms are compared by their letters and digits, because devices write `ISO-IR 100`,
/// `ISO_IR_100` and `ISO 2022 IR100` as well. Any escape sequence the standard registers is
/// understood, whether its set is declared or not: it says itself what it activates.
pub(super) fn read_repertoire(value: &[u8]) -> (Repertoire, bool) {
    let mut known = true;
    let mut stated = Vec::new();
    for part in value.split(|byte| *byte == b'\\') {
        let letters: Vec<u8> = part
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_uppercase)
            .collect();
        let term = if letters.is_empty() {
            None
        } else {
            let term = read_term(&letters);
            known &= term.is_some();
            term
        };
        stated.push(term);
    }
    // UTF-8 and GB 18030 admit no other set beside them, so one of them anywhere means all.
    let standalone = stated.iter().flatten().find_map(|term| match term {
        Term::Utf8 => Some(Repertoire::Utf8),
        Term::Gb18030 => Some(Repertoire::Gb18030),
        Term::SingleByte(..) | Term::MultiByte => None,
    });
    let first = match stated.into_iter().next().flatten() {
        Some(Term::SingleByte(g0, g1)) => Repertoire::Iso2022 { g0, g1 },
        Some(Term::MultiByte | Term::Utf8 | Term::Gb18030) | None => DEFAULT,
    };
    (standalone.unwrap_or(first), known)
}

/// Reads one term, given its letters and digits in upper case.
fn read_term(letters: &[u8]) -> Option<Term> {
    let number = match letters {
        b"GB18030" | b"GBK" => return Some(Term::Gb18030),
        _ => letters
            .strip_prefix(b"ISO2022IR")
            .or_else(|| letters.strip_prefix(b"ISOIR"))?,
    };
    let latin = |latin| Some(Term::SingleByte(G0::Ascii, Some(G1::Latin(latin))));
    match number {
        b"192" => Some(Term::Utf8),
        b"6" => Some(Term::SingleByte(G0::Ascii, None)),
        b"13" => Some(Term::SingleByte(G0::Romaji, Some(G1::Katakana))),
        b"100" => latin(Latin::One),
        b"101" => latin(Latin::Two),
        b"109" => latin(Latin::Three),
        b"110" => latin(Latin::Four),
        b"144" => latin(Latin::Cyrillic),
        b"127" => latin(Latin::Arabic),
        b"126" => latin(Latin::Greek),
        b"138" => latin(Latin::Hebrew),
        b"148" => latin(Latin::Five),
        b"203" => latin(Latin::Nine),
        b"166" => latin(Latin::Thai),
        b"87" | b"159" | b"149" | b"58" => Some(Term::MultiByte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_is_what_starts() {
        let latin = |latin| Repertoire::Iso2022 {
            g0: G0::Ascii,
            g1: Some(G1::Latin(latin)),
        };
        let japanese = Repertoire::Iso2022 {
            g0: G0::Romaji,
            g1: Some(G1::Katakana),
        };
        let cases: [(&[u8], Repertoire); 12] = [
            (b"", DEFAULT),
            (b"ISO_IR 6 ", DEFAULT),
            (b"ISO_IR 100", latin(Latin::One)),
            (b"ISO-IR 100", latin(Latin::One)),
            (b"ISO 2022 IR 101\\ISO 2022 IR 87", latin(Latin::Two)),
            (b"\\ISO 2022 IR 87", DEFAULT),
            (b"ISO 2022 IR 87", DEFAULT),
            (b"ISO 2022 IR 13\\ISO 2022 IR 87", japanese),
            (b"ISO_IR 192", Repertoire::Utf8),
            (b"\\ISO_IR 192", Repertoire::Utf8),
            (b"GB18030 ", Repertoire::Gb18030),
            (b"GBK ", Repertoire::Gb18030),
        ];
        for (value, repertoire) in cases {
            assert_eq!(read_repertoire(value), (repertoire, true));
        }
    }

    #[test]
    fn unknown_terms_are_said_to_be_unknown() {
        for value in [b"ISO_IR 999".as_slice(), b"windows-31j", b"\\x"] {
            assert_eq!(read_repertoire(value), (DEFAULT, false));
        }
    }
}
