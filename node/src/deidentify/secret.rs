//! What stands for what: UIDs, pseudonyms and the days by which dates move, all derived from one secret. Whoever has
//! it gets the same again, for a study that is sent again or for another of the same patient; nobody else can tell what
//! they stand for.

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::dicom::uid::{Uid, trim_padding};
use crate::studies::person::Person;

/// Days by which dates move at least: more than the time in which somebody remembers a visit.
const DAYS_LEAST: u64 = 365;
/// Days by which they move at most.
const DAYS_MOST: u64 = 3650;
/// Root of the UIDs that the standard itself defines: they name nothing of one place.
const STANDARD_ROOT: &[u8] = b"1.2.840.10008.";
/// Letters of pseudonyms: those that cannot be taken for each other (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a pseudonym: 60 bits, so that two patients do not meet.
const PSEUDONYM_LETTERS: u32 = 12;

/// The secret of one purpose. Clears itself, has no `Debug`.
#[derive(Zeroize, ZeroizeOnDrop, Encode, Decode)]
#[cbor(transparent)]
pub struct Secret(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; 32],
);

impl Secret {
    /// A new one.
    pub fn from_rng(rng: &mut impl CryptoRng) -> Secret {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Secret(bytes)
    }

    /// One of known bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// The UID that stands for a UID, which may break the rules of UIDs. Those of the standard stay.
    pub fn uid(&self, original: &[u8]) -> Vec<u8> {
        let original = trim_padding(original);
        if original.is_empty() || original.starts_with(STANDARD_ROOT) {
            return original.to_vec();
        }
        let [digest, ..] = self.derived(b"uid", &[original]);
        Uid::derived(digest.to_be_bytes())
            .as_str()
            .as_bytes()
            .to_vec()
    }

    /// What stands for a patient: as ID and as name.
    pub fn pseudonym(&self, person: &Person) -> String {
        let [number, ..] = self.derived(b"patient", &person.parts());
        let letter = |at: u32| char::from(LETTERS[(number >> (5 * at)) as usize % LETTERS.len()]);
        std::iter::once('P')
            .chain((0..PSEUDONYM_LETTERS).map(letter))
            .collect()
    }

    /// The days by which everything of a patient lies earlier.
    pub fn days(&self, person: &Person) -> i64 {
        let [number, ..] = self.derived(b"days", &person.parts());
        let days = DAYS_LEAST + (number as u64) % (DAYS_MOST - DAYS_LEAST + 1);
        days as i64
    }

    fn derived(&self, label: &[u8], parts: &[&[u8]]) -> [u128; 2] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in std::iter::once(&label).chain(parts) {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        let (one, two) = digest.as_bytes().split_at(16);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
        };
        [number(one), number(two)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::identity::Identity;
    use crate::studies::patient::Patient;
    use dokuei_keys::id::SiteId;

    /// The person of study `1.2`.
    fn person(id: &str, issuer: &str, name: &str) -> Person {
        let patient = Patient {
            id: id.to_owned(),
            issuer: issuer.to_owned(),
        };
        let names = [name.to_owned(), String::new(), String::new()];
        let identity = Identity::named(patient, names, "19700101");
        Person::of(SiteId::from_bytes([1; 32]), "1.2", &identity)
    }

    #[test]
    fn the_same_secret_gives_the_same_and_another_does_not() {
        let (one, two) = (Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]));
        assert_eq!(one.uid(b"1.2.3"), one.uid(b"1.2.3\0"));
        assert_ne!(one.uid(b"1.2.3"), one.uid(b"1.2.4"));
        assert_ne!(one.uid(b"1.2.3"), two.uid(b"1.2.3"));
        assert!(Uid::parse(&one.uid(b"no UID")).is_ok());
        assert_eq!(one.uid(b"1.2.840.10008.1.4.1.1"), b"1.2.840.10008.1.4.1.1");
        assert_eq!(one.uid(b""), b"");
    }

    #[test]
    fn one_person_has_one_pseudonym() {
        let secret = Secret::from_bytes([1; 32]);
        let of = |id, issuer| secret.pseudonym(&person(id, issuer, "yamada"));
        // Another hospital gives the same ID to somebody else.
        assert_ne!(of("1", ""), secret.pseudonym(&person("1", "", "satou")));
        assert_eq!(of("1", "A"), of("1", "A"));
        assert_ne!(of("1", "A"), of("1", "B"));
        assert_ne!(of("1A", ""), of("1", "A"));
        assert_eq!(of("1", "A").len(), 13);
        let days = (0..1000).map(|id| secret.days(&person(&id.to_string(), "", "yamada")));
        let days: Vec<i64> = days.collect();
        assert!(days.iter().all(|days| (365..=3650).contains(days)));
        assert!(days.iter().any(|other| *other != days[0]));
    }
}
