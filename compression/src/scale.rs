//! The values that samples take: multiples of a step beyond a base, or a few of many.

use crate::error::Damaged;
use crate::number::{self, bytes};
use crate::residual::{Depth, cut};

/// What samples stand for. Values are without a sign; samples, as they are coded, have one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Scale {
    /// As many steps from a base.
    Steps { step: u16, base: u16 },
    /// The place in a row of values, each more than the one before.
    Values(Vec<u16>),
}

/// Values of a row at the most.
const VALUES_MAX: usize = 4096;
/// A row of values pays where it has no more than one of so many that lie between its ends.
const GAP: usize = 16;
/// Samples that are looked at first, spread over all.
const LOOKS: usize = 2048;
/// Values among them at the most, for a row to be thought of.
const FEW: usize = 512;
/// Values among them, where samples are a drawing rather than a picture.
const OF_DRAWING: usize = 64;

/// What is known of the values of samples.
pub(crate) struct Found {
    pub(crate) scale: Scale,
    /// Whether they are few, as those of a drawing are.
    pub(crate) is_drawing: bool,
}

impl Scale {
    /// Steps of one, from the middle of what can be.
    pub(crate) fn plain(depth: Depth) -> Scale {
        let base = match depth {
            Depth::Eight => 0x80,
            Depth::Sixteen => 0x8000,
        };
        Scale::Steps { step: 1, base }
    }

    /// The scale of values.
    pub(crate) fn of(plane: &[i16], depth: Depth) -> Found {
        // Odd, so that they do not all stand in one column.
        let looks = plane.iter().step_by((plane.len() / LOOKS) | 1);
        let mut looked: Vec<u16> = looks.map(|value| *value as u16).collect();
        looked.sort_unstable();
        looked.dedup();
        let is_drawing = looked.len() <= OF_DRAWING;
        let values = (depth == Depth::Sixteen && looked.len() <= FEW).then(|| values(plane));
        let scale = match values.flatten() {
            Some(values) => Scale::Values(values),
            None => steps(plane, depth),
        };
        Found { scale, is_drawing }
    }

    /// Makes samples of values.
    pub(crate) fn apply(&self, plane: &mut [i16], depth: Depth) {
        match self {
            Scale::Steps { step: 1, base } => {
                let sample = |value: i16| cut((value as u16).wrapping_sub(*base) as i16, depth);
                plane.iter_mut().for_each(|place| *place = sample(*place));
            }
            Scale::Steps { step, base } => {
                let sample =
                    |value: i16| ((value as u16).wrapping_sub(*base) / step.max(&1)) as i16;
                plane.iter_mut().for_each(|place| *place = sample(*place));
            }
            Scale::Values(values) => {
                let mut places = vec![0; 1 << u16::BITS];
                for (at, value) in (0..).zip(values) {
                    if let Some(place) = places.get_mut(usize::from(*value)) {
                        *place = at;
                    }
                }
                let sample = |value: i16| places.get(usize::from(value as u16)).copied();
                plane
                    .iter_mut()
                    .for_each(|place| *place = sample(*place).unwrap_or_default());
            }
        }
    }

    /// Makes values of samples. A place behind the row of values is a value of 0.
    pub(crate) fn undo(&self, plane: &mut [u16]) {
        match self {
            Scale::Steps { step, base } => {
                let value = |sample: u16| base.wrapping_add(sample.wrapping_mul(*step));
                plane.iter_mut().for_each(|place| *place = value(*place));
            }
            Scale::Values(values) => {
                let value = |sample: u16| values.get(usize::from(sample)).copied();
                plane
                    .iter_mut()
                    .for_each(|place| *place = value(*place).unwrap_or_default());
            }
        }
    }

