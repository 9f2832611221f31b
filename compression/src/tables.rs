//! How often each token stands in each surrounding, gathered into contexts, and written down.

use crate::energy::CLASSES;
use crate::error::Damaged;
use crate::number::{byte, bytes};
use crate::token::{PLACES, TOKENS};

/// What the frequencies of a context add up to, as a power of two.
pub(crate) const SCALE_BITS: u32 = 11;
/// The same.
pub(crate) const SCALE: u32 = 1 << SCALE_BITS;
/// Contexts at the most.
pub(crate) const CONTEXTS: usize = 16;
/// Samples for each further context at the least: what a decoder does for its table, it does for so many.
const SAMPLES_OF_CONTEXT: usize = 256;
/// What a table costs in bits for each of its tokens, nearly.
const TABLE_BITS: i64 = 9;

/// A token and its surroundings are one number: the class in the sixth bit and above, the token below.
pub(crate) const SYMBOLS: usize = CLASSES * PLACES;
/// Where the class stands in it.
pub(crate) const CLASS_SHIFT: u32 = PLACES.trailing_zeros();

/// How often each symbol stands in a block.
pub(crate) type Histogram = [u32; SYMBOLS];

type Counts = [u32; TOKENS];

/// Frequencies of the tokens of one context.
pub(crate) type Frequencies = [u16; TOKENS];

/// The contexts of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Contexts {
    /// The context of each class.
    pub(crate) of_class: [u8; CLASSES],
    /// The frequencies of each.
    pub(crate) frequencies: Vec<Frequencies>,
}

/// Bits of a logarithm behind its point.
const POINT: u32 = 12;

/// Logarithms to the base 2 of 1 to 2, in 256 steps, found by squaring: the same on every machine.
const LOGARITHMS: [u16; 256] = {
    let mut table = [0; 256];
    let mut step = 0;
    while step < table.len() {
        let mut number = (256 + step as u64) << 22;
        let (mut logarithm, mut bit) = (0, 1_u16 << (POINT - 1));
        while bit > 0 {
            number = (number * number) >> 30;
            if number >= 2 << 30 {
                number >>= 1;
                logarithm |= bit;
            }
            bit >>= 1;
        }
        table[step] = logarithm;
        step += 1;
    }
    table
};

/// The logarithm of a number to the base 2, of 0 as of 1.
#[inline(always)]
fn logarithm(number: u32) -> i64 {
    let number = number.max(1);
    let zeros = number.leading_zeros();
    let step = (number << zeros << 1) >> 24;
    i64::from(31 - zeros) << POINT | i64::from(LOGARITHMS[(step & 0xFF) as usize])
}

/// Bits that the tokens of a context take, and its table.
fn cost(counts: &Counts) -> i64 {
    let (mut all, mut less, mut used) = (0, 0, 0);
    for count in counts {
        all += count;
        less += i64::from(*count) * logarithm(*count);
        used += i64::from(*count > 0);
    }
    i64::from(all) * logarithm(all) - less + ((used * TABLE_BITS) << POINT)
}

fn joined(one: &Counts, other: &Counts) -> Counts {
    let mut both = *one;
    both.iter_mut()
        .zip(other)
        .for_each(|(to, more)| *to += more);
    both
}

/// Neighbouring classes of about the same surroundings, with what they cost.
#[derive(Clone, Copy)]
struct Group {
    /// The class behind its last.
    end: usize,
    counts: Counts,
    cost: i64,
    /// What joining it with the next saves.
    gain: i64,
}

impl Group {
    fn of(end: usize, counts: Counts) -> Group {
        Group {
            end,
            cost: cost(&counts),
            counts,
            gain: 0,
        }
    }
}

fn measure(groups: &mut [Group], at: usize) {
    if let Some([one, other, ..]) = groups.get_mut(at..) {
        let together = cost(&joined(&one.counts, &other.counts));
        one.gain = one.cost + other.cost - together;
    }
}

