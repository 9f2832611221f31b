//! One derivation function for everything: HKDF-Expand with SHA-512 (RFC 5869 §2.3) from a uniform 32-byte key.
//!
//! Extract is left out because every input key here is already uniform; this is the same construction C2SP
//! chunked-encryption prescribes, so one function serves both.

use hkdf::HmacImpl;
use hkdf::hmac::Hmac;
use sha2::Sha512;
use zeroize::Zeroize;

use crate::labels::Label;
use crate::secret::Secret32;

/// SHA-512's output, the step of HKDF-Expand.
const HASH: usize = 64;

/// Fills `out` with HKDF-Expand-SHA-512(`key`, the concatenation of `info`). At most 255 × 64 bytes, which every
/// caller's fixed-size array is far below.
pub(crate) fn expand(key: &Secret32, info: &[&[u8]], out: &mut [u8]) {
    let keyed = <Hmac<Sha512> as HmacImpl>::new_from_slice(key.expose());
    let mut previous = [0_u8; HASH];
    for (counter, part) in (1_u8..).zip(out.chunks_mut(HASH)) {
        let mut mac = keyed.clone();
        if counter > 1 {
            HmacImpl::update(&mut mac, &previous);
        }
        for piece in info {
            HmacImpl::update(&mut mac, piece);
        }
        HmacImpl::update(&mut mac, &[counter]);
        let mut block = HmacImpl::finalize(mac);
        previous.copy_from_slice(&block);
        part.copy_from_slice(&block[..part.len()]);
        block.as_mut_slice().zeroize();
    }
    previous.zeroize();
}

/// A 32-byte key for the purpose `label`, bound to `context`.
pub(crate) fn derive_key(key: &Secret32, label: Label, context: &[u8]) -> Secret32 {
    let mut derived = Secret32::zeroed();
    expand(key, &[label.as_bytes(), context], derived.expose_mut());
    derived
}
