//! A CT study that was made up: a body, its organs and the noise of a reconstructed slice, so that
//! it is about as large, and about as hard to compress, as a real one. Nobody was examined.

#![allow(dead_code)]

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dokuei_node::dicom::scu::Outgoing;

/// CT Image Storage.
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Multi-frame Grayscale Word Secondary Capture Image Storage.
const FRAMES: &str = "1.2.840.10008.5.1.4.1.1.7.3";
/// Explicit VR Little Endian.
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Pixels of a side.
const SIDE: u16 = 512;
/// Bytes of one slice's pixels.
const SLICE: usize = SIDE as usize * SIDE as usize * 2;
/// Slices that are drawn; the others are these, shifted, so that making a study costs little.
const DRAWN: u64 = 16;
/// Bytes of private elements in each header: what a scanner writes about its reconstruction.
const PRIVATE: usize = 2_048;

/// A study that is made as it is read.
#[derive(Clone)]
pub(crate) struct MadeStudy {
    /// Study Instance UID.
    pub(crate) uid: String,
    /// Slices of its CT series.
    pub(crate) slices: u64,
    /// Frames of its one multi-frame object, 0 for none.
    pub(crate) frames: u32,
    seed: u64,
    drawn: Arc<Vec<Vec<u8>>>,
}

/// One object of it.
pub(crate) struct MadeObject {
    sop_class: &'static str,
    sop_instance: String,
    head: Vec<u8>,
    drawn: Arc<Vec<Vec<u8>>>,
    first: u64,
    slices: u64,
}

impl MadeStudy {
    /// A study of its own for each `seed`.
    pub(crate) fn new(seed: u64, slices: u64, frames: u32) -> MadeStudy {
        MadeStudy {
            uid: format!("2.25.7{seed:020}"),
            slices,
            frames,
            seed,
            drawn: Arc::new((0..DRAWN).map(|slice| draw(seed, slice)).collect()),
        }
    }

    /// How many objects there are.
    pub(crate) fn objects(&self) -> u64 {
        self.slices + u64::from(self.frames > 0)
    }

    /// Object `number`, from 0; the multi-frame object is the last.
    pub(crate) fn object(&self, number: u64) -> MadeObject {
        let is_slice = number < self.slices;
        let sop_class = if is_slice { CT } else { FRAMES };
        let sop_instance = format!("{}.{}", self.uid, number + 1);
        let slices = if is_slice { 1 } else { u64::from(self.frames) };
        MadeObject {
            sop_class,
            head: self.head(number, sop_class, &sop_instance, slices),
            sop_instance,
            drawn: Arc::clone(&self.drawn),
            first: number,
            slices,
        }
    }

    /// Bytes of all data sets.
    pub(crate) fn bytes(&self) -> u64 {
        (0..self.objects())
            .map(|number| self.object(number).bytes())
            .sum()
    }

    /// Writes every object as a Part 10 file.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        for number in 0..self.objects() {
            let object = self.object(number);
            let mut file = part10_head(&object);
            object.reader().read_to_end(&mut file)?;
            std::fs::write(folder.join(format!("{number:06}.dcm")), file)?;
        }
        Ok(folder.to_owned())
    }

    fn head(&self, number: u64, class: &str, instance: &str, slices: u64) -> Vec<u8> {
        let mut set = Elements::default();
        let text = |set: &mut Elements, group, element, vr: &[u8; 2], value: &str| {
            set.text(group, element, vr, value);
        };
        text(&mut set, 0x0008, 0x0008, b"CS", "ORIGINAL\\PRIMARY\\AXIAL");
        text(&mut set, 0x0008, 0x0016, b"UI", class);
        text(&mut set, 0x0008, 0x0018, b"UI", instance);
        text(&mut set, 0x0008, 0x0020, b"DA", "20260401");
        text(&mut set, 0x0008, 0x0030, b"TM", "101500");
        text(&mut set, 0x0008, 0x0060, b"CS", "CT");
        text(&mut set, 0x0008, 0x1030, b"LO", "CHEST");
        text(&mut set, 0x0010, 0x0010, b"PN", "PHANTOM^MADE");
        text(&mut set, 0x0010, 0x0020, b"LO", &self.seed.to_string());
        set.element(0x0019, 0x1001, b"OB", &noise(self.seed ^ number, PRIVATE));
        text(&mut set, 0x0020, 0x000D, b"UI", &self.uid);
        let series = format!("{}.0.{}", self.uid, u8::from(slices > 1));
        text(&mut set, 0x0020, 0x000E, b"UI", &series);
        text(&mut set, 0x0020, 0x0013, b"IS", &(number + 1).to_string());
        set.short(0x0028, 0x0002, 1);
        text(&mut set, 0x0028, 0x0004, b"CS", "MONOCHROME2");
        if slices > 1 {
            text(&mut set, 0x0028, 0x0008, b"IS", &slices.to_string());
        }
        for (element, value) in [(0x0010, SIDE), (0x0011, SIDE), (0x0100, 16), (0x0101, 16)] {
            set.short(0x0028, element, value);
        }
        set.short(0x0028, 0x0102, 15);
        set.short(0x0028, 0x0103, 1);
        set.long_head(0x7FE0, 0x0010, b"OW", (SLICE as u64 * slices) as u32);
        set.0
    }
}

