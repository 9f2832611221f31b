//! Pixel data on its way through: bytes unchanged, but for the comments that codecs let people write into a picture. A
//! codestream is walked from marker to marker, over however many fragments it lies in; what does not parse stays here.

use std::io::{self, Read, Write};

use super::refusal::Refusal;
use crate::dicom::scanner::ELEMENTS_MAX;

/// Head of a fragment, and its delimiter (PS3.5 section A.4).
pub(super) const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
pub(super) const DELIMITER: [u8; 4] = [0xFE, 0xFF, 0xDD, 0xE0];
/// Bytes that are read and written at a time.
const PIECE: usize = 64 * 1024;
/// Copies a value of known length.
pub(super) fn copy(source: &mut dyn Read, out: &mut dyn Write, length: u64) -> io::Result<()> {
    let copied = io::copy(&mut source.take(length), out)?;
    match copied == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// How the fragments of a transfer syntax are walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Markers of ISO/IEC 10918-1 and 14495-1.
    Jpeg,
    /// Markers of ISO/IEC 15444-1 and 15444-15.
    Jpeg2000,
    /// No comments in it.
    Plain,
}

impl Form {
    fn of(syntax: &str) -> Form {
        match syntax.strip_prefix("1.2.840.10008.1.2.4.") {
            Some("90" | "91" | "92" | "93" | "201" | "202" | "203") => Form::Jpeg2000,
            Some(_) => Form::Jpeg,
            None => Form::Plain,
        }
    }
}

/// Copies a run of fragments in `syntax` up to its delimiter, that included.
///
/// # Errors
/// When it breaks off or is no such run, or a codestream of that syntax does not parse.
pub(super) fn copy_fragments(
    source: &mut dyn Read,
    out: &mut dyn Write,
    syntax: &str,
) -> Result<(), Refusal> {
    let form = Form::of(syntax);
    let mut walk = Walk::new(form);
    for number in 0..ELEMENTS_MAX {
        let mut head = [0; 8];
        source.read_exact(&mut head)?;
        out.write_all(&head)?;
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        match [head[0], head[1], head[2], head[3]] {
            DELIMITER if walk.may_end() => return Ok(()),
            // The first is the table of offsets (PS3.5 section A.4).
            ITEM if number == 0 => copy(source, out, length)?,
            ITEM if form == Form::Plain => copy(source, out, length)?,
            ITEM => copy_fragment(source, out, length, &mut walk)?,
            _ => break,
        }
    }
    Err(io::Error::from(io::ErrorKind::InvalidData).into())
}

fn copy_fragment(
    source: &mut dyn Read,
    out: &mut dyn Write,
    length: u64,
    walk: &mut Walk,
) -> Result<(), Refusal> {
    walk.begin_fragment();
    let mut piece = vec![0; PIECE];
    let mut left = length;
    while left > 0 {
        let count = left.min(PIECE as u64) as usize;
        let piece = &mut piece[..count];
        source.read_exact(piece)?;
        for byte in piece.iter_mut() {
            walk.pass(byte).ok_or(Refusal::LongValue)?;
        }
        out.write_all(piece)?;
        left -= count as u64;
    }
    Ok(())
}

/// Where a walk through codestreams stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In front of a codestream, or behind its first byte.
    Start,
    Started,
    /// In front of a marker, or behind the first byte of one.
    Marker,
    Code,
    /// In front of the length of a marker's segment, or behind its first byte.
    Length(u8),
    Lower(u8, u8),
    /// In a segment: its marker, how much is left, how much was passed, and which of the heads it may have (a bit each).
    Segment(u8, u16, u16, u8),
    /// In the coded picture, or behind an FF in it.
    Coded,
    CodedFf,
    /// In a packet's number (SOP, ISO/IEC 15444-1 section A.8.1): how much of it is left.
    Packet(u8),
    /// Behind the end of a codestream: what stands there is no part of the picture.
    After,
}

