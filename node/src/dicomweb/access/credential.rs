//! One thing that lets somebody in, as it is kept. Holds hashes of secrets: no `Debug`.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Visitor, Way};
use crate::clock::now;
use crate::entities::scope::Scope;

/// Form of stored credentials. A change needs a new number and a migration.
const VERSION: u8 = 2;
/// The form before: whatever saw more than one domain could store, too.
const STORING_BY_SCOPE: u8 = 1;

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
    /// Whether it lets store objects; nothing in rows of those that do not.
    #[n(8)]
    stores: Option<bool>,
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
            stores: None,
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

    /// The same, which lets store objects or not.
    pub fn storing(self, stores: bool) -> Credential {
        Credential {
            stores: stores.then_some(true),
            ..self
        }
    }

    /// Whether it lets store objects. Never what sees one domain only: what is stored becomes this site's own.
    pub fn stores(&self) -> bool {
        self.stores == Some(true) && !matches!(self.scope, Scope::Domain(_))
    }

    /// An account whose password has this salted hash.
    pub(super) fn account(name: &str, scope: Scope, salt: &[u8], proof: [u8; 32]) -> Credential {
        Credential {
            salt: salt.to_vec().into(),
            ..Credential::new(Kind::Account, name, scope, proof)
        }
    }

    /// It in the present form, if that can be had.
    pub(super) fn known(self) -> Option<Credential> {
        match self.version {
            VERSION => Some(self),
            // Programs go on storing; no page lets a person do it.
            STORING_BY_SCOPE => {
                let is_program = matches!(self.kind, Kind::Token | Kind::Certificate);
                let known = self.storing(is_program);
                Some(Credential {
                    version: VERSION,
                    ..known
                })
            }
            _ => None,
        }
    }

    /// Who came in by it, and showed what has this hash.
    pub(super) fn visitor(&self, way: Way, shown: [u8; 32]) -> Visitor {
        Visitor {
            name: self.name.clone(),
            way,
            scope: self.scope.clone(),
            works: self.works(),
            stores: self.stores(),
            shown,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_store_before_stores_still_unless_it_is_a_persons() {
        for (kind, scope, stores) in [
            (Kind::Token, Scope::All, true),
            (Kind::Certificate, Scope::Own, true),
            (Kind::Account, Scope::All, false),
        ] {
            let new = Credential::new(kind, "NAME", scope, [7; 32]);
            assert!(
                !new.stores(),
                "who is new is let store only when that is said"
            );
            let old = Credential { version: 1, ..new };
            let read = old.known().unwrap();
            assert_eq!((read.version, read.stores()), (VERSION, stores));
            assert!(read.clone().known() == Some(read));
        }
        let unknown = Credential {
            version: VERSION + 1,
            ..Credential::new(Kind::Token, "NAME", Scope::All, [7; 32])
        };
        assert!(unknown.known().is_none());
    }
}
