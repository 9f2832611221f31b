//! Whose studies are that are of somebody else than their images name: what people decided, or what two identifiers said
//! when it came on a medium. The images keep what they say. Rows of the store, sealed. Holds patient data: no `Debug`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dokuei_keys::id::{Digest, SiteId};
use dokuei_keys::secret::StorageKey;
use minicbor::{Decode, Encode};

use crate::index::catalogue::Catalogue;
use crate::store::{Rows, SealedRows, Store};
use crate::studies::attributes::Attributes;
use crate::studies::identity::Identity;
use crate::studies::person::Person;
use crate::studies::register::RegisterError;

/// Form of stored rows.
pub const ATTRIBUTION_VERSION: u8 = 1;

/// Whose one study is.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Attribution {
    /// [`ATTRIBUTION_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Study Instance UID.
    #[n(1)]
    pub study: String,
    /// Whose it is.
    #[n(2)]
    pub person: Person,
}

/// Whose the studies of this site are. Clones share it.
#[derive(Clone)]
pub struct Persons(Arc<Shared>);

struct Shared {
    site: SiteId,
    rows: SealedRows<Attribution>,
    catalogue: Catalogue,
    /// One a study that came on a medium and was decided about, a few hundred bytes each.
    held: Mutex<BTreeMap<String, Person>>,
    /// Held while one is changed: one change after the other, and those who only read wait for no disk.
    changing: Mutex<()>,
}

impl Persons {
    /// Opens the rows, and tells the catalogue.
    ///
    /// # Errors
    /// [`RegisterError`] when one cannot be opened.
    pub fn open(
        site: SiteId,
        (store, storage): (Store, StorageKey),
        catalogue: Catalogue,
    ) -> Result<Persons, RegisterError> {
        let mut held = BTreeMap::new();
        let rows: SealedRows<Attribution> =
            SealedRows::new(Rows::Persons, store, Arc::new(storage));
        for (_, kept) in rows.all()? {
            if kept.version != ATTRIBUTION_VERSION {
                return Err(RegisterError::Damaged);
            }
            catalogue.attribute(site, &kept.study, Some(kept.person.clone()));
            held.insert(kept.study, kept.person);
        }
        Ok(Persons(Arc::new(Shared {
            site,
            rows,
            catalogue,
            held: Mutex::new(held),
            changing: Mutex::new(()),
        })))
    }

    /// The person of whom it was said that a study is; none where its images say it.
    pub fn said_of(&self, study: &str) -> Option<Person> {
        self.lock().get(study).cloned()
    }

    /// Whose a study with these attributes is.
    pub fn of(&self, study: &str, attributes: &Attributes) -> Person {
        let said = self.said_of(study);
        said.unwrap_or_else(|| Person::of(self.0.site, study, &Identity::of(attributes)))
    }

    /// Notes whose a study is; none: whom its images name.
    ///
    /// # Errors
    /// [`RegisterError`]; it stays as it was.
    pub fn attribute(&self, study: &str, person: Option<Person>) -> Result<(), RegisterError> {
        let shared = &self.0;
        // A digest: rows are sealed, their keys are not.
        let key = *Digest::of(study.as_bytes()).as_bytes();
        let changing = shared.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        if self.lock().get(study) == person.as_ref() {
            return Ok(());
        }
        match &person {
            Some(person) => {
                let kept = Attribution {
                    version: ATTRIBUTION_VERSION,
                    study: study.to_owned(),
                    person: person.clone(),
                };
                shared.rows.put(&key, &kept)?;
            }
            None => shared.rows.remove([key])?,
        }
        let mut held = self.lock();
        shared
            .catalogue
            .attribute(shared.site, study, person.clone());
        match person {
            Some(person) => held.insert(study.to_owned(), person),
            None => held.remove(study),
        };
        Ok(())
    }

    /// Every change is one insert or remove: a panic elsewhere leaves the map whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Person>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::register::tests::until;
    use dokuei_keys::secret::Secret32;

    #[test]
    fn nobody_who_asks_waits_for_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.redb")).ok().unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([9; 32]));
        let site = SiteId::from_bytes([7; 32]);
        let kept = (store.clone(), storage);
        let persons = Persons::open(site, kept, Catalogue::default());
        let persons = persons.ok().unwrap();
        let alone = |study: &str| Some(Person::of_study(site, study));
        persons.attribute("1.1", alone("1.1")).ok().unwrap();
        std::thread::scope(|scope| {
            let noted = store.stalled(|| {
                let noted = scope.spawn(|| persons.attribute("1.2", alone("1.2")).is_ok());
                until(|| persons.0.changing.try_lock().is_err());
                assert!(persons.said_of("1.1") == alone("1.1"));
                assert!(persons.said_of("1.2").is_none());
                noted
            });
            assert!(noted.join().unwrap());
        });
        assert!(persons.said_of("1.2") == alone("1.2"));
    }
}
