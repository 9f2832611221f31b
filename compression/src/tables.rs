//! How often each token stands in each surrounding, counted, gathered into contexts, and written down.

use crate::energy::CLASSES;
use crate::error::Damaged;
use crate::token::TOKENS;

/// What the frequencies of a context add up to, as a power of two.
pub(crate) const SCALE_BITS: u32 = 11;
/// The same.
pub(crate) const SCALE: u32 = 1 << SCALE_BITS;
/// Contexts at the most.
const CONTEXTS: usize = 16;
/// What a table costs in bits for each of its tokens, nearly.
const TABLE_BITS: f32 = 9.0;

type Counts = [u32; TOKENS];

/// Frequencies of the tokens of one context.
pub(crate) type Frequencies = [u16; TOKENS];

/// How often each token stands in each class of surroundings.
pub(crate) struct Histogram(Box<[Counts; CLASSES]>);

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram(Box::new([[0; TOKENS]; CLASSES]))
    }

    /// Counts one; a class or token that cannot be counts nothing.
    #[inline(always)]
    pub(crate) fn count(&mut self, class: u8, token: u8) {
        let counts = self.0.get_mut(usize::from(class));
        if let Some(count) = counts.and_then(|counts| counts.get_mut(usize::from(token))) {
            *count += 1;
        }
    }
}

/// The contexts of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Contexts {
    /// The context of each class.
    pub(crate) of_class: [u8; CLASSES],
    /// The frequencies of each.
    pub(crate) frequencies: Vec<Frequencies>,
}

/// Bits that the tokens of a context take, and its table.
fn cost(counts: &Counts) -> f32 {
    let all: u32 = counts.iter().sum();
    let used = counts.iter().filter(|count| **count > 0);
    let bits = |count: &u32| *count as f32 * (all as f32 / *count as f32).log2() + TABLE_BITS;
    used.map(bits).sum()
}

fn joined(one: &Counts, other: &Counts) -> Counts {
    std::array::from_fn(|token| {
        let count = |counts: &Counts| counts.get(token).copied().unwrap_or_default();
        count(one) + count(other)
    })
}

/// Neighbouring classes of about the same surroundings, with what they cost.
struct Group {
    /// The class behind its last.
    end: usize,
    counts: Counts,
    cost: f32,
}

impl Contexts {
    /// Joins neighbouring classes as long as that saves bits, and until there are few enough.
    pub(crate) fn of(histogram: &Histogram) -> Contexts {
        let mut groups: Vec<Group> = (1..)
            .zip(histogram.0.iter())
            .map(|(end, counts)| Group {
                end,
                counts: *counts,
                cost: cost(counts),
            })
            .collect();
        loop {
            let gains = groups.windows(2).enumerate().filter_map(|(at, pair)| {
                let [one, other] = pair else { return None };
                let both = joined(&one.counts, &other.counts);
                Some((one.cost + other.cost - cost(&both), at))
            });
            let best = gains.max_by(|one, other| one.0.total_cmp(&other.0));
            let Some((gain, at)) = best else { break };
            if gain < 0.0 && groups.len() <= CONTEXTS {
                break;
            }
            let other = groups.remove(at + 1);
            if let Some(one) = groups.get_mut(at) {
                one.counts = joined(&one.counts, &other.counts);
                one.cost = cost(&one.counts);
                one.end = other.end;
            }
        }
        let mut of_class = [0; CLASSES];
        for (class, context) in of_class.iter_mut().enumerate() {
            let group = groups.iter().position(|group| class < group.end);
            *context = group.unwrap_or_default() as u8;
        }
        let frequencies = groups.iter().map(|group| scaled(&group.counts)).collect();
        Contexts {
            of_class,
            frequencies,
        }
    }

    /// One byte for the number of contexts, half of one for each class, then each table: how many tokens, and the
    /// frequency of each but the last in one byte, or two where the first is 128 or more.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.frequencies.len() as u8);
        for pair in self.of_class.chunks(2) {
            let nibble = |at: usize| pair.get(at).copied().unwrap_or_default();
            out.push(nibble(0) | nibble(1) << 4);
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

    /// Reads what was written, and leaves what comes behind it.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn read(from: &mut &[u8]) -> Result<Contexts, Damaged> {
        let count = usize::from(byte(from)?);
        if !(1..=CONTEXTS).contains(&count) {
            return Err(Damaged::Value);
        }
        let mut of_class = [0; CLASSES];
        for pair in of_class.chunks_mut(2) {
            let both = byte(from)?;
            for (context, nibble) in pair.iter_mut().zip([both & 0x0F, both >> 4]) {
                if usize::from(nibble) >= count {
                    return Err(Damaged::Value);
                }
                *context = nibble;
            }
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

fn byte(from: &mut &[u8]) -> Result<u8, Damaged> {
    let (first, rest) = from.split_first().ok_or(Damaged::Length)?;
    *from = rest;
    Ok(*first)
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

    fn histogram(counts: &[(u8, u8, u32)]) -> Histogram {
        let mut histogram = Histogram::new();
        for (class, token, count) in counts {
            for _ in 0..*count {
                histogram.count(*class, *token);
            }
        }
        histogram
    }

    proptest::proptest! {
        #[test]
        fn tables_add_up_and_come_back(counts in proptest::collection::vec((0..32_u8, 0..40_u8, 1..3_000_u32), 0..90)) {
            let contexts = Contexts::of(&histogram(&counts));
            assert!(contexts.frequencies.len() <= CONTEXTS);
            for (class, token, _) in &counts {
                let context = contexts.of_class[usize::from(*class)];
                assert!(contexts.frequencies[usize::from(context)][usize::from(*token)] > 0);
            }
            for table in &contexts.frequencies {
                assert_eq!(table.iter().map(|one| u32::from(*one)).sum::<u32>(), SCALE);
            }
            let mut written = Vec::new();
            contexts.write(&mut written);
            written.push(7);
            let mut from = written.as_slice();
            assert_eq!(Contexts::read(&mut from), Ok(contexts));
            assert_eq!(from, [7]);
        }

        #[test]
        fn any_bytes_are_tables_or_an_error(bytes: Vec<u8>) {
            if let Ok(contexts) = Contexts::read(&mut bytes.as_slice()) {
                for table in &contexts.frequencies {
                    assert_eq!(table.iter().map(|one| u32::from(*one)).sum::<u32>(), SCALE);
                }
            }
        }
    }

    #[test]
    fn surroundings_that_differ_keep_their_own_tables() {
        let contexts = Contexts::of(&histogram(&[(0, 0, 9_000), (1, 0, 9_000), (20, 9, 9_000)]));
        assert_eq!(contexts.frequencies.len(), 2);
        assert_ne!(contexts.of_class[0], contexts.of_class[20]);
    }
}
