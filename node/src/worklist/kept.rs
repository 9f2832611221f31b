//! What the worklist keeps of its own: what clients said of workitems that the case machine does not know, and who is
//! told of changes. Where a workitem stands is never kept here: that is the case's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::cbor;
use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::chance::chance;
use crate::store::{Change, Rows, Store};
use crate::studies::register::RegisterError;

/// Form of both kinds of rows. A change needs a new number and a migration.
const VERSION: u8 = 1;
/// Workitems of which something is kept; as many as cases can be open, and some that are over.
const WORKITEMS: usize = 50_000;
/// Subscriptions of everybody together: a program of the house has one to everything, or one for each open workitem.
const SUBSCRIPTIONS: usize = 20_000;
/// Of those of one visitor, so that no one takes the place of others: one for each workitem that a large house has open.
const SUBSCRIPTIONS_OF_ONE: usize = 1_000;

/// What is kept of a workitem. Holds patient data: no `Debug`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Said {
    /// Form of the row.
    #[n(0)]
    pub version: u8,
    /// The UID that the client chose who made it.
    #[n(1)]
    pub uid: Option<String>,
    /// The Transaction UID with which it was claimed.
    #[n(2)]
    pub transaction: Option<String>,
    /// Attributes that clients set, as a data set in DICOM JSON.
    #[n(3)]
    pub attributes: Option<ByteVec>,
}

impl Default for Said {
    fn default() -> Said {
        Said {
            version: VERSION,
            uid: None,
            transaction: None,
            attributes: None,
        }
    }
}

/// To what somebody is subscribed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Subscription {
    #[n(0)]
    version: u8,
    /// Who is told: the name that nobody else was let in under, a line end, their AE title.
    #[n(1)]
    pub subscriber: String,
    /// UID of one workitem, or of a well-known instance that stands for many.
    #[n(2)]
    pub target: String,
    /// Of the filtered instance: the query, as it came.
    #[n(3)]
    pub filter: Option<String>,
    /// Whether a workitem is to be kept for this subscriber when it is over. All are.
    #[n(4)]
    pub deletion_lock: bool,
    /// New workitems from then on are none of its; milliseconds since the epoch.
    #[n(5)]
    pub suspended: Option<u64>,
    /// This workitem is excepted from a subscription to many.
    #[n(6)]
    pub excepted: bool,
}

impl Subscription {
    /// A subscription to one workitem, or to those that a well-known instance stands for.
    pub fn new(subscriber: &str, target: &str) -> Subscription {
        Subscription {
            version: VERSION,
            subscriber: subscriber.to_owned(),
            target: target.to_owned(),
            filter: None,
            deletion_lock: false,
            suspended: None,
            excepted: false,
        }
    }

    /// Who subscribed, without the AE title.
    fn visitor(&self) -> &str {
        let name = self.subscriber.rsplit_once('\n');
        name.map_or(self.subscriber.as_str(), |(visitor, _)| visitor)
    }

    fn key(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(&self.subscriber);
        hasher.update([0]);
        hasher.update(&self.target);
        hasher.finalize().into()
    }
}

/// The rows, all in memory. Clones share them.
#[derive(Clone)]
pub struct Kept {
    store: Store,
    storage: Arc<StorageKey>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    said: BTreeMap<(CaseId, u32), Said>,
    subscriptions: BTreeMap<[u8; 32], Subscription>,
}

