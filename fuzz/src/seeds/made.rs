//! Seeds that are made here, good ones and hostile ones.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::fixtures;

/// DICOMDIRs, as far as they are read: the files that they list.
pub fn directories() -> Vec<Vec<u8>> {
    [
        &b"\x04\x00\x00\x15CS\x0c\x00IMAGES\\ONE  "[..],
        b"\x04\x00\x00\x15\x0a\x00\x00\x00IMAGES\\SIX",
        b"\x04\x00\x00\x15CS\x06\x00..\\ETC\x04\x00\x00\x15CS\xff\x00A",
        b"\x04\x00\x00\x15CS\x08\x00C:\\A\\B/C\x04\x00\x00\x15CS\x04\x00\\\\A\0",
        b"\x04\x00\x00\x15CS\x00\x00\x04\x00\x00\x15\xff\xff\xff\xff",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// One element of a command set.
fn element(number: u16, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u32).to_le_bytes();
    [&[0, 0], &number.to_le_bytes()[..], &length, value].concat()
}

/// Command sets: of each service, and of none.
pub fn commands() -> Vec<Vec<u8>> {
    let of = |field: u16, more: &[Vec<u8>]| {
        let field = element(0x0100, &field.to_le_bytes());
        let id = element(0x0110, &[7, 0]);
        let data_set = element(0x0800, &[1, 0]);
        [element(0, &[0; 4]), field, id, data_set, more.concat()].concat()
    };
    let class = element(0x0002, b"1.2.840.10008.1.1\0");
    let requested = element(0x0003, b"1.2.840.10008.1.20.1");
    let instance = element(0x1000, b"1.2.3\0");
    let counts = [0x1020, 0x1021, 0x1022, 0x1023].map(|number| element(number, &[9, 0]));
    vec![
        of(0x0001, &[class.clone(), instance.clone()]),
        of(0x0021, &[class.clone(), element(0x0600, b"READER\0 ")]),
        of(0x8021, &[class.clone(), counts.concat()]),
        of(0x0130, &[requested.clone(), element(0x1008, &[1, 0])]),
        of(0x0100, &[class, instance, element(0x1002, &[2, 0])]),
        of(0x0FFF, &[element(0x0120, &[7, 0])]),
        of(0x0030, &[element(0x0902, &[b'x'; 64])]),
        of(0x0001, &[element(0x1000, b"../../etc/passwd")]),
        b"\0\0\0\x01\xff\xff\xff\xff".to_vec(),
        requested,
    ]
}

/// A PDU, or an item of one.
fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], &(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], &(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// The items of a request or its acceptance, with everything that is negotiated.
fn association(kind: u8) -> Vec<u8> {
    let titles = [
        b"DOKUEI          ".as_slice(),
        b"STORESCU        ",
        &[0; 32],
    ]
    .concat();
    let class = b"1.2.840.10008.5.1.4.1.2.2.1";
    let syntax = item(0x40, b"1.2.840.10008.1.2.1");
    let context = match kind {
        1 => item(
            0x20,
            &[&[1, 0, 0, 0], &*item(0x30, class), &syntax].concat(),
        ),
        _ => item(0x21, &[&[1, 0, 0, 0], &*syntax].concat()),
    };
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let identity = [&[2, 1], &*with_length(b"user"), &with_length(b"secret")].concat();
    let user = [
        item(0x51, &[0, 2, 0, 0]),
        item(0x52, b"1.2.3"),
        item(0x53, &[0, 1, 0, 1]),
        item(0x54, &[&*with_length(class), &[1, 1]].concat()),
        item(0x55, b"NAME"),
        item(0x56, &[&*with_length(class), &[1, 0, 1]].concat()),
        item(0x57, &[&*with_length(class), &[0, 0, 0, 0]].concat()),
        item(0x58, &identity),
        item(0x99, b"unknown"),
    ];
    let application = item(0x10, b"1.2.840.10008.3.1.1.1");
    let items = [application, context, item(0x50, &user.concat())].concat();
    pdu(kind, &[&[0, 1, 0, 0], &*titles, &items].concat())
}

/// What peers send: associations, values in parts, and what is no protocol of ours.
pub fn streams() -> Vec<Vec<u8>> {
    let value = |control: u8, bytes: &[u8]| {
        let length = (bytes.len() as u32 + 2).to_be_bytes();
        [&length[..], &[1, control], bytes].concat()
    };
    let echo = pdu(4, &value(3, &commands()[6]));
    let parts = pdu(
        4,
        &[value(0, b"one"), value(0, b""), value(2, b"two")].concat(),
    );
    let release = pdu(5, &[0; 4]);
    let whole = [association(1), echo, parts, release].concat();
    let answers = [association(2), pdu(6, &[0; 4]), pdu(7, &[0, 0, 2, 1])].concat();
    let mut all = vec![whole, answers];
    all.extend(fixtures("dicom/pdu"));
    all
}

/// Bodies, each behind the line with its boundary.
pub fn multiparts() -> Vec<Vec<u8>> {
    let long = [b"b\n--b\r\n".as_slice(), &[b'x'; 8200], b"\r\n\r\n"].concat();
    let mut all: Vec<Vec<u8>> = [
        &b"b-1\npreamble\r\n--b-1 \t\r\nContent-Type: application/dicom\r\nX: y\r\n z\r\n\r\none\r\n--b-\r\n--b-12\r\n--b-1\r\n\r\n\r\n--b-1--epilogue"[..],
        b"b\n--b--",
        b"b\n--b\r\n\r\nx\r\n--b--",
        b"b\n--b\r\nnonsense\r\n\r\n",
        b"-\n\r\n---\r\n\r\n\r\n---\r\n---",
        b"\r\n--",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    all.push(long);
    all
}

/// A path, a query and an Accept.
pub fn addresses() -> Vec<Vec<u8>> {
    let place = "/dicom-web/studies/1.2/series/1.3/instances/1.4";
    [
        format!("{place}/frames/1%2C2,3/rendered\nviewport=10,10&window=40,400,linear\nimage/jpeg;q=0.5, */*"),
        format!("{place}/bulkdata/00420011\n\nmultipart/related; type=\"application/octet-stream\"; transfer-syntax=*"),
        "/dicom-web/d/abc/studies\nPatientName=%E5%B1%B1%2a&limit=5&offset=1&includefield=all&StudyDate=20200101-\napplication/dicom+json".to_owned(),
        "/dicom-web/studies\nRequestAttributesSequence.ScheduledProcedureStepID=7&00100020=a+b&Rows=1,2\na/b;x=\"1,2;3\\\"\"".to_owned(),
        "/dicom-web/studies/..%2f..%2fetc/passwd\na=%93%fa&%00=%00\n;;;,,,".to_owned(),
        format!("{place}/frames/0,99999999999\nlimit=-1&fuzzymatching=true\n*/*;q=2"),
        format!("/dicom-web{}\n{}\n", "/a".repeat(120), "&a=b".repeat(300)),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// One entry of a tar archive, as npm writes it.
fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut all = [&header, content].concat();
    all.resize(all.len().next_multiple_of(512), 0);
    all
}

/// Packages, and archives that lead elsewhere.
pub fn packages() -> Vec<Vec<u8>> {
    let file = entry("package/dist/a.js", b'0', b"content");
    let with = |more: Vec<u8>| [&*file, &more, &[0; 1024]].concat();
    vec![
        with(entry("package/package.json", b'0', b"{}")),
        with(entry("package/../../etc/passwd", b'0', b"x")),
        with(entry("/etc/passwd", b'0', b"x")),
        with(entry("package/link", b'2', b"")),
        with(entry("././@LongLink", b'L', b"package/long")),
        with(entry("package/pax", b'x', b"18 path=/etc/passwd\n")),
        [
            b"gz".as_slice(),
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0",
        ]
        .concat(),
    ]
}

/// Archives of files: with names that lead elsewhere, packed and not, and cut.
pub fn archives() -> Vec<Vec<u8>> {
    let files = fixtures("dicom/charsets");
    let names = [
        "../../etc/passwd",
        "/abs/1.dcm",
        "C:\\2.dcm",
        "folder/",
        "in.zip",
        "DICOMDIR",
    ];
    let mut all = Vec::new();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let options = SimpleFileOptions::default().compression_method(method);
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, file) in names.iter().zip(&files) {
            writer.start_file(*name, options).unwrap();
            writer.write_all(file).unwrap();
        }
        let whole = writer.finish().unwrap().into_inner();
        all.push(whole[whole.len() / 2..].to_vec());
        all.push(whole);
    }
    all
}

/// A PDF of these objects with a classic table, counted from 1.
fn classic(objects: &[&str]) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut table = String::new();
    for (object, number) in objects.iter().zip(1..) {
        table += &format!("{:010} 00000 n \n", out.len());
        out.extend(format!("{number} 0 obj\n{object}\nendobj\n").bytes());
    }
    let (start, size) = (out.len(), objects.len() + 1);
    let end = format!(
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF"
    );
    out.extend(end.bytes());
    out
}

