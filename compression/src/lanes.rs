//! Tokens as bits by asymmetric numeral systems (rANS, J. Duda 2013, arXiv:1311.2540), eight at once: each column of eight
//! has a state of its own, so that none waits for the one before it. Words of all states stand in one stream.

use crate::energy::CLASSES;
use crate::error::Damaged;
use crate::raw_bits::BitReader;
use crate::tables::{CONTEXTS, Contexts, SCALE, SCALE_BITS, SYMBOLS};
use crate::token::{PLACES, TABLE};

/// States at once.
pub(crate) const LANES: usize = 8;
/// States are at least this, and less than 2³¹.
const LEAST: u32 = 1 << 15;
/// Where the point of a reciprocal is. A state is less than the frequency times 2²⁰ when it is divided by it, so the product
/// with 2⁴² / frequency is less than 2⁶³, and the quotient exact: what the reciprocal is too large by, times the state, is
/// less than frequency² · 2²⁰ ≤ 2⁴².
const POINT: u32 = 42;

/// How a symbol is put into a state.
#[derive(Clone, Copy, Default)]
struct Put {
    reciprocal: u64,
    /// From this state on a word goes out first.
    full: u32,
    start: u16,
    /// What the frequency lacks to the scale.
    complement: u16,
}

impl Put {
    fn of(frequency: u16, start: u16) -> Put {
        let divisor = u64::from(frequency).max(1);
        Put {
            reciprocal: (1_u64 << POINT).div_ceil(divisor),
            full: (LEAST >> SCALE_BITS << 16) * u32::from(frequency),
            start,
            complement: SCALE as u16 - frequency,
        }
    }

    #[inline(always)]
    fn after(&self, state: u32) -> u32 {
        let quotient = ((u64::from(state) * self.reciprocal) >> POINT) as u32;
        state
            .wrapping_add(u32::from(self.start))
            .wrapping_add(quotient.wrapping_mul(u32::from(self.complement)))
    }
}

/// The encoder; takes symbols from the last to the first.
pub(crate) struct Encoder {
    puts: Box<[Put; SYMBOLS]>,
    states: [u32; LANES],
    /// Filled from the end, so that they stand as they are read.
    words: Vec<u16>,
    at: usize,
}

impl Encoder {
    pub(crate) fn new() -> Encoder {
        Encoder {
            puts: Box::new([Put::default(); SYMBOLS]),
            states: [LEAST; LANES],
            words: Vec::new(),
            at: 0,
        }
    }

    /// Begins, with room for so many symbols.
    pub(crate) fn begin(&mut self, contexts: &Contexts, symbols: usize) {
        let (of_classes, _) = self.puts.as_chunks_mut::<PLACES>();
        for (puts, context) in of_classes.iter_mut().zip(contexts.of_class) {
            let Some(table) = contexts.frequencies.get(usize::from(context)) else {
                continue;
            };
            let mut start = 0;
            for (put, frequency) in puts.iter_mut().zip(table) {
                *put = Put::of(*frequency, start);
                start += frequency;
            }
        }
        let room = symbols + LANES;
        if self.words.len() < room {
            self.words.resize(room, 0);
        }
        self.at = self.words.len();
        self.states = [LEAST; LANES];
    }

    /// Takes a row, whose first column is of the first lane.
    pub(crate) fn take(&mut self, row: &[u16]) {
        let (eights, rest) = row.as_chunks::<LANES>();
        for (lane, symbol) in rest.iter().enumerate().rev() {
            let (put, state) = (
                &self.puts[usize::from(*symbol) % SYMBOLS],
                &mut self.states[lane % LANES],
            );
            if *state >= put.full {
                self.at -= 1;
                if let Some(word) = self.words.get_mut(self.at) {
                    *word = *state as u16;
                }
                *state >>= 16;
            }
            *state = put.after(*state);
        }
        let mut states = self.states;
        let mut at = self.at;
        for symbols in eights.iter().rev() {
            let Some(place) = at.checked_sub(LANES).and_then(|begin| {
                let place = self.words.get_mut(begin..)?;
                place.first_chunk_mut::<LANES>()
            }) else {
                break;
            };
            let mut free = LANES;
            for lane in (0..LANES).rev() {
                let put = &self.puts[usize::from(symbols[lane]) % SYMBOLS];
                let state = states[lane];
                place[(free - 1) % LANES] = state as u16;
                let is_full = state >= put.full;
                free -= usize::from(is_full);
                states[lane] = put.after(if is_full { state >> 16 } else { state });
            }
            at -= LANES - free;
        }
        self.states = states;
        self.at = at;
    }

    /// The states with which a decoder begins, and the words as it reads them.
    pub(crate) fn finish(&self) -> ([u32; LANES], &[u16]) {
        (self.states, self.words.get(self.at..).unwrap_or_default())
    }
}

/// What a decoder does at a place of a context's scale.
#[derive(Clone, Copy, Default)]
struct Get {
    frequency: u16,
    /// How far behind the token's first place it is.
    beyond: u16,
    /// The token's shape ([`TABLE`]).
    shape: u32,
}

const GETS: usize = CONTEXTS << SCALE_BITS;

