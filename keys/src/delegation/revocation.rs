//! Taking a key back.

use minicbor::{Decode, Encode};

use crate::error::{Refused, Why};
use crate::id::SiteId;
use crate::labels::Label;
use crate::signed::{Document, Signed, peek};
use crate::signing::PublicKey;
use crate::time::UnixSeconds;

/// A site's statement that `revoked` must not be believed from `since` on. Signed by the root, which may revoke any
/// key of the site including itself, or by the site key, which may revoke any but the root. There is no way back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Revocation {
    /// The site.
    #[n(0)]
    pub site: SiteId,
    /// The key taken back.
    #[n(1)]
    pub revoked: PublicKey,
    /// From when. Earlier than the signing of this when the key is known to have been lost before.
    #[n(2)]
    pub since: UnixSeconds,
}

impl Revocation {
    /// Checks a revocation of the site with this root and these site keys: its present one, and those it had before.
    ///
    /// # Errors
    /// As [`Signed::verify`]; [`Why::OtherKey`] when none of them signed it, [`Why::OtherSite`], and
    /// [`Why::NotRevocable`] when a site key revokes the root.
    pub fn verify(
        bytes: &[u8],
        root: &PublicKey,
        site_keys: &[PublicKey],
    ) -> Result<Signed<Self>, Refused> {
        let signer = peek(bytes)?.key;
        if signer != *root && !site_keys.contains(&signer) {
            return Err(Why::OtherKey.into());
        }
        let revocation = Signed::<Self>::verify(bytes, &signer)?;
        if revocation.content().site != SiteId::of(root) {
            return Err(Why::OtherSite.into());
        }
        if revocation.content().revoked == *root && signer != *root {
            return Err(Why::NotRevocable.into());
        }
        Ok(revocation)
    }

    /// Is something that `key` signed at `at` revoked by this?
    #[must_use]
    pub fn covers(&self, key: &PublicKey, at: UnixSeconds) -> bool {
        self.revoked == *key && at >= self.since
    }
}

impl Document for Revocation {
    const KIND: &'static str = "revocation";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::Revocation;
    /// 260 bytes of fields and frame.
    const MAX_BYTES: usize = 384;
}