    /// A step of two bytes and a base of two; or, behind a step of 0, how many values, the first in two bytes, and how much
    /// each other is more than the one before it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Scale::Steps { step, base } => {
                out.extend(step.to_le_bytes());
                out.extend(base.to_le_bytes());
            }
            Scale::Values(values) => {
                out.extend([0, 0]);
                number::write(values.len(), out);
                out.extend(values.first().copied().unwrap_or_default().to_le_bytes());
                for pair in values.windows(2) {
                    if let [before, value] = pair {
                        number::write(usize::from(value - before), out);
                    }
                }
            }
        }
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn read(from: &mut &[u8]) -> Result<Scale, Damaged> {
        let mut two = || {
            let two = bytes(from, 2)?.first_chunk().ok_or(Damaged::Length)?;
            Ok(u16::from_le_bytes(*two))
        };
        let step = two()?;
        if step != 0 {
            return Ok(Scale::Steps { step, base: two()? });
        }
        let count = number::read(from)?;
        if !(1..=VALUES_MAX).contains(&count) {
            return Err(Damaged::Value);
        }
        let first = bytes(from, 2)?.first_chunk().ok_or(Damaged::Length)?;
        let mut values = vec![u16::from_le_bytes(*first)];
        let mut last = usize::from(u16::from_le_bytes(*first));
        for _ in 1..count {
            let more = number::read(from)?;
            last += more;
            let value = u16::try_from(last).map_err(|_| Damaged::Value)?;
            if more == 0 {
                return Err(Damaged::Value);
            }
            values.push(value);
        }
        Ok(Scale::Values(values))
    }
}

/// By what values can be divided.
fn steps(plane: &[i16], depth: Depth) -> Scale {
    let least = plane
        .iter()
        .fold(u16::MAX, |least, value| least.min(*value as u16));
    let mut step = 0;
    for value in plane {
        let mut other = *value as u16 - least;
        while other != 0 {
            (step, other) = (other, step % other);
        }
        // As a rule after a few.
        if step == 1 {
            break;
        }
    }
    match step {
        0 | 1 => Scale::plain(depth),
        _ => Scale::Steps { step, base: least },
    }
}

/// All values, when they are few and far between.
fn values(plane: &[i16]) -> Option<Vec<u16>> {
    let mut is_there = vec![false; 1 << u16::BITS];
    for value in plane {
        if let Some(place) = is_there.get_mut(usize::from(*value as u16)) {
            *place = true;
        }
    }
    let places = (0..=u16::MAX).zip(is_there);
    let values: Vec<u16> = places
        .filter_map(|(value, is_there)| is_there.then_some(value))
        .collect();
    let (first, last) = (*values.first()?, *values.last()?);
    let range = usize::from(last - first);
    (values.len() <= VALUES_MAX && values.len() * GAP < range).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(values: &[u16], depth: Depth) -> Scale {
        let mut plane: Vec<i16> = values.iter().map(|value| *value as i16).collect();
        let scale = Scale::of(&plane, depth).scale;
        scale.apply(&mut plane, depth);
        let mut back: Vec<u16> = plane.iter().map(|sample| *sample as u16).collect();
        let mut written = Vec::new();
        scale.write(&mut written);
        let read = Scale::read(&mut written.as_slice());
        assert_eq!(read.as_ref(), Ok(&scale));
        scale.undo(&mut back);
        match depth {
            Depth::Eight => back.iter_mut().for_each(|value| *value &= 0xFF),
            Depth::Sixteen => {}
        }
        assert!(back == values);
        scale
    }

    proptest::proptest! {
        #[test]
        fn any_values_come_back(
            some in proptest::collection::vec(0..=u16::MAX, 1..40), step in 1..3_000_u16, is_byte: bool,
        ) {
            let some: Vec<u16> = some.iter().map(|value| value / step * step).collect();
            match is_byte {
                true => round(&some.iter().map(|value| value & 0xFF).collect::<Vec<_>>(), Depth::Eight),
                false => round(&some, Depth::Sixteen),
            };
        }

        #[test]
        fn any_bytes_are_a_scale_or_an_error(noise: Vec<u8>) {
            let _ = Scale::read(&mut noise.as_slice());
            let _ = Scale::read(&mut [&[0, 0], noise.as_slice()].concat().as_slice());
        }
    }

    #[test]
    fn steps_and_rows_are_found() {
        let threes: Vec<u16> = (0..5_000).map(|at| 7 + at % 997 * 3).collect();
        assert_eq!(
            round(&threes, Depth::Sixteen),
            Scale::Steps { step: 3, base: 7 }
        );
        let rare: Vec<u16> = (0..5_000).map(|at| (at % 60) * (at % 60) * 18).collect();
        assert!(
            matches!(round(&rare, Depth::Sixteen), Scale::Values(values) if values.len() == 60)
        );
        let all: Vec<u16> = (0..5_000).collect();
        assert_eq!(round(&all, Depth::Sixteen), Scale::plain(Depth::Sixteen));
        assert_eq!(round(&[0; 9], Depth::Sixteen), Scale::plain(Depth::Sixteen));
    }
}
