//! Tokens as bits by asymmetric numeral systems (rANS, J. Duda 2013, arXiv:1311.2540), eight at once: each column of eight
//! has a state of its own, so that none waits for the one before it. Words of all states stand in one stream.

use crate::error::Damaged;
use crate::tables::{Frequencies, SCALE, SCALE_BITS};
use crate::token::TOKENS;

/// States at once.
pub(crate) const LANES: usize = 8;
/// States are at least this, and less than 2³¹ while they are coded: beyond that the encoder's reciprocals are wrong.
const LEAST: u32 = 1 << 15;

/// How a token is put into a state.
#[derive(Clone, Copy, Default)]
struct Put {
    /// From this state on a word goes out first.
    full: u32,
    reciprocal: u32,
    shift: u32,
    bias: u32,
    complement: u32,
}

impl Put {
    /// Division by a frequency as multiplication by its reciprocal, exact for states below 2³¹.
    fn of(frequency: u32, start: u32) -> Put {
        let full = (LEAST >> SCALE_BITS << 16) * frequency;
        let complement = SCALE - frequency;
        if frequency < 2 {
            return Put {
                full,
                reciprocal: u32::MAX,
                shift: 0,
                bias: start + SCALE - 1,
                complement,
            };
        }
        let shift = 32 - (frequency - 1).leading_zeros();
        let reciprocal =
            ((1_u64 << (shift + 31)) + u64::from(frequency) - 1) / u64::from(frequency);
        Put {
            full,
            reciprocal: reciprocal as u32,
            shift: shift - 1,
            bias: start,
            complement,
        }
    }
}

/// The encoder of one block; takes tokens from the last to the first.
pub(crate) struct Encoder {
    tables: Vec<[Put; TOKENS]>,
    states: [u32; LANES],
    /// From the last to the first.
    words: Vec<u16>,
}

impl Encoder {
    pub(crate) fn new(frequencies: &[Frequencies], tokens: usize) -> Encoder {
        let table = |frequencies: &Frequencies| {
            let mut start = 0;
            let mut table = [Put::default(); TOKENS];
            for (put, frequency) in table.iter_mut().zip(frequencies) {
                if *frequency > 0 {
                    *put = Put::of(u32::from(*frequency), start);
                    start += u32::from(*frequency);
                }
            }
            table
        };
        Encoder {
            tables: frequencies.iter().map(table).collect(),
            states: [LEAST; LANES],
            words: Vec::with_capacity(tokens / 2),
        }
    }

    /// Takes a row, whose first column is of the first lane.
    pub(crate) fn take(&mut self, tokens: &[u8], contexts: &[u8]) {
        for (column, (token, context)) in tokens.iter().zip(contexts).enumerate().rev() {
            let table = self.tables.get(usize::from(*context));
            let Some(put) = table.and_then(|table| table.get(usize::from(*token))) else {
                continue;
            };
            let state = &mut self.states[column % LANES];
            if *state >= put.full {
                self.words.push(*state as u16);
                *state >>= 16;
            }
            let quotient = (u64::from(*state) * u64::from(put.reciprocal)) >> 32 >> put.shift;
            *state += put.bias + quotient as u32 * put.complement;
        }
    }

    /// The states with which a decoder begins, and the words as it reads them.
    pub(crate) fn finish(self) -> ([u32; LANES], impl Iterator<Item = u16>) {
        (self.states, self.words.into_iter().rev())
    }
}

/// What a decoder does at one place of a context's scale.
#[derive(Clone, Copy, Default)]
struct Get {
    frequency: u16,
    /// Behind the token's first place.
    beyond: u16,
    token: u8,
}

type GetTable = [Get; SCALE as usize];

/// The decoder of one block; gives tokens from the first to the last.
pub(crate) struct Decoder<'a> {
    tables: Vec<Box<GetTable>>,
    states: [u32; LANES],
    words: &'a [[u8; 2]],
    missing: bool,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(
        frequencies: &[Frequencies],
        states: [u32; LANES],
        words: &'a [[u8; 2]],
    ) -> Result<Decoder<'a>, Damaged> {
        if states.iter().any(|state| !(LEAST..1 << 31).contains(state)) {
            return Err(Damaged::Value);
        }
        let table = |frequencies: &Frequencies| {
            let tokens = (0..).zip(frequencies);
            let places = tokens.flat_map(|(token, frequency)| {
                (0..*frequency).map(move |beyond| Get {
                    frequency: *frequency,
                    beyond,
                    token,
                })
            });
            let mut table = Box::new([Get::default(); SCALE as usize]);
            table.iter_mut().zip(places).for_each(|(to, get)| *to = get);
            table
        };
        Ok(Decoder {
            tables: frequencies.iter().map(table).collect(),
            states,
            words,
            missing: false,
        })
    }

    /// Gives a row. A context that is not there gives what the first gives.
    pub(crate) fn give(&mut self, contexts: &[u8], tokens: &mut [u8]) {
        let Some(first) = self.tables.first() else {
            return;
        };
        let table = |context: &u8| self.tables.get(usize::from(*context)).unwrap_or(first);
        let mut words = self.words;
        let rows = tokens.chunks_mut(LANES).zip(contexts.chunks(LANES));
        for (tokens, contexts) in rows {
            let lanes = self.states.iter_mut().zip(contexts.iter().zip(tokens));
            for (state, (context, token)) in lanes {
                let get = table(context)[(*state % SCALE) as usize];
                *token = get.token;
                *state = (*state >> SCALE_BITS) * u32::from(get.frequency) + u32::from(get.beyond);
                if *state < LEAST {
                    let word = match words.split_first() {
                        Some((word, rest)) => {
                            words = rest;
                            u16::from_le_bytes(*word)
                        }
                        None => {
                            self.missing = true;
                            0
                        }
                    };
                    *state = *state << 16 | u32::from(word);
                }
            }
        }
        self.words = words;
    }

    /// # Errors
    /// When the states are not those with which an encoder begins, or words were missing or are left over.
    pub(crate) fn finish(self) -> Result<(), Damaged> {
        if self.missing || !self.words.is_empty() {
            return Err(Damaged::Length);
        }
        match self.states == [LEAST; LANES] {
            true => Ok(()),
            false => Err(Damaged::End),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_divide_exactly() {
        for frequency in [1, 2, 3, 5, 7, 64, 100, 1023, 1024, 1025, 2047, 2048] {
            let put = Put::of(frequency, 0);
            for state in (LEAST..put.full).step_by(997).chain([put.full - 1]) {
                let quotient = (u64::from(state) * u64::from(put.reciprocal)) >> 32 >> put.shift;
                let put = state + put.bias + quotient as u32 * put.complement;
                let exact = (state / frequency << SCALE_BITS) + state % frequency;
                assert_eq!(put, exact, "{state} {frequency}");
            }
        }
    }
}
