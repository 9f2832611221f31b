//! Which losses are chance and which are a full queue.

/// Packets and losses that are assumed before any are counted: a mobile line's 4 %, as taking these for
/// a full queue costs more than the other mistake, and outweighed within a second.
const ASSUMED: (f64, f64) = (200.0, 8.0);
/// Packets after which older ones count half.
const REMEMBERED: f64 = 4000.0;
/// Standard deviations by which the counted losses may be too few.
const DEVIATIONS: f64 = 2.5;
/// How many times these, and which part of the packets besides, are lost without a full queue.
const TOLERATED: (f64, f64) = (1.25, 0.005);
/// Packets beyond what is tolerated that show a full queue.
const TOO_MANY: f64 = 12.0;
/// The part of the packets that no line may lose by chance.
const LOSSY: f64 = 0.15;
/// Packets more than that in one round before it is believed: one of two says nothing.
const BELIEVED: f64 = 4.0;

/// What the line loses by itself, and what was lost beyond.
#[derive(Clone)]
pub(crate) struct Loss {
    packets: f64,
    lost: f64,
    beyond: f64,
}

impl Loss {
    /// Nothing was counted yet.
    pub(crate) fn new() -> Loss {
        Loss {
            packets: ASSUMED.0,
            lost: ASSUMED.1,
            beyond: 0.0,
        }
    }

    /// Counts what was sent while the queue was as good as empty: what was lost, the line lost.
    pub(crate) fn learn(&mut self, packets: f64, lost: f64) {
        self.packets += packets;
        self.lost += lost;
        if self.packets > REMEMBERED {
            self.packets /= 2.0;
            self.lost /= 2.0;
        }
    }

    /// Counts what was sent while there was a queue, and says whether the losses show that it
    /// is full.
    pub(crate) fn is_full(&mut self, packets: f64, lost: f64) -> bool {
        let most = (self.lost + DEVIATIONS * (self.lost + 1.0).sqrt()) / self.packets;
        let tolerated = TOLERATED.0 * most + TOLERATED.1;
        self.beyond = (self.beyond + lost - packets * tolerated).max(0.0);
        let full = self.beyond > TOO_MANY;
        if full {
            self.beyond = 0.0;
        }
        full
    }

    /// Whether so many are lost that sending on as before would be of no use.
    pub(crate) fn is_hopeless(packets: f64, lost: f64) -> bool {
        lost > LOSSY * packets + BELIEVED
    }

    /// The part that is lost while the queue is empty, 0 to 1.
    pub(crate) fn usual(&self) -> f64 {
        (self.lost / self.packets).clamp(0.0, 1.0)
    }
}
