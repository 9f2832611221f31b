//! Makes small CT-like objects.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dokuei_node::dicom::scu::Outgoing;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(crate) const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
pub(crate) const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
pub(crate) const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
pub(crate) const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
pub(crate) const RLE: &str = "1.2.840.10008.1.2.5";

/// An object: identifiers and its data set as it goes over the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) sop_class: String,
    pub(crate) sop_instance: String,
    pub(crate) transfer_syntax: String,
    pub(crate) data_set: Vec<u8>,
}

impl Object {
    /// Object `number` with `side`×`side` pixels of 16 bits (or as many bytes of compressed ones).
    pub(crate) fn new(sop_class: &str, transfer_syntax: &str, number: usize, side: u16) -> Self {
        let sop_instance = format!("2.25.{}", 9_000_000 + number);
        let mut encoder = Encoder {
            implicit: transfer_syntax == IMPLICIT,
            big_endian: transfer_syntax == BIG_ENDIAN,
            bytes: Vec::new(),
        };
        encoder.text(0x0008, 0x0016, b"UI", sop_class);
        encoder.text(0x0008, 0x0018, b"UI", &sop_instance);
        encoder.text(0x0008, 0x0060, b"CS", "CT");
        encoder.text(0x0010, 0x0010, b"PN", "PHANTOM^HEAD");
        encoder.text(0x0010, 0x0020, b"LO", "P-1");
        encoder.text(0x0020, 0x000D, b"UI", "2.25.8000002");
        encoder.text(0x0020, 0x000E, b"UI", "2.25.8000003");
        for (element, value) in [(0x0010, side), (0x0011, side), (0x0100, 16), (0x0101, 16)] {
            encoder.short(0x0028, element, value);
        }
        let pixels = pixels(number, usize::from(side) * usize::from(side) * 2);
        if [IMPLICIT, EXPLICIT, BIG_ENDIAN].contains(&transfer_syntax) {
            encoder.element(0x7FE0, 0x0010, b"OW", &pixels);
        } else {
            encoder.encapsulated(&pixels);
        }
        Object {
            sop_class: sop_class.to_owned(),
            sop_instance,
            transfer_syntax: transfer_syntax.to_owned(),
            data_set: encoder.bytes,
        }
    }

    /// Write it as a Part 10 file into `folder`.
    pub(crate) fn write_file(&self, folder: &Path) -> PathBuf {
        let mut meta = Encoder::default();
        meta.element(0x0002, 0x0001, b"OB", &[0, 1]);
        meta.text(0x0002, 0x0002, b"UI", &self.sop_class);
        meta.text(0x0002, 0x0003, b"UI", &self.sop_instance);
        meta.text(0x0002, 0x0010, b"UI", &self.transfer_syntax);
        meta.text(0x0002, 0x0012, b"UI", "2.25.8000009");
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
        file.extend_from_slice(&(meta.bytes.len() as u32).to_le_bytes());
        file.extend_from_slice(&meta.bytes);
        file.extend_from_slice(&self.data_set);
        let number = self.sop_instance.rsplit('.').next().unwrap();
        let path = folder.join(format!("{number:0>6}.dcm"));
        std::fs::write(&path, file).unwrap();
        path
    }

    pub(crate) fn boxed(&self) -> Box<dyn Outgoing> {
        Box::new(self.clone())
    }
}

impl Outgoing for Object {
    fn sop_class(&self) -> &str {
        &self.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.data_set.as_slice()))
    }
}

/// The data set of a Part 10 file: what follows its meta group.
pub(crate) fn data_set_of(path: &Path) -> Vec<u8> {
    let file = std::fs::read(path).unwrap();
    assert_eq!(&file[128..140], b"DICM\x02\x00\x00\x00UL\x04\x00");
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap()) as usize;
    file[144 + length..].to_vec()
}

/// Bytes that differ from object to object and do not repeat soon.
fn pixels(number: usize, length: usize) -> Vec<u8> {
    let mut state = number as u32 ^ 0x9E37_79B9;
    let mut pixels = Vec::with_capacity(length);
    while pixels.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        pixels.push((state >> 24) as u8);
    }
    pixels
}

#[derive(Default)]
struct Encoder {
    implicit: bool,
    big_endian: bool,
    bytes: Vec<u8>,
}

impl Encoder {
    fn put_16(&mut self, value: u16) {
        let bytes = if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.bytes.extend_from_slice(&bytes);
    }

    fn put_32(&mut self, value: u32) {
        let bytes = if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.bytes.extend_from_slice(&bytes);
    }

    fn head(&mut self, group: u16, element: u16, vr: &[u8; 2], length: u32) {
        self.put_16(group);
        self.put_16(element);
        if self.implicit {
            self.put_32(length);
        } else if [b"OB", b"OW"].contains(&vr) {
            self.bytes.extend_from_slice(vr);
            self.put_16(0);
            self.put_32(length);
        } else {
            self.bytes.extend_from_slice(vr);
            self.put_16(length as u16);
        }
    }

    fn element(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &[u8]) {
        self.head(group, element, vr, value.len() as u32);
        self.bytes.extend_from_slice(value);
    }

    fn text(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.element(group, element, vr, &bytes);
    }

    fn short(&mut self, group: u16, element: u16, value: u16) {
        self.head(group, element, b"US", 2);
        self.put_16(value);
    }

    /// Encapsulated pixel data: an empty offset table and one fragment.
    fn encapsulated(&mut self, fragment: &[u8]) {
        self.head(0x7FE0, 0x0010, b"OB", u32::MAX);
        for item in [&[], fragment] {
            self.put_16(0xFFFE);
            self.put_16(0xE000);
            self.put_32(item.len() as u32);
            self.bytes.extend_from_slice(item);
        }
        self.put_16(0xFFFE);
        self.put_16(0xE0DD);
        self.put_32(0);
    }
}
