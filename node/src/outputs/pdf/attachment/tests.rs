use std::io::Write;

use super::*;

/// A PDF with a classic cross-reference table; object `n` is `objects[n - 1]`.
fn classic(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (index, body) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", index + 1).as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    let size = objects.len() + 1;
    out.extend_from_slice(format!("xref\n0 {size}\n0000000000 65535 f \n").as_bytes());
    for offset in offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let end = format!("trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF");
    out.extend_from_slice(end.as_bytes());
    out
}

fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut body = format!("<<{dictionary}/Length {}>>stream\n", data.len()).into_bytes();
    body.extend_from_slice(data);
    body.extend_from_slice(b"\nendstream");
    body
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

const CATALOGUE: &str = "<</Type/Catalog/Pages 2 0 R>>";
const TREE: &str = "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 300 200]>>";
const CONTENT: &[u8] = b"BT /F1 12 Tf 20 100 Td (Hello) Tj ET";

/// One page; `page` is added to its dictionary, `more` are further objects from number 6 on.
fn one_page(page: &str, more: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        CATALOGUE.as_bytes().to_vec(),
        TREE.as_bytes().to_vec(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>{page}>>")
            .into_bytes(),
        stream("", CONTENT),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_vec(),
    ];
    objects.extend(more.iter().map(|object| object.as_bytes().to_vec()));
    classic(&objects, "")
}

