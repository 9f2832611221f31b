//! Character sets where they are tricky: resets, second bytes that look like delimiters, characters
//! outside the sets, and bytes that are wrong.

use dokuei_node::dicom::charset::{CharacterSets, Decoded, PersonName};

const KANJI: &[u8] = b"\\ISO 2022 IR 87";
const KANA_AND_KANJI: &[u8] = b"ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159";

fn text(terms: &[u8], value: &[u8]) -> (String, bool) {
    let Decoded { text, exact } = CharacterSets::read(terms).decode_text(value);
    (text, exact)
}

fn values(terms: &[u8], value: &[u8]) -> Vec<(String, bool)> {
    let values = CharacterSets::read(terms).decode_values(value);
    values
        .into_iter()
        .map(|value| (value.text, value.exact))
        .collect()
}

fn names(terms: &[u8], value: &[u8]) -> Vec<PersonName> {
    CharacterSets::read(terms).decode_person_names(value)
}

fn exact(text: &str) -> (String, bool) {
    (text.to_owned(), true)
}

fn inexact(text: &str) -> (String, bool) {
    (text.to_owned(), false)
}

#[test]
fn second_bytes_that_look_like_delimiters_are_not() {
    // 本 is 4B 5C, and 5C is a backslash; ま is 24 5E, and 5E is a caret; 申 is 3F 3D.
    assert_eq!(
        values(KANJI, b"\x1B$B;3K\\\x1B(B\\B"),
        [exact("山本"), exact("B")]
    );
    let name = &names(KANJI, b"=\x1B$BK\\$^?=\x1B(B^B")[0];
    assert!(name.exact);
    assert_eq!(name.to_value(), "=本ま申^B");
    // In GB 18030 second bytes are delimiters too: 乗 is 81 5C, 乛 is 81 5E.
    let name = &names(b"GB18030", b"=\x81\x5C\x81\x5E^B")[0];
    assert_eq!(name.to_value(), "=乗乛^B");
}

#[test]
fn sets_are_reset_at_line_ends_values_and_name_parts() {
    // 3B33 is 山 in JIS X 0208 and `;3` in ASCII.
    for line_end in ["\r\n", "\n", "\r", "\x0C", "\t"] {
        let value = [b"\x1B$B;3", line_end.as_bytes(), b";3"].concat();
        assert_eq!(text(KANJI, &value), exact(&format!("山{line_end};3")));
    }
    // G1 is reset by delimiters that stand in G0 all the while.
    let korean = b"\x1B$)C\xB1\xE6\\\xB1\xE6";
    assert_eq!(
        values(b"\\ISO 2022 IR 149", korean),
        [exact("길"), inexact("\\xB1\\xE6")]
    );
    let name = &names(b"\\ISO 2022 IR 149", b"\x1B$)C\xB1\xE6^\xB1\xE6")[0];
    assert_eq!(
        (name.to_value().as_str(), name.exact),
        ("길^\\xB1\\xE6", false)
    );
    // In text that is no name, a caret resets nothing, and neither does a backslash in LT.
    let caret = b"\x1B$)C\xB1\xE6^=\xB1\xE6";
    assert_eq!(values(b"\\ISO 2022 IR 149", caret), [exact("길^=길")]);
    assert_eq!(
        text(b"\\ISO 2022 IR 149", b"\x1B$)C\xB1\xE6\\\xB1\xE6"),
        exact("길\\길")
    );
    // What the first value declares is active again.
    let latin = b"\x1B-F\xE1\r\n\xE9";
    assert_eq!(
        text(b"ISO 2022 IR 100\\ISO 2022 IR 126", latin),
        exact("α\r\né")
    );
}

#[test]
fn jis_x_0201_is_shown_as_it_is_defined() {
    let sets = b"ISO_IR 13";
    assert_eq!(text(sets, b"\xB1\xB2\xDE \\100~"), exact("ｱｲﾞ ¥100‾"));
    assert_eq!(values(sets, b"\xB1\\\xB2"), [exact("ｱ"), exact("ｲ")]);
    assert_eq!(text(sets, b"\xA0\xE0"), inexact("\\xA0\\xE0"));
    // ASCII and romaji are told apart within one text.
    assert_eq!(text(sets, b"\x1B(B\\\x1B(J\\"), exact("\\¥"));
}

