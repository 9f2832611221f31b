//! One thing that lets somebody in, as it is kept. Holds hashes of secrets: no `Debug`.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::entities::scope::Scope;
use crate::studies::intake::now;

/// Form of stored credentials. A change needs a new number and a migration.
const VERSION: u8 = 1;

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// A token for programs; the proof is its SHA-256.
    #[n(0)]
    Token,
    /// The certificate of a client; the proof is its SHA-256.
    #[n(1)]
    Certificate,
    /// An account; the proof is the password's Argon2id hash.
    #[n(2)]
    Account,
    /// A code with which an account is made; the proof is its SHA-256.
    #[n(3)]
    Invitation,
}

impl Kind {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Token => "token",
            Kind::Certificate => "certificate",
            Kind::Account => "account",
            Kind::Invitation => "invitation",
        }
    }
}

/// One thing that lets somebody in.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Credential {
    #[n(0)]
    version: u8,
    /// What it is.
    #[n(1)]
    pub kind: Kind,
    /// Its name; of an account the person's.
    #[n(2)]
    pub name: String,
    /// What it lets see.
    #[n(3)]
    pub scope: Scope,
    /// When it was made, milliseconds since the epoch.
    #[n(4)]
    pub made: u64,
    #[n(5)]
    proof: ByteVec,
    /// Of a password's hash; else empty.
    #[n(6)]
    salt: ByteVec,
    /// Whether it lets change workitems; nothing in rows of those that do not.
    #[n(7)]
    works: Option<bool>,
}

impl Credential {
    /// A new one whose secret has this hash.
    pub fn new(kind: Kind, name: &str, scope: Scope, proof: [u8; 32]) -> Credential {
        Credential {
            version: VERSION,
            kind,
            name: name.trim().to_owned(),
            scope,
            made: now(),
            proof: proof.to_vec().into(),
            salt: Vec::new().into(),
            works: None,
        }
    }

    /// The same, which lets change workitems or not.
    pub fn working(self, works: bool) -> Credential {
        Credential {
            works: works.then_some(true),
            ..self
        }
    }

    /// Whether it lets change workitems: have studies read, claim, give back.
    pub fn works(&self) -> bool {
        self.works == Some(true)
    }

    /// An account whose password has this salted hash.
    pub(super) fn account(name: &str, scope: Scope, salt: &[u8], proof: [u8; 32]) -> Credential {
        Credential {
            salt: salt.to_vec().into(),
            ..Credential::new(Kind::Account, name, scope, proof)
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Credential> {
        let credential: Credential = minicbor::decode(bytes).ok()?;
        (credential.version == VERSION).then_some(credential)
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether this is the hash of its secret; takes the same time whatever the bytes.
    pub(super) fn is_proof(&self, hash: &[u8; 32]) -> bool {
        self.proof.as_slice().ct_eq(hash.as_slice()).into()
    }

    pub(super) fn key(&self) -> [u8; 32] {
        key(self.kind, &self.name)
    }
}

/// The key of a row. Keys are not sealed, so it is a digest of what it stands for.
pub(super) fn key(kind: Kind, name: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(kind.code());
    hasher.update([0]);
    hasher.update(name.trim());
    hasher.finalize().into()
}
