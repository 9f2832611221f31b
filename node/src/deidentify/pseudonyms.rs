//! What stands for whom, kept at the site that had the images made and nowhere else: a secret for each purpose, and,
//! where it was asked for, the way back from a pseudonymous study to its patient. Rows of the store, sealed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use dokuei_keys::secret::StorageKey;
use minicbor::{Decode, Encode};

use super::secret::Secret;
use crate::chance::chance;
use crate::reports::subject::{SOURCES, Source, Subject};
use crate::store::{Rows, Store, StoreError, sealed};
use crate::studies::attributes::Attributes;

/// Form of a purpose's row. A change needs a new table and a migration.
pub const PURPOSE_VERSION: u8 = 1;
/// Form of the row of a pseudonymous study.
pub const ORIGINAL_VERSION: u8 = 1;

/// Held while a purpose gets its secret, so that it never gets two.
static MAKING: Mutex<()> = Mutex::new(());

/// A purpose for which objects are de-identified: a study, a register, an agreement, a case. The same purpose gives
/// the same pseudonyms; what was made for two cannot be put together.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct Purpose {
    /// [`PURPOSE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// As it was told.
    #[n(1)]
    pub purpose: String,
    /// What everything of it is derived from.
    #[n(2)]
    pub secret: Secret,
}

/// Whom a pseudonymous study is of. Holds patient data: no `Debug`.
#[derive(Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Original {
    /// [`ORIGINAL_VERSION`].
    #[n(0)]
    pub version: u8,
    /// For what it was made.
    #[n(1)]
    pub purpose: String,
    /// What stands for the patient.
    #[n(2)]
    pub pseudonym: String,
    /// The study's own Study Instance UID.
    #[n(3)]
    pub study: String,
    /// Its patient and study attributes, as they came.
    #[n(4)]
    pub attributes: Attributes,
    /// The SOP Instance UIDs of its objects: the first [`SOURCES`], as many as a report names.
    #[n(5)]
    pub instances: Vec<String>,
}

/// The pseudonyms of one site.
pub struct Pseudonyms<'a> {
    /// Where they lie.
    pub store: &'a Store,
    /// What they are sealed under.
    pub storage: &'a StorageKey,
}

impl Pseudonyms<'_> {
    /// The secret of a purpose, made when it has none.
    ///
    /// # Errors
    /// When the store fails or the row is damaged: another secret would make other pseudonyms.
    pub fn secret(&self, purpose: &str) -> Result<Secret, StoreError> {
        let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let key = purpose_key(purpose);
        if let Some(known) = self.row::<Purpose>(Rows::Purposes, &key)? {
            return Ok(known.secret);
        }
        let made = Purpose {
            version: PURPOSE_VERSION,
            purpose: purpose.to_owned(),
            secret: Secret::from_rng(&mut chance()),
        };
        self.put(Rows::Purposes, &key, &made)?;
        Ok(made.secret)
    }

    /// Keeps the way back from a pseudonymous study.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep(&self, pseudonymous: &str, original: &Original) -> Result<(), StoreError> {
        self.put(Rows::Pseudonyms, pseudonymous.as_bytes(), original)
    }

    /// What a pseudonymous study is made from, by its Study Instance UID; none when no way back is kept.
    ///
    /// # Errors
    /// When the store fails or the row is damaged.
    pub fn original(&self, pseudonymous: &str) -> Result<Option<Original>, StoreError> {
        self.row(Rows::Pseudonyms, pseudonymous.as_bytes())
    }

    /// The Study Instance UIDs of every pseudonymous study to which a way back is kept.
    ///
    /// # Errors
    /// When the store fails.
    pub fn studies(&self) -> Result<Vec<String>, StoreError> {
        let keys = self.store.sizes(Rows::Pseudonyms)?.into_iter();
        Ok(keys
            .map(|(key, _)| String::from_utf8_lossy(&key).into_owned())
            .collect())
    }

    /// Every study of a pseudonym, with its pseudonymous Study Instance UID.
    ///
    /// # Errors
    /// When the store fails or a row is damaged.
    pub fn studies_of(&self, pseudonym: &str) -> Result<Vec<(String, Original)>, StoreError> {
        let mut found = Vec::new();
        for (key, row) in self.store.rows(Rows::Pseudonyms)? {
            let original: Original = sealed::open(self.storage, Rows::Pseudonyms, &key, &row)?;
            if original.pseudonym == pseudonym {
                found.push((String::from_utf8_lossy(&key).into_owned(), original));
            }
        }
        Ok(found)
    }

    /// A report's subject with the patient, the study and the images that it is really about; as it is when the study
    /// is no pseudonymous one of this site.
    ///
    /// # Errors
    /// When the store fails or a row is damaged: a report must not be put to nobody.
    pub fn reidentify(&self, subject: Subject) -> Result<Subject, StoreError> {
        let Some(original) = self.original(&subject.study)? else {
            return Ok(subject);
        };
        let purpose = self.row::<Purpose>(Rows::Purposes, &purpose_key(&original.purpose))?;
        // Without its secret the images keep the names that the reader knows.
        let mut own = HashMap::new();
        if let Some(Purpose { secret, .. }) = &purpose {
            let instances = original.instances.iter();
            own.extend(instances.map(|uid| (secret.uid(uid.as_bytes()), uid)));
        }
        let sources = subject.sources.into_iter().map(|source| Source {
            sop_instance: match own.get(source.sop_instance.as_bytes()) {
                Some(own) => (*own).clone(),
                None => source.sop_instance,
            },
            sop_class: source.sop_class,
        });
        let sources = sources.collect();
        Ok(Subject {
            sources,
            attributes: original.attributes,
            study: original.study,
            ..subject
        })
    }

    fn row<T: for<'b> Decode<'b, ()>>(
        &self,
        rows: Rows,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let row = self.store.row(rows, key)?;
        row.map(|row| sealed::open(self.storage, rows, key, &row))
            .transpose()
    }

    fn put(&self, rows: Rows, key: &[u8], content: &impl Encode<()>) -> Result<(), StoreError> {
        self.store
            .commit(sealed::put(self.storage, rows, key, content)?)
    }
}

