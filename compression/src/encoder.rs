//! Bytes as blocks, each by what makes it smallest, or nearly.

use crate::block::{Colours, Form, Header};
use crate::choice::Choice;
use crate::dense;
use crate::layout::{Layout, Piece, Pieces};
use crate::packed::{Packer, Search};
use crate::planes;
use crate::residual::{self, Depth, Predictor};
use crate::scale::Scale;
use crate::shape::Shape;

/// What is more dear, the line or the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// As small as can be.
    Dense,
    /// As fast as can be.
    Fast,
}

impl Effort {
    fn search(self) -> Search {
        match self {
            Effort::Dense => Search::Thorough,
            Effort::Fast => Search::Quick,
        }
    }
}

/// Bytes of a block up to which every way is tried.
const SHORT: usize = 16 * 1024;

/// Parts of a block, one of which is looked at before a way is tried.
const PARTS: usize = 8;

/// The part in the middle, and how many there are; short blocks are one.
fn part<T>(all: &[T]) -> (&[T], usize) {
    let length = all.len() / PARTS;
    match all
        .get(PARTS / 2 * length..)
        .and_then(|rest| rest.get(..length))
    {
        Some(part) if all.len() > SHORT => (part, PARTS),
        _ => (all, 1),
    }
}

/// Whether a way that is about so long may turn out to be less than another.
fn is_likely(length: usize, other: usize) -> bool {
    length < other + other / 4
}

/// Bytes that the length of a block takes.
const LENGTH: usize = 3;