impl Kept {
    /// Opens what is kept.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(store: Store, storage: StorageKey) -> Result<Kept, RegisterError> {
        let mut held = Held::default();
        let open = |rows: Rows, key: &[u8], row: &[u8]| {
            let plain = storage.open_row(rows.name(), key, row);
            plain.map_err(|_| RegisterError::Damaged)
        };
        for (key, row) in store.rows(Rows::Workitems)? {
            let plain = open(Rows::Workitems, &key, &row)?;
            let said: Said = minicbor::decode(&plain).map_err(|_| RegisterError::Damaged)?;
            let place = place(&key).filter(|_| said.version == VERSION);
            held.said.insert(place.ok_or(RegisterError::Damaged)?, said);
        }
        for (key, row) in store.rows(Rows::Subscriptions)? {
            let plain = open(Rows::Subscriptions, &key, &row)?;
            let one: Subscription = minicbor::decode(&plain).map_err(|_| RegisterError::Damaged)?;
            if one.version != VERSION {
                return Err(RegisterError::Damaged);
            }
            held.subscriptions.insert(one.key(), one);
        }
        Ok(Kept {
            store,
            storage: Arc::new(storage),
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// What is kept of a round of a case.
    pub fn said(&self, case: CaseId, round: u32) -> Said {
        self.lock()
            .said
            .get(&(case, round))
            .cloned()
            .unwrap_or_default()
    }

    /// Changes what is kept of a round. `change` must not ask for another one. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`]; it stays as it was.
    pub fn say(
        &self,
        (case, round): (CaseId, u32),
        change: impl FnOnce(&mut Said),
    ) -> Result<(), RegisterError> {
        let mut held = self.lock();
        let mut said = held.said.get(&(case, round)).cloned();
        if said.is_none() && held.said.len() >= WORKITEMS {
            return Err(RegisterError::Full);
        }
        let mut said = said.take().unwrap_or_default();
        change(&mut said);
        let mut key = case.as_bytes().to_vec();
        key.extend_from_slice(&round.to_be_bytes());
        self.put(Rows::Workitems, &key, &cbor::encode(&said))?;
        held.said.insert((case, round), said);
        Ok(())
    }

    /// The subscriptions of an AE title.
    pub fn subscriptions(&self, subscriber: &str) -> Vec<Subscription> {
        let held = self.lock();
        let all = held.subscriptions.values();
        all.filter(|one| one.subscriber == subscriber)
            .cloned()
            .collect()
    }

    /// Keeps a subscription, in the stead of one to the same. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn subscribe(&self, new: Subscription) -> Result<(), RegisterError> {
        let mut held = self.lock();
        let key = new.key();
        let visitor = new.visitor();
        let of_one = || {
            let all = held.subscriptions.values();
            all.filter(|one| one.visitor() == visitor).count()
        };
        let is_full =
            || held.subscriptions.len() >= SUBSCRIPTIONS || of_one() >= SUBSCRIPTIONS_OF_ONE;
        if !held.subscriptions.contains_key(&key) && is_full() {
            return Err(RegisterError::Full);
        }
        self.put(Rows::Subscriptions, &key, &cbor::encode(&new))?;
        held.subscriptions.insert(key, new);
        Ok(())
    }

    /// Ends those subscriptions of an AE title that `ends` names. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn unsubscribe(
        &self,
        subscriber: &str,
        ends: impl Fn(&Subscription) -> bool,
    ) -> Result<(), RegisterError> {
        let mut held = self.lock();
        let all = held.subscriptions.iter();
        let over: Vec<[u8; 32]> = all
            .filter(|(_, one)| one.subscriber == subscriber && ends(one))
            .map(|(key, _)| *key)
            .collect();
        let removals = over.iter().map(|key| (Rows::Subscriptions, key.to_vec()));
        self.store.commit(Change {
            removals: removals.collect(),
            ..Change::default()
        })?;
        held.subscriptions.retain(|key, _| !over.contains(key));
        Ok(())
    }

    fn put(&self, rows: Rows, key: &[u8], plain: &[u8]) -> Result<(), RegisterError> {
        let row = self
            .storage
            .seal_row(rows.name(), key, plain, &mut chance());
        let row = row.map_err(|_| RegisterError::Damaged)?;
        Ok(self.store.commit(Change::put(rows, key, row))?)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(key: &[u8]) -> Option<(CaseId, u32)> {
    let (case, round) = key.split_first_chunk::<32>()?;
    let round = round.try_into().ok().map(u32::from_be_bytes)?;
    Some((CaseId::from_bytes(*case), round))
}

#[cfg(test)]
mod tests {
    use dokuei_keys::secret::Secret32;

    use super::*;

    fn kept(place: &std::path::Path) -> Kept {
        let store = Store::open(&place.join("store.redb")).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([7; 32]));
        Kept::open(store, storage).ok().unwrap()
    }

    #[test]
    fn one_visitor_leaves_subscriptions_to_others() {
        let place = tempfile::tempdir().unwrap();
        let kept = kept(place.path());
        {
            let mut held = kept.lock();
            for at in 0..SUBSCRIPTIONS_OF_ONE {
                let title = ["A", "B"][at % 2];
                let one = Subscription::new(&format!("token:RIS\n{title}"), &format!("1.{at}"));
                held.subscriptions.insert(one.key(), one);
            }
        }
        let subscribe = |who: &str, to: &str| kept.subscribe(Subscription::new(who, to));
        let full = subscribe("token:RIS\nC", "1.2.3");
        assert!(matches!(full, Err(RegisterError::Full)));
        assert!(
            subscribe("token:RIS\nA", "1.0").is_ok(),
            "one that is there"
        );
        assert!(subscribe("account:RIS\nA", "1.2.3").is_ok());
    }

    #[test]
    fn what_was_said_and_who_subscribed_outlives_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let case = CaseId::from_bytes([1; 32]);
        {
            let kept = kept(place.path());
            kept.say((case, 2), |said| said.uid = Some("1.2.3".to_owned()))
                .unwrap();
            kept.say((case, 2), |said| said.transaction = Some("1.4".to_owned()))
                .unwrap();
            kept.subscribe(Subscription::new("PACS", "1.2.3")).unwrap();
            kept.subscribe(Subscription::new("PACS", "1.2.4")).unwrap();
            kept.subscribe(Subscription::new("OTHER", "1.2.3")).unwrap();
            kept.unsubscribe("PACS", |one| one.target == "1.2.4")
                .unwrap();
        }
        let kept = kept(place.path());
        let said = kept.said(case, 2);
        assert_eq!(said.uid.as_deref(), Some("1.2.3"));
        assert_eq!(said.transaction.as_deref(), Some("1.4"));
        assert!(kept.said(case, 1) == Said::default());
        let targets = |name| kept.subscriptions(name).into_iter().map(|one| one.target);
        assert_eq!(targets("PACS").collect::<Vec<_>>(), ["1.2.3"]);
        assert_eq!(targets("OTHER").count(), 1);
    }
}
