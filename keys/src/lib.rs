//! What a site can prove and what it can hide.
//!
//! Everything here is a function over bytes: no clock, no disk, no socket, no randomness of its own. Times are
//! arguments ([`UnixSeconds`]), and so is the random source (`rand_core::CryptoRng`).
//!
//! | room | what it holds |
//! |---|---|
//! | [`id`] | the 32-byte names of sites, nodes, persons, parcels, prekeys, documents and objects |
//! | [`secret`] | zeroizing wrappers without `Debug` |
//! | [`signing`] | Ed25519, strictly verified |
//! | [`labels`] | every signing and derivation label, in one table |
//! | [`cbor`] | deterministic CBOR, strictly decoded |
//! | [`signed`] | documents as COSE_Sign1; verifying is the only way to a content |
//! | [`delegation`] | site root → site key → nodes, persons, log; revocation |
//! | [`prekey`] | the short-lived X-Wing keys that open grants |
//! | [`envelope`] | wraps a parcel's content key for one recipient |
//! | [`sealed`] | the seekable, key-committing encrypted stream of one object |
//! | [`storage`] | rows and content keys at rest |
//! | [`keyfile`] | a site's secrets under a passphrase |
//! | [`pairing`] | the short code two people exchange before their sites know each other |
//! | [`error`] | one class of refusal towards a peer, one reason for the operator |
//!
//! A study on its way, from one site to another:
//!
//! ```
//! use dokuei_keys::sealed::{commitment, open, seal};
//! use dokuei_keys::{
//!     ContentKey, GrantContext, ParcelId, PrekeySecret, RecipientRole, SealContext, SiteId,
//!     SigningKey, UnixSeconds, Validity, envelope,
//! };
//! use rand_chacha::rand_core::{Rng, SeedableRng};
//! # fn main() -> Result<(), dokuei_keys::Refused> {
//! let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! let clinic = SiteId::of(&SigningKey::generate(&mut rng).public());
//! let hospital = SiteId::of(&SigningKey::generate(&mut rng).public());
//!
//! // The clinic seals an object while it arrives, before anyone is chosen to read it.
//! let (key, parcel) = (ContentKey::from_rng(&mut rng), ParcelId::from_rng(&mut rng));
//! let place = SealContext { parcel, site: clinic, slot: 0 };
//! let mut salt = [0; 24];
//! rng.fill_bytes(&mut salt);
//! let sealed = seal(&key, &place, salt, b"an object")?;
//!
//! // Later it wraps the key for the hospital's prekey of the day. Grant and prekey travel as signed documents.
//! let secret = PrekeySecret::generate(&mut rng);
//! let prekey = secret.prekey(hospital, Validity::starting(UnixSeconds(1_800_000_000), 86_400));
//! let context = GrantContext {
//!     case: [7; 32],
//!     parcel,
//!     sender: clinic,
//!     recipient: hospital,
//!     role: RecipientRole::Reader,
//!     commitment: commitment(&key, &parcel),
//! };
//! let wrapped = envelope::wrap(&key, &prekey, &context, &mut rng)?;
//!
//! // The hospital opens both.
//! let key = envelope::unwrap(&wrapped, &secret, &context)?;
//! assert_eq!(open(&key, &place, &sealed)?, b"an object");
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

pub mod cbor;
pub mod delegation;
mod derivation;
pub mod envelope;
pub mod error;
pub mod id;
pub mod keyfile;
pub mod labels;
pub mod pairing;
pub mod prekey;
pub mod sealed;
pub mod secret;
pub mod signed;
pub mod signing;
pub mod storage;
pub mod time;

pub use delegation::{
    CheckedLog, CheckedNode, CheckedPerson, Delegation, PersonRole, Revocation, SiteCertificate,
    SiteIdentity, Subject,
};
pub use envelope::{GrantContext, RecipientRole, Suite, WrappedKey};
pub use error::{Refused, Why};
pub use id::{Digest, DocumentId, NodeId, ObjectDigest, ParcelId, PersonId, PrekeyId, SiteId};
pub use labels::Label;
pub use prekey::{Prekey, PrekeySecret};
pub use sealed::{ObjectHasher, Opener, SealContext, Sealer};
pub use secret::{ContentKey, Secret32, StorageKey};
pub use signed::{Document, Header, Signed, peek};
pub use signing::{PublicKey, SigningKey};
pub use time::{UnixSeconds, Validity};