/// PDFs: plain, with what is taken out of them, and with what goes round in circles.
pub fn documents() -> Vec<Vec<u8>> {
    const CATALOGUE: &str = "<</Type/Catalog/Pages 2 0 R/OpenAction 5 0 R>>";
    const TREE: &str = "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 300 200]>>";
    const PAGE: &str =
        "<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>/Rotate 90>>";
    const CONTENT: &str = "<</Length 36>>stream\nBT /F1 12 Tf 20 100 Td (Hello) Tj ET \nendstream";
    const FONT: &str = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
    const HEX: &str = "<</Length 12/Filter/ASCIIHexDecode>>stream\n4254204554> \nendstream";
    vec![
        classic(&[CATALOGUE, TREE, PAGE, CONTENT, FONT]),
        classic(&[CATALOGUE, TREE, PAGE, HEX, FONT]),
        classic(&[CATALOGUE, "<</Type/Pages/Kids[2 0 R 3 0 R]/Count 9>>", PAGE, CONTENT, FONT]),
        classic(&[CATALOGUE, TREE, "<</Type/Page/Annots[5 0 R]/Parent 3 0 R>>", "4 0 R", "[[[["]),
        b"%PDF-1.7\n1 0 obj<</Root 1 0 R/Size 9/W[1 2 1]/Type/XRef>>stream\nendstream\nstartxref\n9\n%%EOF".to_vec(),
    ]
}
