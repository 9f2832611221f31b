//! Secrets that clear themselves. None of these types can be printed, serialised or cloned by accident.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 secret bytes, overwritten when dropped. Boxed: moving the value moves a pointer and leaves no second copy of
/// the bytes on the stack. Comparison takes the same time whatever the bytes.
#[derive(ZeroizeOnDrop)]
pub struct Secret32(Box<[u8; 32]>);

impl Secret32 {
    /// 32 fresh bytes from `rng`.
    pub fn from_rng<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Self(Box::new([0; 32]));
        rng.fill_bytes(secret.0.as_mut_slice());
        secret
    }

    /// Takes `bytes`. The caller's own copy, if it keeps one, is the caller's to clear.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let secret = Self(Box::new(bytes));
        bytes.zeroize();
        secret
    }

    /// The bytes. The name says what a reviewer should look for.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }

    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; 32]))
    }

    /// A second copy. Explicit, so that a reviewer sees each one.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl PartialEq for Secret32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret32 {}

/// The key of one parcel: seals each of its objects, and is what a grant wraps for a recipient.
#[derive(PartialEq, Eq)]
pub struct ContentKey(Secret32);

/// A site's key for what lies on its own disk: rows of the store and the content keys in them.
#[derive(PartialEq, Eq)]
pub struct StorageKey(Secret32);

macro_rules! key_of_32_bytes {
    ($($name:ident),+) => {$(
        impl $name {
            /// A fresh key from `rng`.
            pub fn from_rng<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
                Self(Secret32::from_rng(rng))
            }

            /// The key with these bytes.
            #[must_use]
            pub fn from_secret(secret: Secret32) -> Self {
                Self(secret)
            }

            /// The secret behind this key.
            #[must_use]
            pub fn secret(&self) -> &Secret32 {
                &self.0
            }

            /// A second handle to the same key, for another thread. Explicit, so that a reviewer sees each copy.
            #[must_use]
            pub fn duplicate(&self) -> Self {
                Self(self.0.duplicate())
            }
        }
    )+};
}

key_of_32_bytes!(ContentKey, StorageKey);

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn fresh_secrets_differ_and_copies_are_equal() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (one, two) = (
            ContentKey::from_rng(&mut rng),
            ContentKey::from_rng(&mut rng),
        );
        assert!(one != two);
        assert!(one == one.duplicate());
        assert!(Secret32::from_bytes([3; 32]).expose() == &[3; 32]);
    }
}