/// Contexts of so many samples at the most.
fn most(samples: usize) -> usize {
    CONTEXTS.min(1 + samples / SAMPLES_OF_CONTEXT)
}

/// Joins neighbouring classes as long as that saves bits, and until there are few enough.
fn grouped(histogram: &Histogram, most: usize) -> Vec<Group> {
    let (of_classes, _) = histogram.as_chunks::<PLACES>();
    let mut groups = Vec::with_capacity(CLASSES);
    for (end, counts) in (1..).zip(of_classes) {
        let counts = counts.first_chunk().copied().unwrap_or([0; TOKENS]);
        // Classes that do not stand in the block are of the group before them, the first ones of the first.
        let is_used = counts.iter().any(|count| *count > 0);
        match groups.last_mut() {
            Some(Group { end: before, .. }) if !is_used => *before = end,
            _ if is_used => groups.push(Group::of(end, counts)),
            _ => {}
        }
    }
    (0..groups.len()).for_each(|at| measure(&mut groups, at));
    loop {
        let pairs = groups.len().saturating_sub(1);
        let gains = groups.iter().take(pairs).map(|group| group.gain);
        let best = gains.enumerate().max_by_key(|(at, gain)| (*gain, *at));
        let Some((at, gain)) = best else {
            return groups;
        };
        if gain < 0 && groups.len() <= most {
            return groups;
        }
        let other = groups.remove(at + 1);
        if let Some(one) = groups.get_mut(at) {
            *one = Group::of(other.end, joined(&one.counts, &other.counts));
        }
        measure(&mut groups, at);
        if let Some(before) = at.checked_sub(1) {
            measure(&mut groups, before);
        }
    }
}

impl Contexts {
    /// Those that suit the histogram of so many samples best.
    pub(crate) fn of(histogram: &Histogram, samples: usize) -> Contexts {
        let groups = grouped(histogram, most(samples));
        let mut of_class = [0; CLASSES];
        for (class, context) in of_class.iter_mut().enumerate() {
            let group = groups.iter().position(|group| class < group.end);
            let last = groups.len().saturating_sub(1);
            *context = group.unwrap_or(last) as u8;
        }
        let frequencies = groups.iter().map(|group| scaled(&group.counts)).collect();
        Contexts {
            of_class,
            frequencies,
        }
    }

    /// One byte for the number of contexts, one for the last class of each but the last, then each table: how many tokens,
    /// and the frequency of each but the last in one byte, or two where the first is 128 or more.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.frequencies.len() as u8);
        for context in 1..self.frequencies.len() {
            let before = self
                .of_class
                .iter()
                .rposition(|one| usize::from(*one) < context);
            out.push(before.unwrap_or_default() as u8);
        }
        for table in &self.frequencies {
            let used = TOKENS - table.iter().rev().take_while(|one| **one == 0).count();
            out.push(used as u8);
            for frequency in table.iter().take(used.saturating_sub(1)) {
                match *frequency {
                    small @ 0..=127 => out.push(small as u8),
                    large => out.extend([0x80 | (large >> 8) as u8, large as u8]),
                }
            }
        }
    }

    /// Reads what was written of so many samples, and leaves what comes behind it.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn read(from: &mut &[u8], samples: usize) -> Result<Contexts, Damaged> {
        let count = usize::from(byte(from)?);
        if !(1..=most(samples)).contains(&count) {
            return Err(Damaged::Value);
        }
        let mut of_class = [0; CLASSES];
        let mut before = None;
        for last in bytes(from, count - 1)? {
            let beyond = of_class.get_mut(usize::from(*last) + 1..);
            let beyond = beyond.filter(|beyond| !beyond.is_empty() && before < Some(*last));
            beyond
                .ok_or(Damaged::Value)?
                .iter_mut()
                .for_each(|one| *one += 1);
            before = Some(*last);
        }
        let tables = (0..count).map(|_| read_table(from));
        Ok(Contexts {
            of_class,
            frequencies: tables.collect::<Result<_, _>>()?,
        })
    }
}

