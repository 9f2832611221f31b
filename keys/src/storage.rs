//! Rows at rest: what search and recovery need, sealed under the site's storage key.
//!
//! ```text
//! row = version (1) ‖ nonce (24) ‖ XChaCha20-Poly1305(plain)        key = derived per purpose from the storage key
//! aad = label ‖ table length (u32, big-endian) ‖ table ‖ row key
//! ```
//!
//! Where a row is to be found by a value that must not lie readable, it is named by
//! HKDF-Expand(storage key, label ‖ table length ‖ table ‖ value), 16 bytes: without the key nobody can tell, nor try out, which value that was.
//!
//! The table's name and the row's key are bound, so a row copied over another does not open. Nonces are 24 random
//! bytes: rows are rewritten for years, and nothing has to be counted.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, Key, KeyInit, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::derivation::{derive_key, expand};
use crate::error::{Refused, Why};
use crate::id::ParcelId;
use crate::labels::Label;
use crate::secret::{ContentKey, Secret32, StorageKey};

/// Bytes a sealed row has more than its plaintext.
pub const ROW_OVERHEAD: usize = 1 + NONCE + TAG;
const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

impl StorageKey {
    /// Seals the row `key` of `table`.
    ///
    /// # Errors
    /// [`Why::Row`] for a row beyond the cipher's 256 GiB.
    pub fn seal_row<R: CryptoRng + ?Sized>(
        &self,
        table: &str,
        key: &[u8],
        plain: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, Refused> {
        self.seal(Label::RowKey, &[table.as_bytes(), key], plain, rng)
    }

    /// Opens the row `key` of `table`. The plaintext clears itself when dropped.
    ///
    /// # Errors
    /// [`Why::Row`] when the row was changed, sealed under another key, or belongs elsewhere.
    pub fn open_row(
        &self,
        table: &str,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        self.open(Label::RowKey, &[table.as_bytes(), key], sealed)
    }

    /// A name for a row of `table` that says nothing of the `value` it is found by. Names of 16 bytes are the same by
    /// chance with 2⁶⁴ values; whoever finds a row still compares the value itself.
    #[must_use]
    pub fn row_name(&self, table: &str, value: &[u8]) -> [u8; 16] {
        let mut name = [0; 16];
        let bound = bound(Label::RowName, &[table.as_bytes(), value]);
        expand(self.secret(), &[&bound], &mut name);
        name
    }

    /// Wraps a parcel's content key for the store. Erasing the row erases the parcel.
    ///
    /// # Errors
    /// None in practice; [`Why::Row`] as [`Self::seal_row`].
    pub fn wrap_content_key<R: CryptoRng + ?Sized>(
        &self,
        parcel: &ParcelId,
        key: &ContentKey,
        rng: &mut R,
    ) -> Result<Vec<u8>, Refused> {
        let place: [&[u8]; 2] = [b"", parcel.as_bytes()];
        self.seal(Label::ContentKeyWrap, &place, key.secret().expose(), rng)
    }

    /// Opens what [`Self::wrap_content_key`] wrapped for the same parcel.
    ///
    /// # Errors
    /// [`Why::Row`].
    pub fn unwrap_content_key(
        &self,
        parcel: &ParcelId,
        wrapped: &[u8],
    ) -> Result<ContentKey, Refused> {
        let place: [&[u8]; 2] = [b"", parcel.as_bytes()];
        let plain = self.open(Label::ContentKeyWrap, &place, wrapped)?;
        let bytes: &[u8; 32] = plain.as_slice().try_into().map_err(|_| Why::Row)?;
        Ok(ContentKey::from_secret(Secret32::from_bytes(*bytes)))
    }

    fn seal<R: CryptoRng + ?Sized>(
        &self,
        label: Label,
        place: &[&[u8]; 2],
        plain: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, Refused> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let mut row = Vec::with_capacity(plain.len() + ROW_OVERHEAD);
        row.push(VERSION);
        row.extend_from_slice(&nonce);
        row.resize(1 + NONCE + plain.len(), 0);
        let body = InOutBuf::new(plain, &mut row[1 + NONCE..]).map_err(|_| Why::Row)?;
        let tag = cipher(self.secret(), label)
            .encrypt_inout_detached(&XNonce::from(nonce), &bound(label, place), body)
            .map_err(|_| Why::Row)?;
        row.extend_from_slice(&tag);
        Ok(row)
    }

    fn open(
        &self,
        label: Label,
        place: &[&[u8]; 2],
        row: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let (version, rest) = row.split_first().ok_or(Why::Row)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(Why::Row)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(Why::Row)?;
        if *version != VERSION {
            return Err(Why::Row.into());
        }
        let mut plain = Zeroizing::new(vec![0; body.len()]);
        let buffer = InOutBuf::new(body, plain.as_mut_slice()).map_err(|_| Why::Row)?;
        cipher(self.secret(), label)
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &bound(label, place),
                buffer,
                &(*tag).into(),
            )
            .map_err(|_| Why::Row)?;
        Ok(plain)
    }
}

fn cipher(key: &Secret32, label: Label) -> XChaCha20Poly1305 {
    let derived = derive_key(key, label, &[]);
    let mut cipher_key = Key::from(*derived.expose());
    let cipher = XChaCha20Poly1305::new(&cipher_key);
    cipher_key.as_mut_slice().zeroize();
    cipher
}

fn bound(label: Label, [table, key]: &[&[u8]; 2]) -> Vec<u8> {
    // A table's name is a constant of the program, far below 4 GiB.
    let table_length = u32::try_from(table.len()).unwrap_or(u32::MAX);
    [label.as_bytes(), &table_length.to_be_bytes(), table, key].concat()
}
