//! Samples as numbers that are small where a sample is as its neighbours let expect, and back.
//!
//! Differences are written as numbers that are small where the difference is: 0, −1, 1, −2, 2, … are 0, 1, 2, 3, 4, …

use crate::shape::Shape;

/// Bits of a sample, and what arithmetic is modulo of. Samples of eight bits are −128 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Eight,
    Sixteen,
}

/// What is expected of a sample beside `west`, below `north`, with `corner` between them. In the first row of a strip it is
/// always `west`, in the first column `north`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predictor {
    /// The median edge detector of JPEG-LS (ISO/IEC 14495-1, A.4.2).
    Median,
    /// `west`.
    West,
    /// `north`.
    North,
    /// Between both.
    Average,
    /// `west`, and half of what `north` is more than `corner`.
    Slope,
}

impl Predictor {
    /// All, as they are numbered in a block.
    pub(crate) const ALL: [Predictor; 5] = [
        Predictor::Median,
        Predictor::West,
        Predictor::North,
        Predictor::Average,
        Predictor::Slope,
    ];
}

#[inline(always)]
fn median(west: i16, north: i16, corner: i16) -> i16 {
    let (least, most) = (west.min(north), west.max(north));
    west.wrapping_add(north)
        .wrapping_sub(corner.max(least).min(most))
}

#[inline(always)]
fn average(west: i16, north: i16, _: i16) -> i16 {
    // Rounded down, without a seventeenth bit.
    (west & north).wrapping_add((west ^ north) >> 1)
}

#[inline(always)]
fn slope(west: i16, north: i16, corner: i16) -> i16 {
    west.wrapping_add(north.wrapping_sub(corner) >> 1)
}

/// A sample, modulo what its depth allows.
#[inline(always)]
pub(crate) fn cut(sample: i16, depth: Depth) -> i16 {
    match depth {
        Depth::Eight => i16::from(sample as i8),
        Depth::Sixteen => sample,
    }
}

#[inline(always)]
fn cut_to<const EIGHT: bool>(sample: i16) -> i16 {
    cut(sample, if EIGHT { Depth::Eight } else { Depth::Sixteen })
}

#[inline(always)]
fn folded<const EIGHT: bool>(difference: i16) -> u16 {
    let difference = cut_to::<EIGHT>(difference);
    ((difference << 1) ^ (difference >> 15)) as u16
}

#[inline(always)]
fn unfolded(number: u16) -> i16 {
    ((number >> 1) ^ (number & 1).wrapping_neg()) as i16
}

/// The numbers of a row of samples. `above` is the row above in the same strip.
pub(crate) fn row(
    samples: &[i16],
    above: Option<&[i16]>,
    (predictor, depth): (Predictor, Depth),
    out: &mut [u16],
) {
    match depth {
        Depth::Eight => row_of::<true>(samples, above, predictor, out),
        Depth::Sixteen => row_of::<false>(samples, above, predictor, out),
    }
}

fn row_of<const EIGHT: bool>(
    samples: &[i16],
    above: Option<&[i16]>,
    predictor: Predictor,
    out: &mut [u16],
) {
    match (above, predictor) {
        (None, _) => row_with::<EIGHT>(samples, samples, 0, |west, _, _| west, out),
        (Some(above), _) => {
            let first = above.first().copied().unwrap_or_default();
            match predictor {
                Predictor::Median => row_with::<EIGHT>(samples, above, first, median, out),
                Predictor::West => row_with::<EIGHT>(samples, above, first, |w, _, _| w, out),
                Predictor::North => row_with::<EIGHT>(samples, above, first, |_, n, _| n, out),
                Predictor::Average => row_with::<EIGHT>(samples, above, first, average, out),
                Predictor::Slope => row_with::<EIGHT>(samples, above, first, slope, out),
            }
        }
    }
}

#[inline(always)]
fn row_with<const EIGHT: bool>(
    samples: &[i16],
    above: &[i16],
    first: i16,
    expected: impl Fn(i16, i16, i16) -> i16,
    out: &mut [u16],
) {
    let (Some((start, rest)), Some((out_start, out))) =
        (samples.split_first(), out.split_first_mut())
    else {
        return;
    };
    *out_start = folded::<EIGHT>(start.wrapping_sub(first));
    let length = rest.len().min(out.len());
    let sides = samples.get(..length).zip(above.get(1..=length));
    let (Some((west, north)), Some(corner)) = (sides, above.get(..length)) else {
        return;
    };
    let neighbours = west.iter().zip(north).zip(corner);
    for ((out, sample), ((west, north), corner)) in out.iter_mut().zip(rest).zip(neighbours) {
        *out = folded::<EIGHT>(sample.wrapping_sub(expected(*west, *north, *corner)));
    }
}

