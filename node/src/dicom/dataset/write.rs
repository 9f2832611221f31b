//! Writing a data set (PS3.5 section 7.1).

use dicom_core::{Tag, VR};

use super::vr::{has_long_length, swap};
use super::{DataSet, Element, Value};
use crate::dicom::scanner::Encoding;
use crate::dicom::scanner::head::ITEM;

/// Writes a data set in this encoding, sequences and items with explicit lengths. A deflated one is
/// written as it is before it is deflated; values that were not kept are left out.
pub fn write(data_set: &DataSet, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    put_all(data_set, encoding, &mut out);
    out
}

/// The head of an element whose value of `length` bytes is written behind it.
pub fn element_head(tag: Tag, vr: VR, length: u32, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(tag, vr, length as usize, encoding, &mut out);
    out
}

fn put_all(data_set: &DataSet, encoding: Encoding, out: &mut Vec<u8>) {
    for element in data_set.elements() {
        put(element, encoding, out);
    }
}

fn put(element: &Element, encoding: Encoding, out: &mut Vec<u8>) {
    let Element { tag, vr, value } = element;
    match value {
        Value::Bulk(_) => {}
        Value::Bytes(bytes) => {
            put_head(*tag, *vr, bytes.len(), encoding, out);
            let from = out.len();
            out.extend_from_slice(bytes);
            if encoding == Encoding::ExplicitBig {
                swap(*vr, &mut out[from..]);
            }
        }
        Value::Items(items) => {
            let mut body = Vec::new();
            for item in items {
                let at = body.len();
                put_item_head(encoding, 0, &mut body);
                put_all(item, encoding, &mut body);
                let length = body.len() - at - 8;
                body[at + 4..at + 8].copy_from_slice(&long(encoding, length));
            }
            put_head(*tag, VR::SQ, body.len(), encoding, out);
            out.extend_from_slice(&body);
        }
    }
}

fn put_item_head(encoding: Encoding, length: usize, out: &mut Vec<u8>) {
    put_tag(ITEM, encoding, out);
    out.extend_from_slice(&long(encoding, length));
}

fn put_head(tag: Tag, vr: VR, length: usize, encoding: Encoding, out: &mut Vec<u8>) {
    put_tag(tag, encoding, out);
    if encoding == Encoding::ImplicitLittle {
        out.extend_from_slice(&long(encoding, length));
        return;
    }
    match u16::try_from(length) {
        Ok(length) if !has_long_length(vr) => {
            out.extend_from_slice(vr.to_string().as_bytes());
            out.extend_from_slice(&short(encoding, length));
        }
        fits => {
            // What does not fit its VR's length is written as UN (PS3.5 section 6.2.2).
            let vr = if fits.is_err() && !has_long_length(vr) {
                VR::UN
            } else {
                vr
            };
            out.extend_from_slice(vr.to_string().as_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&long(encoding, length));
        }
    }
}

fn put_tag(tag: Tag, encoding: Encoding, out: &mut Vec<u8>) {
    out.extend_from_slice(&short(encoding, tag.group()));
    out.extend_from_slice(&short(encoding, tag.element()));
}

fn short(encoding: Encoding, number: u16) -> [u8; 2] {
    if encoding == Encoding::ExplicitBig {
        number.to_be_bytes()
    } else {
        number.to_le_bytes()
    }
}

/// Lengths are those of values in memory, which the bounds of reading keep far below 4 GiB.
fn long(encoding: Encoding, number: usize) -> [u8; 4] {
    let number = u32::try_from(number).unwrap_or(u32::MAX - 1);
    if encoding == Encoding::ExplicitBig {
        number.to_be_bytes()
    } else {
        number.to_le_bytes()
    }
}