/// An encoder of pixel bytes. Keeps what it allocated, some megabytes.
pub struct Encoder {
    dense: dense::Encoder,
    packer: Packer,
    choice: Choice,
    plane: Vec<i16>,
    numbers: Vec<u16>,
    payload: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

impl Encoder {
    /// A new one.
    #[must_use]
    pub fn new() -> Encoder {
        Encoder {
            dense: dense::Encoder::new(),
            packer: Packer::new(),
            choice: Choice::default(),
            plane: Vec::new(),
            numbers: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Appends the coded form of bytes: of any number of frames, one behind the other, also of several objects, and of what
    /// is left behind them. It is longer than they are by no more than four bytes for each block, which are of at least
    /// 256 bytes but for the last two.
    pub fn encode(
        &mut self,
        bytes: &[u8],
        layout: Option<&Layout>,
        effort: Effort,
        out: &mut Vec<u8>,
    ) {
        for Piece { bytes, shape } in Pieces::of(bytes, layout) {
            let form = layout
                .zip(shape)
                .and_then(|(layout, shape)| form(layout, shape));
            match form {
                Some(form) => self.samples(bytes, form, effort, out),
                None => self.plain(bytes, None, effort, out),
            }
        }
    }

    /// A block of samples.
    fn samples(&mut self, bytes: &[u8], mut form: Form, effort: Effort, out: &mut Vec<u8>) {
        let is_drawing = planes::read(bytes, &mut form, &mut self.plane);
        let Ok(all) = form.all() else {
            return self.plain(bytes, None, effort, out);
        };
        self.choice.relations(&self.plane, &mut form);
        planes::relate(&mut self.plane, &form);
        if effort == Effort::Dense {
            form.predictor = self.choice.predictor(&self.plane, &form);
        }
        self.numbers.resize(all.samples(), 0);
        let how = (form.predictor, form.depth);
        residual::numbers(&self.plane, all, how, &mut self.numbers);
        self.payload.clear();
        let is_eight = form.depth == Depth::Eight;
        let header = match effort {
            Effort::Dense => {
                self.dense.encode(&self.numbers, all, &mut self.payload);
                Header::Dense(form)
            }
            Effort::Fast => {
                let packed = self.packer.numbers(&self.numbers, form.depth, Search::Runs);
                // Without it the block is stored.
                self.payload.extend_from_slice(packed.unwrap_or(bytes));
                Header::Fast(form)
            }
        };
        // What repeats itself, as drawings do, what looks like noise, and what is so short that tables weigh, may be smaller
        // in another way.
        let (length, coded) = (bytes.len(), self.payload.len());
        let is_usual = coded * 8 > length && coded + coded / 8 < length && length > SHORT;
        if is_usual && !is_eight && !is_drawing {
            return header.write(&self.payload, out);
        }
        self.other_ways(bytes, header, effort, out);
    }

    /// A block whose payload may be smaller in another way.
    fn other_ways(&mut self, bytes: &[u8], header: Header, effort: Effort, out: &mut Vec<u8>) {
        let (mut header, search) = (header, effort.search());
        let coded = self.payload.len();
        if let Header::Dense(form) = &header {
            let (part, parts) = part(&self.numbers);
            let is_tried = parts == 1 || {
                let looked = self.packer.numbers(part, form.depth, search);
                looked.is_some_and(|looked| is_likely(looked.len() * parts, coded))
            };
            let packed = is_tried.then(|| self.packer.numbers(&self.numbers, form.depth, search));
            if let Some(packed) = packed.flatten().filter(|packed| packed.len() < coded) {
                self.payload.clear();
                self.payload.extend_from_slice(packed);
                header = Header::Fast(form.clone());
            }
        }
        let (part, parts) = part(bytes);
        let coded = self.payload.len();
        let looked = (parts > 1)
            .then(|| self.packer.pack(part, search))
            .flatten();
        let is_hopeless = looked.is_some_and(|looked| !is_likely(looked.len() * parts, coded));
        match is_hopeless && coded + coded / 8 < bytes.len() {
            true => header.write(&self.payload, out),
            false => self.plain(bytes, Some(header), effort, out),
        }
    }

    /// A block of bytes, unless it is smaller as the payload under a header.
    fn plain(&mut self, bytes: &[u8], other: Option<Header>, effort: Effort, out: &mut Vec<u8>) {
        let packed = self.packer.pack(bytes, effort.search());
        let packed = packed.filter(|packed| packed.len() + LENGTH < bytes.len());
        let (begin, least) = (out.len(), packed.map_or(bytes.len(), <[u8]>::len));
        if let Some(header) = other.filter(|_| self.payload.len() < least) {
            header.write(&self.payload, out);
            if out.len() - begin <= least {
                return;
            }
            out.truncate(begin);
        }
        match packed {
            Some(packed) => Header::Packed(bytes.len()).write(packed, out),
            None => Header::Stored(bytes.len()).write(bytes, out),
        }
    }
}

fn form(layout: &Layout, shape: Shape) -> Option<Form> {
    Some(Form {
        shape,
        depth: match layout.bytes {
            1 => Depth::Eight,
            2 => Depth::Sixteen,
            _ => return None,
        },
        is_big_endian: layout.is_big_endian,
        is_signed: layout.is_signed,
        colours: match layout.colours {
            1 => Colours::One,
            _ => Colours::Three,
        },
        predictor: Predictor::Median,
        scale: Scale::plain(Depth::Sixteen),
        differs: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        width: 128,
        rows: 128,
        bytes: 2,
        colours: 1,
        is_signed: false,
        is_big_endian: false,
    };

    fn noise(count: usize) -> impl Iterator<Item = u64> {
        let mut state = 7_u64;
        (0..count).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }

    /// The first byte of the first block.
    fn way(bytes: &[u8], layout: Option<&Layout>, effort: Effort) -> u8 {
        let mut out = Vec::new();
        Encoder::new().encode(bytes, layout, effort, &mut out);
        out[0]
    }

    #[test]
    fn each_block_goes_its_own_way() {
        let picture = (0..)
            .zip(noise(128 * 128))
            .flat_map(|(at, noise): (usize, u64)| {
                ((at % 128 * 3 + at / 128 * 5) as u16 + (noise % 40) as u16).to_le_bytes()
            });
        let picture: Vec<u8> = picture.collect();
        assert_eq!(way(&picture, Some(&LAYOUT), Effort::Dense), 0x13);
        assert_eq!(way(&picture, Some(&LAYOUT), Effort::Fast), 0x12);
        let words = b"no pixels at all, ".repeat(900);
        assert_eq!(way(&words, None, Effort::Dense), 0x11);
        assert_eq!(way(&words, Some(&LAYOUT), Effort::Dense), 0x11);
        let chance: Vec<u8> = noise(32 * 1024).map(|noise| noise as u8).collect();
        for layout in [None, Some(&LAYOUT)] {
            for effort in [Effort::Dense, Effort::Fast] {
                assert_eq!(way(&chance, layout, effort), 0x10);
            }
        }
    }

    #[test]
    fn an_encoder_remembers_nothing_of_what_it_coded() {
        let mut encoder = Encoder::new();
        let bytes: Vec<u8> = noise(40_000)
            .flat_map(|noise| (noise as u16 % 700).to_le_bytes())
            .collect();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        encoder.encode(&bytes, Some(&LAYOUT), Effort::Dense, &mut first);
        encoder.encode(&bytes[..5_000], None, Effort::Fast, &mut Vec::new());
        encoder.encode(&bytes, Some(&LAYOUT), Effort::Dense, &mut second);
        assert!(first == second);
    }
}