/// The numbers of the samples of a shape.
pub(crate) fn numbers(samples: &[i16], shape: Shape, how: (Predictor, Depth), numbers: &mut [u16]) {
    let width = shape.width();
    let mut above = None;
    let rows = samples
        .chunks_exact(width)
        .zip(numbers.chunks_exact_mut(width));
    for (index, (samples, numbers)) in rows.enumerate() {
        let above = above
            .replace(samples)
            .filter(|_| index % shape.strip() != 0);
        row(samples, above, how, numbers);
    }
}

/// Makes samples of the numbers of a shape, where these are.
pub(crate) fn samples(plane: &mut [u16], shape: Shape, (predictor, depth): (Predictor, Depth)) {
    match depth {
        Depth::Eight => strips::<true>(plane, shape, predictor),
        Depth::Sixteen => strips::<false>(plane, shape, predictor),
    }
}

fn strips<const EIGHT: bool>(plane: &mut [u16], shape: Shape, predictor: Predictor) {
    // Apart, as it can be done of many at once.
    plane
        .iter_mut()
        .for_each(|place| *place = unfolded(*place) as u16);
    for strip in plane.chunks_exact_mut(shape.of_strip()) {
        let (first, rest) = strip.split_at_mut(shape.width());
        let mut west = 0_i16;
        for place in first.iter_mut() {
            west = cut_to::<EIGHT>(west.wrapping_add(*place as i16));
            *place = west as u16;
        }
        match predictor {
            Predictor::Median => rows::<EIGHT>(first, rest, median),
            Predictor::West => rows::<EIGHT>(first, rest, |west, _, _| west),
            Predictor::North => rows::<EIGHT>(first, rest, |_, north, _| north),
            Predictor::Average => rows::<EIGHT>(first, rest, average),
            Predictor::Slope => rows::<EIGHT>(first, rest, slope),
        }
    }
}

/// Rows at once.
const FOUR: usize = 4;

/// Four rows at once, each a column behind the one above it: none waits for another, and a processor works at all.
#[inline(always)]
fn rows<const EIGHT: bool>(
    above: &[u16],
    rest: &mut [u16],
    expected: impl Fn(i16, i16, i16) -> i16 + Copy,
) {
    let width = above.len();
    let mut above = above;
    let mut fours = rest.chunks_exact_mut(width * FOUR);
    for four in &mut fours {
        let mut ahead = four.chunks_exact_mut(width);
        let rows = [(); FOUR].map(|()| ahead.next().unwrap_or_default());
        above = together::<EIGHT>(above, rows, expected);
    }
    for row in fours.into_remainder().chunks_exact_mut(width) {
        part::<EIGHT>(above, row, 0..width, expected);
        above = row;
    }
}

/// Some columns of a row, those before which are done.
#[inline(always)]
fn part<const EIGHT: bool>(
    above: &[u16],
    row: &mut [u16],
    columns: std::ops::Range<usize>,
    expected: impl Fn(i16, i16, i16) -> i16,
) {
    let (mut west, mut corner) = match columns.start.checked_sub(1) {
        Some(before) => {
            let of = |row: &[u16]| row.get(before).copied().unwrap_or_default() as i16;
            (of(row), of(above))
        }
        None => {
            // In the first column all is expected from above.
            let (Some(place), Some(north)) = (row.first_mut(), above.first()) else {
                return;
            };
            let sample = cut_to::<EIGHT>((*north as i16).wrapping_add(*place as i16));
            *place = sample as u16;
            (sample, *north as i16)
        }
    };
    let columns = columns.start.max(1)..columns.end;
    let (Some(above), Some(row)) = (above.get(columns.clone()), row.get_mut(columns)) else {
        return;
    };
    for (place, north) in row.iter_mut().zip(above) {
        let north = *north as i16;
        west = cut_to::<EIGHT>(expected(west, north, corner).wrapping_add(*place as i16));
        *place = west as u16;
        corner = north;
    }
}

