//! Deterministic CBOR (RFC 8949 §4.2.1), strictly decoded.
//!
//! The profile: integer map keys in ascending order, none twice; shortest heads; definite lengths; no tags, no
//! floats, no simple values but `false`, `true` and `null`; UTF-8 text; at most [`MAX_DEPTH`] levels. Bytes are first
//! scanned against the profile – in one pass, without recursion and without allocating – then decoded, then encoded
//! again and compared: a value has one encoding, and a digest of it means one thing.

use std::cmp::Ordering;

use minicbor::{Decode, Encode};

use crate::error::{Refused, Why};

/// Most arrays and maps inside each other. Documents use four; eight leaves room and keeps any decoder's stack small.
pub const MAX_DEPTH: usize = 8;

/// The major types of the profile (RFC 8949 §3.1); tags (6) are not in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Major {
    Unsigned = 0,
    Negative = 1,
    Bytes = 2,
    Text = 3,
    Array = 4,
    Map = 5,
    Simple = 7,
}

impl Major {
    fn of(first: u8) -> Result<Self, Refused> {
        match first >> 5 {
            0 => Ok(Self::Unsigned),
            1 => Ok(Self::Negative),
            2 => Ok(Self::Bytes),
            3 => Ok(Self::Text),
            4 => Ok(Self::Array),
            5 => Ok(Self::Map),
            7 => Ok(Self::Simple),
            _ => Err(Why::Profile("a tag").into()),
        }
    }
}

/// The deterministic encoding of `value`.
///
/// # Panics
/// When an `Encode` implementation reports an error of its own. Derived ones do not, and memory has none to report.
pub fn encode<T: Encode<()> + ?Sized>(value: &T) -> Vec<u8> {
    match minicbor::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("an encoder into memory failed: {error}"),
    }
}

/// Decodes a value that fills `bytes` exactly, whose encoding they are, and which is at most `max_len` bytes long.
///
/// # Errors
/// [`Why::TooLong`], [`Why::CutOff`], [`Why::TrailingBytes`], [`Why::Profile`], or [`Why::Fields`] when the profile
/// holds but the fields are not those of `T`.
pub fn decode_strict<T>(bytes: &[u8], max_len: usize) -> Result<T, Refused>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if bytes.len() > max_len {
        return Err(Why::TooLong { max: max_len }.into());
    }
    check_profile(bytes)?;
    let value: T = minicbor::decode(bytes).map_err(|_| Why::Fields)?;
    if encode(&value) != bytes {
        return Err(Why::Fields.into());
    }
    Ok(value)
}

/// Checks that `bytes` are exactly one value of the profile, whatever its type. Time is linear in the length.
///
/// # Errors
/// [`Why::CutOff`], [`Why::TrailingBytes`] or [`Why::Profile`].
pub fn check_profile(bytes: &[u8]) -> Result<(), Refused> {
    let mut cursor = Cursor::new(bytes);
    let mut open: [Container; MAX_DEPTH] = [Container::default(); MAX_DEPTH];
    let mut depth = 0;
    loop {
        let start = cursor.position;
        let (major, value) = cursor.head()?;
        if depth > 0 && open[depth - 1].expects_key() {
            open[depth - 1].take_key(bytes, start, cursor.position, major)?;
        }
        match major {
            Major::Unsigned | Major::Negative | Major::Simple => {}
            Major::Bytes => {
                cursor.take(value)?;
            }
            Major::Text => {
                cursor.text(value)?;
            }
            Major::Array | Major::Map => {
                let items = cursor.items(major, value)?;
                if depth == MAX_DEPTH {
                    return Err(Why::Profile("nested too deeply").into());
                }
                open[depth] = Container::new(major == Major::Map, items);
                depth += 1;
            }
        }
        while depth > 0 && open[depth - 1].is_finished() {
            depth -= 1;
        }
        if depth == 0 {
            return cursor.end();
        }
        open[depth - 1].left -= 1;
    }
}

/// An array or map whose items are being scanned.
#[derive(Clone, Copy, Default)]
struct Container {
    map: bool,
    /// Items still to come; a map's keys and values each count.
    left: u64,
    /// Where the last key of a map lies.
    last_key: Option<(usize, usize)>,
}

impl Container {
    fn new(map: bool, items: u64) -> Self {
        Self {
            map,
            left: items,
            last_key: None,
        }
    }

