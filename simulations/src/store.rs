//! A node's disk: transactions that are wholly there or not at all, sealed parcels, and the marks of
//! what of a parcel has arrived.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_keys::id::{Digest, ParcelId, PrekeyId};
use dokuei_keys::secret::{ContentKey, Secret32};
use dokuei_protocol::effect::{KeptPrekey, SecretChange, Step};
use dokuei_protocol::study::manifest::Manifest;
use dokuei_protocol::time::Timestamp;

use crate::parcel::SealedReport;

/// One transaction as it lies on the disk.
struct Frame {
    entries: Vec<Vec<u8>>,
    secrets: Vec<Kept>,
    /// Digest over the whole, written with it: what does not match was torn.
    seal: Digest,
    /// Whether the last entry was cut off within.
    cut: bool,
}

#[derive(Clone)]
enum Kept {
    Prekey(PrekeyId, Timestamp, [u8; 32]),
    Destroyed(PrekeyId),
    Content(ParcelId, [u8; 32]),
    Forgotten(ParcelId),
}

/// What a disk holds of a parcel that is being fetched.
#[derive(Clone, Default)]
struct Marks {
    /// On disk for certain.
    durable: BTreeSet<u32>,
    /// Written, not yet flushed: gone after a crash.
    written: BTreeSet<u32>,
    whole: bool,
}

/// The disk.
#[derive(Default)]
pub(crate) struct Store {
    frames: Vec<Frame>,
    /// Studies that this site has sealed.
    pub(crate) studies: BTreeMap<ParcelId, Manifest>,
    /// Reports that this site has sealed.
    pub(crate) reports: BTreeMap<ParcelId, SealedReport>,
    fetched: BTreeMap<ParcelId, Marks>,
    published: BTreeMap<PrekeyId, Timestamp>,
}

/// What a disk gives back when it is opened.
#[derive(Default)]
pub(crate) struct Opened {
    /// The log's entries, oldest first.
    pub(crate) entries: Vec<Vec<u8>>,
    /// Private halves of prekeys.
    pub(crate) prekeys: BTreeMap<PrekeyId, KeptPrekey>,
    /// Content keys.
    pub(crate) content: BTreeMap<ParcelId, ContentKey>,
    /// The torn remains that were dropped, if a transaction was under way.
    pub(crate) dropped: Option<Torn>,
}

/// What reached the disk of a transaction that did not come to its end.
pub(crate) struct Torn {
    /// Its entries.
    pub(crate) entries: Vec<Vec<u8>>,
    /// Whether the last of them was cut off within.
    pub(crate) cut: bool,
}

impl Frame {
    fn of(step: &Step) -> Frame {
        let secrets: Vec<Kept> = step.secrets.iter().map(Kept::of).collect();
        Frame {
            seal: seal(&step.records, secrets.len()),
            entries: step.records.clone(),
            secrets,
            cut: false,
        }
    }

    fn is_whole(&self) -> bool {
        self.seal == seal(&self.entries, self.secrets.len())
    }
}

fn seal(entries: &[Vec<u8>], secrets: usize) -> Digest {
    let mut all = (secrets as u64).to_be_bytes().to_vec();
    for entry in entries {
        all.extend((entry.len() as u64).to_be_bytes());
        all.extend(entry);
    }
    Digest::of(&all)
}

impl Kept {
    fn of(change: &SecretChange) -> Kept {
        match change {
            SecretChange::KeepPrekey(kept) => {
                Kept::Prekey(kept.id, kept.published, *kept.secret.expose())
            }
            SecretChange::DestroyPrekey(id) => Kept::Destroyed(*id),
            SecretChange::KeepContentKey(parcel, key) => {
                Kept::Content(*parcel, *key.secret().expose())
            }
            SecretChange::DestroyContentKey(parcel) => Kept::Forgotten(*parcel),
        }
    }
}

impl Store {
    /// Writes a transaction.
    pub(crate) fn commit(&mut self, step: &Step) {
        if !step.records.is_empty() || !step.secrets.is_empty() {
            self.frames.push(Frame::of(step));
        }
        for change in &step.secrets {
            match change {
                SecretChange::KeepPrekey(kept) => {
                    self.published.insert(kept.id, kept.published);
                }
                SecretChange::DestroyPrekey(id) => drop(self.published.remove(id)),
                SecretChange::KeepContentKey(..) | SecretChange::DestroyContentKey(_) => {}
            }
        }
    }

    /// When the prekeys were published whose private halves are kept.
    pub(crate) fn published(&self) -> impl Iterator<Item = Timestamp> {
        self.published.values().copied()
    }

    /// The power goes while a transaction is written: `bytes` of its entries reach the disk, not all.
    pub(crate) fn tear(&mut self, step: &Step, bytes: usize) {
        let mut frame = Frame::of(step);
        let mut left = bytes;
        for entry in &mut frame.entries {
            frame.cut |= 0 < left && left < entry.len();
            entry.truncate(left);
            left -= entry.len();
        }
        frame.entries.retain(|entry| !entry.is_empty());
        if !frame.is_whole() {
            self.frames.push(frame);
        }
    }

    /// The power goes: what was not flushed is lost.
    pub(crate) fn lose_power(&mut self) {
        for marks in self.fetched.values_mut() {
            marks.written.clear();
        }
    }

