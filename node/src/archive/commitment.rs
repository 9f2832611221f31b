//! Asks the archive to answer for what it took (storage commitment): only then does a study count as
//! stored, and may be dropped here when its time is over.
//!
//! The answer comes over the association that asked, or over one that the archive opens to this node.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand_core::Rng as _;

use super::{ArchiveError, Confirmed};
use crate::chance::chance;
use crate::dicom::dimse::{Committed, Reference, Verdict};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scp::{Answers, Caller};
use crate::dicom::scu::{Destination, request_commitment};
use crate::dicom::uid::Uid;
use crate::language::Explain as _;
use crate::say;
use crate::studies::study::Study;

/// Objects in one request: some 300 KB, which archives take.
const PORTION: usize = 2_000;

/// How long the association stays for the answer. Archives that answer over it do so at once.
const STAY: Duration = Duration::from_secs(10);

/// How long the answer over another association is waited for, before the study is tried again by and by.
const PATIENCE: Duration = Duration::from_secs(120);

/// Addresses of an archive: a machine has a few, and each answer is held against them.
const ADDRESSES: usize = 16;

/// Requests whose answers are waited for. Clones share them.
#[derive(Clone, Default)]
pub struct Asked(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// By transaction; as many as studies are put away at once.
    waiting: Mutex<BTreeMap<String, Waiting>>,
    changed: Condvar,
}

/// A request whose answer is waited for.
struct Waiting {
    /// AE title of the archive that was asked.
    archive: AeTitle,
    /// Its addresses; none when its name could not be looked up.
    addresses: Vec<IpAddr>,
    /// Its answer, once it is here.
    answer: Option<Committed>,
}

impl Waiting {
    /// For an answer of this archive.
    fn of(destination: &Destination) -> Waiting {
        let found = (destination.host.as_str(), destination.port).to_socket_addrs();
        let addresses = found.into_iter().flatten().take(ADDRESSES);
        Waiting {
            archive: destination.called_ae.clone(),
            addresses: addresses.map(|at| at.ip().to_canonical()).collect(),
            answer: None,
        }
    }

    /// Whether somebody who calls is the archive that was asked.
    fn is_from(&self, caller: &Caller) -> bool {
        let address = caller.address.ip().to_canonical();
        caller.calling_ae == self.archive
            && (self.addresses.is_empty() || self.addresses.contains(&address))
    }
}

impl Asked {
    /// Ask `destination` to answer for a study. What it does not have is forgotten in `confirmed`, so that it is sent
    /// again.
    ///
    /// # Errors
    /// [`ArchiveError`] when it does not answer for every object.
    pub(super) fn commit(
        &self,
        destination: &Destination,
        study: &Study,
        confirmed: &Confirmed,
    ) -> Result<(), ArchiveError> {
        let references: Vec<Reference> = study
            .objects
            .iter()
            .map(|object| Reference {
                sop_class: object.sop_class.clone(),
                sop_instance: object.sop_instance.clone(),
            })
            .collect();
        let mut missing = 0_usize;
        for portion in references.chunks(PORTION) {
            let committed = self.ask(destination, portion)?;
            missing += forget_missing(&committed, portion, study, confirmed);
        }
        if missing == 0 {
            return Ok(());
        }
        Err(ArchiveError::NotCommitted(say!(
            "{missing} 件を保管していないと答えました。送り直します",
            "it does not keep {missing} objects, which are sent again"
        )))
    }

    fn ask(
        &self,
        destination: &Destination,
        portion: &[Reference],
    ) -> Result<Committed, ArchiveError> {
        let mut random = [0; 16];
        chance().fill_bytes(&mut random);
        let transaction = Uid::derived(random).as_str().to_owned();
        // Before it is asked: the answer may be here first.
        let waiting = Waiting::of(destination);
        self.waiting().insert(transaction.clone(), waiting);
        let asked = request_commitment(destination, &transaction, portion, STAY);
        let answer = match asked {
            Ok(Some(committed)) => Ok(committed),
            Ok(None) => self.wait(&transaction).ok_or_else(|| {
                ArchiveError::NotCommitted(say!(
                    "保管確認の答えが届きません。PACS からこのノードの AE タイトルとポートに接続できることを確認してください",
                    "its answer did not come: can it reach this node's AE title and port?"
                ))
            }),
            Err(fault) => Err(ArchiveError::NotCommitted(fault.message())),
        };
        self.waiting().remove(&transaction);
        answer
    }