impl MadeObject {
    /// Bytes of its data set.
    pub(crate) fn bytes(&self) -> u64 {
        self.head.len() as u64 + SLICE as u64 * self.slices
    }

    /// Its data set.
    pub(crate) fn reader(&self) -> Box<dyn Read + Send + '_> {
        let mut pixels: Box<dyn Read + Send + '_> = Box::new(io::empty());
        if self.slices == 1 {
            // A slice begins somewhere else in its picture, so that no two are the same.
            let drawn = &self.drawn[(self.first % DRAWN) as usize];
            let shift = (self.first / DRAWN) as usize * 2 * 37 % SLICE;
            pixels = Box::new(drawn[shift..].chain(&drawn[..shift]));
        } else {
            let repeated = Repeated {
                drawn: &self.drawn,
                slices: self.slices,
                at: Cursor::new(&[]),
                next: 0,
            };
            pixels = Box::new(pixels.chain(repeated));
        }
        Box::new(self.head.as_slice().chain(pixels))
    }
}

impl Outgoing for MadeObject {
    fn sop_class(&self) -> &str {
        self.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        EXPLICIT
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(self.reader())
    }
}

/// One drawn slice after the other.
struct Repeated<'a> {
    drawn: &'a [Vec<u8>],
    slices: u64,
    at: Cursor<&'a [u8]>,
    next: u64,
}

impl Read for Repeated<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.at.read(out)?;
        if read > 0 || out.is_empty() || self.next == self.slices {
            return Ok(read);
        }
        self.at = Cursor::new(&self.drawn[(self.next % DRAWN) as usize]);
        self.next += 1;
        self.at.read(out)
    }
}

/// Draws one slice: ellipses of tissue in air, and noise that neighbours share.
fn draw(seed: u64, slice: u64) -> Vec<u8> {
    let noise = noise(seed.wrapping_mul(31) ^ slice, SLICE);
    let mut pixels = Vec::with_capacity(SLICE);
    let mut before = 0i32;
    for (at, dice) in noise.chunks_exact(2).enumerate() {
        let x = (at % usize::from(SIDE)) as f32 / 256.0 - 1.0;
        let y = (at / usize::from(SIDE)) as f32 / 256.0 - 1.0;
        let inside = |cx: f32, cy: f32, rx: f32, ry: f32| {
            ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0
        };
        let tissue = if inside(0.0, 0.55, 0.1, 0.1) {
            700
        } else if inside(-0.36, -0.05, 0.27, 0.36) || inside(0.36, -0.05, 0.27, 0.36) {
            -850
        } else if inside(0.0, 0.0, 0.95, 0.74) {
            40 + slice as i32
        } else {
            -1000
        };
        // Two dice make a bell; half of what the neighbour had makes grain.
        let grain = i32::from(dice[0] % 32) + i32::from(dice[1] % 32) - 31 + before / 2;
        before = grain;
        pixels.extend_from_slice(&((tissue + grain) as i16).to_le_bytes());
    }
    pixels
}

/// Bytes of a generator that anybody can repeat (xorshift64).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn part10_head(object: &MadeObject) -> Vec<u8> {
    let mut meta = Elements::default();
    meta.element(0x0002, 0x0001, b"OB", &[0, 1]);
    meta.text(0x0002, 0x0002, b"UI", object.sop_class);
    meta.text(0x0002, 0x0003, b"UI", &object.sop_instance);
    meta.text(0x0002, 0x0010, b"UI", EXPLICIT);
    meta.text(0x0002, 0x0012, b"UI", "2.25.8000009");
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
    file.extend_from_slice(&(meta.0.len() as u32).to_le_bytes());
    file.extend_from_slice(&meta.0);
    file
}

/// Elements in Explicit VR Little Endian.
#[derive(Default)]
struct Elements(Vec<u8>);

impl Elements {
    fn tag(&mut self, group: u16, element: u16, vr: &[u8; 2]) {
        self.0.extend_from_slice(&group.to_le_bytes());
        self.0.extend_from_slice(&element.to_le_bytes());
        self.0.extend_from_slice(vr);
    }

    fn long_head(&mut self, group: u16, element: u16, vr: &[u8; 2], length: u32) {
        self.tag(group, element, vr);
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&length.to_le_bytes());
    }

    fn element(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &[u8]) {
        if [b"OB", b"OW"].contains(&vr) {
            self.long_head(group, element, vr, value.len() as u32);
        } else {
            self.tag(group, element, vr);
            self.0
                .extend_from_slice(&(value.len() as u16).to_le_bytes());
        }
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.element(group, element, vr, &bytes);
    }

    fn short(&mut self, group: u16, element: u16, value: u16) {
        self.element(group, element, b"US", &value.to_le_bytes());
    }
}
