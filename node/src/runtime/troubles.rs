//! Why the last attempt at a case's job failed, for whoever looks. Kept in memory: a restart tries at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dokuei_protocol::case::CaseId;

use crate::language::Message;

/// The last failure of each case of this run, until its job succeeds. Clones share it.
#[derive(Clone, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<CaseId, Message>>>);

impl Troubles {
    /// A job of the case failed.
    pub fn note(&self, case: CaseId, why: Message) {
        self.locked().insert(case, why);
    }

    /// A job of the case succeeded.
    pub fn clear(&self, case: &CaseId) {
        self.locked().remove(case);
    }

    /// Why the last job of the case failed.
    pub fn of(&self, case: &CaseId) -> Option<Message> {
        self.locked().get(case).cloned()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<CaseId, Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
