//! Which transfers from one partner may ask for more: only those of the highest priority that is under way. A line is never
//! taken from a pack that was asked for; what is asked for ahead is little ([`super::asking`]), so an emergency has it within
//! about a second. And which give up their place to another partner's: those that bring next to nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dokuei_keys::id::SiteId;
use dokuei_protocol::case::terms::Priority;
use dokuei_protocol::study::plan::PACK;
use tokio::sync::watch;
use tokio::time::sleep;

/// How often it is looked how much a transfer brings.
const LOOK: Duration = Duration::from_secs(60);
/// A transfer that brings less than a pack in this time gives up its place when another partner's waits for one: a partner
/// that sends a byte now and then cannot keep everybody else's studies waiting, and one whose line is so slow loses
/// nothing, since what came stays.
const LEAST: u64 = PACK;

/// What is under way, and what waits.
#[derive(Default)]
struct Counts {
    /// How many transfers of each priority are under way from each partner.
    underway: BTreeMap<SiteId, BTreeMap<Option<Priority>, usize>>,
    /// How many of each partner wait for a place.
    waiting: BTreeMap<SiteId, usize>,
}

impl Counts {
    fn is_overtaken(&self, from: &SiteId, priority: Option<Priority>) -> bool {
        let of_partner = self.underway.get(from).into_iter().flatten();
        of_partner
            .filter(|(_, count)| **count > 0)
            .any(|(other, _)| *other > priority)
    }
}

/// The transfers that are under way. Clones share them.
#[derive(Clone)]
pub struct Precedence {
    counts: Arc<watch::Sender<Counts>>,
    look: Duration,
}

impl Default for Precedence {
    fn default() -> Precedence {
        Precedence::looking(LOOK)
    }
}

impl Precedence {
    /// Looks so often how much each transfer brings.
    pub(super) fn looking(every: Duration) -> Precedence {
        Precedence {
            counts: Arc::new(watch::Sender::new(Counts::default())),
            look: every,
        }
    }

    /// A transfer begins; what nobody has granted yet has no priority, and gives way to everything. It is under way until
    /// what this gives is dropped.
    pub fn enter(&self, from: SiteId, priority: impl Into<Option<Priority>>) -> Underway {
        let priority = priority.into();
        self.counts.send_modify(|counts| {
            let of_partner = counts.underway.entry(from).or_default();
            *of_partner.entry(priority).or_default() += 1;
        });
        Underway {
            from,
            priority,
            counts: Arc::clone(&self.counts),
            look: self.look,
        }
    }

    /// Whether something more urgent than this is under way from a partner.
    pub fn is_overtaken(&self, from: &SiteId, priority: Priority) -> bool {
        self.counts.borrow().is_overtaken(from, Some(priority))
    }

    /// A transfer waits for a place that those of other partners have, until what this gives is dropped.
    pub fn wait(&self, from: SiteId) -> Waiting {
        self.counts
            .send_modify(|counts| *counts.waiting.entry(from).or_default() += 1);
        Waiting {
            from,
            counts: Arc::clone(&self.counts),
        }
    }
}

/// A transfer that waits for its place.
pub struct Waiting {
    from: SiteId,
    counts: Arc<watch::Sender<Counts>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.counts.send_modify(|counts| {
            if let Some(count) = counts.waiting.get_mut(&self.from) {
                *count -= 1;
            }
            counts.waiting.retain(|_, count| *count > 0);
        });
    }
}

/// A transfer that is under way.
pub struct Underway {
    from: SiteId,
    priority: Option<Priority>,
    counts: Arc<watch::Sender<Counts>>,
    look: Duration,
}

impl Underway {
    /// Waits until nothing of a higher priority is under way from the same partner.
    pub async fn turn(&self) {
        let mut changes = self.counts.subscribe();
        // Fails only without a sender, and one is here.
        let _ = changes
            .wait_for(|counts| !counts.is_overtaken(&self.from, self.priority))
            .await;
    }

    /// Waits until the transfer has brought next to nothing for a while, although another partner's waits for its place.
    /// `received` says how many bytes have come.
    pub async fn outstayed(&self, received: impl Fn() -> u64) {
        let mut before = received();
        loop {
            sleep(self.look).await;
            let now = received();
            let counts = self.counts.borrow();
            if now.saturating_sub(before) < LEAST
                && counts.waiting.keys().any(|site| *site != self.from)
            {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.counts.send_modify(|counts| {
            let Some(of_partner) = counts.underway.get_mut(&self.from) else {
                return;
            };
            if let Some(count) = of_partner.get_mut(&self.priority) {
                *count -= 1;
            }
            of_partner.retain(|_, count| *count > 0);
            if of_partner.is_empty() {
                counts.underway.remove(&self.from);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt as _;

    use super::*;

    const ONE: SiteId = SiteId::from_bytes([1; 32]);
    const OTHER: SiteId = SiteId::from_bytes([2; 32]);

    #[test]
    fn only_the_most_urgent_of_a_partner_has_its_turn() {
        let precedence = Precedence::default();
        let has_turn = |underway: &Underway| underway.turn().now_or_never().is_some();
        let routine = precedence.enter(ONE, Priority::Routine);
        let same = precedence.enter(ONE, Priority::Routine);
        let elsewhere = precedence.enter(OTHER, Priority::Routine);
        assert!([&routine, &same, &elsewhere].into_iter().all(has_turn));
        let ahead = precedence.enter(ONE, None);
        assert!(!has_turn(&ahead) && has_turn(&routine));
        drop(ahead);
        let stat = precedence.enter(ONE, Priority::Stat);
        let urgent = precedence.enter(ONE, Priority::Urgent);
        assert!(has_turn(&stat) && has_turn(&elsewhere));
        assert!(![&routine, &same, &urgent].into_iter().any(has_turn));
        drop(stat);
        assert!(has_turn(&urgent) && !has_turn(&routine));
        drop((urgent, same));
        assert!(has_turn(&routine));
        drop((routine, elsewhere));
        assert!(precedence.counts.borrow().underway.is_empty());
    }

    #[tokio::test]
    async fn who_waits_hears_that_its_turn_has_come() {
        let precedence = Precedence::default();
        let routine = precedence.enter(ONE, Priority::Routine);
        let stat = precedence.enter(ONE, Priority::Stat);
        let waiting = tokio::spawn(async move { routine.turn().await });
        tokio::task::yield_now().await;
        drop(stat);
        waiting.await.unwrap();
    }

    /// Whether a transfer that brings so many bytes between two looks gives up its place within some looks.
    async fn outstays(underway: &Underway, each: u64) -> bool {
        let looks = Cell::new(0);
        let received = || looks.replace(looks.get() + 1) * each;
        let some = async {
            while looks.get() < 6 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = underway.outstayed(received) => true,
            () = some => false,
        }
    }

    #[tokio::test]
    async fn what_brings_next_to_nothing_gives_up_its_place_only_to_another_partner() {
        let precedence = Precedence::looking(Duration::from_millis(1));
        let underway = precedence.enter(ONE, Priority::Routine);
        assert!(!outstays(&underway, 0).await);
        let own = precedence.wait(ONE);
        assert!(!outstays(&underway, 0).await);
        let other = precedence.wait(OTHER);
        assert!(outstays(&underway, 0).await && outstays(&underway, LEAST - 1).await);
        assert!(!outstays(&underway, LEAST).await);
        drop((own, other));
        assert!(!outstays(&underway, 0).await && precedence.counts.borrow().waiting.is_empty());
    }
}
