//! Who is let in: tokens, client certificates, and accounts with sessions. Of a secret only a hash is kept.

mod attempts;
mod credential;
mod error;
mod pages;
mod password;
mod sessions;
mod visitor;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dokuei_keys::secret::StorageKey;
use rand_core::Rng as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use self::attempts::Attempts;
pub use self::credential::{Credential, Kind};
pub use self::error::AccessError;
pub(super) use self::pages::{LOG_IN, Visit, cookie, pages};
use self::sessions::Sessions;
pub use self::visitor::Rights;
pub(super) use self::visitor::{Visitor, Way};
use super::limits::{CREDENTIALS, INVITATION};
use crate::chance::chance;
use crate::clock::now;
use crate::entities::scope::Scope;
use crate::store::{Change, Rows, Store, sealed};
use crate::tls::read_fingerprint;

/// What a token begins with, so that a leaked one is recognised.
const TOKEN_PREFIX: &str = "dkw_";
/// Longest name of a token, a certificate or an account, in characters.
const NAME: usize = 64;

/// Who is let in. Clones share it.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    storage: StorageKey,
    held: Mutex<BTreeMap<[u8; 32], Credential>>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    /// One password is hashed at a time: each costs tens of MiB and a tenth of a second of a core.
    hashing: Semaphore,
}

impl Access {
    /// Opens what is kept.
    ///
    /// # Errors
    /// [`AccessError`] when a row cannot be opened.
    pub fn open(store: Store, storage: StorageKey) -> Result<Access, AccessError> {
        let mut held = BTreeMap::new();
        for (key, row) in store.rows(Rows::WebAccess)? {
            let kept: Result<Credential, _> = sealed::open(&storage, Rows::WebAccess, &key, &row);
            let credential = kept.ok().and_then(Credential::known);
            let credential = credential.ok_or(AccessError::Damaged)?;
            let key = key.try_into().map_err(|_| AccessError::Damaged)?;
            held.insert(key, credential);
        }
        Ok(Access {
            shared: Arc::new(Shared {
                store,
                storage,
                held: Mutex::new(held),
                sessions: Mutex::default(),
                attempts: Mutex::default(),
                hashing: Semaphore::new(1),
            }),
        })
    }