fn refusal(bytes: &[u8]) -> AttachmentError {
    match load(bytes) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[test]
fn a_plain_page_is_taken_over() {
    let own = load(&one_page("", &[])).unwrap();
    assert_eq!(own.sizes, [(300.0, 200.0)]);
}

#[test]
fn rotation_and_crop_box_decide_the_size() {
    let own = load(&one_page("/Rotate 90/CropBox[50 50 250 150]", &[])).unwrap();
    assert_eq!(own.sizes, [(100.0, 200.0)]);
    let own = load(&one_page("/Rotate -90", &[])).unwrap();
    assert_eq!(own.sizes, [(200.0, 300.0)]);
}

#[test]
fn cross_reference_streams_and_object_streams_are_read() {
    let members = [
        (1, CATALOGUE),
        (2, TREE),
        (3, "<</Type/Page/Parent 2 0 R/Contents 4 0 R>>"),
    ];
    let mut index = String::new();
    let mut bodies = String::new();
    for (number, body) in members {
        index.push_str(&format!("{number} {} ", bodies.len()));
        bodies.push_str(body);
        bodies.push('\n');
    }
    let holder = stream(
        &format!("/Type/ObjStm/N 3/First {}/Filter/FlateDecode", index.len()),
        &packed(format!("{index}{bodies}").as_bytes()),
    );
    let mut out = b"%PDF-1.5\n".to_vec();
    let place = |number: u32, body: &[u8], out: &mut Vec<u8>| {
        let at = out.len() as u16;
        out.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\nendobj\n");
        at
    };
    let content = place(
        4,
        &stream("/Filter/FlateDecode", &packed(CONTENT)),
        &mut out,
    );
    let holder = place(5, &holder, &mut out);
    let mut rows = vec![0, 0, 0, 0];
    for index in 0..3u8 {
        rows.extend([2, 0, 5, index]);
    }
    for at in [content, holder] {
        rows.extend([1, (at >> 8) as u8, at as u8, 0]);
    }
    // Rows with the PNG "up" predictor, as most programs write them.
    let mut before = [0u8; 4];
    let mut coded = Vec::new();
    for row in rows.chunks(4) {
        coded.push(2);
        coded.extend(
            row.iter()
                .zip(before)
                .map(|(new, old)| new.wrapping_sub(old)),
        );
        before.copy_from_slice(row);
    }
    let start = out.len();
    let table = stream(
        "/Type/XRef/Size 6/W[1 2 1]/Root 1 0 R/Filter/FlateDecode\
         /DecodeParms<</Predictor 12/Columns 4>>",
        &packed(&coded),
    );
    place(6, &table, &mut out);
    out.extend_from_slice(format!("startxref\n{start}\n%%EOF").as_bytes());
    assert_eq!(load(&out).unwrap().sizes, [(300.0, 200.0)]);
}

#[test]
fn actions_scripts_files_and_metadata_are_left_behind() {
    let active = [
        "<</Type/Action/S/JavaScript/JS(app.alert\\(1\\))>>",
        "<</Type/Filespec/F(evil.exe)/EF<</F 8 0 R>>>>",
        "<</Type/EmbeddedFile/Length 4>>stream\nEVIL\nendstream",
        "<</S/Launch/F(cmd.exe)>>",
    ];
    let page = "/AA<</O 6 0 R>>/AF[7 0 R]/Metadata 8 0 R/PieceInfo<</X 9 0 R>>\
                /Annots[<</Subtype/Link/Rect[0 0 9 9]/A 6 0 R>>]";
    let mut file = one_page(page, &active);
    let plain = rewritten(&file).unwrap();
    for word in [
        "JavaScript",
        "alert",
        "evil",
        "EVIL",
        "Launch",
        "/AA",
        "/AF",
        "Annots",
        "PieceInfo",
    ] {
        assert!(!holds(&plain, word.as_bytes()), "{word}");
    }
    // Even when the page's own resources point at them.
    let resources = "/Properties<</A 6 0 R/B 7 0 R/C<</D 9 0 R>>>>/Font";
    let at = file.windows(5).position(|w| w == b"/Font").unwrap();
    file.splice(at..at + 5, resources.bytes());
    let at = file.windows(9).rposition(|w| w == b"startxref").unwrap();
    file.truncate(at);
    let moved = shift_table(file, resources.len() - 5);
    let plain = rewritten(&moved).unwrap();
    assert!(holds(&plain, b"/Properties"));
    for word in ["JavaScript", "evil", "EVIL", "Launch"] {
        assert!(!holds(&plain, word.as_bytes()), "{word}");
    }
}

/// Rebuild the table of a file whose objects after the third moved by `shift` bytes.
fn shift_table(file: Vec<u8>, shift: usize) -> Vec<u8> {
    let table = file.windows(6).rposition(|w| w == b"\nxref\n").unwrap() + 1;
    let text = String::from_utf8_lossy(&file[table..]).into_owned();
    let mut out = file[..table].to_vec();
    for (number, line) in text.lines().enumerate() {
        let offset = line
            .get(..10)
            .and_then(|digits| digits.parse::<usize>().ok());
        match offset {
            Some(offset) if number >= 6 => {
                out.extend_from_slice(format!("{:010} 00000 n \n", offset + shift).as_bytes());
            }
            Some(_) | None => out.extend_from_slice(format!("{line}\n").as_bytes()),
        }
    }
    out.extend_from_slice(format!("startxref\n{table}\n%%EOF").as_bytes());
    out
}

#[test]
fn comments_and_form_fields_are_refused_links_are_not() {
    let note = "/Annots[<</Subtype/FreeText/Rect[0 0 50 50]/Contents(important)>>]";
    assert_eq!(
        refusal(&one_page(note, &[])),
        AttachmentError::Annotations { page: 1 }
    );
    let field = "/Annots 6 0 R";
    let fields = [
        "[7 0 R]",
        "<</Subtype/Widget/FT/Tx/V(12 mm)/Rect[0 0 50 50]>>",
    ];
    assert_eq!(
        refusal(&one_page(field, &fields)),
        AttachmentError::Annotations { page: 1 }
    );
    let silent = "/Annots[<</Subtype/Link/Rect[0 0 50 50]>><</Subtype/Widget/Rect[0 0 0 0]>>\
                  <</Subtype/Text/F 2/Rect[0 0 5 5]>>]";
    assert!(load(&one_page(silent, &[])).is_ok());
}

#[test]
fn composite_fonts_must_be_embedded() {
    let font = "/Resources<</Font<</F1 6 0 R>>>>";
    let composite = "<</Type/Font/Subtype/Type0/DescendantFonts[7 0 R]>>";
    let described = "<</Type/Font/Subtype/CIDFontType2/FontDescriptor 8 0 R>>";
    let page = one_page("", &[composite, described, "<</Type/FontDescriptor>>"]);
    let named = with_resources(page, font);
    assert_eq!(refusal(&named), AttachmentError::FontNotEmbedded);
    let page = one_page("", &[composite, described, "<</FontFile2 4 0 R>>"]);
    assert!(load(&with_resources(page, font)).is_ok());
}

/// Replace the resources of [`one_page`], keeping its length.
fn with_resources(mut file: Vec<u8>, resources: &str) -> Vec<u8> {
    let usual = b"/Resources<</Font<</F1 5 0 R>>>>";
    assert_eq!(usual.len(), resources.len());
    let at = file.windows(usual.len()).position(|w| w == usual).unwrap();
    file.splice(at..at + usual.len(), resources.bytes());
    file
}

#[test]
fn encrypted_foreign_and_cut_off_files_are_refused() {
    let objects = [CATALOGUE.as_bytes().to_vec(), TREE.as_bytes().to_vec()];
    let encrypted = classic(&objects, "/Encrypt<</Filter/Standard/V 2>>");
    assert_eq!(refusal(&encrypted), AttachmentError::Encrypted);
    assert_eq!(refusal(b"PK\x03\x04 a Word file"), AttachmentError::NotAPdf);
    assert_eq!(refusal(b""), AttachmentError::NotAPdf);
    let whole = one_page("", &[]);
    for cut in 0..whole.len() {
        let error = refusal(&whole[..cut]);
        let expected = matches!(
            error,
            AttachmentError::NotAPdf | AttachmentError::Damaged { .. }
        );
        assert!(expected, "{cut}: {error}");
    }
    // Cut off inside a later save, the older save at its end mark is not taken for the whole.
    let mut saved_again = whole;
    saved_again.extend_from_slice(b"\n4 0 obj\n<</Length 0");
    assert!(matches!(
        refusal(&saved_again),
        AttachmentError::Damaged { .. }
    ));
}

#[test]
fn limits_hold() {
    let large = vec![b' '; MAX_BYTES + 1];
    assert!(matches!(refusal(&large), AttachmentError::TooLarge { .. }));

    let page = b"<</Type/Page/Parent 2 0 R>>".to_vec();
    let kids: Vec<String> = (3..3 + MAX_PAGES + 1).map(|n| format!("{n} 0 R")).collect();
    let tree = format!("<</Type/Pages/Kids[{}]>>", kids.join(" "));
    let mut objects = vec![CATALOGUE.as_bytes().to_vec(), tree.into_bytes()];
    objects.extend(std::iter::repeat_n(page, MAX_PAGES + 1));
    assert_eq!(
        refusal(&classic(&objects, "")),
        AttachmentError::TooManyPages { limit: MAX_PAGES }
    );

    let circle = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[2 0 R]>>",
    ];
    let circle: Vec<Vec<u8>> = circle.iter().map(|o| o.as_bytes().to_vec()).collect();
    assert!(matches!(
        refusal(&classic(&circle, "")),
        AttachmentError::Damaged { .. }
    ));

    let mut deep = vec![b'['; 100_000];
    deep.extend(std::iter::repeat_n(b']', 100_000));
    let nested = [deep, TREE.as_bytes().to_vec()];
    assert!(matches!(
        refusal(&classic(&nested, "")),
        AttachmentError::Damaged { .. }
    ));

    let bomb = packed(&vec![0u8; 60 * 1024 * 1024]);
    assert!(bomb.len() < 100_000);
    let bomb = [
        CATALOGUE.as_bytes().to_vec(),
        TREE.as_bytes().to_vec(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>".to_vec(),
        stream("/Filter/FlateDecode", &bomb),
    ];
    assert!(matches!(
        refusal(&classic(&bomb, "")),
        AttachmentError::Expands { .. }
    ));
    let twice = [
        CATALOGUE.as_bytes().to_vec(),
        TREE.as_bytes().to_vec(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>".to_vec(),
        stream("/Filter[/RunLengthDecode/LZWDecode]", b"\x80"),
    ];
    assert_eq!(refusal(&classic(&twice, "")), AttachmentError::Compression);
}

#[test]
fn one_large_object_listed_many_times_is_bounded() {
    // Every entry points at the same long array; only visiting them all would be expensive.
    let long = format!("[{}]", "1 ".repeat(100_000));
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let fonts: Vec<String> = (4..3_004).map(|n| format!("/F{n} {n} 0 R")).collect();
    let page = format!(
        "<</Type/Page/Parent 2 0 R/Resources<</Font<<{}>>>>>>",
        fonts.concat()
    );
    for (number, body) in [(1, CATALOGUE), (2, TREE), (3, page.as_str())] {
        offsets.push(file.len());
        file.extend_from_slice(format!("{number} 0 obj\n{body}\nendobj\n").as_bytes());
    }
    let shared = file.len();
    file.extend_from_slice(format!("4 0 obj\n{long}\nendobj\n").as_bytes());
    let start = file.len();
    file.extend_from_slice(b"xref\n0 3004\n0000000000 65535 f \n");
    offsets.resize(3_003, shared);
    for offset in offsets {
        file.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let end = format!("trailer<</Root 1 0 R>>\nstartxref\n{start}\n%%EOF");
    file.extend_from_slice(end.as_bytes());
    assert!(matches!(refusal(&file), AttachmentError::Damaged { .. }));
}

#[test]
fn ascii_filters_are_undone() {
    for (filter, data) in [
        ("/AHx", b"48 65 6C6c 6F>".to_vec()),
        ("/ASCII85Decode", b"87cUR\nDZ~>".to_vec()),
        ("/RunLengthDecode", b"\x01He\xFFl\x00o\x80".to_vec()),
        ("[/ASCIIHexDecode/FlateDecode]", {
            let hex: String = packed(b"Hello")
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            hex.into_bytes()
        }),
    ] {
        let file = stream(&format!("/Filter{filter}"), &data);
        let mut parser = object::Parser::new(&file, 0);
        let Ok(object::Object::Dictionary(dictionary)) = parser.object() else {
            panic!("{filter}: not a dictionary");
        };
        assert_eq!(
            filters::unpack(&dictionary, &data, 100).unwrap(),
            b"Hello",
            "{filter}"
        );
        assert!(filters::unpack(&dictionary, &data, 3).is_err(), "{filter}");
    }
}

#[test]
fn mutated_files_never_panic() {
    let whole = one_page(
        "/Rotate 90/Annots[6 0 R]",
        &[
            "<</Subtype/Link/Rect[0 0 9 9]>>",
            "<</Length 3>>stream\nabc\nendstream",
        ],
    );
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let mut file = whole.clone();
        for _ in 0..=random(3) {
            let at = random(file.len());
            match random(4) {
                0 => file[at] = random(256) as u8,
                1 => file[at] = b"0123456789<>[]()/ R"[random(19)],
                2 => drop(file.drain(at..(at + random(8)).min(file.len()))),
                _ => {
                    let end = (at + random(40)).min(file.len());
                    let piece = file[at..end].to_vec();
                    let to = random(file.len());
                    file.splice(to..to, piece);
                }
            }
        }
        match load(&file) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        taken > 50 && refused > 50,
        "{taken} taken, {refused} refused"
    );
}
