//! In what surroundings a number stands: how large those above it are, which a decoder knows before it reads the row.

use crate::shape::Shape;

/// Classes of surroundings.
pub(crate) const CLASSES: usize = 32;
/// That of the first row of a strip, above which nothing is known.
const FIRST: u16 = 31;
/// Columns on each side that surroundings reach.
const SIDE: usize = 2;

/// The classes of a row of numbers, which are those before `row` in `numbers`.
pub(crate) fn classes(numbers: &[u16], shape: Shape, row: usize, out: &mut [u16]) {
    let width = shape.width();
    let known = row % shape.strip();
    let before = |rows: usize| {
        let begin = row.checked_sub(rows)? * width;
        numbers.get(begin..begin + width)
    };
    // Of the second row it is taken that the first stood twice.
    match (before(1), before(known.min(2))) {
        (Some(above), Some(farther)) if known > 0 => of_rows(above, farther, out),
        _ => out.fill(FIRST),
    }
}

fn of_rows(above: &[u16], farther: &[u16], out: &mut [u16]) {
    let width = above.len();
    if let Some(inner) = width.checked_sub(2 * SIDE) {
        let from = |at: usize| above.get(at..at + inner).unwrap_or_default();
        let (ww, w, n, e, ee) = (from(0), from(1), from(2), from(3), from(4));
        let far = farther.get(SIDE..SIDE + inner).unwrap_or_default();
        let out = out.get_mut(SIDE..SIDE + inner).unwrap_or_default();
        let near = ww.iter().zip(w).zip(n).zip(e.iter().zip(ee)).zip(far);
        for (out, ((((ww, w), n), (e, ee)), far)) in out.iter_mut().zip(near) {
            *out = class([*ww, *w, *n, *e, *ee], *far);
        }
    }
    // At the sides the outermost stand in for what is beyond.
    let last = width.saturating_sub(1);
    let sides = (0..SIDE.min(width)).chain(width.saturating_sub(SIDE).max(SIDE)..width);
    for at in sides {
        let of = |row: &[u16], at: usize| row.get(at.min(last)).copied().unwrap_or_default();
        let near = [
            at.saturating_sub(2),
            at.saturating_sub(1),
            at,
            at + 1,
            at + 2,
        ];
        if let Some(out) = out.get_mut(at) {
            *out = class(near.map(|at| of(above, at)), of(farther, at));
        }
    }
}

/// Two classes for each power of two of a sum, up to 49,152 and more.
#[inline(always)]
fn class([ww, w, n, e, ee]: [u16; 5], far: u16) -> u16 {
    let twice = n
        .saturating_add(n)
        .saturating_add(w)
        .saturating_add(e)
        .saturating_add(far);
    let sum = twice
        .saturating_add(twice)
        .saturating_add(ww)
        .saturating_add(ee)
        .saturating_add(1);
    ((f32::from(sum).to_bits() >> 22) as u16).wrapping_sub(254)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_grow_with_what_stands_above() {
        let mut before = 0;
        for number in 0..=u16::MAX {
            let class = class([number; 5], number);
            assert!(before <= class && usize::from(class) < CLASSES);
            before = class;
        }
        assert_eq!(before, FIRST);
    }

    #[test]
    fn the_first_row_knows_nothing_and_the_second_one_row() {
        let shape = Shape::new(3, 2, 2).unwrap();
        let numbers = [0, 0, 100, 0, 0, 0, 0, 0, 0, 7, 7, 7];
        let of = |row: usize| {
            let mut classes = [0; 3];
            super::classes(&numbers, shape, row, &mut classes);
            classes
        };
        assert_eq!(of(0), [FIRST; 3]);
        assert!(of(1)[0] < of(1)[1] && of(1)[1] < of(1)[2]);
        assert_eq!(of(2), [FIRST; 3]);
        assert_eq!(of(3), [0; 3]);
    }

    proptest::proptest! {
        #[test]
        fn the_sides_are_as_the_middle(row in proptest::collection::vec(0..u16::MAX, 1..12), other: u16) {
            let (width, farther) = (row.len(), vec![other; row.len()]);
            let mut out = vec![0; width];
            of_rows(&row, &farther, &mut out);
            for (at, out) in (0..).zip(out) {
                let near = [-2, -1, 0, 1, 2].map(|by: isize| row[(at + by).clamp(0, width as isize - 1) as usize]);
                assert_eq!(out, class(near, other));
            }
        }
    }
}