/// A walk through the codestreams of one object, byte by byte. Bytes are changed in place and none is added, so that
/// tables of offsets stay true.
struct Walk {
    form: Form,
    state: State,
    /// Bytes of the fragment so far: a codestream that was cut off ends where a fragment begins another.
    passed: u64,
}

impl Walk {
    fn new(form: Form) -> Walk {
        Walk {
            form,
            state: State::Start,
            passed: 0,
        }
    }

    fn begin_fragment(&mut self) {
        self.passed = 0;
        if self.state == State::After {
            self.state = State::Start;
        }
    }

    /// Whether nothing of a codestream's headers is missing.
    fn may_end(&self) -> bool {
        use State::{After, Coded, CodedFf, Packet, Start};
        matches!(self.state, Start | Coded | CodedFf | Packet(_) | After)
    }

    /// Passes one byte on, as a zero where it belongs to a comment. None when it is no codestream.
    fn pass(&mut self, byte: &mut u8) -> Option<()> {
        use State::{
            After, Code, Coded, CodedFf, Length, Lower, Marker, Packet, Segment, Start, Started,
        };
        let (at, seen) = (self.passed, *byte);
        self.passed += 1;
        self.state = match (self.state, seen) {
            (Start, 0xFF) => Started,
            (Started, seen) if seen == self.first() => Marker,
            (Marker, 0xFF) => Code,
            // Filled up (ISO/IEC 10918-1 section B.1.1.2).
            (Code, 0xFF) => Code,
            (Code, marker) => self.marked(marker)?,
            (Length(marker), high) => Lower(marker, high),
            (Lower(marker, high), low) => {
                let length = u16::from_be_bytes([high, low]).checked_sub(2)?;
                self.segment(marker, length, 0, u8::MAX)
            }
            (Segment(marker, left, passed, heads), seen) => {
                let (kept, heads) = kept(self.form, marker, passed, seen, heads);
                if !kept {
                    *byte = 0;
                }
                self.segment(marker, left - 1, passed.saturating_add(1), heads)
            }
            (Coded, 0xFF) => CodedFf,
            (Coded, _) => Coded,
            // Another codestream, though the one before had no end.
            (CodedFf, seen) if at == 1 && seen == self.first() => Marker,
            (CodedFf, marker) => self.in_picture(marker)?,
            (Packet(1), _) => Coded,
            (Packet(left), _) => Packet(left - 1),
            (After, _) => {
                *byte = 0;
                After
            }
            (Start | Started | Marker, _) => return None,
        };
        Some(())
    }

    /// Second byte of the first marker: SOI, SOC.
    fn first(&self) -> u8 {
        match self.form {
            Form::Jpeg | Form::Plain => 0xD8,
            Form::Jpeg2000 => 0x4F,
        }
    }

    /// What follows a marker.
    fn marked(&self, marker: u8) -> Option<State> {
        Some(match (self.form, marker) {
            (_, 0xD9) => State::After,
            (Form::Jpeg, 0x00 | 0xD8) | (Form::Jpeg2000, 0x00..=0x2F | 0x4F) => return None,
            (Form::Jpeg, 0x01 | 0xD0..=0xD7) | (Form::Jpeg2000, 0x30..=0x3F) => State::Marker,
            (Form::Jpeg2000, 0x93) => State::Coded,
            (_, marker) => State::Length(marker),
        })
    }

    /// What follows FF inside of a coded picture.
    fn in_picture(&self, marker: u8) -> Option<State> {
        Some(match (self.form, marker) {
            (_, 0xFF) => State::CodedFf,
            // Bytes and bits that are stuffed in; restarts.
            (Form::Jpeg, 0x00..=0x7F | 0xD0..=0xD7) => State::Coded,
            (Form::Jpeg2000, 0x00..=0x8F | 0x92) => State::Coded,
            (Form::Jpeg2000, 0x91) => State::Packet(4),
            (Form::Jpeg2000, 0x90 | 0xD9) | (Form::Jpeg, _) => return self.marked(marker),
            _ => return None,
        })
    }

