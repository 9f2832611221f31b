//! A site's secrets under a passphrase.
//!
//! ```text
//! file   = header ‖ XChaCha20-Poly1305(secrets) ‖ SHA-256 of all before (32)
//! header = "dokueikf" ‖ version (u16) ‖ memory in KiB (u32) ‖ passes (u32) ‖ lanes (u32)
//!          ‖ salt (32) ‖ nonce (24) ‖ check (16)                                           (integers big-endian)
//! key (32) ‖ check (16) = HKDF-Expand(Argon2id(passphrase, salt, cost), label)
//! ```
//!
//! The whole header is bound as additional data. The digest at the end tells a damaged file from a wrong passphrase
//! before any memory is spent, the check tells a wrong passphrase from a forged file; and the costs that a file asks
//! for are bounded, so a planted file cannot take the machine down.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, Key, KeyInit, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::derivation::expand;
use crate::id::sha256;
use crate::labels::Label;
use crate::secret::Secret32;

/// The most bytes of secrets one file holds: a few hundred keys, far more than a site has.
pub const MAX_SECRETS: usize = 64 * 1024;
const MAGIC: &[u8; 8] = b"dokueikf";
const FILE_VERSION: u16 = 1;
const SALT: usize = 32;
const NONCE: usize = 24;
const CHECK: usize = 16;
const TAG: usize = 16;
const DIGEST: usize = 32;
const BEFORE_SALT: usize = 8 + 2 + 4 + 4 + 4;
const BEFORE_CHECK: usize = BEFORE_SALT + SALT + NONCE;
const HEADER: usize = BEFORE_CHECK + CHECK;

/// Why a key file could not be written or opened. Read by whoever has the file, so the reasons are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// The passphrase is not the one the file was sealed with.
    #[error("wrong passphrase for the key file: try again, or recover from the recovery sheet")]
    WrongPassphrase,
    /// The file was changed, cut off, or is no key file.
    #[error("the key file is damaged or is none: restore it from a backup")]
    Damaged,
    /// Written by a later version.
    #[error("the key file has version {0}, which this software does not know: update it")]
    UnknownVersion(u16),
    /// The file asks for more memory or time than is ever used.
    #[error("the key file asks for more than {memory} MiB or {passes} passes: it was not written by this software", memory = MAX_MEMORY_KIB / 1024, passes = MAX_PASSES)]
    Cost,
    /// An empty passphrase.
    #[error("the passphrase is empty: choose one")]
    EmptyPassphrase,
    /// More secrets than a file holds.
    #[error("more than {MAX_SECRETS} bytes of secrets in one key file")]
    TooManySecrets,
    /// The memory the cost asks for is not there.
    #[error("not enough memory to open the key file: it needs {0} KiB")]
    OutOfMemory(u32),
}

/// Most memory a file may ask for, in KiB: 256 MiB, a node's whole budget.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// Most passes a file may ask for: about three seconds at the most memory.
const MAX_PASSES: u32 = 10;
/// Most lanes a file may ask for; they are computed one after the other here.
const MAX_LANES: u32 = 4;

/// What guessing one passphrase costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Default for Cost {
    /// 64 MiB, 3 passes (RFC 9106 §4, second recommendation), one lane because nothing runs in parallel here.
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
        }
    }
}

impl Cost {
    /// Another cost: `memory_kib` KiB (at least 8 a lane), `passes` over it, `lanes`.
    ///
    /// # Errors
    /// [`KeyFileError::Cost`] above 256 MiB, 10 passes or 4 lanes, or below what Argon2 needs.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, KeyFileError> {
        let bounded = (1..=MAX_LANES).contains(&lanes)
            && (1..=MAX_PASSES).contains(&passes)
            && (8 * lanes..=MAX_MEMORY_KIB).contains(&memory_kib);
        if !bounded {
            return Err(KeyFileError::Cost);
        }
        Ok(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    fn stretch(self, passphrase: &[u8], salt: &[u8; SALT]) -> Result<Stretched, KeyFileError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|_| KeyFileError::Cost)?;
        let mut root = Secret32::zeroed();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, salt, root.expose_mut())
            .map_err(|_| KeyFileError::OutOfMemory(self.memory_kib))?;
        let mut derived = Zeroizing::new([0; 32 + CHECK]);
        expand(&root, &[Label::KeyFile.as_bytes()], derived.as_mut_slice());
        let mut key = Key::default();
        key.copy_from_slice(&derived[..32]);
        let cipher = XChaCha20Poly1305::new(&key);
        key.as_mut_slice().zeroize();
        let mut check = [0; CHECK];
        check.copy_from_slice(&derived[32..]);
        Ok(Stretched { cipher, check })
    }
}

