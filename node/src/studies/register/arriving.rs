//! The studies that take objects, with everything that is known of them, and where each of their objects lies by its
//! SOP Instance UID.

use std::collections::BTreeMap;

use dokuei_keys::id::{Digest, ParcelId};

use super::held::Held;
use super::looking::HeldObject;
use crate::dicom::header::Header;
use crate::parcels::SealedObject;
use crate::studies::study::Study;

/// Studies by their parcels.
#[derive(Default)]
pub(super) struct Arriving {
    studies: BTreeMap<ParcelId, Held>,
    /// Parcel and position in its list of objects. No two arriving objects have one UID.
    names: BTreeMap<String, (ParcelId, usize)>,
}

impl Arriving {
    /// Lets a study take objects.
    pub(super) fn put(&mut self, held: Held) {
        let parcel = held.study.parcel;
        for (at, object) in held.study.objects.iter().enumerate() {
            self.names.insert(object.sop_instance.clone(), (parcel, at));
        }
        self.studies.insert(parcel, held);
    }

    pub(super) fn of(&self, parcel: &ParcelId) -> Option<&Held> {
        self.studies.get(parcel)
    }

    pub(super) fn of_mut(&mut self, parcel: &ParcelId) -> Option<&mut Held> {
        self.studies.get_mut(parcel)
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Held> {
        self.studies.values()
    }

    /// The study with this UID that takes objects now.
    pub(super) fn open_mut(&mut self, uid: &str) -> Option<&mut Held> {
        let mut studies = self.studies.values_mut();
        studies.find(|held| held.study.uid == uid && held.is_open())
    }

    /// The object with this SOP Instance UID.
    pub(super) fn object(&self, instance: &str) -> Option<HeldObject> {
        let (parcel, at) = self.names.get(instance)?;
        let study = &self.of(parcel)?.study;
        Some(HeldObject::of(study, study.objects.get(*at)?))
    }

    /// Adds an object of which there is none with its UID, and gives its study; none when that is not here.
    pub(super) fn add(
        &mut self,
        (parcel, slot): (ParcelId, u32),
        header: &Header,
        (sealed, content): (SealedObject, Digest),
        at: u64,
    ) -> Option<&Study> {
        let study = &mut self.studies.get_mut(&parcel)?.study;
        let name = header.sop_instance().as_str().to_owned();
        self.names.insert(name, (parcel, study.objects.len()));
        study.add(header, slot, sealed, content, at);
        Some(study)
    }

    /// Takes a study out that `may` go.
    pub(super) fn take_if(
        &mut self,
        parcel: &ParcelId,
        may: impl FnOnce(&Held) -> bool,
    ) -> Option<Held> {
        self.of(parcel).filter(|held| may(held))?;
        let held = self.studies.remove(parcel)?;
        for object in &held.study.objects {
            self.names.remove(&object.sop_instance);
        }
        Some(held)
    }

    /// Takes out all that may go.
    pub(super) fn take_all(&mut self, may: impl Fn(&Held) -> bool) -> Vec<Held> {
        let parcels = self.each().filter(|held| may(held));
        let parcels: Vec<ParcelId> = parcels.map(|held| held.study.parcel).collect();
        let taken = parcels
            .iter()
            .filter_map(|parcel| self.take_if(parcel, |_| true));
        taken.collect()
    }
}
