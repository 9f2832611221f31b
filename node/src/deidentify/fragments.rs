//! Pixel data on its way through: bytes unchanged, but for the comments that codecs let people write into a picture.

use std::io::{self, Read, Write};

use super::refusal::Refusal;
use crate::dicom::scanner::ELEMENTS_MAX;

/// Head of a fragment, and its delimiter (PS3.5 section A.4).
pub(super) const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
pub(super) const DELIMITER: [u8; 4] = [0xFE, 0xFF, 0xDD, 0xE0];
/// Beginnings of codestreams: JPEG and JPEG-LS (SOI), JPEG 2000 (SOC).
const JPEG: [u8; 2] = [0xFF, 0xD8];
const JPEG_2000: [u8; 2] = [0xFF, 0x4F];
/// Beginning of a JP2 file, which may hold anything in boxes; DICOM has bare codestreams only.
const JP2: [u8; 2] = [0x00, 0x00];

/// Copies a value of known length.
pub(super) fn copy(source: &mut dyn Read, out: &mut dyn Write, length: u64) -> io::Result<()> {
    let copied = io::copy(&mut source.take(length), out)?;
    match copied == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Copies a run of fragments up to its delimiter, that included.
///
/// # Errors
/// When it breaks off or is no such run, or a fragment is no codestream.
pub(super) fn copy_fragments(source: &mut dyn Read, out: &mut dyn Write) -> Result<(), Refusal> {
    for number in 0..ELEMENTS_MAX {
        let mut head = [0; 8];
        source.read_exact(&mut head)?;
        out.write_all(&head)?;
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        match [head[0], head[1], head[2], head[3]] {
            DELIMITER => return Ok(()),
            // The first is the table of offsets (PS3.5 section A.4).
            ITEM if number == 0 => copy(source, out, length)?,
            ITEM => copy_fragment(source, out, length)?,
            _ => break,
        }
    }
    Err(io::Error::from(io::ErrorKind::InvalidData).into())
}

fn copy_fragment(source: &mut dyn Read, out: &mut dyn Write, length: u64) -> Result<(), Refusal> {
    let mut fragment = Fragment {
        source,
        out,
        left: length,
    };
    let Some(start) = fragment.pass()? else {
        return Ok(fragment.rest()?);
    };
    match start {
        JPEG | JPEG_2000 => fragment.segments(start)?,
        JP2 if length > 12 => return Err(Refusal::LongValue),
        _ => {}
    }
    Ok(fragment.rest()?)
}

/// A fragment that is being copied.
struct Fragment<'a> {
    source: &'a mut dyn Read,
    out: &'a mut dyn Write,
    left: u64,
}

impl Fragment<'_> {
    /// Passes two bytes on and shows them; none when there are no more.
    fn pass(&mut self) -> io::Result<Option<[u8; 2]>> {
        if self.left < 2 {
            return Ok(None);
        }
        let mut bytes = [0; 2];
        self.source.read_exact(&mut bytes)?;
        self.out.write_all(&bytes)?;
        self.left -= 2;
        Ok(Some(bytes))
    }

    fn rest(&mut self) -> io::Result<()> {
        let left = std::mem::take(&mut self.left);
        copy(&mut *self.source, &mut *self.out, left)
    }

    /// Passes the segments in front of the coded picture on, what is written in comments as zeros. Lengths stay, so that
    /// tables of offsets stay true.
    fn segments(&mut self, start: [u8; 2]) -> io::Result<()> {
        while let Some([0xFF, marker]) = self.pass()? {
            // The coded picture begins: SOS of JPEG, SOT of JPEG 2000.
            if matches!((start, marker), (JPEG, 0xDA) | (JPEG_2000, 0x90)) {
                return Ok(());
            }
            let Some(length) = self.pass()? else {
                return Ok(());
            };
            let length = usize::from(u16::from_be_bytes(length)).saturating_sub(2);
            if length as u64 > self.left {
                return Ok(());
            }
            let mut segment = vec![0; length];
            self.source.read_exact(&mut segment)?;
            self.left -= length as u64;
            blank(start, marker, &mut segment);
            self.out.write_all(&segment)?;
        }
        Ok(())
    }
}

/// Blanks a comment, or a segment of an application that decoders do without.
fn blank(start: [u8; 2], marker: u8, segment: &mut [u8]) {
    let from = match (start, marker) {
        // COM of JPEG; COM of JPEG 2000 behind its registration.
        (JPEG, 0xFE) => 0,
        (JPEG_2000, 0x64) => 2,
        // APP0 to APP15, but for JFIF, SPIFF and HP's (APP8) and Adobe's, which say how colours are meant.
        (JPEG, 0xE0) if segment.starts_with(b"JFIF\0") => 14,
        (JPEG, 0xE8) => return,
        (JPEG, 0xEE) if segment.starts_with(b"Adobe") => 12,
        (JPEG, 0xE0..=0xEF) => 0,
        _ => return,
    };
    segment.iter_mut().skip(from).for_each(|byte| *byte = 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(fragments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = [&ITEM[..], &[0; 4]].concat();
        for fragment in fragments {
            bytes.extend([&ITEM[..], &(fragment.len() as u32).to_le_bytes(), fragment].concat());
        }
        [&bytes[..], &DELIMITER, &[0; 4]].concat()
    }

    fn copied(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        copy_fragments(&mut &bytes[..], &mut out).ok().map(|()| out)
    }

    #[test]
    fn comments_are_blanked_and_the_picture_is_not() {
        let jpeg = [
            &b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0"[..],
            b"\xFF\xFE\0\x08YAMADA\xFF\xE1\0\x08YAMADA\xFF\xDA\0\x08YAMADA picture",
        ];
        let jpeg = jpeg.concat();
        let made = copied(&run(&[&jpeg])).unwrap();
        let text = String::from_utf8_lossy(&made);
        assert_eq!(made.len(), run(&[&jpeg]).len());
        assert_eq!(text.matches("YAMADA").count(), 1);
        assert!(text.contains("JFIF") && text.contains("YAMADA picture"));

        let jpeg_2000 = b"\xFF\x4F\xFF\x51\0\x04ab\xFF\x64\0\x0A\0\x01YAMADA\xFF\x90\0\x04YAMADA";
        let made = copied(&run(&[jpeg_2000])).unwrap();
        assert_eq!(String::from_utf8_lossy(&made).matches("YAMADA").count(), 1);
    }

    #[test]
    fn what_is_not_understood_passes_or_is_refused_but_never_lost() {
        for fragment in [
            &b""[..],
            b"\x01\0\0\0rle",
            b"\xFF\xD8\xFF\xFE\xFF\xFFshort!",
            b"\xFF\xD8\xFF\xD9",
        ] {
            assert_eq!(copied(&run(&[fragment])), Some(run(&[fragment])));
        }
        assert_eq!(copied(&run(&[b"\0\0\0\x0CjP  \r\n\x87\nboxes "])), None);
        assert_eq!(copied(&run(&[b"abcd"])[..20]), None);
        assert_eq!(copied(b"no fragments at all"), None);
    }
}
