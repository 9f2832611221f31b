//! Which case each workitem is of, so that one is found without going through all cases. A workitem is of its case for
//! ever: nothing is taken out, and what happens to a case only adds workitems.

use std::collections::{BTreeSet, HashMap};

use dokuei_keys::signed;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::event::{Link, Proposal};
use dokuei_protocol::log::entry::Entry;
use dokuei_protocol::record::Record;
use tokio::sync::Mutex;

use super::item::Facts;
use super::{Refused, Worklist, blocking};
use crate::store::{Store, StoreError};

/// The workitems that were known at the last look. Holds one line for each workitem there is.
#[derive(Default)]
pub(super) struct Index(Mutex<Known>);

#[derive(Default)]
struct Known {
    cases: HashMap<String, CaseId>,
    /// How many entries of the log that covers; none before the first look.
    entries: Option<u64>,
}

impl Worklist {
    /// The case that a workitem with this UID would be of. One that is new since the last question is found by the records
    /// that came since; the first question goes through all cases.
    pub(super) async fn case_of(&self, uid: &str) -> Result<Option<CaseId>, Refused> {
        let mut known = self.0.index.0.lock().await;
        if let Some(case) = known.cases.get(uid) {
            return Ok(Some(*case));
        }
        self.catch_up(&mut known).await?;
        Ok(known.cases.get(uid).copied())
    }

    /// Notes that a workitem is of a case: a client chose its UID.
    pub(super) async fn note_case(&self, uid: &str, case: CaseId) {
        let mut known = self.0.index.0.lock().await;
        known.cases.insert(uid.to_owned(), case);
    }

    async fn catch_up(&self, known: &mut Known) -> Result<(), Refused> {
        let desk = &self.node()?.desk;
        let (facts, entries) = match known.entries {
            None => {
                let all = desk.ask(|service| (Facts::all(service), service.state().head().length));
                all.await?
            }
            Some(first) => {
                // What is decided is committed before anybody can ask.
                let entries = desk.ask(|service| service.state().head().length).await?;
                let store = self.0.store.clone();
                let moved = blocking(move || Ok(moved(&store, first, entries)?)).await?;
                let facts = desk.ask(move |service| {
                    let moved = moved.into_iter();
                    moved.filter_map(|case| Facts::one(service, case)).collect()
                });
                (facts.await?, entries)
            }
        };
        for facts in &facts {
            let items = self.items(facts).into_iter();
            let of = |uid: String| (uid, facts.case());
            known.cases.extend(items.map(|item| of(item.uid)));
        }
        known.entries = Some(entries);
        Ok(())
    }
}

/// The cases of which something was said in the log's entries from number `first` up to number `end`.
fn moved(store: &Store, first: u64, end: u64) -> Result<BTreeSet<CaseId>, StoreError> {
    let mut cases = BTreeSet::new();
    if first == end {
        return Ok(cases);
    }
    store.entries(first, |_, bytes| {
        // This site's own log, which it has read before.
        if let Ok(entry) = minicbor::decode::<Entry>(bytes) {
            cases.extend(case(&entry.record));
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(cases)
}

/// The case in which something happened that may make a workitem.
fn case(record: &Record) -> Option<CaseId> {
    match record {
        Record::LinkMade(bytes) | Record::LinkReceived(bytes) => {
            let link = signed::recorded::<Link>(bytes).ok()?;
            Some(link.case)
        }
        Record::ProposalMade(bytes) | Record::ProposalReceived(bytes) => {
            let proposal = signed::recorded::<Proposal>(bytes).ok()?;
            Some(proposal.case)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use dokuei_keys::id::{DocumentId, SiteId};
    use dokuei_keys::secret::Secret32;
    use dokuei_keys::signed::Signed;
    use dokuei_keys::signing::SigningKey;
    use dokuei_protocol::case::event::{RequesterEvent, WithdrawalReason};
    use dokuei_protocol::log::entry::{ENTRY_VERSION, Entry};
    use dokuei_protocol::time::Timestamp;

    use super::*;
    use crate::store::Change;

    fn link(case: CaseId) -> Record {
        let link = Link {
            case,
            requester: SiteId::from_bytes([1; 32]),
            reader: SiteId::from_bytes([2; 32]),
            sequence: 1,
            previous: Some(DocumentId::from_bytes([3; 32])),
            at: Timestamp(1),
            event: RequesterEvent::Withdrawn(WithdrawalReason::NotNeeded),
        };
        let key = SigningKey::from_seed(Secret32::from_bytes([4; 32]));
        let signed = Signed::sign(link, &key).unwrap();
        Record::LinkMade(signed.bytes().to_vec().into())
    }

    #[test]
    fn only_what_was_said_since_is_read() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store.redb")).unwrap();
        let case = |number: u8| CaseId::from_bytes([number; 32]);
        let records = [
            link(case(1)),
            Record::StudyStored(case(9)),
            link(case(2)),
            link(case(3)),
            link(case(2)),
        ];
        let entries = (0..).zip(records).map(|(sequence, record)| {
            let entry = Entry {
                version: ENTRY_VERSION,
                sequence,
                previous: dokuei_keys::id::Digest::from_bytes([0; 32]),
                at: Timestamp(1),
                record,
            };
            (sequence, dokuei_keys::cbor::encode(&entry))
        });
        let change = Change {
            entries: entries.collect(),
            ..Change::default()
        };
        store.commit(change).unwrap();
        let moved = |first| {
            let moved = moved(&store, first, 5).unwrap();
            moved.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(moved(0), [case(1), case(2), case(3)]);
        assert_eq!(moved(3), [case(2), case(3)]);
        assert!(moved(5).is_empty());
    }
}
