//! The numbers that describe a scan, and what its contexts have learnt (ITU-T T.87 §A.2, §C.2.4.1.1).

use crate::pixels::error::DecodeError;

/// Largest RESET: what a context has learnt stays within 32 bits then. The standard's default is 64, its maximum
/// depends on the samples (§C.2.4.1.1); nobody is known to use more than 255.
const RESET_MAX: i32 = 4095;

/// Presets of an LSE segment: zero stands for the default.
#[derive(Clone, Copy, Default)]
pub(super) struct Presets {
    max: i32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Presets {
    /// Reads an LSE segment. Only the preset parameters (1) concern images of DICOM; mapping tables and sizes above
    /// 65535 do not.
    pub(super) fn read(segment: &[u8]) -> Result<Presets, DecodeError> {
        let (kind, numbers) = segment.split_first().ok_or(DecodeError::Damaged)?;
        if *kind != 1 {
            return Err(DecodeError::Unsupported);
        }
        let numbers = numbers.first_chunk::<10>().ok_or(DecodeError::Damaged)?;
        let [max, first, second, third, reset] =
            [0, 2, 4, 6, 8].map(|at| i32::from(u16::from_be_bytes([numbers[at], numbers[at + 1]])));
        Ok(Presets {
            max,
            thresholds: [first, second, third],
            reset,
        })
    }
}

/// The parameters of a scan.
#[derive(Clone, Copy)]
pub(super) struct Parameters {
    /// MAXVAL.
    pub(super) max: i32,
    /// NEAR.
    pub(super) near: i32,
    /// T1 to T3.
    pub(super) thresholds: [i32; 3],
    /// RESET.
    pub(super) reset: i32,
    /// RANGE.
    pub(super) range: i32,
    /// qbpp.
    pub(super) quantised_bits: u32,
    /// LIMIT.
    pub(super) limit: u32,
}

/// Bits that numbers below `range` need.
fn bits(range: i32) -> u32 {
    (range - 1).checked_ilog2().map_or(0, |log| log + 1)
}

impl Parameters {
    pub(super) fn new(presets: &Presets, precision: u8, near: i32) -> Result<Self, DecodeError> {
        let largest = (1 << precision) - 1;
        let max = match presets.max {
            0 => largest,
            max => max,
        };
        if max > largest || near > (max / 2).min(255) {
            return Err(DecodeError::Damaged);
        }
        let defaults = default_thresholds(max, near);
        let mut thresholds = presets.thresholds;
        for (threshold, default) in thresholds.iter_mut().zip(defaults) {
            if *threshold == 0 {
                *threshold = default;
            }
        }
        let [first, second, third] = thresholds;
        let reset = match presets.reset {
            0 => 64,
            reset => reset,
        };
        let ascending = near < first && first <= second && second <= third && third <= max;
        if !(3..=RESET_MAX).contains(&reset) || !ascending {
            return Err(DecodeError::Damaged);
        }
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let sample_bits = bits(max + 1).max(2);
        Ok(Parameters {
            max,
            near,
            thresholds,
            reset,
            range,
            quantised_bits: bits(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
        })
    }

    /// The prediction with its error, brought back into the range of samples (§A.4.5).
    pub(super) fn reconstruct(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.max + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.max)
    }

    /// Which of nine regions a gradient lies in (§A.3.3).
    pub(super) fn region(&self, gradient: i32) -> i32 {
        let [first, second, third] = self.thresholds;
        let region = match gradient.abs() {
            size if size <= self.near => 0,
            size if size < first => 1,
            size if size < second => 2,
            size if size < third => 3,
            _ => 4,
        };
        region * gradient.signum()
    }
}

/// §C.2.4.1.1.1.
fn default_thresholds(max: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, least: i32| match value > max || value < least {
        true => least,
        false => value,
    };
    let [first, second, third] = if max >= 128 {
        let factor = (max.min(4095) + 128) / 256;
        [
            factor + 2 + 3 * near,
            factor * 4 + 3 + 5 * near,
            factor * 17 + 4 + 7 * near,
        ]
    } else {
        let factor = 256 / (max + 1);
        [
            (3 / factor + 3 * near).max(2),
            (7 / factor + 5 * near).max(3),
            (21 / factor + 7 * near).max(4),
        ]
    };
    let first = clamp(first, near + 1);
    let second = clamp(second, first);
    [first, second, clamp(third, second)]
}

/// A context of the regular mode.
#[derive(Clone, Copy)]
pub(super) struct Context {
    /// A: sizes of errors.
    pub(super) sizes: i32,
    /// B: errors.
    pub(super) errors: i32,
    /// C: the correction of the prediction.
    pub(super) correction: i32,
    /// N: how often.
    pub(super) count: i32,
}

impl Context {
    pub(super) fn new(range: i32) -> Context {
        Context {
            sizes: ((range + 32) / 64).max(2),
            errors: 0,
            correction: 0,
            count: 1,
        }
    }

    /// The Golomb parameter k (§A.5.1).
    pub(super) fn golomb(&self) -> u32 {
        golomb(self.count, self.sizes)
    }

    /// Learns from an error (§A.6).
    pub(super) fn learn(&mut self, error: i32, parameters: &Parameters) {
        self.errors += error * (2 * parameters.near + 1);
        self.sizes += error.abs();
        if self.count == parameters.reset {
            self.sizes >>= 1;
            self.errors >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.errors <= -self.count {
            self.errors = (self.errors + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.errors > 0 {
            self.errors = (self.errors - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }
}

/// The smallest k for which `count << k` is no less than `sizes`; with a count of one or more it is at most 24
/// for what a sound stream can have learnt.
pub(super) fn golomb(count: i32, sizes: i32) -> u32 {
    let (count, sizes) = (i64::from(count), i64::from(sizes));
    (0..24).find(|k| count << k >= sizes).unwrap_or(24)
}

/// A context of the interruption of a run (§A.7.2).
#[derive(Clone, Copy)]
pub(super) struct Interruption {
    /// RItype.
    pub(super) kind: i32,
    sizes: i32,
    count: i32,
    negative: i32,
}

impl Interruption {
    pub(super) fn new(kind: i32, range: i32) -> Interruption {
        Interruption {
            kind,
            sizes: ((range + 32) / 64).max(2),
            count: 1,
            negative: 0,
        }
    }

    pub(super) fn golomb(&self) -> u32 {
        golomb(self.count, self.sizes + (self.count >> 1) * self.kind)
    }

    /// The error that a coded value stands for.
    pub(super) fn error(&self, coded: i32, k: u32) -> i32 {
        let mapped = coded + self.kind;
        let odd = mapped & 1 == 1;
        let size = (mapped + i32::from(odd)) / 2;
        match (k != 0 || 2 * self.negative >= self.count) == odd {
            true => -size,
            false => size,
        }
    }

    pub(super) fn learn(&mut self, error: i32, coded: i32, reset: i32) {
        self.negative += i32::from(error < 0);
        self.sizes += (coded + 1 - self.kind) >> 1;
        if self.count == reset {
            self.sizes >>= 1;
            self.count >>= 1;
            self.negative >>= 1;
        }
        self.count += 1;
    }
}
