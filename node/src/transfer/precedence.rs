//! Which transfers from one partner may ask for more: only those of the highest priority that is under way. A line is never
//! taken from a pack that was asked for; what is asked for ahead is little ([`super::asking`]), so an emergency has it within
//! about a second.

use std::collections::BTreeMap;
use std::sync::Arc;

use dokuei_keys::id::SiteId;
use dokuei_protocol::case::terms::Priority;
use tokio::sync::watch;

/// How many transfers of each priority are under way from each partner.
type Counts = BTreeMap<SiteId, BTreeMap<Option<Priority>, usize>>;

/// The transfers that are under way. Clones share them.
#[derive(Clone)]
pub struct Precedence(Arc<watch::Sender<Counts>>);

impl Default for Precedence {
    fn default() -> Precedence {
        Precedence(Arc::new(watch::Sender::new(Counts::new())))
    }
}

impl Precedence {
    /// A transfer begins; what nobody has granted yet has no priority, and gives way to everything. It is under way until
    /// what this gives is dropped.
    pub fn enter(&self, from: SiteId, priority: impl Into<Option<Priority>>) -> Underway {
        let priority = priority.into();
        self.0.send_modify(|counts| {
            *counts.entry(from).or_default().entry(priority).or_default() += 1;
        });
        Underway {
            from,
            priority,
            counts: Arc::clone(&self.0),
        }
    }
}

/// A transfer that is under way.
pub struct Underway {
    from: SiteId,
    priority: Option<Priority>,
    counts: Arc<watch::Sender<Counts>>,
}

impl Underway {
    /// Waits until nothing of a higher priority is under way from the same partner.
    pub async fn turn(&self) {
        let mut changes = self.counts.subscribe();
        // Fails only without a sender, and one is here.
        let _ = changes.wait_for(|counts| self.is_first(counts)).await;
    }

    fn is_first(&self, counts: &Counts) -> bool {
        let of_partner = counts.get(&self.from).into_iter().flatten();
        of_partner
            .filter(|(_, count)| **count > 0)
            .all(|(priority, _)| *priority <= self.priority)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.counts.send_modify(|counts| {
            let Some(of_partner) = counts.get_mut(&self.from) else {
                return;
            };
            if let Some(count) = of_partner.get_mut(&self.priority) {
                *count -= 1;
            }
            of_partner.retain(|_, count| *count > 0);
            if of_partner.is_empty() {
                counts.remove(&self.from);
            }
        });
    }
}

#[cfg(test)]
mod tests {
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
        assert!(precedence.0.borrow().is_empty());
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
}
