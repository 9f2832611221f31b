//! Samples as differences from what is expected of them, and back: the median edge detector of JPEG-LS (ISO/IEC 14495-1,
//! A.4.2), over rows.
//!
//! Differences are written as numbers that are small where the difference is: 0, −1, 1, −2, 2, … are 0, 1, 2, 3, 4, …

use crate::shape::Depth;

/// What is expected beside `west`, below `north`, with `corner` between them.
#[inline(always)]
pub(crate) fn median(west: u16, north: u16, corner: u16) -> u16 {
    let (least, most) = (west.min(north), west.max(north));
    west.wrapping_add(north)
        .wrapping_sub(corner.max(least).min(most))
}

#[inline(always)]
fn folded(difference: u16, depth: Depth) -> u16 {
    match depth {
        Depth::Sixteen => {
            let signed = difference as i16;
            ((signed << 1) ^ (signed >> 15)) as u16
        }
        Depth::Eight => {
            let signed = difference as u8 as i8;
            u16::from(((signed << 1) ^ (signed >> 7)) as u8)
        }
    }
}

#[inline(always)]
fn unfolded(number: u16) -> u16 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// The differences of a row of samples. `above` is the row above in the same strip.
pub(crate) fn differences(row: &[u16], above: Option<&[u16]>, depth: Depth, out: &mut [u16]) {
    let Some(above) = above else {
        let mut west = 0;
        for (out, sample) in out.iter_mut().zip(row) {
            *out = folded(sample.wrapping_sub(west) & depth.mask(), depth);
            west = *sample;
        }
        return;
    };
    let (Some((first, rest)), Some((north, _))) = (out.split_first_mut(), above.split_first())
    else {
        return;
    };
    let sample = row.first().copied().unwrap_or_default();
    *first = folded(sample.wrapping_sub(*north) & depth.mask(), depth);
    let beside = row.iter().zip(row.get(1..).unwrap_or_default());
    let over = above.iter().zip(above.get(1..).unwrap_or_default());
    for ((out, (west, sample)), (corner, north)) in rest.iter_mut().zip(beside).zip(over) {
        let expected = median(*west, *north, *corner);
        *out = folded(sample.wrapping_sub(expected) & depth.mask(), depth);
    }
}

/// The samples of a row of differences.
pub(crate) fn samples(row: &[u16], above: Option<&[u16]>, depth: Depth, out: &mut [u16]) {
    let mask = depth.mask();
    let Some(above) = above else {
        let mut west = 0_u16;
        for (out, number) in out.iter_mut().zip(row) {
            west = west.wrapping_add(unfolded(*number)) & mask;
            *out = west;
        }
        return;
    };
    let (mut west, mut corner) = match above.first() {
        Some(north) => (*north, *north),
        None => return,
    };
    for ((out, number), north) in out.iter_mut().zip(row).zip(above) {
        let sample = median(west, *north, corner).wrapping_add(unfolded(*number)) & mask;
        *out = sample;
        (west, corner) = (sample, *north);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_rows_come_back(rows: [[u16; 9]; 3], is_byte: bool) {
            let depth = if is_byte { Depth::Eight } else { Depth::Sixteen };
            let rows = rows.map(|row| row.map(|sample| sample & depth.mask()));
            let mut above: Option<[u16; 9]> = None;
            for row in rows {
                let (mut between, mut back) = ([0; 9], [0; 9]);
                let before = above.as_ref().map(<[u16; 9]>::as_slice);
                differences(&row, before, depth, &mut between);
                samples(&between, before, depth, &mut back);
                assert_eq!(row, back);
                assert!(between.iter().all(|number| *number <= depth.mask()));
                above = Some(row);
            }
        }
    }

    #[test]
    fn small_differences_are_small_numbers() {
        let folds = |depth| [0, 0xFFFF, 1, 0xFFFE, 2].map(|one: u16| folded(one, depth));
        assert_eq!(folds(Depth::Sixteen), [0, 1, 2, 3, 4]);
        assert_eq!(folds(Depth::Eight), [0, 1, 2, 3, 4]);
    }
}
