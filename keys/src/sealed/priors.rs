//! The list of earlier studies of a patient, which goes to the reader of a case beside its study: under the same content
//! key, so that whoever was granted the study can read it, and nobody can once that key is destroyed.
//!
//! ```text
//! context = label ‖ parcel of the study (32) ‖ sealing site (32) ‖ case (32)
//! ```

use super::lengths::sealed_len;
use super::opener::{Opener, open_with};
use super::sealer::Sealer;
use super::stream::SALT;
use crate::error::Refused;
use crate::id::{ParcelId, SiteId};
use crate::labels::Label;
use crate::secret::ContentKey;

/// What a list is sealed as. It opens as nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorsContext {
    /// The parcel of the study that is to be read.
    pub parcel: ParcelId,
    /// The site that sealed it.
    pub site: SiteId,
    /// The case that it belongs to.
    pub case: [u8; 32],
}

impl PriorsContext {
    fn to_bytes(self) -> Vec<u8> {
        [
            Label::SealedPriors.as_bytes(),
            self.parcel.as_bytes(),
            self.site.as_bytes(),
            &self.case,
        ]
        .concat()
    }
}

/// Seals a list. `salt` comes from a random source.
///
/// # Errors
/// [`crate::Why::TooManyChunks`] beyond 4 PiB, which no memory holds.
pub fn seal_priors(
    key: &ContentKey,
    context: &PriorsContext,
    salt: [u8; SALT],
    plain: &[u8],
) -> Result<Vec<u8>, Refused> {
    let (mut sealer, header) = Sealer::with_context_bytes(key.secret(), &context.to_bytes(), salt);
    let mut out = Vec::with_capacity(usize::try_from(sealed_len(plain.len() as u64)).unwrap_or(0));
    out.extend_from_slice(&header);
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Opens a list. Nothing is released unless all of it is genuine.
///
/// # Errors
/// [`crate::Why::SealedLength`] before any work, then as [`Opener`].
pub fn open_priors(
    key: &ContentKey,
    context: &PriorsContext,
    sealed: &[u8],
) -> Result<Vec<u8>, Refused> {
    open_with(sealed, |header| {
        Opener::with_context_bytes(key.secret(), &context.to_bytes(), header)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret32;

    #[test]
    fn a_list_opens_as_what_it_was_sealed_as_and_as_nothing_else() {
        let key = ContentKey::from_secret(Secret32::from_bytes([7; 32]));
        let context = PriorsContext {
            parcel: ParcelId::from_bytes([1; 32]),
            site: SiteId::from_bytes([2; 32]),
            case: [3; 32],
        };
        let sealed = seal_priors(&key, &context, [9; SALT], b"a list").unwrap();
        assert_eq!(open_priors(&key, &context, &sealed).unwrap(), b"a list");
        let other = PriorsContext {
            case: [4; 32],
            ..context
        };
        assert!(open_priors(&key, &other, &sealed).is_err());
        let mut damaged = sealed.clone();
        damaged[60] ^= 1;
        assert!(open_priors(&key, &context, &damaged).is_err());
        assert!(open_priors(&key, &context, &sealed[..40]).is_err());
    }
}
