//! Which objects lie here that a visitor may see: the studies of this site, and those that partners granted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use dicom_dictionary_std::tags;
use dokuei_keys::id::{Digest, ParcelId, SiteId};
use dokuei_keys::secret::{ContentKey, StorageKey};

use super::route::Place;
use crate::entities::scope::{Domain, Scope};
use crate::parcels::{OpenError, OpenedObject, Parcels};
use crate::store::{Rows, Store};
use crate::studies::granted::GrantedStudies;
use crate::studies::register::Register;
use crate::studies::study::{Study, StudyObject};

/// What lies here. Clones share it.
pub(super) struct Holdings {
    pub register: Register,
    pub granted: GrantedStudies,
    pub store: Store,
    pub storage: StorageKey,
    pub site: SiteId,
}

/// What of it an answer may hold.
#[derive(Clone)]
pub(super) struct View {
    /// What the visitor may see.
    pub scope: Scope,
    /// The domain to which the answer is limited, by its token.
    pub domain: Option<String>,
}

/// One object.
#[derive(Clone)]
pub(super) struct Held {
    pub parcel: ParcelId,
    pub sealer: SiteId,
    pub slot: u32,
    pub study: String,
    pub series: String,
    pub instance: String,
    pub content: Digest,
    number: (Option<i32>, Option<i32>),
}

/// The name of a domain in addresses: stable, and opaque to whoever does not know the domain.
pub fn domain_token(domain: &Domain) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("dokuei 2026 domain token in web addresses");
    hasher.update(domain.institution.as_bytes());
    hasher.update(domain.issuer.as_bytes());
    let digest = hasher.finalize();
    let bytes = digest.as_bytes().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The domain of a study of this site.
pub(super) fn domain_of(institution: SiteId, study: &Study) -> Domain {
    Domain {
        institution,
        issuer: study.attributes.text(tags::ISSUER_OF_PATIENT_ID),
    }
}

impl Holdings {
    /// The objects at a place, each once, in the order of their series and instance numbers. Of an object that lies here
    /// more than once, this site's own comes first.
    pub(super) fn objects(&self, view: &View, place: &Place) -> Vec<Held> {
        let Some(uid) = &place.study else {
            return Vec::new();
        };
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut take = |institution: SiteId, study: &Study| {
            if study.uid == uid.as_str() && self.may_see(view, institution, study) {
                let objects = study
                    .objects
                    .iter()
                    .map(|object| held(institution, study, object));
                found.extend(
                    objects.filter(|held| is_at(place, held) && seen.insert(held.instance.clone())),
                );
            }
        };
        for parcel in self.register.parcels_of(uid.as_str()) {
            self.register.look(&parcel, |study| take(self.site, study));
        }
        self.granted.look_at_all(|_, from, study| take(from, study));
        found.sort_by(|one, other| {
            (one.number, &one.series, &one.instance).cmp(&(
                other.number,
                &other.series,
                &other.instance,
            ))
        });
        found
    }

    fn may_see(&self, view: &View, institution: SiteId, study: &Study) -> bool {
        let domain = domain_of(institution, study);
        let is_asked = |wanted: &String| domain_token(&domain) == *wanted;
        view.scope.contains(&domain, self.site) && view.domain.as_ref().is_none_or(is_asked)
    }

    /// Opens an object. None when its time here is over. Blocks.
    ///
    /// # Errors
    /// When it is damaged or the disk fails.
    pub(super) fn open(
        &self,
        keys: &mut Keys,
        held: &Held,
    ) -> Result<Option<OpenedObject>, OpenError> {
        let Some(key) = keys.of(self, held)? else {
            return Ok(None);
        };
        let opened = OpenedObject::open(self.parcels(), key, held.parcel, held.sealer, held.slot);
        match opened {
            Err(OpenError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn parcels(&self) -> &Parcels {
        self.register.parcels()
    }

    fn key(&self, parcel: &ParcelId) -> Result<Option<ContentKey>, OpenError> {
        if let Some(key) = self.register.key(parcel) {
            return Ok(Some(key));
        }
        let wrapped = self.store.row(Rows::ContentKeys, parcel.as_bytes());
        let wrapped = wrapped.map_err(|error| OpenError::Disk(io::Error::other(error)))?;
        wrapped
            .map(|wrapped| self.storage.unwrap_content_key(parcel, &wrapped))
            .transpose()
            .map_err(OpenError::from)
    }
}

/// The keys of the parcels that one answer opens: a handful.
#[derive(Default)]
pub(super) struct Keys(BTreeMap<ParcelId, Option<ContentKey>>);

impl Keys {
    fn of(&mut self, holdings: &Holdings, held: &Held) -> Result<Option<&ContentKey>, OpenError> {
        let key = match self.0.entry(held.parcel) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(holdings.key(&held.parcel)?)
            }
        };
        Ok(key.as_ref())
    }
}

fn held(sealer: SiteId, study: &Study, object: &StudyObject) -> Held {
    let series = study.series.get(usize::from(object.series));
    Held {
        parcel: study.parcel,
        sealer,
        slot: object.slot,
        study: study.uid.clone(),
        series: series.map(|series| series.uid.clone()).unwrap_or_default(),
        instance: object.sop_instance.clone(),
        content: object.content,
        number: (series.and_then(|series| series.number), object.number),
    }
}

fn is_at(place: &Place, held: &Held) -> bool {
    let is = |uid: &Option<crate::dicom::uid::Uid>, text: &str| {
        uid.as_ref().is_none_or(|uid| uid.as_str() == text)
    };
    is(&place.series, &held.series) && is(&place.instance, &held.instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_token_and_it_says_nothing() {
        let domain = |byte, issuer: &str| Domain {
            institution: SiteId::from_bytes([byte; 32]),
            issuer: issuer.to_owned(),
        };
        let known = domain_token(&domain(1, "HOSPITAL"));
        assert_eq!(known, domain_token(&domain(1, "HOSPITAL")));
        assert_eq!(known.len(), 32);
        for other in [domain(1, ""), domain(2, "HOSPITAL"), domain(1, "HOSPITAL2")] {
            assert_ne!(known, domain_token(&other));
        }
    }
}