    /// In a segment of which so much is left, or behind it.
    fn segment(&self, marker: u8, left: u16, passed: u16, heads: u8) -> State {
        match left {
            // SOS: the coded picture begins.
            0 if self.form == Form::Jpeg && marker == 0xDA => State::Coded,
            0 => State::Marker,
            left => State::Segment(marker, left, passed, heads),
        }
    }
}

/// Whether a byte of a segment is needed to decode, and which heads the segment may still have. Not needed are comments, and
/// segments of applications but for the heads of JFIF, SPIFF, HP and Adobe, which say how colours are meant.
fn kept(form: Form, marker: u8, passed: u16, byte: u8, heads: u8) -> (bool, u8) {
    // Names, each with the length of its head.
    let known: &[(&[u8], u16)] = match (form, marker) {
        (Form::Jpeg, 0xE0) => &[(b"JFIF\0", 14)],
        (Form::Jpeg, 0xE8) => &[(b"SPIFF\0", 30), (b"mrfx", 5)],
        (Form::Jpeg, 0xEE) => &[(b"Adobe", 12)],
        // COM of JPEG, other applications; COM of JPEG 2000 behind its registration.
        (Form::Jpeg, 0xFE | 0xE0..=0xEF) => &[],
        (Form::Jpeg2000, 0x64) => return (passed < 2, heads),
        _ => return (true, heads),
    };
    let fits = |(name, length): &(&[u8], u16)| {
        let expected = name.get(usize::from(passed));
        passed < *length && expected.is_none_or(|expected| *expected == byte)
    };
    let bits = known.iter().zip([1, 2]);
    let fitting = bits
        .filter(|(head, _)| fits(head))
        .fold(0, |all, (_, bit)| all | bit);
    (heads & fitting != 0, heads & fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &str = "1.2.840.10008.1.2.4.50";
    const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

    fn run(fragments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = [&ITEM[..], &[0; 4]].concat();
        for fragment in fragments {
            bytes.extend([&ITEM[..], &(fragment.len() as u32).to_le_bytes(), fragment].concat());
        }
        [&bytes[..], &DELIMITER, &[0; 4]].concat()
    }

    fn copied(syntax: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let copied = copy_fragments(&mut &bytes[..], &mut out, syntax);
        copied.ok().map(|()| out)
    }

    /// The fragments copied in every way to cut them in two; how often the name stands in what comes out.
    fn names_left(syntax: &str, codestream: &[u8], name: &str) -> usize {
        let expected = copied(syntax, &run(&[codestream])).unwrap();
        assert_eq!(expected.len(), run(&[codestream]).len());
        // Behind its end another begins.
        let end = codestream.windows(2).rposition(|two| two == b"\xFF\xD9");
        for at in (0..=end.unwrap()).step_by(2) {
            let (one, two) = codestream.split_at(at);
            let made = copied(syntax, &run(&[one, two])).unwrap();
            let joined = [&made[16..16 + at], &made[16 + at + 8..made.len() - 8]].concat();
            assert_eq!(joined, expected[16..expected.len() - 8], "cut at {at}");
        }
        String::from_utf8_lossy(&expected).matches(name).count()
    }

    #[test]
    fn comments_of_jpeg_are_blanked_wherever_they_stand_and_the_picture_is_not() {
        let head = b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0";
        for comment in [
            &b"\xFF\xFE\0\x08YAMADA"[..],
            b"\xFF\xE1\0\x08YAMADA",
            // Filled up, and an application's that only begins like a known one.
            b"\xFF\xFF\xFF\xFE\0\x08YAMADA",
            b"\xFF\xE0\0\x0CJFYAMADA\0\0",
            b"\xFF\xE8\0\x08YAMADA",
            // Behind the head of a known one, and with a name mixed of two.
            b"\xFF\xE8\0\x10mrfx\x01\0YAMADA\0\0",
            b"\xFF\xE8\0\x10mPrFF\0YAMADA\0\0",
        ] {
            let jpeg = [
                head,
                comment,
                b"\xFF\xDA\0\x04\x01\0picture\xFF\0more\xFF\xD9",
            ]
            .concat();
            assert_eq!(names_left(JPEG, &jpeg, "YAMADA"), 0);
            assert_eq!(names_left(JPEG, &jpeg, "picture"), 1);
            assert_eq!(names_left(JPEG, &jpeg, "JFIF"), 1);
            // Between two scans, and behind the end.
            let scans = [
                &head[..],
                b"\xFF\xDA\0\x04\x01\0one\xFF\xD0",
                comment,
                b"\xFF\xDA\0\x04\x01\0two\xFF\xD9YAMADA",
            ];
            assert_eq!(names_left(JPEG, &scans.concat(), "YAMADA"), 0);
        }
    }

    #[test]
    fn comments_of_jpeg_2000_are_blanked_in_headers_of_tiles_too() {
        let codestream = [
            &b"\xFF\x4F\xFF\x51\0\x04ab\xFF\x64\0\x0A\0\x01YAMADA"[..],
            b"\xFF\x90\0\x0A\0\0\0\0\0\0\0\x01\xFF\x64\0\x0A\0\x01YAMADA\xFF\x93",
            b"\xFF\x91\0\x04\xFF\xD9packet\xFF\x92\xFF\x8F",
            b"\xFF\x90\0\x0A\0\0\0\0\0\0\0\x01\xFF\x93other\xFF\xD9YAMADA",
        ];
        let codestream = codestream.concat();
        assert_eq!(names_left(JPEG_2000, &codestream, "YAMADA"), 0);
        assert_eq!(names_left(JPEG_2000, &codestream, "packet"), 1);
        assert_eq!(names_left(JPEG_2000, &codestream, "other"), 1);
    }

    #[test]
    fn a_frame_without_an_end_hides_nothing_of_the_next_one() {
        let jpeg = b"\xFF\xD8\xFF\xDA\0\x04\x01\0cut off";
        let next = b"\xFF\xD8\xFF\xFE\0\x08YAMADA\xFF\xDA\0\x04\x01\0\xFF\xD9";
        let made = copied(JPEG, &run(&[jpeg, next])).unwrap();
        assert!(!String::from_utf8_lossy(&made).contains("YAMADA"));
        let jpeg_2000 = b"\xFF\x4F\xFF\x51\0\x04ab\xFF\x90\0\x04ab\xFF\x93cut off.";
        let next = b"\xFF\x4F\xFF\x64\0\x0A\0\x01YAMADA\xFF\x90\0\x04ab\xFF\x93\xFF\xD9";
        let made = copied(JPEG_2000, &run(&[jpeg_2000, next])).unwrap();
        assert!(!String::from_utf8_lossy(&made).contains("YAMADA"));
    }

    #[test]
    fn what_does_not_parse_stays_here() {
        for fragment in [
            &b"\x01\0\0\0rle"[..],
            b"\xFF\xD8\xFF\xFE\xFF\xFFshort!",
            b"\xFF\xD8YAMADA",
            b"\xFF\xD8\xFF\xFE\0\x01",
            b"\0\0\0\x0CjP  \r\n\x87\nboxes ",
        ] {
            assert_eq!(copied(JPEG, &run(&[fragment])), None);
            assert_eq!(copied(JPEG_2000, &run(&[fragment])), None);
        }
        // Nothing, and what no codestream is asked for.
        assert!(copied(JPEG, &run(&[b""])).is_some());
        let rle = run(&[b"\x01\0\0\0\xFF\xFErle"]);
        assert_eq!(copied("1.2.840.10008.1.2.5", &rle), Some(rle.clone()));
        assert_eq!(copied(JPEG, &rle[..20]), None);
        assert_eq!(copied(JPEG, b"no fragments at all"), None);
    }
}
