//! Whether the pixel data is as long as the image's description says (PS3.3 §C.7.6.3).

use super::encoding::{Form, TransferSyntax};
use super::kept::Kept;
use super::malformed::{FindingKind, Malformed, MalformedKind};
use super::walk::Walked;
use crate::dicom::uid::trim_padding;
use dicom_dictionary_std::tags;

/// Most bytes a value of defined length can have: lengths are 32 bits and even (PS3.5 §7.1.1).
const VALUE_LENGTH_MAX: u128 = 0xFFFF_FFFE;

/// Records what of the pixel data contradicts its description or its transfer syntax.
///
/// # Errors
/// [`MalformedKind::PixelDescription`]. Any other contradiction is carried: the object is identified,
/// its boundaries are known, and its images are for a viewer to judge.
pub(crate) fn check(
    transfer_syntax: &TransferSyntax,
    walked: &mut Walked,
) -> Result<(), Malformed> {
    let Some(pixels) = walked.pixels else {
        return Ok(());
    };
    let mut note = |kind| {
        walked
            .findings
            .record(kind, tags::PIXEL_DATA, pixels.offset)
    };
    if pixels.encapsulated == transfer_syntax.has_native_pixels() {
        note(FindingKind::PixelEncoding);
    }
    if pixels.encapsulated {
        return Ok(());
    }
    let form = Form::from(transfer_syntax.encoding());
    let Some(described) = described_bytes(&walked.kept, form) else {
        return Ok(());
    };
    // One byte of padding makes the value even (PS3.5 §8.1.1).
    let padded = described + described % 2;
    if u128::from(pixels.bytes) < described {
        if described > VALUE_LENGTH_MAX {
            return Err(Malformed {
                kind: MalformedKind::PixelDescription,
                tag: tags::PIXEL_DATA,
                offset: pixels.offset,
            });
        }
        note(FindingKind::PixelDataShort);
    } else if u128::from(pixels.bytes) > padded {
        note(FindingKind::PixelDataLong);
    }
    Ok(())
}

/// Bytes that rows, columns, frames, samples and bits allocated make together, if all are there.
fn described_bytes(kept: &Kept, form: Form) -> Option<u128> {
    let number = |tag| {
        kept.value(tag)
            .and_then(|value| unsigned_short(value, form))
            .map(u128::from)
    };
    let frames = match kept.value(tags::NUMBER_OF_FRAMES) {
        None => 1,
        Some(value) if trim_padding(value).is_empty() => 1,
        Some(value) => u128::from(integer_string(value)?.unsigned_abs()),
    };
    // Halves, because chroma may be subsampled (PS3.3 §C.7.6.3.1.2).
    let half_samples = match kept
        .value(tags::PHOTOMETRIC_INTERPRETATION)
        .map(trim_padding)
    {
        Some(b"YBR_FULL_422" | b"YBR_PARTIAL_422") => 4,
        Some(b"YBR_PARTIAL_420") => 3,
        Some(_) | None => 2 * number(tags::SAMPLES_PER_PIXEL)?,
    };
    let bits = number(tags::ROWS)?
        * number(tags::COLUMNS)?
        * number(tags::BITS_ALLOCATED)?
        * half_samples
        * frames
        / 2;
    Some(bits.div_ceil(8))
}

/// A US value of one number.
fn unsigned_short(value: &[u8], form: Form) -> Option<u16> {
    <[u8; 2]>::try_from(value).ok().map(|bytes| form.u16(bytes))
}

/// An IS value of one number (PS3.5 §6.2).
fn integer_string(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value)
        .ok()?
        .trim_matches([' ', '\0'])
        .parse()
        .ok()
}
