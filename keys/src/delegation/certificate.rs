//! A site's root certifies the site's key.

use minicbor::{Decode, Encode};

use super::{DAY, MAX_NAME, check_text};
use crate::error::{Refused, Why};
use crate::id::SiteId;
use crate::labels::Label;
use crate::signed::Document;
use crate::signing::PublicKey;
use crate::time::Validity;

/// Longest life of a site key, in seconds: a year, and the leap day.
pub const SITE_KEY_LIFE: u64 = 366 * DAY;

/// The root's statement that `key` speaks for the site. Signed by the root.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SiteCertificate {
    /// The site: the SHA-256 of `root`.
    #[n(0)]
    pub site: SiteId,
    /// The root key, which signs this.
    #[n(1)]
    pub root: PublicKey,
    /// The institution's name as people read it; at most [`MAX_NAME`] bytes.
    #[n(2)]
    pub name: String,
    /// The site key.
    #[n(3)]
    pub key: PublicKey,
    /// When the site key may sign; at most [`SITE_KEY_LIFE`].
    #[n(4)]
    pub validity: Validity,
    /// Counts the root's certificates up; the highest valid one is the current one.
    #[n(5)]
    pub serial: u64,
}

impl Document for SiteCertificate {
    const KIND: &'static str = "site-certificate";
    const VERSION: u16 = 1;
    const LABEL: Label = Label::SiteCertificate;
    /// 400 bytes of fields and frame, and the name.
    const MAX_BYTES: usize = 512 + MAX_NAME;

    fn check(&self) -> Result<(), Refused> {
        if self.site != SiteId::of(&self.root) {
            return Err(Why::OtherIdentifier.into());
        }
        check_text("name", &self.name, MAX_NAME)?;
        self.validity.check_length(SITE_KEY_LIFE)
    }
}
