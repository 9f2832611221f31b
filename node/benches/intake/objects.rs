//! Made-up images like those of a scanner: every file another, headers of the usual length, pixels with noise.

use std::io;
use std::path::{Path, PathBuf};

const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// Offset of CT values, so that air is about zero.
const LEVEL: u32 = 1024;

/// A kind of image.
pub(crate) struct Kind {
    /// As the table says it.
    pub(crate) name: &'static str,
    modality: &'static str,
    sop_class: &'static str,
    /// Rows and columns, of 16 bits each.
    side: u16,
}

/// What is measured: a thin slice of a chest, and a slice of a knee.
pub(crate) const KINDS: [Kind; 2] = [
    Kind {
        name: "CT 512×512",
        modality: "CT",
        sop_class: "1.2.840.10008.5.1.4.1.1.2",
        side: 512,
    },
    Kind {
        name: "MR 256×256",
        modality: "MR",
        sop_class: "1.2.840.10008.5.1.4.1.1.4",
        side: 256,
    },
];

/// Files of one study, in folders of equal shares.
pub(crate) struct Files {
    /// The folders.
    pub(crate) shares: Vec<PathBuf>,
    /// Files in all folders.
    pub(crate) count: usize,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// Writes one study of `count` images, shared among `shares` folders below `place`.
pub(crate) fn write(kind: &Kind, count: usize, shares: usize, place: &Path) -> io::Result<Files> {
    let mut files = Files {
        shares: Vec::new(),
        count,
        bytes: 0,
    };
    for share in 0..shares {
        let folder = place.join(share.to_string());
        std::fs::create_dir_all(&folder)?;
        for number in (0..count).skip(share).step_by(shares) {
            let file = file(kind, number);
            files.bytes += file.len() as u64;
            std::fs::write(folder.join(format!("{number:05}.dcm")), file)?;
        }
        files.shares.push(folder);
    }
    Ok(files)
}

/// One image as a file (PS3.10 §7).
pub(crate) fn file(kind: &Kind, number: usize) -> Vec<u8> {
    let instance = format!("2.25.710000{number:05}");
    let mut meta = Elements::default();
    meta.long(0x0002, 0x0001, b"OB", &[0, 1]);
    meta.text(0x0002, 0x0002, b"UI", kind.sop_class);
    meta.text(0x0002, 0x0003, b"UI", &instance);
    meta.text(0x0002, 0x0010, b"UI", EXPLICIT_LITTLE);
    meta.text(0x0002, 0x0012, b"UI", "2.25.7");
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
    file.extend_from_slice(&(meta.0.len() as u32).to_le_bytes());
    file.extend_from_slice(&meta.0);
    file.extend_from_slice(&data_set(kind, number, &instance));
    file
}

fn data_set(kind: &Kind, number: usize, instance: &str) -> Vec<u8> {
    let mut set = Elements::default();
    let number = number + 1;
    set.text(0x0008, 0x0005, b"CS", "\\ISO 2022 IR 87");
    set.text(0x0008, 0x0008, b"CS", "ORIGINAL\\PRIMARY\\AXIAL");
    set.text(0x0008, 0x0016, b"UI", kind.sop_class);
    set.text(0x0008, 0x0018, b"UI", instance);
    set.text(0x0008, 0x0020, b"DA", "20260401");
    set.text(0x0008, 0x0030, b"TM", "101500.000");
    set.text(0x0008, 0x0050, b"SH", "A0000001");
    set.text(0x0008, 0x0060, b"CS", kind.modality);
    set.text(0x0008, 0x0070, b"LO", "BENCH");
    set.text(0x0008, 0x0080, b"LO", "BENCH CLINIC");
    set.text(0x0008, 0x1030, b"LO", "BENCHMARK");
    set.text(0x0008, 0x103E, b"LO", "THIN SLICES");
    set.text(0x0010, 0x0010, b"PN", "PHANTOM^BENCH");
    set.text(0x0010, 0x0020, b"LO", "P-000001");
    set.text(0x0010, 0x0030, b"DA", "19700101");
    set.text(0x0010, 0x0040, b"CS", "O");
    set.text(0x0018, 0x0015, b"CS", "CHEST");
    set.text(0x0018, 0x0050, b"DS", "1.0");
    set.text(0x0018, 0x5100, b"CS", "HFS");
    set.long(0x0019, 0x1001, b"OB", &[0x5A; 2048]);
    set.text(0x0020, 0x000D, b"UI", "2.25.7100001");
    set.text(0x0020, 0x000E, b"UI", "2.25.7100002");
    set.text(0x0020, 0x0010, b"SH", "1");
    set.text(0x0020, 0x0011, b"IS", "2");
    set.text(0x0020, 0x0013, b"IS", &number.to_string());
    set.text(0x0020, 0x0032, b"DS", &format!("-180\\-180\\{number}.0"));
    set.text(0x0020, 0x0037, b"DS", "1\\0\\0\\0\\1\\0");
    set.text(0x0020, 0x0052, b"UI", "2.25.7100003");
    set.short(0x0028, 0x0002, 1);
    set.text(0x0028, 0x0004, b"CS", "MONOCHROME2");
    set.short(0x0028, 0x0010, kind.side);
    set.short(0x0028, 0x0011, kind.side);
    set.text(0x0028, 0x0030, b"DS", "0.7\\0.7");
    for (element, value) in [(0x0100, 16), (0x0101, 12), (0x0102, 11), (0x0103, 0)] {
        set.short(0x0028, element, value);
    }
    set.text(0x0028, 0x1052, b"DS", "-1024");
    set.text(0x0028, 0x1053, b"DS", "1");
    set.long(0x7FE0, 0x0010, b"OW", &pixels(kind.side, number));
    set.0
}

/// A round body in air, with a slope and noise over both.
fn pixels(side: u16, number: usize) -> Vec<u8> {
    let mut noise = number as u32 ^ 0x9E37_79B9;
    let (side, radius) = (i64::from(side), i64::from(side) * 2 / 5);
    let mut pixels = Vec::with_capacity((side * side * 2) as usize);
    for row in 0..side {
        for column in 0..side {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (column - side / 2, row - side / 2);
            let body = x * x + y * y < radius * radius;
            let tissue = if body {
                LEVEL + (column / 16) as u32
            } else {
                0
            };
            let value = tissue + (noise >> 26);
            pixels.extend_from_slice(&(value as u16).to_le_bytes());
        }
    }
    pixels
}

/// Elements in explicit VR little endian (PS3.5 §7.1.2).
#[derive(Default)]
struct Elements(Vec<u8>);

impl Elements {
    fn head(&mut self, group: u16, element: u16, vr: &[u8; 2]) {
        self.0.extend_from_slice(&group.to_le_bytes());
        self.0.extend_from_slice(&element.to_le_bytes());
        self.0.extend_from_slice(vr);
    }

    fn long(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &[u8]) {
        self.head(group, element, vr);
        self.0.extend_from_slice(&[0, 0]);
        self.0
            .extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.head(group, element, vr);
        self.0
            .extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        self.0.extend_from_slice(&bytes);
    }

    fn short(&mut self, group: u16, element: u16, value: u16) {
        self.head(group, element, b"US");
        self.0.extend_from_slice(&2_u16.to_le_bytes());
        self.0.extend_from_slice(&value.to_le_bytes());
    }
}