/// What a passphrase stretches to.
struct Stretched {
    cipher: XChaCha20Poly1305,
    check: [u8; CHECK],
}

/// Seals `plain` under `passphrase`; the result is the file's whole content.
///
/// # Errors
/// [`KeyFileError::EmptyPassphrase`], [`KeyFileError::TooManySecrets`], [`KeyFileError::OutOfMemory`].
pub fn seal_secrets<R: CryptoRng + ?Sized>(
    plain: &[u8],
    passphrase: &[u8],
    cost: Cost,
    rng: &mut R,
) -> Result<Vec<u8>, KeyFileError> {
    if passphrase.is_empty() {
        return Err(KeyFileError::EmptyPassphrase);
    }
    if plain.len() > MAX_SECRETS {
        return Err(KeyFileError::TooManySecrets);
    }
    let mut salt = [0; SALT];
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let stretched = cost.stretch(passphrase, &salt)?;
    let mut file = Vec::with_capacity(HEADER + plain.len() + TAG + DIGEST);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FILE_VERSION.to_be_bytes());
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        file.extend_from_slice(&number.to_be_bytes());
    }
    file.extend_from_slice(&salt);
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&stretched.check);
    file.resize(HEADER + plain.len(), 0);
    let (header, body) = file.split_at_mut(HEADER);
    let buffer = InOutBuf::new(plain, body).map_err(|_| KeyFileError::TooManySecrets)?;
    let tag = stretched
        .cipher
        .encrypt_inout_detached(&XNonce::from(nonce), header, buffer)
        .map_err(|_| KeyFileError::TooManySecrets)?;
    file.extend_from_slice(&tag);
    file.extend_from_slice(&sha256(&file));
    Ok(file)
}

/// Opens a key file. The secrets clear themselves when dropped.
///
/// # Errors
/// [`KeyFileError`], in this order: damaged, unknown version, cost, wrong passphrase.
pub fn open_secrets(bytes: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let damaged = KeyFileError::Damaged;
    if bytes.len() > HEADER + MAX_SECRETS + TAG + DIGEST {
        return Err(damaged);
    }
    let (file, digest) = bytes.split_last_chunk::<DIGEST>().ok_or(damaged)?;
    let version = file
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.first_chunk::<2>())
        .map(|version| u16::from_be_bytes(*version))
        .ok_or(damaged)?;
    if sha256(file) != *digest {
        return Err(damaged);
    }
    if version != FILE_VERSION {
        return Err(KeyFileError::UnknownVersion(version));
    }
    let (header, rest) = file.split_first_chunk::<HEADER>().ok_or(damaged)?;
    let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(damaged)?;
    let cost = Cost::new(number(header, 10), number(header, 14), number(header, 18))?;
    let mut salt = [0; SALT];
    salt.copy_from_slice(&header[BEFORE_SALT..BEFORE_SALT + SALT]);
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&header[BEFORE_SALT + SALT..BEFORE_CHECK]);
    let stretched = cost.stretch(passphrase, &salt)?;
    if !bool::from(stretched.check.ct_eq(&header[BEFORE_CHECK..])) {
        return Err(KeyFileError::WrongPassphrase);
    }
    let mut plain = Zeroizing::new(vec![0; body.len()]);
    let buffer = InOutBuf::new(body, plain.as_mut_slice()).map_err(|_| damaged)?;
    stretched
        .cipher
        .decrypt_inout_detached(&XNonce::from(nonce), header, buffer, &(*tag).into())
        .map_err(|_| damaged)?;
    Ok(plain)
}

fn number(header: &[u8; HEADER], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[at..at + 4]);
    u32::from_be_bytes(bytes)
}
