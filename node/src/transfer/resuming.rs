//! What of a transfer is here already, from an earlier run or from a medium, and so what is missing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use dokuei_compression::Effort;
use dokuei_protocol::study::manifest::ManifestEntry;

use crate::ahead::hand_over;
use crate::network::{Part, RangeRequest};
use crate::packs;
use crate::parcels::{OpenError, OpenedObject, scan};
use crate::transfer::Content;
use crate::transfer::counts::remove;
use crate::transfer::sink::{Arriving, State, TransferSink};

/// What stands for a stream where a pack is here already.
const HERE: u16 = u16::MAX;

impl State {
    /// Has packs that are here wait to be opened, the most useful last.
    fn wait(&mut self, whole: &BTreeMap<u32, Effort>) {
        let by_use = self.plan.by_use().to_vec();
        for pack in by_use.into_iter().rev() {
            if let Some(effort) = whole.get(&pack)
                && self.plan.reserve(pack, HERE)
            {
                self.waiting.push((pack, *effort));
            }
        }
    }
}

impl TransferSink {
    /// Takes up what an earlier run left, or a medium brought, or came ahead of the grant: objects that are here and what the
    /// manifest says, and packs that are here whole, which wait for [`TransferSink::open_waiting`]. Anything else of it goes.
    pub(crate) fn take_up(&self) -> io::Result<()> {
        let (parcels, parcel) = (&self.arriving.parcels, self.manifest.parcel);
        let carried = parcels.carried(&parcel);
        hand_over(parcels, &parcel)?;
        for (position, entry) in self.manifest.objects.iter().enumerate() {
            let file = parcels.file_of(&parcel, entry.slot);
            if !self.take_up_object(position, entry)? {
                // What is carried is sealed as what lies here.
                match std::fs::rename(carried.join(entry.slot.to_string()), &file) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
                if !self.take_up_object(position, entry)? {
                    remove(&file)?;
                }
            }
        }
        parcels.remove_carried(&parcel)?;
        {
            let mut state = self.lock();
            let State { plan, verified, .. } = &mut *state;
            plan.hold_objects(|position| verified.contains(&position));
            self.progress.find(plan.held_bytes());
        }
        let mut whole = BTreeMap::new();
        let packs = self.packs()?;
        for (pack, effort, file) in &packs {
            if self.open(*pack, file).is_ok() {
                whole.insert(*pack, *effort);
            }
        }
        // One that is not whole goes on, unless it is here with another effort.
        for (pack, effort, file) in &packs {
            if whole.get(pack).is_some_and(|other| other != effort) {
                remove(file)?;
            }
        }
        self.lock().wait(&whole);
        self.progress
            .received
            .store(self.counts.cost().received, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the objects out of the packs that wait, one pack after the other, beside others that do the same.
    ///
    /// # Errors
    /// As the file system says.
    pub(crate) fn open_waiting(&self) -> io::Result<()> {
        loop {
            let waiting = self.lock().waiting.pop();
            let Some((pack, effort)) = waiting else {
                return Ok(());
            };
            // What is in it may have been here as well.
            if !self.lock().plan.is_held(pack) {
                self.pack_came(pack, effort, true)?;
            }
        }
    }

    /// Notes an object that lies here; false when none does, or it is not what the manifest says.
    fn take_up_object(&self, position: usize, entry: &ManifestEntry) -> io::Result<bool> {
        let Arriving {
            parcels, key, site, ..
        } = &self.arriving;
        let opened = OpenedObject::open(parcels, key, self.manifest.parcel, *site, entry.slot);
        let found = opened.and_then(|mut opened| {
            if opened.length() != entry.length {
                return Ok(None);
            }
            let (scanned, digest) = match self.arriving.content {
                Content::Study => (scan(&mut opened, false)?, opened.digest()),
                Content::Opaque => (None, Some(opened.verify()?)),
            };
            let whole = scanned.is_some() || self.arriving.content == Content::Opaque;
            Ok((whole && digest == Some(entry.digest)).then_some(scanned))
        });
        match found {
            Ok(Some(scanned)) => {
                self.verified(position, entry, scanned);
                Ok(true)
            }
            Ok(None) | Err(OpenError::Damaged) => Ok(false),
            Err(OpenError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(OpenError::Disk(error)) => Err(error),
        }
    }

    /// Numbers, efforts and files of the packs that are here, whole or not.
    pub(super) fn packs(&self) -> io::Result<Vec<(u32, Effort, PathBuf)>> {
        let (parcels, parcel) = (&self.arriving.parcels, self.manifest.parcel);
        let numbers = 0..self.lock().plan.packs();
        let mut all = Vec::new();
        for effort in [Effort::Fast, Effort::Dense] {
            let name = packs::name(effort);
            let packs = parcels.packs(&parcel, name)?.into_iter();
            let known = packs.filter(|pack| numbers.contains(pack));
            all.extend(known.map(|pack| (pack, effort, parcels.pack_of(&parcel, pack, name))));
        }
        Ok(all)
    }

    /// Everything that is missing, to be made with this effort; what was begun with another one goes on with that.
    ///
    /// # Errors
    /// As the file system says.
    pub(crate) fn missing(&self, effort: Effort) -> io::Result<Vec<RangeRequest>> {
        let mut here = BTreeMap::new();
        for (pack, begun_with, file) in self.packs()? {
            match here.entry(pack) {
                Entry::Vacant(first) => drop(first.insert((begun_with, file.metadata()?.len()))),
                Entry::Occupied(_) => remove(&file)?,
            }
        }
        let mut state = self.lock();
        state.plan.stream_lost(0);
        if state.waiting.is_empty() {
            // What waited and was not what it should be is missing.
            state.plan.stream_lost(HERE);
        }
        let waiting: u64 = here.values().map(|(_, length)| length).sum();
        let mut missing = Vec::new();
        while let Some(pack) = state.plan.ask(0) {
            let longest = packs::longest(
                state.plan.bytes(pack).unwrap_or(0),
                state.plan.pieces(pack).count(),
            );
            let (effort, offset) = here.get(&pack).copied().unwrap_or((effort, 0));
            missing.push(RangeRequest {
                parcel: self.manifest.parcel.to_bytes(),
                part: Part::Pack(pack, effort),
                offset,
                length: longest.saturating_sub(offset),
            });
        }
        drop(state);
        // What was received by now and is neither accepted nor waiting for the rest was received in vain.
        let cost = self.counts.cost();
        let again = cost.received.saturating_sub(cost.accepted + waiting);
        self.progress.again.store(again, Ordering::Relaxed);
        Ok(missing)
    }
}
