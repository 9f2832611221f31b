//! The grey-scale pipeline: modality, values of interest, presentation (PS3.4 §N.2).

use super::samples;
use crate::pixels::image::{Function, Image, Modality, Photometric, Voi, Window};

/// Distinct stored values for which brightness is worked out ahead: all of 16 bits.
const AHEAD: i64 = 1 << 16;

/// Brightness of each pixel, 0 is black.
pub(super) fn shown(image: &Image, frame: &[u8], window: Option<Window>) -> Vec<u8> {
    let voi = match window {
        Some(window) => Voi::Window(window),
        None => image.voi.clone(),
    };
    let inverse = (image.photometric == Photometric::Monochrome1) != image.inverse;
    let range = match voi {
        Voi::Whole => extremes(image, frame),
        Voi::Window(_) | Voi::Table(_) => (0.0, 1.0),
    };
    let brightness = |stored: i64| {
        let value = modality(&image.modality, stored);
        let bright = match &voi {
            Voi::Whole => (value - range.0) / (range.1 - range.0),
            Voi::Window(window) => through(window, value),
            Voi::Table(table) => {
                let at = value.round().clamp(-2e9, 2e9);
                f64::from(table.entry(whole(at))) / f64::from(table.max())
            }
        };
        let bright = if inverse { 1.0 - bright } else { bright };
        eight_bits(bright)
    };
    let first = match image.signed {
        true => -(1_i64 << (image.bits_stored - 1)),
        false => 0,
    };
    let values = 1_i64 << image.bits_stored;
    if values > AHEAD {
        return samples(image, frame).map(brightness).collect();
    }
    let ahead: Vec<u8> = (first..first + values).map(brightness).collect();
    let at = |stored: i64| usize::try_from(stored - first).ok();
    samples(image, frame)
        .map(|stored| {
            at(stored)
                .and_then(|at| ahead.get(at))
                .copied()
                .unwrap_or(0)
        })
        .collect()
}

/// A brightness from 0 to 1 in 8 bits; what is no number is black.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits"
)]
fn eight_bits(bright: f64) -> u8 {
    (bright * 255.0).round().clamp(0.0, 255.0) as u8
}

#[expect(clippy::cast_possible_truncation, reason = "clamped by the caller")]
fn whole(value: f64) -> i64 {
    value as i64
}

#[expect(clippy::cast_precision_loss, reason = "stored values have 32 bits")]
fn modality(modality: &Modality, stored: i64) -> f64 {
    match modality {
        Modality::Rescale(slope, intercept) => stored as f64 * slope + intercept,
        Modality::Table(table) => table.entry(stored).into(),
    }
}

/// Brightness in a window, from 0 to 1 (PS3.3 §C.11.2.1.2.1, §C.11.2.1.3).
fn through(window: &Window, value: f64) -> f64 {
    let Window { center, width, .. } = *window;
    match window.function {
        Function::Linear if width <= 1.0 => f64::from(u8::from(value > center - 0.5)),
        Function::Linear => ((value - (center - 0.5)) / (width - 1.0) + 0.5).clamp(0.0, 1.0),
        Function::LinearExact => ((value - center) / width + 0.5).clamp(0.0, 1.0),
        Function::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - center) / width).exp()),
    }
}

/// The smallest and largest value of a frame, without padding; of a frame of one value, that and one more.
fn extremes(image: &Image, frame: &[u8]) -> (f64, f64) {
    let is_padding = |stored: &i64| {
        image.padding.is_some_and(|(first, last)| {
            (i64::from(first.min(last))..=i64::from(first.max(last))).contains(stored)
        })
    };
    let values = samples(image, frame).filter(|stored| !is_padding(stored));
    let found = values.fold(None, |found: Option<(i64, i64)>, stored| {
        let (low, high) = found.unwrap_or((stored, stored));
        Some((low.min(stored), high.max(stored)))
    });
    let (low, high) = found.unwrap_or((0, 1));
    let ends = [low, high].map(|stored| modality(&image.modality, stored));
    let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    match high > low {
        true => (low, high),
        false => (low, low + 1.0),
    }
}