#[inline(always)]
fn together<'a, const EIGHT: bool>(
    above: &[u16],
    [one, two, three, four]: [&'a mut [u16]; FOUR],
    expected: impl Fn(i16, i16, i16) -> i16 + Copy,
) -> &'a [u16] {
    let width = above.len();
    let begins = [FOUR, FOUR - 1, FOUR - 2, FOUR - 3].map(|begin| begin.min(width));
    part::<EIGHT>(above, one, 0..begins[0], expected);
    part::<EIGHT>(one, two, 0..begins[1], expected);
    part::<EIGHT>(two, three, 0..begins[2], expected);
    part::<EIGHT>(three, four, 0..begins[3], expected);
    if let Some(length) = width.checked_sub(FOUR) {
        let at = |row: &[u16], column: usize| row.get(column).copied().unwrap_or_default() as i16;
        let mut corners = [at(above, 3), at(one, 2), at(two, 1), at(three, 0)];
        let mut west = [at(one, 3), at(two, 2), at(three, 1), at(four, 0)];
        let norths = above.get(FOUR..).unwrap_or_default();
        let ones = one.get_mut(4..4 + length).unwrap_or_default().iter_mut();
        let twos = two.get_mut(3..3 + length).unwrap_or_default().iter_mut();
        let threes = three.get_mut(2..2 + length).unwrap_or_default().iter_mut();
        let fours = four.get_mut(1..1 + length).unwrap_or_default().iter_mut();
        let columns = norths.iter().zip(ones).zip(twos.zip(threes).zip(fours));
        for ((north, one), ((two, three), four)) in columns {
            let norths = [*north as i16, west[0], west[1], west[2]];
            for (lane, place) in [one, two, three, four].into_iter().enumerate() {
                let expected = expected(west[lane], norths[lane], corners[lane]);
                west[lane] = cut_to::<EIGHT>(expected.wrapping_add(*place as i16));
                *place = west[lane] as u16;
            }
            corners = norths;
        }
    }
    let ends = [1, 2, 3].map(|left| width.saturating_sub(left));
    part::<EIGHT>(one, two, ends[0].max(begins[1])..width, expected);
    part::<EIGHT>(two, three, ends[1].max(begins[2])..width, expected);
    part::<EIGHT>(three, four, ends[2].max(begins[3])..width, expected);
    four
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_samples_come_back(
            width in 1..14_usize, strip in 1..12_usize, strips in 1..3_usize, noise: Vec<i16>, is_byte: bool,
        ) {
            let shape = Shape::new(width, strip, strips).unwrap();
            let depth = if is_byte { Depth::Eight } else { Depth::Sixteen };
            let sample = |at: usize| {
                let sample = noise.get(at % noise.len().max(1)).copied().unwrap_or(3).wrapping_add(at as i16);
                if is_byte { i16::from(sample as i8) } else { sample }
            };
            let plane: Vec<i16> = (0..shape.samples()).map(sample).collect();
            for predictor in Predictor::ALL {
                let mut between = vec![0; plane.len()];
                numbers(&plane, shape, (predictor, depth), &mut between);
                assert!(!is_byte || between.iter().all(|number| *number < 256));
                samples(&mut between, shape, (predictor, depth));
                assert!(between.iter().zip(&plane).all(|(back, sample)| *back as i16 == *sample));
            }
        }
    }

    #[test]
    fn small_differences_are_small_numbers() {
        assert_eq!([0, -1, 1, -2, 2].map(folded::<true>), [0, 1, 2, 3, 4]);
        assert_eq!([0, -1, 1, -2, 2].map(folded::<false>), [0, 1, 2, 3, 4]);
        assert_eq!(folded::<true>(255), 1);
        assert_eq!(folded::<false>(i16::MIN), u16::MAX);
    }

    #[test]
    fn the_average_is_rounded_down() {
        for (west, north) in [
            (3, 4),
            (-3, 4),
            (-3, -4),
            (i16::MAX, i16::MAX),
            (i16::MIN, 5),
        ] {
            let exact = (i32::from(west) + i32::from(north)) >> 1;
            assert_eq!(i32::from(average(west, north, 0)), exact);
        }
    }
}
