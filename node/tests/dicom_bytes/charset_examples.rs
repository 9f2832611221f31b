//! The examples of PS3.5 annexes H to K, byte for byte.

use dokuei_node::dicom::charset::{CharacterSets, PersonName};

fn name(terms: &[u8], value: &[u8]) -> PersonName {
    let mut names = CharacterSets::read(terms).decode_person_names(value);
    assert_eq!(names.len(), 1);
    names.remove(0)
}

/// The name as it is written, and that nothing of it was in doubt.
fn exactly(terms: &[u8], value: &[u8]) -> String {
    let name = name(terms, value);
    assert!(name.exact);
    name.to_value()
}

fn text(terms: &[u8], value: &[u8]) -> String {
    let text = CharacterSets::read(terms).decode_text(value);
    assert!(text.exact);
    text.text
}

#[test]
fn h_3_1_value_1_is_not_present() {
    let value = b"Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B\
        =\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B";
    let terms = b"\\ISO 2022 IR 87";
    assert_eq!(
        exactly(terms, value),
        "Yamada^Tarou=山田^太郎=やまだ^たろう"
    );
    let name = name(terms, value);
    assert_eq!(name.alphabetic.family, "Yamada");
    assert_eq!(name.ideographic.given, "太郎");
    assert_eq!(name.phonetic.family, "やまだ");
    assert_eq!(name.display(), "山田 太郎 (やまだ たろう)");
}

#[test]
fn h_3_2_value_1_is_iso_2022_ir_13() {
    let value = b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1B$B;3ED\x1B(J^\x1B$BB@O:\x1B(J\
        =\x1B$B$d$^$@\x1B(J^\x1B$B$?$m$&\x1B(J";
    let terms = b"ISO 2022 IR 13\\ISO 2022 IR 87";
    assert_eq!(exactly(terms, value), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
}

#[test]
fn i_2_korean_name() {
    let value = b"Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7\
        =\x1B$)C\xC8\xAB^\x1B$)C\xB1\xE6\xB5\xBF";
    let terms = b"\\ISO 2022 IR 149";
    assert_eq!(exactly(terms, value), "Hong^Gildong=洪^吉洞=홍^길동");
}

#[test]
fn i_3_korean_text() {
    let value = b"\x1B$)CThe first line includes \xC7\xD1\xB1\xDB.\r\n\
        \x1B$)CThe second line includes \xC7\xD1\xB1\xDB, too.\r\nThe third line";
    let expected = "The first line includes 한글.\r\nThe second line includes 한글, too.\r\n\
        The third line";
    assert_eq!(text(b"\\ISO 2022 IR 149", value), expected);
}

#[test]
fn j_1_chinese_name_in_utf_8() {
    let value = b"Wang^XiaoDong=\xE7\x8E\x8B^\xE5\xB0\x8F\xE6\x9D\xB1=";
    assert_eq!(exactly(b"ISO_IR 192", value), "Wang^XiaoDong=王^小東");
}

#[test]
fn j_2_chinese_text_in_utf_8() {
    let value = b"The first line includes\xE4\xB8\xAD\xE6\x96\x87.\r\n\
        The second line includes\xE4\xB8\xAD\xE6\x96\x87, too.\r\nThe third line.\r\n";
    let expected = "The first line includes中文.\r\nThe second line includes中文, too.\r\n\
        The third line.\r\n";
    assert_eq!(text(b"ISO_IR 192", value), expected);
}

#[test]
fn j_3_chinese_name_in_gb18030_and_gbk() {
    let value = b"Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB=";
    for terms in [b"GB18030".as_slice(), b"GBK"] {
        assert_eq!(exactly(terms, value), "Wang^XiaoDong=王^小东");
    }
}

#[test]
fn j_4_chinese_text_in_gb18030() {
    let value = b"The first line includes\xD6\xD0\xCE\xC4.\r\n\
        The second line includes\xD6\xD0\xCE\xC4, too.\r\nThe third line.\r\n";
    let expected = "The first line includes中文.\r\nThe second line includes中文, too.\r\n\
        The third line.\r\n";
    assert_eq!(text(b"GB18030", value), expected);
}

#[test]
fn k_2_chinese_name_in_gb2312() {
    let value = b"Zhang^XiaoDong=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB= ";
    assert_eq!(
        exactly(b"\\ISO 2022 IR 58", value),
        "Zhang^XiaoDong=张^小东"
    );
}

#[test]
fn k_3_chinese_text_in_gb2312() {
    let value = b"1.\x1B$)A\xB5\xDA\xD2\xBB\xD0\xD0\xCE\xC4\xD7\xD6\xA1\xA3\r\n\
        2.\x1B$)A\xB5\xDA\xB6\xFE\xD0\xD0\xCE\xC4\xD7\xD6\xA1\xA3\r\n\
        3.\x1B$)A\xB5\xDA\xC8\xFD\xD0\xD0\xCE\xC4\xD7\xD6\xA1\xA3\r\n";
    let expected = "1.第一行文字。\r\n2.第二行文字。\r\n3.第三行文字。\r\n";
    assert_eq!(text(b"\\ISO 2022 IR 58", value), expected);
}

#[test]
fn names_of_6_2_1_1() {
    let cases = [
        (
            "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
            "Adams John Robert Quincy Rev. B.A. M.Div.",
        ),
        (
            "Morrison-Jones^Susan^^^Ph.D., Chief Executive Officer",
            "Morrison-Jones Susan Ph.D., Chief Executive Officer",
        ),
        ("Doe^John", "Doe John"),
    ];
    for (value, display) in cases {
        let name = name(b"", value.as_bytes());
        assert!(name.exact);
        assert_eq!(name.to_value(), value);
        assert_eq!(name.display(), display);
    }
}
