//! Unpacking the streams this reader must look into: cross-reference streams, object streams and
//! page content. Images and fonts are copied as they are.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::AttachmentError;
use super::object::{Dictionary, Object};

/// Filters in a row; real files have at most two.
const MAX_FILTERS: usize = 4;

/// Unpack `raw` according to its dictionary into at most `limit` bytes.
///
/// Filter names must be direct objects, as the standard allows references there but no program
/// writes them.
pub(super) fn unpack(
    dictionary: &Dictionary,
    raw: &[u8],
    limit: usize,
) -> Result<Vec<u8>, AttachmentError> {
    let filters: Vec<&[u8]> = match dictionary.value(b"Filter") {
        None | Some(Object::Null) => Vec::new(),
        Some(Object::Name(name)) => vec![name],
        Some(Object::Array(items)) => items
            .iter()
            .map(|item| match item {
                Object::Name(name) => Ok(name.as_slice()),
                _ => Err(AttachmentError::damaged("a filter name")),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(AttachmentError::damaged("a filter name")),
    };
    if filters.len() > MAX_FILTERS {
        return Err(AttachmentError::damaged("a filter list"));
    }
    let mut data = bounded(raw, limit)?;
    for (place, filter) in filters.into_iter().enumerate() {
        let parameters = parameters(dictionary, place);
        data = match filter {
            b"FlateDecode" | b"Fl" => predicted(inflate(&data, limit)?, parameters)?,
            b"ASCIIHexDecode" | b"AHx" => ascii_hex(&data)?,
            b"ASCII85Decode" | b"A85" => ascii_85(&data, limit)?,
            b"RunLengthDecode" | b"RL" => run_length(&data, limit)?,
            _ => return Err(AttachmentError::Compression),
        };
    }
    Ok(data)
}

fn expands() -> AttachmentError {
    AttachmentError::Expands {
        what: "page content",
    }
}

fn bounded(data: &[u8], limit: usize) -> Result<Vec<u8>, AttachmentError> {
    if data.len() > limit {
        return Err(expands());
    }
    Ok(data.to_vec())
}

fn parameters(dictionary: &Dictionary, place: usize) -> Option<&Dictionary> {
    match dictionary.value(b"DecodeParms") {
        Some(Object::Dictionary(parameters)) if place == 0 => Some(parameters),
        Some(Object::Array(items)) => match items.get(place) {
            Some(Object::Dictionary(parameters)) => Some(parameters),
            _ => None,
        },
        _ => None,
    }
}

fn inflate(data: &[u8], limit: usize) -> Result<Vec<u8>, AttachmentError> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(data)
        .take(most)
        .read_to_end(&mut unpacked)
        .map_err(|_| AttachmentError::damaged("a compressed stream"))?;
    if unpacked.len() > limit {
        return Err(expands());
    }
    Ok(unpacked)
}

/// Undo the PNG row predictors (ISO 32000-1 section 7.4.4.4); never longer than its input.
fn predicted(data: Vec<u8>, parameters: Option<&Dictionary>) -> Result<Vec<u8>, AttachmentError> {
    let number = |key: &[u8], usual: i64| -> Result<usize, AttachmentError> {
        let value = parameters.and_then(|p| p.integer(key)).unwrap_or(usual);
        usize::try_from(value)
            .ok()
            .filter(|n| (1..=65_536).contains(n))
            .ok_or(AttachmentError::damaged("a predictor"))
    };
    match number(b"Predictor", 1)? {
        1 => return Ok(data),
        10..=15 => {}
        _ => return Err(AttachmentError::Compression),
    }
    let bits = number(b"Colors", 1)? * number(b"BitsPerComponent", 8)?;
    let pixel = bits.div_ceil(8);
    let row = (bits * number(b"Columns", 1)?).div_ceil(8);
    let mut before = vec![0u8; row];
    let mut out = Vec::with_capacity(data.len());
    for coded in data.chunks(row + 1) {
        let Some((kind, bytes)) = coded.split_first() else {
            break;
        };
        let mut line = bytes.to_vec();
        line.resize(row, 0);
        for i in 0..row {
            let at =
                |line: &[u8], i: Option<usize>| i.and_then(|i| line.get(i)).copied().unwrap_or(0);
            let (left, up) = (at(&line, i.checked_sub(pixel)), at(&before, Some(i)));
            let corner = at(&before, i.checked_sub(pixel));
            let add = match kind {
                0 => 0,
                1 => left,
                2 => up,
                3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                4 => paeth(left, up, corner),
                _ => return Err(AttachmentError::damaged("a predictor")),
            };
            if let Some(byte) = line.get_mut(i) {
                *byte = byte.wrapping_add(add);
            }
        }
        out.extend(line.iter().take(bytes.len()));
        before = line;
    }
    Ok(out)
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (pa, pb, pc) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if pa <= pb && pa <= pc {
        left
    } else if pb <= pc {
        up
    } else {
        corner
    }
}

fn ascii_hex(data: &[u8]) -> Result<Vec<u8>, AttachmentError> {
    let mut out = Vec::with_capacity(data.len() / 2);
    let mut high = None;
    for byte in data.iter().take_while(|byte| **byte != b'>') {
        if byte.is_ascii_whitespace() || *byte == 0 {
            continue;
        }
        let digit = char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(AttachmentError::damaged("a hexadecimal stream"))?;
        match high.take() {
            Some(first) => out.push(first << 4 | digit),
            None => high = Some(digit),
        }
    }
    out.extend(high.map(|digit: u8| digit << 4));
    Ok(out)
}

fn ascii_85(data: &[u8], limit: usize) -> Result<Vec<u8>, AttachmentError> {
    let broken = || AttachmentError::damaged("a base-85 stream");
    let mut out = Vec::new();
    let mut group: Vec<u32> = Vec::with_capacity(5);
    for byte in data.iter().take_while(|byte| **byte != b'~') {
        match byte {
            b'z' if group.is_empty() => out.extend([0; 4]),
            b'!'..=b'u' => group.push(u32::from(byte - b'!')),
            0 | b' ' | b'\t' | b'\r' | b'\n' | 12 => continue,
            _ => return Err(broken()),
        }
        if group.len() == 5 {
            out.extend(base_85(&group).ok_or_else(broken)?);
            group.clear();
        }
        if out.len() > limit {
            return Err(expands());
        }
    }
    if !group.is_empty() {
        let kept = group.len() - 1;
        group.resize(5, 84);
        out.extend(base_85(&group).ok_or_else(broken)?.into_iter().take(kept));
    }
    Ok(out)
}

fn base_85(group: &[u32]) -> Option<[u8; 4]> {
    let mut value = 0u32;
    for digit in group {
        value = value.checked_mul(85)?.checked_add(*digit)?;
    }
    Some(value.to_be_bytes())
}

fn run_length(data: &[u8], limit: usize) -> Result<Vec<u8>, AttachmentError> {
    let broken = || AttachmentError::damaged("a run-length stream");
    let mut out = Vec::new();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first() {
        rest = match length {
            128 => break,
            0..=127 => {
                let count = usize::from(*length) + 1;
                let (copied, after) = after.split_at_checked(count).ok_or_else(broken)?;
                out.extend_from_slice(copied);
                after
            }
            129..=255 => {
                let (byte, after) = after.split_first().ok_or_else(broken)?;
                out.resize(out.len() + 257 - usize::from(*length), *byte);
                after
            }
        };
        if out.len() > limit {
            return Err(expands());
        }
    }
    Ok(out)
}