#[test]
fn jis_x_0212_is_decoded() {
    let value = b"\x1B$(D<t\x1B(J \x1B$(D0!1#\x1B$B;3\x1B(J";
    assert_eq!(text(KANA_AND_KANJI, value), exact("彅 丂侊山"));
}

#[test]
fn punctuation_follows_the_jis_tables() {
    let value = b"\x1B$B!A!B!]!q!r\"L\x1B(B";
    assert_eq!(text(KANJI, value), exact("〜‖−¢£¬"));
}

#[test]
fn additions_of_vendors_are_decoded_and_flagged() {
    // 髙 and 﨑 are in rows 92 and 89, ① and ㈱ in row 13, none of them in JIS X 0208.
    let value = b"\x1B$B|b66\x1B(B^\x1B$Byu\x1B(B";
    let name = &names(KANJI, value)[0];
    assert_eq!((name.to_value().as_str(), name.exact), ("髙橋^﨑", false));
    assert_eq!(text(KANJI, b"\x1B$B-!-j\x1B(B"), inexact("①㈱"));
}

#[test]
fn what_is_not_assigned_is_shown_raw() {
    // Row 9 is empty.
    assert_eq!(text(KANJI, b"\x1B$B)!;3\x1B(B"), inexact("\\x29\\x21山"));
    assert_eq!(text(b"ISO_IR 127", b"\xC7\xA1"), inexact("ا\\xA1"));
    assert_eq!(text(b"", b"caf\xE9"), inexact("caf\\xE9"));
    assert_eq!(text(b"ISO_IR 100", b"caf\xE9 \x92"), inexact("café \\x92"));
    assert_eq!(
        text(b"ISO_IR 192", b"\xE5\xB1\xB1\xE5\xB1"),
        inexact("山\\xE5\\xB1")
    );
    assert_eq!(
        text(b"GB18030", b"\xCD\xF5\xFF\xCD"),
        inexact("王\\xFF\\xCD")
    );
    assert_eq!(
        text(b"\\ISO 2022 IR 58", b"\x1B$)A\xB5\xDA\xB5"),
        inexact("第\\xB5")
    );
}

#[test]
fn broken_escapes_are_shown_and_change_nothing() {
    for (value, shown) in [
        (b"A\x1B".as_slice(), "A\\x1B"),
        (b"\x1B$", "\\x1B$"),
        (b"\x1B$@;3", "\\x1B$@;3"),
        (b"\x1B(Z;3", "\\x1B(Z;3"),
        (b"\x1B-Z\xE9", "\\x1B-Z\\xE9"),
        (b"\x1B[31mred", "\\x1B[31mred"),
        (b"\x1B$B;3\x1B[m;3", "山\\x1B\\x5Bmｻ"),
    ] {
        let (text, exact) = text(KANJI, value);
        assert!(!exact);
        if shown.starts_with('山') {
            assert!(text.starts_with("山\\x1B"), "{text}");
        } else {
            assert_eq!(text, shown);
        }
    }
    // Half a character before an escape.
    assert_eq!(text(KANJI, b"\x1B$B;3;\x1B(BA"), inexact("山\\x3BA"));
    // An encoder that forgets to go back before a delimiter.
    let name = &names(KANJI, b"=\x1B$B;3ED^\x1B$BB@O:")[0];
    assert_eq!(
        (name.to_value().as_str(), name.exact),
        ("=山田^太郎", false)
    );
}

#[test]
fn text_cannot_steer_a_terminal() {
    assert_eq!(
        text(b"ISO_IR 192", b"\x1B[2J\x07\x7F"),
        inexact("\\u{1B}[2J\\u{7}\\u{7F}")
    );
    assert_eq!(
        text(b"ISO_IR 192", "\u{9B}31m".as_bytes()),
        inexact("\\u{9B}31m")
    );
    assert_eq!(
        text(b"ISO_IR 192", "a\u{202E}b".as_bytes()),
        inexact("a\\u{202E}b")
    );
    assert_eq!(text(b"", b"a\x08\x0Eb"), inexact("a\\x08\\x0Eb"));
}