    /// Makes a token. It is given back once, and never again. Blocks.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn add_token(&self, name: &str, scope: Scope) -> Result<Zeroizing<String>, AccessError> {
        let secret = random(32);
        let token = Zeroizing::new(format!("{TOKEN_PREFIX}{}", *secret));
        self.add(Credential::new(Kind::Token, name, scope, hash(&token)))?;
        Ok(token)
    }

    /// Lets in who has the certificate with this SHA-256, 64 hexadecimal digits with or without colons. Blocks.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn add_certificate(
        &self,
        name: &str,
        fingerprint: &str,
        scope: Scope,
    ) -> Result<(), AccessError> {
        let proof = read_fingerprint(fingerprint).ok_or(AccessError::Fingerprint)?;
        self.add(Credential::new(Kind::Certificate, name, scope, proof))
    }

    /// Invites somebody to an account, or one that forgot the password back to it. The code is given back once, and
    /// serves once within a day. Blocks.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn invite(&self, name: &str, scope: Scope) -> Result<Zeroizing<String>, AccessError> {
        let code = random(12);
        let invitation = Credential::new(Kind::Invitation, name, scope, hash(&code));
        let key = invitation.key();
        // A second invitation takes the place of the first.
        if self.lock().contains_key(&key) {
            self.take_away(&key)?;
        }
        self.add(invitation)?;
        Ok(code)
    }

    /// Lets whoever comes in by this do more than look. Blocks.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn let_do(&self, kind: Kind, name: &str, rights: Rights) -> Result<(), AccessError> {
        let known = self.named(kind, name).ok_or(AccessError::Unknown)?;
        let let_do = known.working(rights.works).storing(rights.stores);
        self.shared.store.commit(self.row(&let_do)?)?;
        self.lock().insert(let_do.key(), let_do);
        Ok(())
    }

    /// Everything that lets somebody in, by kind and name.
    pub fn all(&self) -> Vec<Credential> {
        let mut all: Vec<Credential> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        all
    }

    /// Takes one away: nobody gets in with it any more. An account goes with its invitation. Blocks.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn remove(&self, kind: Kind, name: &str) -> Result<(), AccessError> {
        let kinds: &[Kind] = match kind {
            Kind::Account | Kind::Invitation => &[Kind::Account, Kind::Invitation],
            Kind::Token => &[Kind::Token],
            Kind::Certificate => &[Kind::Certificate],
        };
        let keys = kinds.iter().map(|kind| credential::key(*kind, name));
        let known: Vec<_> = keys.filter(|key| self.lock().contains_key(key)).collect();
        if known.is_empty() {
            return Err(AccessError::Unknown);
        }
        known.iter().try_for_each(|key| self.take_away(key))
    }

    fn by_token(&self, token: &str) -> Option<Visitor> {
        let proof = hash(token);
        self.by_proof(Kind::Token, Way::Token, &proof)
    }

    fn by_certificate(&self, fingerprint: &[u8; 32]) -> Option<Visitor> {
        self.by_proof(Kind::Certificate, Way::Certificate, fingerprint)
    }

    /// Whether a client is let in by the certificate of this fingerprint.
    pub fn knows_certificate(&self, fingerprint: &[u8; 32]) -> bool {
        self.by_certificate(fingerprint).is_some()
    }

    fn by_proof(&self, kind: Kind, way: Way, proof: &[u8; 32]) -> Option<Visitor> {
        let held = self.lock();
        let known = held
            .values()
            .find(|known| known.kind == kind && known.is_proof(proof))?;
        Some(known.visitor(way, *proof))
    }

    fn by_session(&self, cookie: &str) -> Option<Visitor> {
        let shown = hash(cookie);
        let name = self.sessions().used(&shown)?;
        let account = self.named(Kind::Account, &name)?;
        Some(account.visitor(Way::Session, shown))
    }

    /// Whether somebody who was let in would be let in again, and for the same.
    pub(super) fn stands(&self, visitor: &Visitor) -> bool {
        let now = match visitor.way {
            Way::Token => self.by_proof(Kind::Token, Way::Token, &visitor.shown),
            Way::Certificate => self.by_proof(Kind::Certificate, Way::Certificate, &visitor.shown),
            Way::Session => {
                let name = self.sessions().whose(&visitor.shown);
                let account = name.and_then(|name| self.named(Kind::Account, &name));
                account.map(|account| account.visitor(Way::Session, visitor.shown))
            }
        };
        now.as_ref() == Some(visitor)
    }

    /// Who this is: by the token, else by the session, else by the certificate of the connection.
    pub(super) fn visitor(
        &self,
        bearer: Option<&str>,
        cookie: Option<&str>,
        fingerprint: Option<&[u8; 32]>,
    ) -> Option<Visitor> {
        match bearer {
            // Whoever shows a token means it: a wrong one is not made good by a cookie.
            Some(token) => self.by_token(token),
            None => cookie
                .and_then(|cookie| self.by_session(cookie))
                .or_else(|| fingerprint.and_then(|print| self.by_certificate(print))),
        }
    }

    fn named(&self, kind: Kind, name: &str) -> Option<Credential> {
        self.lock().get(&credential::key(kind, name)).cloned()
    }

    /// The invitation with this code, as long as it may be used.
    fn invitation(&self, code: &str) -> Option<Credential> {
        let proof = hash(code);
        let held = self.lock();
        let known = held
            .values()
            .find(|known| known.kind == Kind::Invitation && known.is_proof(&proof))?;
        let age = now().saturating_sub(known.made);
        (u128::from(age) < INVITATION.as_millis()).then(|| known.clone())
    }

    /// Makes the account of an invitation, in one transaction with its end. Blocks.
    ///
    /// # Errors
    /// [`AccessError::Unknown`] when the invitation has served meanwhile; [`AccessError`].
    fn accept(&self, invitation: &Credential, account: Credential) -> Result<(), AccessError> {
        let account = account
            .working(invitation.works())
            .storing(invitation.stores());
        let used = invitation.key();
        let mut change = self.row(&account)?;
        change.removals.push((Rows::WebAccess, used.to_vec()));
        {
            let mut held = self.lock();
            // One of several who come with the code at once takes it; so does a newer invitation.
            if held.get(&used) != Some(invitation) {
                return Err(AccessError::Unknown);
            }
            held.remove(&used);
        }
        if let Err(error) = self.shared.store.commit(change) {
            self.lock()
                .entry(used)
                .or_insert_with(|| invitation.clone());
            return Err(error.into());
        }
        self.sessions().end_all_of(&account.name);
        self.lock().insert(account.key(), account);
        Ok(())
    }

    fn add(&self, new: Credential) -> Result<(), AccessError> {
        let characters = new.name.chars().count();
        if !(1..=NAME).contains(&characters) || new.name.chars().any(char::is_control) {
            return Err(AccessError::Name);
        }
        let change = self.row(&new)?;
        {
            let held = self.lock();
            if held.contains_key(&new.key()) {
                return Err(AccessError::Taken);
            }
            if held.len() >= CREDENTIALS {
                return Err(AccessError::Full);
            }
        }
        self.shared.store.commit(change)?;
        self.lock().insert(new.key(), new);
        Ok(())
    }

    fn take_away(&self, key: &[u8; 32]) -> Result<(), AccessError> {
        self.shared.store.commit(Change {
            removals: vec![(Rows::WebAccess, key.to_vec())],
            ..Change::default()
        })?;
        self.lock().remove(key);
        Ok(())
    }

    fn row(&self, credential: &Credential) -> Result<Change, AccessError> {
        let (storage, key) = (&self.shared.storage, credential.key());
        Ok(sealed::put(storage, Rows::WebAccess, &key, credential)?)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Credential>> {
        self.shared
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.shared
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.shared
            .attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Random bytes as letters, digits, `-` and `_`.
fn random(bytes: usize) -> Zeroizing<String> {
    let mut secret = Zeroizing::new(vec![0; bytes]);
    chance().fill_bytes(&mut secret);
    Zeroizing::new(URL_SAFE_NO_PAD.encode(&*secret))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use dokuei_keys::secret::Secret32;

    use super::*;

    fn access(place: &std::path::Path) -> Access {
        let store = Store::open(&place.join("store.redb")).unwrap();
        let storage = StorageKey::from_secret(Secret32::from_bytes([7; 32]));
        Access::open(store, storage).ok().unwrap()
    }

    #[test]
    fn a_token_lets_in_until_it_is_removed_and_is_nowhere_to_be_read() {
        let place = tempfile::tempdir().unwrap();
        let token = {
            let access = access(place.path());
            let token = access.add_token("viewer", Scope::Own).unwrap();
            assert!(matches!(
                access.add_token("viewer", Scope::All),
                Err(AccessError::Taken)
            ));
            token
        };
        let file = std::fs::read(place.path().join("store.redb")).unwrap();
        let holds = |needle: &[u8]| file.windows(needle.len()).any(|bytes| bytes == needle);
        assert!(!holds(token.as_bytes()) && !holds(&hash(&token)) && !holds(b"viewer"));
        let access = access(place.path());
        let visitor = access.visitor(Some(&token), None, None).unwrap();
        assert_eq!((visitor.way, &visitor.scope), (Way::Token, &Scope::Own));
        assert!(!visitor.works && !visitor.stores && access.stands(&visitor));
        let rights = Rights {
            works: true,
            stores: false,
        };
        access.let_do(Kind::Token, "viewer", rights).unwrap();
        assert!(!access.stands(&visitor), "it is let do something else now");
        let visitor = access.visitor(Some(&token), None, None).unwrap();
        assert!(visitor.works && !visitor.stores);
        for wrong in ["", "dkw_", &token[..token.len() - 1]] {
            assert!(access.visitor(Some(wrong), None, None).is_none());
        }
        assert!(access.stands(&visitor));
        access.remove(Kind::Token, "viewer").unwrap();
        assert!(access.visitor(Some(&token), None, None).is_none());
        assert!(!access.stands(&visitor));
        let again = access.remove(Kind::Token, "viewer");
        assert!(matches!(again, Err(AccessError::Unknown)));
    }

    #[test]
    fn a_certificate_is_known_by_its_fingerprint() {
        let place = tempfile::tempdir().unwrap();
        let access = access(place.path());
        let print = "AB:".repeat(31) + "AB";
        access.add_certificate("pacs", &print, Scope::All).unwrap();
        assert!(access.visitor(None, None, Some(&[0xAB; 32])).is_some());
        assert!(access.visitor(None, None, Some(&[0xAC; 32])).is_none());
        // A wrong token is not made good by the certificate.
        assert!(access.visitor(Some("x"), None, Some(&[0xAB; 32])).is_none());
        let short = access.add_certificate("other", "AB", Scope::All);
        assert!(matches!(short, Err(AccessError::Fingerprint)));
    }

    #[test]
    fn an_invitation_serves_once_however_many_come_with_it() {
        let place = tempfile::tempdir().unwrap();
        let access = access(place.path());
        let code = access.invite("Hanako", Scope::Own).unwrap();
        let rights = Rights {
            works: false,
            stores: true,
        };
        access.let_do(Kind::Invitation, "Hanako", rights).unwrap();
        // Both have looked at it before either has used it.
        let invitation = access.invitation(&code).unwrap();
        let account = |salt| Credential::account("Hanako", Scope::Own, &[salt; 16], [salt; 32]);
        let accepted: Vec<bool> = std::thread::scope(|scope| {
            let accept = |salt| {
                let (access, invitation) = (&access, &invitation);
                scope.spawn(move || access.accept(invitation, account(salt)).is_ok())
            };
            let all: Vec<_> = (1..=8).map(accept).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
        let kept = access.named(Kind::Account, "Hanako").unwrap();
        let first = accepted.iter().position(|accepted| *accepted).unwrap() + 1;
        assert!(kept.is_proof(&[first as u8; 32]) && kept.stores());
        // A code that was replaced by another one does not serve, either.
        let code = access.invite("Hanako", Scope::Own).unwrap();
        let old = access.invitation(&code).unwrap();
        access.invite("Hanako", Scope::All).unwrap();
        let late = access.accept(&old, account(9));
        assert!(matches!(late, Err(AccessError::Unknown)));
    }

    #[test]
    fn names_are_held_to_their_rules() {
        let place = tempfile::tempdir().unwrap();
        let access = access(place.path());
        for name in ["", "a\nb", &"x".repeat(NAME + 1)] {
            assert!(matches!(
                access.add_token(name, Scope::All),
                Err(AccessError::Name)
            ));
        }
    }
}
