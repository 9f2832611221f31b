//! In what surroundings a difference stands: how large those above it were, which a decoder knows before it reads the row.

/// Classes of surroundings.
pub(crate) const CLASSES: usize = 32;
/// That of the first row of a strip, above which nothing is known.
const FIRST: u8 = 31;

/// Rows of differences with two more on each side, which repeat the outermost, so that each has neighbours.
pub(crate) struct Rows {
    width: usize,
    above: Vec<u16>,
    before: Vec<u16>,
    /// Rows of the strip so far.
    known: usize,
}

const SIDE: usize = 2;

impl Rows {
    pub(crate) fn new(width: usize) -> Rows {
        Rows {
            width,
            above: vec![0; width + 2 * SIDE],
            before: vec![0; width + 2 * SIDE],
            known: 0,
        }
    }

    /// A strip begins.
    pub(crate) fn begin(&mut self) {
        self.known = 0;
    }

    /// The classes of the next row.
    pub(crate) fn classes(&self, out: &mut [u8]) {
        if self.known == 0 {
            out.fill(FIRST);
            return;
        }
        // Of the second row it is taken that the first stood twice.
        let farther = if self.known == 1 {
            &self.above
        } else {
            &self.before
        };
        let (above, farther) = (
            self.above.as_slice(),
            farther.get(SIDE..).unwrap_or_default(),
        );
        for ((out, near), far) in out.iter_mut().zip(above.windows(5)).zip(farther) {
            let [ww, w, n, e, ee] = *near else { continue };
            let sum = 4 * u32::from(n)
                + 2 * (u32::from(w) + u32::from(e) + u32::from(*far))
                + u32::from(ww)
                + u32::from(ee);
            *out = class(sum);
        }
    }

    /// Takes a row.
    pub(crate) fn take(&mut self, row: &[u16]) {
        std::mem::swap(&mut self.above, &mut self.before);
        let inner = self.above.get_mut(SIDE..SIDE + self.width);
        let (Some(inner), Some(first), Some(last)) = (inner, row.first(), row.last()) else {
            return;
        };
        inner.copy_from_slice(row);
        let (first, last, end) = (*first, *last, SIDE + self.width);
        for (at, value) in [(0, first), (1, first), (end, last), (end + 1, last)] {
            if let Some(place) = self.above.get_mut(at) {
                *place = value;
            }
        }
        self.known += 1;
    }
}

/// Two classes for each power of two.
#[inline(always)]
fn class(sum: u32) -> u8 {
    let half_powers = ((sum + 1) as f32).to_bits() >> 22;
    (half_powers - 254).min(u32::from(FIRST)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_grow_with_what_stands_above() {
        let mut before = 0;
        for sum in 0..12 * 65_535 {
            let class = class(sum);
            assert!(before <= class && usize::from(class) < CLASSES);
            before = class;
        }
        assert_eq!(before, FIRST);
    }

    #[test]
    fn the_first_row_knows_nothing_and_the_second_one_row() {
        let mut rows = Rows::new(3);
        let mut classes = [0; 3];
        rows.classes(&mut classes);
        assert_eq!(classes, [FIRST; 3]);
        rows.take(&[0, 0, 0]);
        rows.classes(&mut classes);
        assert_eq!(classes, [0; 3]);
        rows.take(&[0, 0, 100]);
        rows.classes(&mut classes);
        assert!(classes[0] < classes[1] && classes[1] < classes[2]);
        rows.begin();
        rows.classes(&mut classes);
        assert_eq!(classes, [FIRST; 3]);
    }
}
