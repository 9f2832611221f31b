//! One scan: line by line, each sample from its neighbours (ITU-T T.87 §A.3 to §A.7 and §B.2).

use super::bits::Bits;
use super::model::{Context, Interruption, Parameters, Presets};
use crate::pixels::error::DecodeError;

/// How long runs are by index (§A.7.1.1, J).
const RUN_BITS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// How the components of a scan follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interleave {
    /// A component has the scan for itself.
    None,
    /// A line of each component in turn.
    Line,
    /// A sample of each component in turn.
    Sample,
}

/// A line of a component and the one above it, with one sample more at each side: at `x + 1` lies what is in
/// column `x`.
struct Lines {
    above: Vec<i32>,
    this: Vec<i32>,
}

/// The neighbours of a sample (§A.3.1).
#[derive(Clone, Copy)]
struct Neighbours {
    left: i32,
    above: i32,
    above_left: i32,
    above_right: i32,
}

impl Lines {
    /// Moves on to the next line: beyond its ends the neighbours are what lies nearest above.
    fn advance(&mut self) {
        std::mem::swap(&mut self.above, &mut self.this);
        let last = self.above.len() - 1;
        self.above[last] = self.above[last - 1];
        self.this[0] = self.above[1];
    }

    fn neighbours(&self, column: usize) -> Neighbours {
        Neighbours {
            left: self.this[column],
            above: self.above[column + 1],
            above_left: self.above[column],
            above_right: self.above[column + 2],
        }
    }
}

/// A scan and what it has learnt.
pub(super) struct Scan {
    parameters: Parameters,
    interleave: Interleave,
    lines: Vec<Lines>,
    columns: usize,
    contexts: Vec<Context>,
    interruptions: [Interruption; 2],
    /// RUNindex, of each component.
    run_index: Vec<usize>,
}

impl Scan {
    /// A scan with this header.
    pub(super) fn new(
        header: &[u8],
        precision: u8,
        presets: &Presets,
        columns: usize,
    ) -> Result<Scan, DecodeError> {
        let (&count, rest) = header.split_first().ok_or(DecodeError::Damaged)?;
        let count = usize::from(count);
        let Some(&[near, interleave, point]) = rest.get(2 * count..2 * count + 3) else {
            return Err(DecodeError::Damaged);
        };
        let interleave = match (interleave, count) {
            (0, 1) => Interleave::None,
            (1, 2..=4) => Interleave::Line,
            (2, 2..=4) => Interleave::Sample,
            (0..=2, 1) => Interleave::None,
            _ => return Err(DecodeError::Damaged),
        };
        if point != 0 {
            return Err(DecodeError::Unsupported);
        }
        let parameters = Parameters::new(presets, precision, near.into())?;
        let range = parameters.range;
        let line = || vec![0; columns + 2];
        let lines = (0..count).map(|_| Lines {
            above: line(),
            this: line(),
        });
        Ok(Scan {
            parameters,
            interleave,
            lines: lines.collect(),
            columns,
            contexts: vec![Context::new(range); 365],
            interruptions: [Interruption::new(0, range), Interruption::new(1, range)],
            run_index: vec![0; count],
        })
    }

    /// Components that it has.
    pub(super) fn components(&self) -> usize {
        self.lines.len()
    }

    /// Decodes all rows; every sample is given with its row, column and component. Gives the bytes it took.
    pub(super) fn decode(
        &mut self,
        source: &[u8],
        rows: usize,
        mut give: impl FnMut(usize, usize, usize, u16),
    ) -> Result<usize, DecodeError> {
        let mut bits = Bits::new(source);
        for row in 0..rows {
            self.lines.iter_mut().for_each(Lines::advance);
            match self.interleave {
                Interleave::None | Interleave::Line => {
                    for component in 0..self.components() {
                        self.line(&mut bits, component)?;
                    }
                }
                Interleave::Sample => self.samples(&mut bits)?,
            }
            for (component, lines) in self.lines.iter().enumerate() {
                for (column, value) in lines.this[1..=self.columns].iter().enumerate() {
                    give(
                        row,
                        column,
                        component,
                        u16::try_from(*value).unwrap_or(u16::MAX),
                    );
                }
            }
        }
        Ok(bits.position())
    }

    /// A line of one component.
    fn line(&mut self, bits: &mut Bits<'_>, component: usize) -> Result<(), DecodeError> {
        let mut column = 0;
        while column < self.columns {
            let near = self.lines[component].neighbours(column);
            let context = self.context(near);
            if context != 0 {
                self.lines[component].this[column + 1] = self.regular(bits, near, context)?;
                column += 1;
                continue;
            }
            let run = self.run(bits, component, self.columns - column)?;
            let this = &mut self.lines[component].this;
            this[column + 1..=column + run].fill(near.left);
            column += run;
            if column < self.columns {
                let near = self.lines[component].neighbours(column);
                let kind = usize::from((near.left - near.above).abs() <= self.parameters.near);
                let value = self.interrupted(bits, near, kind, component)?;
                self.lines[component].this[column + 1] = value;
                self.run_index[component] = self.run_index[component].saturating_sub(1);
                column += 1;
            }
        }
        Ok(())
    }

