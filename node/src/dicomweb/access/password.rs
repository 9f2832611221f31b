//! Passwords: hashed with Argon2id (RFC 9106), one at a time.

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::Rng as _;

use super::{Access, Credential};
use crate::chance::chance;
use crate::dicomweb::limits::TURN_TIME;
use crate::entities::scope::Scope;

/// Fewest characters of a password: it is guessed only here, slowly, and every try is counted.
pub(super) const CHARACTERS: usize = 10;
/// Longest password in bytes: a sentence, not a book.
pub(super) const BYTES: usize = 256;
/// Memory of one hash in KiB, passes and lanes: more than OWASP asks for, and a tenth of a second.
const COST: (u32, u32, u32) = (32 * 1024, 3, 1);
const SALT: usize = 16;

/// Whether a password may be chosen.
pub(super) fn is_fit(password: &str) -> bool {
    password.chars().count() >= CHARACTERS && password.len() <= BYTES
}

impl Access {
    /// Whether this is the password of this account. Who asks about an account that is none waits as long. None when
    /// too many ask at once.
    pub(super) async fn is_password(
        &self,
        account: Option<&Credential>,
        password: &str,
    ) -> Option<bool> {
        let salt = account.map_or_else(|| vec![0; SALT], |account| account.salt().to_vec());
        let hash = self.hashed(password, salt).await?;
        Some(account.is_some_and(|account| account.is_proof(&hash)))
    }

    /// An account with this password. None when too many ask at once.
    pub(super) async fn account(
        &self,
        name: &str,
        scope: Scope,
        password: &str,
    ) -> Option<Credential> {
        let mut salt = vec![0; SALT];
        chance().fill_bytes(&mut salt);
        let hash = self.hashed(password, salt.clone()).await?;
        Some(Credential::account(name, scope, &salt, hash))
    }

    async fn hashed(&self, password: &str, salt: Vec<u8>) -> Option<[u8; 32]> {
        let turn = tokio::time::timeout(TURN_TIME, self.shared.hashing.acquire()).await;
        let _turn = turn.ok()?.ok()?;
        let password = zeroize::Zeroizing::new(password.as_bytes().to_vec());
        let hashing = tokio::task::spawn_blocking(move || {
            let (memory, passes, lanes) = COST;
            let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
            let mut hash = [0; 32];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(&password, &salt, &mut hash)
                .ok()?;
            Some(hash)
        });
        hashing.await.ok()?
    }
}
