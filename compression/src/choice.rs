//! What is expected of samples, chosen by a look at some of their rows.

use crate::block::{Colours, Form};
use crate::residual::{self, Depth, Predictor, cut};

/// Rows of a block that are looked at.
const ROWS: usize = 16;
/// Rows of a strip that are looked at, where strips are compared.
const ROWS_OF_STRIP: usize = 4;

/// Rows that a look needs.
#[derive(Default)]
pub(crate) struct Choice {
    numbers: Vec<u16>,
    above: Vec<i16>,
    row: Vec<i16>,
}

/// About how many half bits numbers take, and one and a half for each.
fn weight(numbers: &[u16]) -> u64 {
    // The exponent and the first bit behind it; of 0 the number is 254.
    let half_powers = |number: &u16| (f32::from(number.saturating_add(1)).to_bits() >> 22) - 251;
    numbers.iter().map(half_powers).map(u64::from).sum()
}

/// Rows spread over so many, none of which is the first.
fn spread(rows: usize, count: usize) -> impl Iterator<Item = usize> {
    let step = rows.div_ceil(count).max(1);
    (1..rows).skip(step / 2).step_by(step)
}

impl Choice {
    fn of_row(&mut self, above: &[i16], row: &[i16], how: (Predictor, Depth)) -> u64 {
        self.numbers.resize(row.len(), 0);
        residual::row(row, Some(above), how, &mut self.numbers);
        weight(&self.numbers)
    }

    /// The same of what two rows are more than two others.
    fn of_difference(&mut self, two: [&[i16]; 2], less: [&[i16]; 2], depth: Depth) -> u64 {
        let fill = |out: &mut Vec<i16>, one: &[i16], other: &[i16]| {
            out.clear();
            let samples = one.iter().zip(other);
            out.extend(samples.map(|(one, other)| cut(one.wrapping_sub(*other), depth)));
        };
        let (mut above, mut row) = (
            std::mem::take(&mut self.above),
            std::mem::take(&mut self.row),
        );
        fill(&mut above, two[0], less[0]);
        fill(&mut row, two[1], less[1]);
        let weight = self.of_row(&above, &row, (Predictor::Median, depth));
        (self.above, self.row) = (above, row);
        weight
    }

    /// Chooses how colours and strips of planes are related.
    pub(crate) fn relations(&mut self, plane: &[i16], form: &mut Form) {
        if form.colours != Colours::One {
            form.colours = self.colours(plane, form);
        }
        form.differs = (0..form.shape.strips())
            .map(|strip| strip > 0 && self.differs(plane, form, strip))
            .collect();
    }

    fn colours(&mut self, plane: &[i16], form: &Form) -> Colours {
        let (width, third) = (form.shape.width(), form.shape.samples());
        let how = (Predictor::Median, form.depth);
        let (mut apart, mut related) = (0, 0);
        for row in spread(third / width, ROWS) {
            let of = |colour: usize| rows(plane, colour * third + row * width, width);
            let [Some(r), Some(g), Some(b)] = [of(0), of(1), of(2)] else {
                break;
            };
            for other in [r, b] {
                apart += self.of_row(other[0], other[1], how);
                related += self.of_difference(other, g, form.depth);
            }
        }
        match related < apart {
            true => Colours::ThreeFromSecond,
            false => Colours::Three,
        }
    }

    fn differs(&mut self, plane: &[i16], form: &Form, strip: usize) -> bool {
        let (width, of_strip) = (form.shape.width(), form.shape.of_strip());
        let (mut alone, mut related) = (0, 0);
        for row in spread(form.shape.strip(), ROWS_OF_STRIP) {
            let at = strip * of_strip + row * width;
            let (Some(here), Some(before)) =
                (rows(plane, at, width), rows(plane, at - of_strip, width))
            else {
                break;
            };
            alone += self.of_row(here[0], here[1], (Predictor::Median, form.depth));
            related += self.of_difference(here, before, form.depth);
        }
        related + related / 32 < alone
    }

    /// Chooses what is expected of the samples of related planes.
    pub(crate) fn predictor(&mut self, plane: &[i16], form: &Form) -> Predictor {
        let width = form.shape.width();
        let mut weights = [0; Predictor::ALL.len()];
        for row in spread(plane.len() / width, ROWS) {
            // The first of a strip tells nothing.
            if row % form.shape.strip() == 0 {
                continue;
            }
            let Some([above, row]) = rows(plane, row * width, width) else {
                break;
            };
            for (weight, predictor) in weights.iter_mut().zip(Predictor::ALL) {
                *weight += self.of_row(above, row, (predictor, form.depth));
            }
        }
        // The median is best where it is nearly so: it finds the edges that these rows do not show.
        let [median, ..] = &mut weights;
        *median -= *median / 64;
        let least = weights
            .iter()
            .zip(Predictor::ALL)
            .min_by_key(|(weight, _)| **weight);
        least.map_or(Predictor::Median, |(_, predictor)| predictor)
    }
}

/// The row that begins there, and the one above it.
fn rows(plane: &[i16], at: usize, width: usize) -> Option<[&[i16]; 2]> {
    let both = plane.get(at.checked_sub(width)?..at + width)?;
    let (above, row) = both.split_at(width);
    Some([above, row])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::Scale;
    use crate::shape::Shape;

    fn form(strip: usize, strips: usize, colours: Colours) -> Form {
        Form {
            shape: Shape::new(16, strip, strips).unwrap(),
            depth: Depth::Sixteen,
            is_big_endian: false,
            is_signed: true,
            colours,
            predictor: Predictor::Median,
            scale: Scale::plain(Depth::Sixteen),
            differs: Vec::new(),
        }
    }

    fn noise(at: usize) -> i16 {
        let mixed = (at as u64 ^ 0x5555).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 53) as i16
    }

    #[test]
    fn what_is_alike_is_related() {
        let mut form = form(16, 3, Colours::One);
        let plane: Vec<i16> = (0..form.shape.samples())
            .map(|at| noise(if at < 512 { at % 256 } else { at }))
            .collect();
        Choice::default().relations(&plane, &mut form);
        assert_eq!(form.differs, [false, true, false]);
        let mut form = self::form(16, 1, Colours::Three);
        let plane: Vec<i16> = (0..768).map(|at| noise(at % 256)).collect();
        Choice::default().relations(&plane, &mut form);
        assert_eq!(form.colours, Colours::ThreeFromSecond);
    }

    #[test]
    fn stripes_are_expected_along_them() {
        let form = form(16, 4, Colours::One);
        let chosen = |place: fn(usize) -> usize| {
            let sample = |at: usize| noise(place(at)) + noise(at) / 16;
            let plane: Vec<i16> = (0..form.shape.samples()).map(sample).collect();
            Choice::default().predictor(&plane, &form)
        };
        assert_eq!(chosen(|at| at % 16), Predictor::North);
        assert_eq!(chosen(|at| at / 16), Predictor::West);
    }
}
