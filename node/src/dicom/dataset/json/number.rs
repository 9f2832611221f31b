//! Numbers as JSON texts.

use dicom_core::VR;

/// The numbers of a binary value; a tag as eight digits in quotes (PS3.18 table F.2.3-1).
pub(super) fn binary(vr: VR, bytes: &[u8]) -> Vec<String> {
    match vr {
        VR::US => each(bytes, |b| u16::from_le_bytes(b).to_string()),
        VR::SS => each(bytes, |b| i16::from_le_bytes(b).to_string()),
        VR::UL => each(bytes, |b| u32::from_le_bytes(b).to_string()),
        VR::SL => each(bytes, |b| i32::from_le_bytes(b).to_string()),
        VR::UV => each(bytes, |b| u64::from_le_bytes(b).to_string()),
        VR::SV => each(bytes, |b| i64::from_le_bytes(b).to_string()),
        VR::FL => each(bytes, |b| {
            let number = f32::from_le_bytes(b);
            if number.is_finite() {
                number.to_string()
            } else {
                not_finite(f64::from(number))
            }
        }),
        VR::FD => each(bytes, |b| {
            let number = f64::from_le_bytes(b);
            if number.is_finite() {
                number.to_string()
            } else {
                not_finite(number)
            }
        }),
        VR::AT => each(bytes, |[g0, g1, e0, e1]| {
            let (group, element) = (u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
            format!("\"{group:04X}{element:04X}\"")
        }),
        _ => Vec::new(),
    }
}

fn each<const N: usize>(bytes: &[u8], show: impl Fn([u8; N]) -> String) -> Vec<String> {
    let numbers = bytes.chunks_exact(N).filter_map(|b| b.try_into().ok());
    numbers.map(show).collect()
}

fn not_finite(number: f64) -> String {
    let name = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    format!("\"{name}\"")
}

/// An IS or DS value: a number where it is one, else the text in quotes, since nothing is dropped.
pub(super) fn decimal(vr: VR, text: &str) -> String {
    let number = match vr {
        VR::IS => text.parse::<i64>().ok().map(|number| number.to_string()),
        _ => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(|number| number.to_string()),
    };
    number.unwrap_or_else(|| super::quoted(text))
}
