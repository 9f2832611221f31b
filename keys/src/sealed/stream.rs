//! The key, nonces and commitment of one sealed object.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::lengths::{HEADER, MAX_CHUNKS, TAG};
use crate::derivation::expand;
use crate::error::{Refused, Why};
use crate::id::{ParcelId, SiteId};
use crate::labels::Label;
use crate::secret::Secret32;

/// Bytes of a salt, which must never repeat under one content key: take them from a random source.
pub const SALT: usize = 24;
const COMMITMENT: usize = HEADER - SALT;
const KEY: usize = 32;
const NONCE: usize = 12;
/// The specification's info prefix, with the AEAD's IANA name and its terminator.
const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// What an object is sealed as. It opens as nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealContext {
    /// The parcel it belongs to.
    pub parcel: ParcelId,
    /// The site that sealed it.
    pub site: SiteId,
    /// Its place in the parcel.
    pub slot: u32,
}

impl SealContext {
    /// The context bytes, of fixed length behind a label that begins no other.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [
            Label::SealedObject.as_bytes(),
            self.parcel.as_bytes(),
            self.site.as_bytes(),
            &self.slot.to_be_bytes(),
        ]
        .concat()
    }
}

/// Encrypts and decrypts the chunks of one object.
pub(super) struct Stream {
    cipher: LessSafeKey,
    base_nonce: BaseNonce,
    commitment: [u8; COMMITMENT],
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct BaseNonce([u8; NONCE]);

impl Stream {
    pub(super) fn new(key: &Secret32, context: &[u8], salt: &[u8; SALT]) -> Self {
        let mut derived = Zeroizing::new([0; KEY + NONCE + COMMITMENT]);
        expand(key, &[INFO, salt, context], derived.as_mut_slice());
        let (key, rest) = derived.split_at(KEY);
        let (nonce, committed) = rest.split_at(NONCE);
        let mut base_nonce = BaseNonce([0; NONCE]);
        base_nonce.0.copy_from_slice(nonce);
        let mut commitment = [0; COMMITMENT];
        commitment.copy_from_slice(committed);
        Self {
            cipher: cipher(key),
            base_nonce,
            commitment,
        }
    }

    pub(super) fn commitment(&self) -> &[u8; COMMITMENT] {
        &self.commitment
    }

    /// The base nonce XOR the chunk's number, big-endian, in the last bytes.
    fn nonce(&self, index: u64) -> Result<Nonce, Refused> {
        if index >= MAX_CHUNKS {
            return Err(Why::TooManyChunks.into());
        }
        let mut nonce = self.base_nonce.0;
        for (byte, counter) in nonce[NONCE - 8..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= counter;
        }
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Seals chunk `index` into `place`, which is [`TAG`] bytes longer than `plain`.
    pub(super) fn seal_into(
        &self,
        index: u64,
        plain: &[u8],
        place: &mut [u8],
    ) -> Result<(), Refused> {
        let nonce = self.nonce(index)?;
        let (body, tag_place) = place.split_last_chunk_mut::<TAG>().ok_or(Why::NoRoom)?;
        if body.len() != plain.len() {
            return Err(Why::NoRoom.into());
        }
        // The cipher works in place; a chunk stays in the processor's cache from here to there.
        body.copy_from_slice(plain);
        let tag = self
            .cipher
            .seal_in_place_separate_tag(nonce, Aad::empty(), body)
            .map_err(|_| Why::TooManyChunks)?;
        tag_place.copy_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens chunk `index` into `place`, which is [`TAG`] bytes shorter than `sealed`. A chunk that is not genuine
    /// leaves zeros there.
    pub(super) fn open_into(
        &self,
        index: u64,
        sealed: &[u8],
        place: &mut [u8],
    ) -> Result<(), Refused> {
        let nonce = self.nonce(index)?;
        let (body, tag) = sealed.split_last_chunk::<TAG>().ok_or(Why::SealedLength)?;
        if body.len() != place.len() {
            return Err(Why::NoRoom.into());
        }
        let opened = self
            .cipher
            .open_separate_gather(nonce, Aad::empty(), body, tag, place);
        opened.map_err(|_| {
            // What comes of a forged chunk is the forger's choice.
            place.fill(0);
            Why::Chunk.into()
        })
    }
}

/// The cipher of a key of [`KEY`] bytes.
fn cipher(key: &[u8]) -> LessSafeKey {
    #[allow(
        clippy::expect_used,
        reason = "the only cause is a key of another length"
    )]
    let key = UnboundKey::new(&AES_256_GCM, key).expect("KEY is the length of this cipher's key");
    // "Less safe": nonces are ours to keep apart, which is what a base nonce and the chunk's number are for.
    LessSafeKey::new(key)
}