    /// A line of all components, sample by sample; a run is one of all of them (§B.2.3).
    fn samples(&mut self, bits: &mut Bits<'_>) -> Result<(), DecodeError> {
        let mut column = 0;
        while column < self.columns {
            let near: Vec<Neighbours> = self.neighbours(column);
            let contexts: Vec<i32> = near.iter().map(|near| self.context(*near)).collect();
            if contexts.iter().any(|context| *context != 0) {
                for (component, near) in near.iter().enumerate() {
                    let value = self.regular(bits, *near, contexts[component])?;
                    self.lines[component].this[column + 1] = value;
                }
                column += 1;
                continue;
            }
            let run = self.run(bits, 0, self.columns - column)?;
            for (lines, near) in self.lines.iter_mut().zip(&near) {
                lines.this[column + 1..=column + run].fill(near.left);
            }
            column += run;
            if column < self.columns {
                for (component, near) in self.neighbours(column).into_iter().enumerate() {
                    self.lines[component].this[column + 1] = self.interrupted(bits, near, 0, 0)?;
                }
                self.run_index[0] = self.run_index[0].saturating_sub(1);
                column += 1;
            }
        }
        Ok(())
    }

    fn neighbours(&self, column: usize) -> Vec<Neighbours> {
        let lines = self.lines.iter();
        lines.map(|lines| lines.neighbours(column)).collect()
    }

    /// The context of a sample, with the sign of its first gradient (§A.3.4).
    fn context(&self, near: Neighbours) -> i32 {
        let region = |gradient| self.parameters.region(gradient);
        81 * region(near.above_right - near.above)
            + 9 * region(near.above - near.above_left)
            + region(near.above_left - near.left)
    }

    /// A sample that is in no run (§A.4 to §A.6).
    fn regular(
        &mut self,
        bits: &mut Bits<'_>,
        near: Neighbours,
        context: i32,
    ) -> Result<i32, DecodeError> {
        let parameters = self.parameters;
        let (low, high) = (near.left.min(near.above), near.left.max(near.above));
        let predicted = match near.above_left {
            corner if corner >= high => low,
            corner if corner <= low => high,
            corner => near.left + near.above - corner,
        };
        let sign = if context < 0 { -1 } else { 1 };
        let at = usize::try_from(context.abs()).unwrap_or(0);
        let learnt = self.contexts.get_mut(at).ok_or(DecodeError::Damaged)?;
        let predicted = (predicted + sign * learnt.correction).clamp(0, parameters.max);
        let k = learnt.golomb();
        let mapped = coded(bits, k, parameters.limit, parameters.quantised_bits)?;
        let mut error = match mapped & 1 {
            0 => mapped >> 1,
            _ => -((mapped + 1) >> 1),
        };
        if parameters.near == 0 && k == 0 && 2 * learnt.errors <= -learnt.count {
            error = -error - 1;
        }
        if error.abs() > parameters.range {
            return Err(DecodeError::Damaged);
        }
        learnt.learn(error, &parameters);
        Ok(parameters.reconstruct(predicted, sign * error))
    }

    /// How many samples a run has, at most `most` (§A.7.1.2).
    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        component: usize,
        most: usize,
    ) -> Result<usize, DecodeError> {
        let mut run = 0;
        let index = &mut self.run_index[component];
        while bits.take(1)? == 1 {
            let step = 1 << RUN_BITS[*index];
            if run + step <= most {
                *index = (*index + 1).min(RUN_BITS.len() - 1);
            }
            run = (run + step).min(most);
            if run == most {
                return Ok(run);
            }
        }
        let last = usize::try_from(bits.take(RUN_BITS[*index])?).unwrap_or(usize::MAX);
        let run = run.saturating_add(last);
        // A run that reaches the end of the line has no interruption, and is coded by ones.
        if run >= most {
            return Err(DecodeError::Damaged);
        }
        Ok(run)
    }

    /// The sample that ends a run (§A.7.2).
    fn interrupted(
        &mut self,
        bits: &mut Bits<'_>,
        near: Neighbours,
        kind: usize,
        component: usize,
    ) -> Result<i32, DecodeError> {
        let parameters = self.parameters;
        let run_bits = RUN_BITS[self.run_index[component]];
        let learnt = &mut self.interruptions[kind];
        let k = learnt.golomb();
        let limit = parameters.limit - run_bits - 1;
        let coded = coded(bits, k, limit, parameters.quantised_bits)?;
        let error = learnt.error(coded, k);
        if error.abs() > parameters.range {
            return Err(DecodeError::Damaged);
        }
        learnt.learn(error, coded, parameters.reset);
        Ok(match kind {
            1 => parameters.reconstruct(near.left, error),
            _ if near.above < near.left => parameters.reconstruct(near.above, -error),
            _ => parameters.reconstruct(near.above, error),
        })
    }
}

/// A value in the Golomb code of limited length (§A.5.3).
fn coded(bits: &mut Bits<'_>, k: u32, limit: u32, quantised_bits: u32) -> Result<i32, DecodeError> {
    let escape = limit
        .checked_sub(quantised_bits + 1)
        .ok_or(DecodeError::Damaged)?;
    let zeros = bits.zeros(escape)?;
    let value = if zeros < escape {
        i64::from(zeros) << k | i64::from(bits.take(k)?)
    } else {
        i64::from(bits.take(quantised_bits)?) + 1
    };
    // No error is larger than the range of 16 bits in its two signs.
    match i32::try_from(value) {
        Ok(value) if value <= 1 << 17 => Ok(value),
        _ => Err(DecodeError::Damaged),
    }
}