    /// Opens the disk after a start.
    pub(crate) fn open(&mut self) -> Opened {
        let mut opened = Opened::default();
        if self.frames.last().is_some_and(|frame| !frame.is_whole()) {
            opened.dropped = self.frames.pop().map(|frame| Torn {
                entries: frame.entries,
                cut: frame.cut,
            });
        }
        for frame in &self.frames {
            opened.entries.extend(frame.entries.iter().cloned());
            for kept in &frame.secrets {
                opened.take(kept);
            }
        }
        opened
    }

    /// Every entry that is committed, oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.frames.iter().flat_map(|frame| &frame.entries)
    }

    /// Notes that a pack was written; it is flushed with [`Store::flush`].
    pub(crate) fn write_pack(&mut self, parcel: ParcelId, index: u32) {
        let marks = self.fetched.entry(parcel).or_default();
        if !marks.durable.contains(&index) {
            marks.written.insert(index);
        }
    }

    /// Forgets packs that turned out to be damaged.
    pub(crate) fn forget_packs(&mut self, parcel: ParcelId, indices: impl Iterator<Item = u32>) {
        let marks = self.fetched.entry(parcel).or_default();
        for index in indices {
            marks.durable.remove(&index);
            marks.written.remove(&index);
        }
    }

    /// Flushes a parcel's packs.
    pub(crate) fn flush(&mut self, parcel: ParcelId) {
        let marks = self.fetched.entry(parcel).or_default();
        marks.durable.append(&mut marks.written);
    }

    /// Packs that are written and not flushed.
    pub(crate) fn unflushed(&self, parcel: ParcelId) -> usize {
        self.fetched
            .get(&parcel)
            .map_or(0, |marks| marks.written.len())
    }

    /// Notes that every object of a parcel is flushed and matches its digest.
    pub(crate) fn whole(&mut self, parcel: ParcelId) {
        self.flush(parcel);
        self.fetched.entry(parcel).or_default().whole = true;
    }

    /// Whether every object of a parcel is here for certain.
    pub(crate) fn holds(&self, parcel: ParcelId) -> bool {
        self.fetched.get(&parcel).is_some_and(|marks| marks.whole)
    }

    /// The packs that are here for certain.
    pub(crate) fn marks(&self, parcel: ParcelId) -> Vec<u32> {
        let marks = self.fetched.get(&parcel);
        marks.map_or(Vec::new(), |marks| marks.durable.iter().copied().collect())
    }

    /// Throws a study away.
    pub(crate) fn discard(&mut self, parcel: ParcelId) {
        self.fetched.remove(&parcel);
        self.studies.remove(&parcel);
    }

    /// Whether anything of a study is here.
    pub(crate) fn has_some(&self, parcel: ParcelId) -> bool {
        self.fetched.contains_key(&parcel) || self.studies.contains_key(&parcel)
    }
}

impl Opened {
    fn take(&mut self, kept: &Kept) {
        match kept {
            Kept::Prekey(id, published, secret) => {
                let kept = KeptPrekey {
                    id: *id,
                    published: *published,
                    secret: Secret32::from_bytes(*secret),
                };
                self.prekeys.insert(*id, kept);
            }
            Kept::Destroyed(id) => drop(self.prekeys.remove(id)),
            Kept::Content(parcel, key) => {
                let key = ContentKey::from_secret(Secret32::from_bytes(*key));
                self.content.insert(*parcel, key);
            }
            Kept::Forgotten(parcel) => drop(self.content.remove(parcel)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(entries: &[&[u8]]) -> Step {
        Step {
            records: entries.iter().map(|entry| entry.to_vec()).collect(),
            secrets: vec![SecretChange::KeepContentKey(
                ParcelId::from_bytes([1; 32]),
                ContentKey::from_secret(Secret32::from_bytes([2; 32])),
            )],
            effects: Vec::new(),
        }
    }

    #[test]
    fn a_torn_transaction_is_wholly_absent() {
        for bytes in 0..8 {
            let mut store = Store::default();
            store.commit(&step(&[b"first"]));
            store.tear(&step(&[b"four", b"more"]), bytes);
            let opened = store.open();
            assert_eq!(opened.entries, [b"first".to_vec()]);
            let torn = opened.dropped.unwrap();
            assert_eq!(torn.cut, bytes % 4 != 0, "{bytes}");
            store.commit(&step(&[b"four"]));
            assert_eq!(store.open().entries.len(), 2);
        }
    }

    #[test]
    fn a_transaction_that_was_written_to_its_end_is_wholly_there() {
        let mut store = Store::default();
        store.commit(&step(&[b"four", b"more"]));
        let opened = store.open();
        assert_eq!(opened.entries.len(), 2);
        assert_eq!(opened.content.len(), 1);
        assert!(opened.dropped.is_none());
    }

    #[test]
    fn what_was_not_flushed_is_lost() {
        let (mut store, parcel) = (Store::default(), ParcelId::from_bytes([1; 32]));
        store.write_pack(parcel, 0);
        store.flush(parcel);
        store.write_pack(parcel, 1);
        store.lose_power();
        assert_eq!(store.marks(parcel), [0]);
        assert!(!store.holds(parcel));
    }
}
