//! What goes wrong in a run, and how often: drawn once from the seed, and nothing once it is calm.

use crate::chance::Chance;
use dokuei_protocol::time::Span;

/// How far a clock may be off, in milliseconds, either way.
pub(crate) const CLOCK_OFF_MOST: i64 = 48 * 3_600_000;

/// The rates of faults.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Messages lost, in a hundred; at most 40.
    pub(crate) loss: u32,
    /// Documents that arrive twice, in a thousand.
    pub(crate) doubled: u32,
    /// Messages that take seconds to minutes, in a thousand.
    pub(crate) slow: u32,
    /// Documents that arrive a second time changed, or from another site, in a thousand.
    pub(crate) forged: u32,
    /// Steps that end in a crash, in a thousand.
    pub(crate) crash: u32,
    /// Fetched objects and reports that arrive damaged, in a thousand.
    pub(crate) damaged: u32,
    /// Times that an archive refuses, in a thousand.
    pub(crate) refused: u32,
    /// Breaks of each line.
    pub(crate) cuts: u64,
    /// Stops of each node beside the crashes in steps.
    pub(crate) stops: u64,
    /// Jumps of each clock.
    pub(crate) jumps: u64,
    /// Outages of each archive.
    pub(crate) outages: u64,
    /// When it begins: at once, or when the year of the agreements is nearly over.
    pub(crate) begins: Span,
    /// How long it lasts.
    pub(crate) lasts: Span,
    /// How long one outage may last, at most.
    pub(crate) outage: Span,
    /// How long nodes sleep at most, whatever they were told: their wall clocks may jump. Some trust
    /// their service entirely.
    pub(crate) sleep: Span,
}

impl Weather {
    /// The weather of a seed: each kind of fault is there in most runs, more or less.
    pub(crate) fn draw(chance: &mut Chance) -> Weather {
        let mut rate = |share: u32, most: u64| {
            if chance.percent(share) {
                chance.between(1, most) as u32
            } else {
                0
            }
        };
        // Now and then weeks pass, in which keys run out and are destroyed.
        let long = rate(8, 1) == 1;
        let trusting = rate(50, 1) == 1;
        Weather {
            loss: rate(75, 40),
            doubled: rate(75, 200),
            slow: rate(75, 200),
            forged: rate(60, 60),
            crash: rate(75, 12),
            damaged: rate(60, 120),
            refused: rate(60, 200),
            cuts: u64::from(rate(75, 8)),
            stops: u64::from(rate(50, 3)),
            jumps: u64::from(rate(60, 3)),
            outages: u64::from(rate(60, 3)),
            begins: Span(0),
            lasts: match long {
                true => Span::DAY.times(u64::from(rate(100, 6)) + 14),
                false => Span::HOUR.times(u64::from(rate(100, 60)) + 12),
            },
            outage: match long {
                true => Span::DAY.times(16),
                false => Span::HOUR.times(12),
            },
            sleep: match trusting {
                true => Span::DAY.times(30),
                false => Span::HOUR,
            },
        }
    }

    /// The same weather about the moment at which agreements made at the beginning run out: a few
    /// hours before certificates do.
    pub(crate) fn at_the_end_of_the_year(self) -> Weather {
        Weather {
            begins: Span(Span::DAY.times(364).0 + Span::HOUR.times(6).0),
            lasts: Span::HOUR.times(20),
            outage: Span::HOUR.times(4),
            sleep: Span::DAY.times(30),
            ..self
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm(&self) -> Weather {
        Weather {
            loss: 0,
            doubled: 0,
            slow: 0,
            forged: 0,
            crash: 0,
            damaged: 0,
            refused: 0,
            cuts: 0,
            stops: 0,
            jumps: 0,
            outages: 0,
            begins: self.begins,
            lasts: Span(0),
            outage: Span(0),
            sleep: self.sleep,
        }
    }
}