    fn is_finished(&self) -> bool {
        self.left == 0
    }

    /// `left` has already been lowered for the item now read, so an odd rest means that it is a key.
    fn expects_key(&self) -> bool {
        self.map && self.left % 2 == 1
    }

    fn take_key(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
        major: Major,
    ) -> Result<(), Refused> {
        if major != Major::Unsigned && major != Major::Negative {
            return Err(Why::Profile("a map key that is no integer").into());
        }
        if let Some((from, to)) = self.last_key {
            match bytes[from..to].cmp(&bytes[start..end]) {
                Ordering::Less => {}
                Ordering::Equal => return Err(Why::Profile("a map key twice").into()),
                Ordering::Greater => return Err(Why::Profile("map keys out of order").into()),
            }
        }
        self.last_key = Some((start, end));
        Ok(())
    }
}

/// Reads heads and strings in order, refusing what the profile forbids.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next head: major type and argument, in its shortest form (RFC 8949 §3).
    pub(crate) fn head(&mut self) -> Result<(Major, u64), Refused> {
        let first = self.take(1)?[0];
        let (major, short) = (Major::of(first)?, first & 0x1f);
        let (value, least) = match short {
            0..=23 => (u64::from(short), 0),
            24 => (self.argument(1)?, 24),
            25 => (self.argument(2)?, 1 << 8),
            26 => (self.argument(4)?, 1 << 16),
            27 => (self.argument(8)?, 1 << 32),
            31 => return Err(Why::Profile("an indefinite length").into()),
            _ => return Err(Why::Profile("a reserved head").into()),
        };
        if major == Major::Simple && !(20..=22).contains(&short) {
            return Err(Why::Profile("a float or simple value").into());
        }
        if value < least {
            return Err(Why::Profile("a head longer than needed").into());
        }
        Ok((major, value))
    }

    /// A head that must be of type `major`; gives its argument.
    pub(crate) fn expect(&mut self, major: Major) -> Result<u64, Refused> {
        match self.head()? {
            (found, value) if found == major => Ok(value),
            _ => Err(Why::Framing("another type where one is fixed").into()),
        }
    }

    /// A byte string.
    pub(crate) fn byte_string(&mut self) -> Result<&'a [u8], Refused> {
        let length = self.expect(Major::Bytes)?;
        self.take(length)
    }

    /// The next `length` bytes as text.
    pub(crate) fn text(&mut self, length: u64) -> Result<&'a str, Refused> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Why::Profile("text not UTF-8").into())
    }

    /// The next `length` bytes.
    fn take(&mut self, length: u64) -> Result<&'a [u8], Refused> {
        let rest = &self.bytes[self.position..];
        let length = usize::try_from(length).map_err(|_| Why::CutOff)?;
        let taken = rest.get(..length).ok_or(Why::CutOff)?;
        self.position += length;
        Ok(taken)
    }

    fn argument(&mut self, length: u64) -> Result<u64, Refused> {
        let bytes = self.take(length)?;
        Ok(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    /// How many items a container has. Each takes at least a byte, so a count beyond what remains is refused at once.
    fn items(&self, major: Major, value: u64) -> Result<u64, Refused> {
        let items = if major == Major::Map {
            value.checked_mul(2)
        } else {
            Some(value)
        };
        let remaining = (self.bytes.len() - self.position) as u64;
        items
            .filter(|items| *items <= remaining)
            .ok_or_else(|| Why::CutOff.into())
    }

    /// Refuses bytes after the end.
    pub(crate) fn end(&self) -> Result<(), Refused> {
        if self.position == self.bytes.len() {
            Ok(())
        } else {
            Err(Why::TrailingBytes.into())
        }
    }
}

/// Appends a head in its shortest form.
pub(crate) fn push_head(out: &mut Vec<u8>, major: Major, value: u64) {
    let major = (major as u8) << 5;
    let bytes = value.to_be_bytes();
    match value {
        0..=23 => out.push(major | bytes[7]),
        24..=0xff => out.extend([major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend(bytes);
        }
    }
}

/// Appends a byte string.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_head(out, Major::Bytes, bytes.len() as u64);
    out.extend(bytes);
}

/// Appends a text string.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_head(out, Major::Text, text.len() as u64);
    out.extend(text.as_bytes());
}
