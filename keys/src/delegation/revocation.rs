//! Taking a key back.

use minicbor::{Decode, Encode};

use crate::id::SiteId;
use crate::labels::Label;
use crate::signed::Document;
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