impl Original {
    /// The way back to a study.
    pub fn new(purpose: &str, pseudonym: String, study: &str, attributes: Attributes) -> Original {
        Original {
            version: ORIGINAL_VERSION,
            purpose: purpose.to_owned(),
            pseudonym,
            study: study.to_owned(),
            attributes,
            instances: Vec::new(),
        }
    }

    /// Notes one of its objects.
    pub fn note(&mut self, instance: &str) {
        if self.instances.len() < SOURCES {
            self.instances.push(instance.to_owned());
        }
    }
}

/// Rows are found by a digest: a purpose is a text of any length.
fn purpose_key(purpose: &str) -> [u8; 32] {
    *blake3::hash(purpose.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dokuei_keys::id::Digest;
    use dokuei_keys::secret::Secret32;

    fn subject(study: &str, instance: &str) -> Subject {
        Subject {
            attributes: Attributes::default(),
            study: study.to_owned(),
            series: 1,
            objects: 1,
            images: Digest::from_bytes([1; 32]),
            sources: vec![Source {
                sop_class: "1.2".to_owned(),
                sop_instance: instance.to_owned(),
            }],
            modalities: "CT".to_owned(),
            requester: "clinic".to_owned(),
            reader: "hospital".to_owned(),
        }
    }

    #[test]
    fn a_purpose_keeps_its_secret_and_a_subject_finds_its_patient_again() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store.redb")).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([10; 32]));
        let pseudonyms = Pseudonyms {
            store: &store,
            storage: &storage,
        };
        let secret = pseudonyms.secret("a register").unwrap();
        let again = pseudonyms.secret("a register").unwrap();
        let other = pseudonyms.secret("another").unwrap();
        let text = |secret: &Secret, uid: &[u8]| String::from_utf8(secret.uid(uid)).unwrap();
        assert_eq!(text(&secret, b"1.2.3"), text(&again, b"1.2.3"));
        assert_ne!(text(&secret, b"1.2.3"), text(&other, b"1.2.3"));

        let mut original = Original::new(
            "a register",
            "P1".to_owned(),
            "1.2.3",
            Attributes::default(),
        );
        original.note("1.2.3.4");
        let study = text(&secret, b"1.2.3");
        pseudonyms.keep(&study, &original).unwrap();
        let found = pseudonyms.studies_of("P1").unwrap();
        assert_eq!(pseudonyms.studies().unwrap(), std::slice::from_ref(&study));
        assert!(found.len() == 1 && found[0].0 == study && found[0].1 == original);
        assert!(pseudonyms.studies_of("P2").unwrap().is_empty());

        let known = pseudonyms
            .reidentify(subject(&study, &text(&secret, b"1.2.3.4")))
            .unwrap();
        assert!(known == subject("1.2.3", "1.2.3.4"));
        let unknown = subject("9.9", "9.9.9");
        assert!(pseudonyms.reidentify(unknown.clone()).unwrap() == unknown);
        // Sealed: nothing of it lies readable.
        let bytes = std::fs::read(home.path().join("store.redb")).unwrap();
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!has(b"a register") && !has(b"1.2.3.4"));
    }
}
