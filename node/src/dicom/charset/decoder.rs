//! From bytes to text, for each of the repertoires.

use super::pieces::{Cutter, Delimiters, Piece};
use super::sets::{G0, G1, Latin};
use super::terms::Repertoire;
use encoding_rs::{DecoderResult, GB18030};

/// Starts an escape sequence.
const ESC: u8 = 0x1B;

/// Decodes `bytes` and cuts them at `delimiters`.
pub(super) fn decode(repertoire: Repertoire, bytes: &[u8], delimiters: Delimiters) -> Vec<Piece> {
    let mut cutter = Cutter::new(delimiters);
    match repertoire {
        Repertoire::Utf8 => decode_utf8(bytes, &mut cutter),
        Repertoire::Gb18030 => decode_gb18030(bytes, &mut cutter),
        Repertoire::Iso2022 { g0, g1 } => Iso2022 {
            initial: (g0, g1),
            g0,
            g1,
            cutter: &mut cutter,
        }
        .decode(bytes),
    }
    cutter.finish()
}

fn add_text(text: &str, cutter: &mut Cutter) {
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) if byte.is_ascii() && cutter.is_delimiter(byte) => cutter.cut(byte),
            Ok(_) | Err(_) => cutter.add(char),
        }
    }
}

fn decode_utf8(bytes: &[u8], cutter: &mut Cutter) {
    for chunk in bytes.utf8_chunks() {
        add_text(chunk.valid(), cutter);
        for byte in chunk.invalid() {
            cutter.add_raw(*byte);
        }
    }
}

/// GB 18030 cannot be cut before it is decoded: second bytes look like delimiters.
fn decode_gb18030(mut bytes: &[u8], cutter: &mut Cutter) {
    // No character takes more than three times its bytes in UTF-8.
    let mut text = String::with_capacity(bytes.len().saturating_mul(3));
    while !bytes.is_empty() {
        let mut decoder = GB18030.new_decoder_without_bom_handling();
        text.clear();
        let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
        add_text(&text, cutter);
        let unused = match result {
            DecoderResult::InputEmpty => return,
            // The broken sequence, and what was read after it to find that out.
            DecoderResult::Malformed(broken, after) => usize::from(broken) + usize::from(after),
            DecoderResult::OutputFull => 0,
        };
        let good = read.saturating_sub(unused);
        let Some((first, rest)) = bytes.get(good..).and_then(<[u8]>::split_first) else {
            return;
        };
        cutter.add_raw(*first);
        bytes = rest;
    }
}

/// Text whose sets escape sequences exchange (PS3.5 §6.1.2.4 and §6.1.2.5).
struct Iso2022<'a> {
    initial: (G0, Option<G1>),
    g0: G0,
    g1: Option<G1>,
    cutter: &'a mut Cutter,
}

impl Iso2022<'_> {
    fn decode(mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            let taken = match byte {
                &ESC => self.escape(rest),
                0x00..=0x1F => self.control(*byte),
                // Space is the same in every set.
                0x20 => self.put(' '),
                0x21..=0x7E => self.left(*byte, rest),
                0x7F..=0x9F => self.put_raw(*byte),
                0xA0..=0xFF => self.right(*byte, rest),
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// The sets of the first value are active again after every line, control character, value, and
    /// component of a name (PS3.5 §6.1.2.5.3).
    fn reset(&mut self) {
        (self.g0, self.g1) = self.initial;
    }

    fn put(&mut self, char: char) -> usize {
        self.cutter.add(char);
        1
    }

    fn put_raw(&mut self, byte: u8) -> usize {
        self.cutter.add_raw(byte);
        1
    }

    fn cut(&mut self, delimiter: u8) -> usize {
        self.reset();
        self.cutter.cut(delimiter);
        1
    }

    fn control(&mut self, byte: u8) -> usize {
        self.reset();
        match byte {
            b'\t' | b'\n' | b'\r' | 0x0C => self.put(char::from(byte)),
            _ => self.put_raw(byte),
        }
    }

    /// The escape sequences of PS3.3 §C.12.1.1.2. Another one is shown, and changes nothing.
    fn escape(&mut self, rest: &[u8]) -> usize {
        let (set, length) = match rest {
            [b'(', b'B', ..] => (Designation::Left(G0::Ascii), 3),
            [b'(', b'J', ..] => (Designation::Left(G0::Romaji), 3),
            [b')', b'I', ..] => (Designation::Right(G1::Katakana), 3),
            [b'$', b'B', ..] => (Designation::Left(G0::Jis0208), 3),
            [b'$', b'(', b'D', ..] => (Designation::Left(G0::Jis0212), 4),
            [b'$', b')', b'C', ..] => (Designation::Right(G1::Ksx1001), 4),
            [b'$', b')', b'A', ..] => (Designation::Right(G1::Gb2312), 4),
            [b'-', last, ..] => match latin(*last) {
                Some(latin) => (Designation::Right(G1::Latin(latin)), 3),
                None => return self.put_raw(ESC),
            },
            _ => return self.put_raw(ESC),
        };
        match set {
            Designation::Left(g0) => self.g0 = g0,
            Designation::Right(g1) => self.g1 = Some(g1),
        }
        length
    }

    fn left(&mut self, byte: u8, rest: &[u8]) -> usize {
        if let Some(char) = self.g0.single(byte) {
            if self.cutter.is_delimiter(byte) {
                return self.cut(byte);
            }
            return self.put(char);
        }
        match rest.first() {
            Some(trail @ 0x21..=0x7E) => match self.g0.double(byte, *trail) {
                Some(character) => {
                    self.cutter.add(character.char);
                    if !character.exact {
                        self.cutter.mark_inexact();
                    }
                    2
                }
                None => {
                    self.put_raw(byte);
                    self.put_raw(*trail);
                    2
                }
            },
            // A delimiter before which the encoder forgot to go back to one byte.
            Some(&ESC) | None if self.cutter.is_delimiter(byte) => {
                self.cutter.mark_inexact();
                self.cut(byte)
            }
            Some(_) | None => self.put_raw(byte),
        }
    }

    fn right(&mut self, byte: u8, rest: &[u8]) -> usize {
        let Some(g1) = self.g1 else {
            return self.put_raw(byte);
        };
        if !g1.is_double() {
            return match g1.single(byte) {
                Some(char) => self.put(char),
                None => self.put_raw(byte),
            };
        }
        let pair = match rest.first() {
            Some(trail @ 0xA1..=0xFE) if byte >= 0xA1 => g1.double(byte, *trail),
            Some(_) | None => None,
        };
        match pair {
            Some(character) => {
                self.cutter.add(character.char);
                2
            }
            None => self.put_raw(byte),
        }
    }
}

enum Designation {
    Left(G0),
    Right(G1),
}

/// The last byte of `ESC -`, which designates a right half of 96 characters.
fn latin(last: u8) -> Option<Latin> {
    Some(match last {
        b'A' => Latin::One,
        b'B' => Latin::Two,
        b'C' => Latin::Three,
        b'D' => Latin::Four,
        b'L' => Latin::Cyrillic,
        b'G' => Latin::Arabic,
        b'F' => Latin::Greek,
        b'H' => Latin::Hebrew,
        b'M' => Latin::Five,
        b'b' => Latin::Nine,
        b'T' => Latin::Thai,
        _ => return None,
    })
}
