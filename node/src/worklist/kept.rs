//! What the worklist keeps of its own: what clients said of workitems that the case machine does not know, and who is
//! told of changes. Where a workitem stands is never kept here: that is the case's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use dokuei_keys::secret::StorageKey;
use dokuei_protocol::case::CaseId;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::store::{Rows, SealedRows, Store};
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
pub struct Kept(Arc<Shared>);

struct Shared {
    workitems: SealedRows<Said>,
    subscriptions: SealedRows<Subscription>,
    held: Mutex<Held>,
    /// A row is free again.
    freed: Condvar,
}

#[derive(Default)]
struct Held {
    said: BTreeMap<(CaseId, u32), Said>,
    subscriptions: BTreeMap<[u8; 32], Subscription>,
    /// Rows that are being written: whoever wants to change one of them waits, everybody else goes on. At most one set of
    /// them for each thread that blocks on it.
    reserved: BTreeSet<Place>,
}

/// A row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Workitem(CaseId, u32),
    /// And whose it is.
    Subscription([u8; 32], String),
}

/// Rows that nobody else changes until this is dropped.
struct Reserved<'k> {
    shared: &'k Shared,
    places: Vec<Place>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut held = self.shared.lock();
        for place in &self.places {
            held.reserved.remove(place);
        }
        drop(held);
        self.shared.freed.notify_all();
    }
}

impl Held {
    /// Rows that are there or being made, of this kind.
    fn workitems(&self) -> usize {
        let made = self.reserved.iter().filter(|place| match place {
            Place::Workitem(case, round) => !self.said.contains_key(&(*case, *round)),
            Place::Subscription(..) => false,
        });
        self.said.len() + made.count()
    }

