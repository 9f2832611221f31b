//! Since when partners are away. Kept for the people who look, not for any decision.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::NodeId;
use dokuei_protocol::limits;
use dokuei_protocol::time::Timestamp;

/// Nodes that were connected and are not any more, each with the time it went.
#[derive(Clone, Default)]
pub struct Absences(Arc<Mutex<BTreeMap<NodeId, Timestamp>>>);

impl Absences {
    /// A node is there.
    pub fn came(&self, node: NodeId) {
        self.lock().remove(&node);
    }

    /// A node went. As many are remembered as there may be partners; the longest away is forgotten
    /// first.
    pub fn went(&self, node: NodeId, at: Timestamp) {
        let mut away = self.lock();
        away.insert(node, at);
        if away.len() > limits::PARTNERS {
            let longest = away.iter().min_by_key(|(_, at)| **at);
            let longest = longest.map(|(node, _)| *node);
            longest.and_then(|node| away.remove(&node));
        }
    }

    /// When a node went; nothing when it has not been here since the start.
    pub fn since(&self, node: NodeId) -> Option<Timestamp> {
        self.lock().get(&node).copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Timestamp>> {
        // Every change is whole; a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_back_is_not_away_and_the_list_is_bounded() {
        let node = |number: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            NodeId::from_bytes(bytes)
        };
        let away = Absences::default();
        away.went(node(0), Timestamp(5));
        assert_eq!(away.since(node(0)), Some(Timestamp(5)));
        away.came(node(0));
        assert_eq!(away.since(node(0)), None);
        let most = u32::try_from(limits::PARTNERS).unwrap();
        for number in 0..=most {
            away.went(node(number), Timestamp(u64::from(number)));
        }
        assert_eq!(away.since(node(0)), None);
        assert_eq!(away.since(node(most)), Some(Timestamp(u64::from(most))));
        assert_eq!(away.lock().len(), limits::PARTNERS);
    }
}