fn read_table(from: &mut &[u8]) -> Result<Frequencies, Damaged> {
    let used = usize::from(byte(from)?);
    let mut table = [0; TOKENS];
    let places = table.get_mut(..used).ok_or(Damaged::Value)?;
    let (last, others) = places.split_last_mut().ok_or(Damaged::Value)?;
    let mut left = SCALE as u16;
    for place in others {
        let first = byte(from)?;
        *place = match first {
            0..=127 => u16::from(first),
            _ => u16::from(first & 0x7F) << 8 | u16::from(byte(from)?),
        };
        left = left.checked_sub(*place).ok_or(Damaged::Value)?;
    }
    if left == 0 {
        return Err(Damaged::Value);
    }
    *last = left;
    Ok(table)
}

/// Counts as frequencies that add up to [`SCALE`], none of which is 0 where the count is not.
fn scaled(counts: &Counts) -> Frequencies {
    let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut scaled = [0_u16; TOKENS];
    if all == 0 {
        // Nothing is coded with it; still a table has to add up.
        scaled[0] = SCALE as u16;
        return scaled;
    }
    for (frequency, count) in scaled.iter_mut().zip(counts) {
        if *count > 0 {
            let rounded = (u64::from(*count) * u64::from(SCALE) + all / 2) / all;
            *frequency = rounded.max(1) as u16;
        }
    }
    loop {
        let sum: i32 = scaled.iter().map(|one| i32::from(*one)).sum();
        let over = sum - SCALE as i32;
        if over == 0 {
            return scaled;
        }
        // The most frequent bears it: it is changed least by that.
        let Some(most) = scaled.iter_mut().max() else {
            return scaled;
        };
        let bears = over.min(i32::from(*most) - 1);
        *most = (i32::from(*most) - bears) as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[(usize, usize, u32)]) -> Box<Histogram> {
        let mut histogram = Box::new([0; SYMBOLS]);
        for (class, token, count) in counts {
            histogram[class * PLACES + token] += count;
        }
        histogram
    }

    #[test]
    fn logarithms_are_close() {
        for number in (1..100_000).step_by(37).chain([u32::MAX]) {
            let exact = f64::from(number).log2();
            let found = logarithm(number) as f64 / f64::from(1 << POINT);
            assert!((exact - found).abs() < 0.01, "{number} {found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn tables_add_up_and_come_back(counts in proptest::collection::vec((0..CLASSES, 0..TOKENS, 1..3_000_u32), 1..90)) {
            let samples = counts.iter().map(|(_, _, count)| *count as usize).sum();
            let contexts = Contexts::of(&histogram(&counts), samples);
            assert!((1..=most(samples)).contains(&contexts.frequencies.len()));
            for (class, token, _) in &counts {
                let context = contexts.of_class[*class];
                assert!(contexts.frequencies[usize::from(context)][*token] > 0);
            }
            for table in &contexts.frequencies {
                assert_eq!(table.iter().map(|one| u32::from(*one)).sum::<u32>(), SCALE);
            }
            let mut written = Vec::new();
            contexts.write(&mut written);
            written.push(7);
            let mut from = written.as_slice();
            assert_eq!(Contexts::read(&mut from, samples), Ok(contexts));
            assert_eq!(from, [7]);
        }

        #[test]
        fn any_bytes_are_tables_or_an_error(bytes: Vec<u8>) {
            if let Ok(contexts) = Contexts::read(&mut bytes.as_slice(), 1 << 16) {
                for table in &contexts.frequencies {
                    assert_eq!(table.iter().map(|one| u32::from(*one)).sum::<u32>(), SCALE);
                }
            }
        }
    }

    #[test]
    fn surroundings_that_differ_keep_their_own_tables() {
        let contexts = Contexts::of(
            &histogram(&[(0, 0, 9_000), (1, 0, 9_000), (20, 9, 9_000)]),
            27_000,
        );
        assert_eq!(contexts.frequencies.len(), 2);
        assert_ne!(contexts.of_class[0], contexts.of_class[20]);
    }
}