    /// Visitors of the subscriptions that are there or being made, one for each.
    fn visitors(&self) -> impl Iterator<Item = &str> {
        let made = self.reserved.iter().filter_map(|place| match place {
            Place::Workitem(..) => None,
            Place::Subscription(key, visitor) => {
                let is_new = !self.subscriptions.contains_key(key);
                is_new.then_some(visitor.as_str())
            }
        });
        let there = self.subscriptions.values();
        there.map(Subscription::visitor).chain(made)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves the rows that `choose` names, with what it says of them, as soon as nobody else changes one of them.
    /// Blocks.
    fn reserve<T>(
        &self,
        choose: impl Fn(&Held) -> Result<(Vec<Place>, T), RegisterError>,
    ) -> Result<(Reserved<'_>, T), RegisterError> {
        let mut held = self.lock();
        loop {
            let (places, said) = choose(&held)?;
            if places.iter().all(|place| !held.reserved.contains(place)) {
                held.reserved.extend(places.iter().cloned());
                let shared = self;
                return Ok((Reserved { shared, places }, said));
            }
            let woken = self.freed.wait(held);
            held = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Kept {
    /// Opens what is kept.
    ///
    /// # Errors
    /// [`RegisterError`] when a row cannot be opened.
    pub fn open(store: Store, storage: StorageKey) -> Result<Kept, RegisterError> {
        let storage = Arc::new(storage);
        let workitems: SealedRows<Said> =
            SealedRows::new(Rows::Workitems, store.clone(), Arc::clone(&storage));
        let subscriptions: SealedRows<Subscription> =
            SealedRows::new(Rows::Subscriptions, store, storage);
        let mut held = Held::default();
        for (key, said) in workitems.all()? {
            let place = place(&key).filter(|_| said.version == VERSION);
            held.said.insert(place.ok_or(RegisterError::Damaged)?, said);
        }
        for (_, one) in subscriptions.all()? {
            if one.version != VERSION {
                return Err(RegisterError::Damaged);
            }
            held.subscriptions.insert(one.key(), one);
        }
        Ok(Kept(Arc::new(Shared {
            workitems,
            subscriptions,
            held: Mutex::new(held),
            freed: Condvar::new(),
        })))
    }

    /// What is kept of a round of a case.
    pub fn said(&self, case: CaseId, round: u32) -> Said {
        let held = self.0.lock();
        held.said.get(&(case, round)).cloned().unwrap_or_default()
    }

    /// Changes what is kept of a round. `change` must not change the same one. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`]; it stays as it was.
    pub fn say(
        &self,
        (case, round): (CaseId, u32),
        change: impl FnOnce(&mut Said),
    ) -> Result<(), RegisterError> {
        let (_reserved, said) = self.0.reserve(|held| {
            let said = held.said.get(&(case, round)).cloned();
            if said.is_none() && held.workitems() >= WORKITEMS {
                return Err(RegisterError::Full);
            }
            Ok((vec![Place::Workitem(case, round)], said))
        })?;
        let mut said = said.unwrap_or_default();
        change(&mut said);
        let mut key = case.as_bytes().to_vec();
        key.extend_from_slice(&round.to_be_bytes());
        self.0.workitems.put(&key, &said)?;
        self.0.lock().said.insert((case, round), said);
        Ok(())
    }

    /// The subscriptions of an AE title.
    pub fn subscriptions(&self, subscriber: &str) -> Vec<Subscription> {
        let held = self.0.lock();
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
        let (key, visitor) = (new.key(), new.visitor().to_owned());
        let (_reserved, ()) = self.0.reserve(|held| {
            let of_one = || held.visitors().filter(|one| *one == visitor).count();
            let is_full =
                || held.visitors().count() >= SUBSCRIPTIONS || of_one() >= SUBSCRIPTIONS_OF_ONE;
            if !held.subscriptions.contains_key(&key) && is_full() {
                return Err(RegisterError::Full);
            }
            Ok((vec![Place::Subscription(key, visitor.clone())], ()))
        })?;
        self.0.subscriptions.put(&key, &new)?;
        self.0.lock().subscriptions.insert(key, new);
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
        let (_reserved, over) = self.0.reserve(|held| {
            let all = held.subscriptions.iter();
            let over = all.filter(|(_, one)| one.subscriber == subscriber && ends(one));
            let over: Vec<([u8; 32], String)> = over
                .map(|(key, one)| (*key, one.visitor().to_owned()))
                .collect();
            let places = over.iter().cloned();
            let places = places.map(|(key, visitor)| Place::Subscription(key, visitor));
            Ok((places.collect(), over))
        })?;
        self.0
            .subscriptions
            .remove(over.iter().map(|(key, _)| key))?;
        let mut held = self.0.lock();
        for (key, _) in &over {
            held.subscriptions.remove(key);
        }
        Ok(())
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
            let mut held = kept.0.lock();
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
    fn whoever_looks_waits_for_no_write_and_no_change_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let kept = kept(place.path());
        let case = CaseId::from_bytes([1; 32]);
        let count = |said: &Said| -> u32 {
            let text = said.transaction.as_deref().unwrap_or("0");
            text.parse().unwrap()
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        kept.say((case, 0), |said| {
                            // While a row is on its way to the disk everything can be looked at, and others changed.
                            let before = kept.said(case, 0);
                            assert_eq!(count(&before), count(said));
                            kept.say((case, 1), |other| {
                                other.transaction = Some((count(other) + 1).to_string());
                            })
                            .unwrap();
                            said.transaction = Some((count(said) + 1).to_string());
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(count(&kept.said(case, 0)), 40);
        assert_eq!(count(&kept.said(case, 1)), 40);
        assert!(kept.0.lock().reserved.is_empty());
    }

    #[test]
    fn rows_that_are_being_made_count() {
        let place = tempfile::tempdir().unwrap();
        let kept = kept(place.path());
        let one = Subscription::new("token:RIS\nA", "1.2");
        let place = Place::Subscription(one.key(), one.visitor().to_owned());
        let (reserved, ()) = kept.0.reserve(|_| Ok((vec![place.clone()], ()))).unwrap();
        assert_eq!(kept.0.lock().visitors().collect::<Vec<_>>(), ["token:RIS"]);
        drop(reserved);
        kept.subscribe(one).unwrap();
        let (_reserved, ()) = kept.0.reserve(|_| Ok((vec![place.clone()], ()))).unwrap();
        assert_eq!(kept.0.lock().visitors().count(), 1);
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