#[test]
fn single_byte_sets() {
    for (terms, value, expected) in [
        (
            b"ISO_IR 101".as_slice(),
            b"\xA3\xF3d\xBC".as_slice(),
            "Łódź",
        ),
        (b"ISO_IR 109", b"\xA6", "Ĥ"),
        (b"ISO_IR 110", b"\xBF", "ŋ"),
        (b"ISO_IR 144", b"\xBC\xD8\xE0", "Мир"),
        (b"ISO_IR 127", b"\xE2\xC8", "قب"),
        (b"ISO_IR 126", b"\xC4\xE9", "Δι"),
        (b"ISO_IR 138", b"\xF9\xF8", "שר"),
        (b"ISO_IR 148", b"\xDD\xFE", "İş"),
        (b"ISO_IR 203", b"\xA4", "€"),
        (b"ISO_IR 166", b"\xE4\xB7\xC2", "ไทย"),
    ] {
        assert_eq!(text(terms, value), exact(expected));
        // The same set under code extension, from the default repertoire.
        let number = terms.strip_prefix(b"ISO_IR ").unwrap();
        let last = match number {
            b"101" => b'B',
            b"109" => b'C',
            b"110" => b'D',
            b"144" => b'L',
            b"127" => b'G',
            b"126" => b'F',
            b"138" => b'H',
            b"148" => b'M',
            b"203" => b'b',
            _ => b'T',
        };
        let escaped = [&[0x1B, b'-', last], value].concat();
        let terms = [b"\\ISO 2022 IR ", number].concat();
        assert_eq!(text(&terms, &escaped), exact(expected));
    }
}

#[test]
fn padding_is_dropped_and_inner_spaces_stay() {
    assert_eq!(text(b"", b"  two words  "), exact("  two words"));
    assert_eq!(text(b"", b"NUL\0\0"), exact("NUL"));
    assert_eq!(values(b"", b" a b \\ c"), [exact("a b"), exact("c")]);
    assert_eq!(values(b"", b""), [exact("")]);
}

#[test]
fn names_of_odd_shapes_lose_nothing() {
    let name = &names(b"", b"a^b^c^d^e^f=g=h=i^j")[0];
    assert!(!name.exact);
    assert_eq!(name.to_value(), "a^b^c^d^e^f=g=h=i^j");
    let two = names(b"", b"Doe^Jane \\Roe");
    assert_eq!(
        two.iter().map(PersonName::display).collect::<Vec<_>>(),
        ["Doe Jane", "Roe"]
    );
    let padded = &names(b"", b" Doe ^ Jane ^^^  ")[0];
    assert_eq!(
        (padded.to_value().as_str(), padded.exact),
        ("Doe^Jane", true)
    );
    assert!(names(b"", b"")[0].is_empty());
    assert!(names(b"", b"^^^^")[0].is_empty());
}

#[test]
fn listings_show_the_name_as_it_is_read() {
    let display = |value: &str| names(b"ISO_IR 192", value.as_bytes())[0].display();
    assert_eq!(
        display("Yamada^Tarou=山田^太郎=やまだ^たろう"),
        "山田 太郎 (やまだ たろう)"
    );
    assert_eq!(
        display("Yamada^Tarou=山田^太郎"),
        "山田 太郎 (Yamada Tarou)"
    );
    assert_eq!(display("ﾔﾏﾀﾞ^ﾀﾛｳ==やまだ^たろう"), "ﾔﾏﾀﾞ ﾀﾛｳ (やまだ たろう)");
    assert_eq!(display("Yamada^Tarou"), "Yamada Tarou");
    assert_eq!(display("==やまだ"), "やまだ");
    assert_eq!(display("山田^太郎=山田^太郎"), "山田 太郎");
    assert_eq!(display(""), "");
}

#[test]
fn unknown_terms_are_reported() {
    assert!(CharacterSets::read(b"ISO_IR 192").are_known());
    assert!(!CharacterSets::read(b"ISO_IR 999").are_known());
}