/// The decoder; gives numbers from the first to the last.
pub(crate) struct Decoder {
    gets: Box<[Get; GETS]>,
    /// Where the context of each class begins in them.
    begins: [u32; CLASSES],
    states: [u32; LANES],
    /// With as many behind their end as may be read at once.
    words: Vec<u16>,
    at: usize,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder {
            gets: Box::new([Get::default(); GETS]),
            begins: [0; CLASSES],
            states: [LEAST; LANES],
            words: Vec::new(),
            at: 0,
        }
    }

    /// Begins, with the words in little endian.
    ///
    /// # Errors
    /// When the states are none.
    pub(crate) fn begin(
        &mut self,
        contexts: &Contexts,
        states: [u32; LANES],
        words: &[[u8; 2]],
    ) -> Result<(), Damaged> {
        if states.iter().any(|state| !(LEAST..1 << 31).contains(state)) {
            return Err(Damaged::Value);
        }
        let (tables, _) = self.gets.as_chunks_mut::<{ SCALE as usize }>();
        for (gets, frequencies) in tables.iter_mut().zip(&contexts.frequencies) {
            let mut left = gets.as_mut_slice();
            for (shape, frequency) in TABLE.iter().zip(frequencies) {
                let Some((places, rest)) = left.split_at_mut_checked(usize::from(*frequency))
                else {
                    return Err(Damaged::Value);
                };
                for (beyond, place) in (0..).zip(places) {
                    *place = Get {
                        frequency: *frequency,
                        beyond,
                        shape: *shape,
                    };
                }
                left = rest;
            }
        }
        for (begin, context) in self.begins.iter_mut().zip(contexts.of_class) {
            *begin = u32::from(context) << SCALE_BITS;
        }
        self.states = states;
        self.words.clear();
        self.words
            .extend(words.iter().map(|word| u16::from_le_bytes(*word)));
        self.words.extend([0; LANES]);
        self.at = 0;
        Ok(())
    }

    /// Gives a row of numbers in their classes.
    ///
    /// # Errors
    /// When words are missing.
    pub(crate) fn give(
        &mut self,
        classes: &[u16],
        bits: &mut BitReader,
        numbers: &mut [u16],
    ) -> Result<(), Damaged> {
        let (classes, last_classes) = classes.as_chunks::<LANES>();
        let (numbers, last_numbers) = numbers.as_chunks_mut::<LANES>();
        let (mut states, mut at) = (self.states, self.at);
        let mut place = bits.place();
        for (classes, numbers) in classes.iter().zip(numbers) {
            let words: &[u16; LANES] = ahead(&self.words, at)?;
            let (mut shapes, mut used) = ([0; LANES], 0);
            for lane in 0..LANES {
                let word = words[used % LANES];
                let (get, state, is_low) = self.step(classes[lane], states[lane], word);
                shapes[lane] = get.shape;
                states[lane] = state;
                used += usize::from(is_low);
            }
            at += used;
            *numbers = place.complete(&shapes);
        }
        let words: &[u16; LANES] = ahead(&self.words, at)?;
        let (mut shapes, mut used) = ([0; LANES], 0);
        for (lane, class) in last_classes.iter().enumerate() {
            let lane = lane % LANES;
            let (get, state, is_low) = self.step(*class, states[lane], words[used % LANES]);
            shapes[lane] = get.shape;
            states[lane] = state;
            used += usize::from(is_low);
        }
        let last = place.complete(&shapes);
        last_numbers
            .iter_mut()
            .zip(last)
            .for_each(|(to, number)| *to = number);
        (self.states, self.at) = (states, at + used);
        let bits_at = place.at();
        bits.go_on(bits_at);
        Ok(())
    }

    /// What stands at a state, the next, and whether that took the word.
    #[inline(always)]
    fn step(&self, class: u16, state: u32, word: u16) -> (Get, u32, bool) {
        let begin = self.begins[usize::from(class) % CLASSES];
        let get = self.gets[(begin + state % SCALE) as usize % GETS];
        let state = (state >> SCALE_BITS) * u32::from(get.frequency) + u32::from(get.beyond);
        let is_low = state < LEAST;
        let filled = state << 16 | u32::from(word);
        (get, if is_low { filled } else { state }, is_low)
    }

    /// # Errors
    /// When the states are not those with which an encoder begins, or words were missing or are left over.
    pub(crate) fn finish(&self) -> Result<(), Damaged> {
        if self.at + LANES != self.words.len() {
            return Err(Damaged::Length);
        }
        match self.states == [LEAST; LANES] {
            true => Ok(()),
            false => Err(Damaged::End),
        }
    }
}

/// The words that may be read next.
#[inline(always)]
fn ahead(words: &[u16], at: usize) -> Result<&[u16; LANES], Damaged> {
    let words = words.get(at..).and_then(<[u16]>::first_chunk);
    words.ok_or(Damaged::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_divide_exactly() {
        for frequency in [1, 2, 3, 5, 7, 64, 100, 1023, 1024, 1025, 2047, 2048] {
            let put = Put::of(frequency, 0);
            let frequency = u32::from(frequency);
            for state in (1..put.full).step_by(997).chain([put.full - 1]) {
                let exact = ((state / frequency) << SCALE_BITS) + state % frequency;
                assert_eq!(put.after(state), exact, "{state} {frequency}");
            }
        }
    }
}