    fn wait(&self, transaction: &str) -> Option<Committed> {
        let until = Instant::now() + PATIENCE;
        let mut waiting = self.waiting();
        loop {
            let answer = waiting.get(transaction).map(|asked| &asked.answer);
            if let Some(Some(committed)) = answer {
                return Some(committed.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.0.changed.wait_timeout(waiting, left);
            (waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        // Every change is one entry: a panic elsewhere leaves it whole.
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers for Asked {
    /// Whoever is let in may call; only the archive that was asked answers for what it keeps.
    fn heard(&self, caller: &Caller, committed: Committed) -> bool {
        let mut waiting = self.waiting();
        let Some(asked) = waiting.get_mut(&committed.transaction) else {
            return false;
        };
        if !asked.is_from(caller) {
            let (title, address) = (&caller.calling_ae, caller.address.ip());
            tracing::warn!(target: "dokuei::archive", "a storage commitment answer is not believed: it is from {title} at {address}, not from the archive that was asked");
            return false;
        }
        asked.answer = Some(committed);
        self.0.changed.notify_all();
        true
    }
}

/// Forget what of a portion the archive does not say it keeps; how many that are.
fn forget_missing(
    committed: &Committed,
    portion: &[Reference],
    study: &Study,
    confirmed: &Confirmed,
) -> usize {
    let kept: BTreeMap<&str, &str> = committed
        .verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Kept)
        .map(|(reference, _)| {
            (
                reference.sop_instance.as_str(),
                reference.sop_class.as_str(),
            )
        })
        .collect();
    let positions: BTreeMap<&str, usize> = study
        .objects
        .iter()
        .enumerate()
        .map(|(position, object)| (object.sop_instance.as_str(), position))
        .collect();
    let is_missing =
        |one: &&Reference| kept.get(one.sop_instance.as_str()) != Some(&one.sop_class.as_str());
    let missing: Vec<&Reference> = portion.iter().filter(is_missing).collect();
    for one in &missing {
        let position = positions.get(one.sop_instance.as_str());
        if let Some(Err(error)) = position.map(|position| confirmed.forget(*position)) {
            tracing::warn!(target: "dokuei::archive", "what the archive does not keep cannot be noted: {error}");
        }
    }
    missing.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::scu::Timeouts;
    use crate::entities::Permission;

    fn caller(title: &str, address: &str) -> Caller {
        Caller {
            calling_ae: title.parse().unwrap(),
            called_ae: "HERE".parse().unwrap(),
            address: address.parse().unwrap(),
            permission: Permission::to_send(),
        }
    }

    #[test]
    fn only_the_archive_that_was_asked_answers() {
        let archive = Destination {
            host: "127.0.0.1".to_owned(),
            port: 104,
            called_ae: "PACS".parse().unwrap(),
            calling_ae: "HERE".parse().unwrap(),
            timeouts: Timeouts::default(),
            tls: None,
            breaker: None,
            transcoding: None,
        };
        let asked = Asked::default();
        let waiting = Waiting::of(&archive);
        asked.waiting().insert("1.2".to_owned(), waiting);
        let answer = |transaction: &str| Committed {
            transaction: transaction.to_owned(),
            verdicts: Vec::new(),
        };
        for other in [
            caller("CT", "127.0.0.1:4000"),
            caller("PACS", "192.0.2.1:4000"),
        ] {
            assert!(!asked.heard(&other, answer("1.2")));
        }
        let from_it = caller("PACS", "[::ffff:127.0.0.1]:4000");
        assert!(!asked.heard(&from_it, answer("1.3")));
        assert!(asked.waiting()["1.2"].answer.is_none());
        assert!(asked.heard(&from_it, answer("1.2")));
        assert!(asked.waiting()["1.2"].answer.is_some());
    }
}
