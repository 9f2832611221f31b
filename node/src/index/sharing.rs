//! The studies here that this site and one partner have both had, for what arrives of them again.

use std::collections::BTreeSet;
use std::sync::Arc;

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_protocol::effect::Shared;

use super::holdings::Holdings;
use crate::entities::Scope;
use crate::studies::study::Study;
use crate::transfer::known::{Known, KnownObject, KnownParcel, Shelves};

/// The parcels that a partner may know of. No others are ever looked into for it.
struct SharedStudies {
    holdings: Holdings,
    with: SiteId,
    parcels: BTreeSet<ParcelId>,
}

impl Holdings {
    /// Where objects may lie of a study that `from` grants; none when that has given and been given nothing that is here.
    pub fn shared(&self, from: SiteId, shared: Shared) -> Option<Arc<Known>> {
        if shared.parcels.is_empty() {
            return None;
        }
        let known = Known::new(Box::new(SharedStudies {
            holdings: self.clone(),
            with: from,
            parcels: shared.parcels,
        }));
        let earlier = shared.earlier.map(|case| self.0.granted.head(case));
        // One that cannot be read is found out when an object has come.
        if let Some(Ok(Some(head))) = earlier {
            known.came(&head.study.uid);
        }
        Some(Arc::new(known))
    }
}

impl Shelves for SharedStudies {
    fn parcels_of(&self, uid: &str) -> Vec<ParcelId> {
        let entries = self.holdings.with_uid(&Scope::All, uid).into_iter();
        let theirs = entries.filter(|entry| entry.key.institution == self.with);
        let whole = theirs.flat_map(|entry| {
            let parts = entry.parts.iter().filter(|part| part.awaited == 0);
            parts.map(|part| part.parcel).collect::<Vec<_>>()
        });
        let own = self.holdings.0.register.parcels_of(uid);
        let all = whole.chain(own);
        all.filter(|parcel| self.parcels.contains(parcel)).collect()
    }

    fn parcel(&self, parcel: &ParcelId) -> Option<KnownParcel> {
        let shared = &self.holdings.0;
        // Destroyed meanwhile, or damaged: then it comes again.
        let key = self.holdings.key(parcel).ok().flatten()?;
        let own = shared.register.look(parcel, objects);
        let (site, objects) = match own {
            Some(objects) => (shared.site, objects),
            None => (self.with, shared.granted.look(parcel, objects)?),
        };
        Some(KnownParcel {
            parcel: *parcel,
            site,
            key,
            objects,
        })
    }
}

fn objects(study: &Study) -> Vec<KnownObject> {
    let objects = study.objects.iter().map(|object| KnownObject {
        slot: object.slot,
        length: object.length,
        class: object.class,
    });
    objects.collect()
}
