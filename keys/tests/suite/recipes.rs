//! Each construction built a second time, from the primitives, as the protocol's text gives it: whoever writes another
//! implementation needs nothing but that text.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use coset::cbor::value::Value;
use dokuei_keys::envelope::wrap;
use dokuei_keys::keyfile::{Cost, seal_secrets};
use dokuei_keys::pairing::{PairingRole, PairingSecret, pairing_tag};
use dokuei_keys::sealed::{commitment, object_digest_key, seal};
use dokuei_keys::{ObjectHasher, Secret32, StorageKey};
use hkdf::HmacImpl;
use hkdf::hmac::Hmac;
use hpke::aead::ChaCha20Poly1305 as HpkeChaCha;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, XWing};
use hpke::{Deserializable as _, OpModeR, single_shot_open};
use sha2::{Digest as _, Sha256, Sha512};

use crate::sample::{
    SAMPLE_SALT, Site, content_key, grant_context, noise, prekey_secret, rng, seal_context,
    validity,
};

/// HKDF-Expand (RFC 5869 §2.3) with SHA-512.
fn expand(key: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let (mut out, mut block) = (Vec::new(), Vec::new());
    for counter in 1_u8.. {
        let mut mac = <Hmac<Sha512> as HmacImpl>::new_from_slice(key);
        HmacImpl::update(&mut mac, &[block.as_slice(), info, &[counter]].concat());
        block = HmacImpl::finalize(mac).to_vec();
        out.extend(&block);
        if out.len() >= length {
            break;
        }
    }
    out.truncate(length);
    out
}

#[test]
fn sealed_object() {
    let (context, plain) = (seal_context(), noise(40_000, 1));
    let info = [
        b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0".as_slice(),
        &SAMPLE_SALT,
        b"dokuei/v1/seal/object",
        context.parcel.as_bytes(),
        context.site.as_bytes(),
        &7_u32.to_be_bytes(),
    ]
    .concat();
    let derived = expand(&[1; 32], &info, 32 + 12 + 32);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived[..32]).unwrap());
    let mut expected = [SAMPLE_SALT.as_slice(), &derived[44..]].concat();
    for (index, chunk) in plain.chunks(16_384).enumerate() {
        let mut nonce: [u8; 12] = derived[32..44].try_into().unwrap();
        nonce[11] ^= index as u8;
        let mut sealed = chunk.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        cipher
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
            .unwrap();
        expected.extend(sealed);
    }
    let sealed = seal(&content_key(1), &context, SAMPLE_SALT, &plain).unwrap();
    assert!(sealed == expected);
}

#[test]
fn commitment_and_object_digest() {
    let parcel = seal_context().parcel;
    let info = |label: &[u8]| [label, parcel.as_bytes()].concat();
    let committed = expand(&[1; 32], &info(b"dokuei/v1/derive/key-commitment"), 32);
    assert_eq!(
        commitment(&content_key(1), &parcel).as_bytes().as_slice(),
        committed
    );
    let key = expand(&[1; 32], &info(b"dokuei/v1/derive/object-digest"), 32);
    let digest = blake3::keyed_hash(&key.try_into().unwrap(), b"object");
    let ours = ObjectHasher::digest(&object_digest_key(&content_key(1), &parcel), b"object");
    assert_eq!(ours.as_bytes(), digest.as_bytes());
}

#[test]
fn envelope() {
    let key = content_key(0x21);
    let (context, secret) = (grant_context(&key), prekey_secret(0x31));
    let prekey = secret.prekey(Site::hospital().id(), validity(7));
    let wrapped = wrap(&key, &prekey, &context, &mut rng(1)).unwrap();

    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let fields = [
        Value::from(1),
        bytes(&context.case),
        bytes(context.parcel.as_bytes()),
        bytes(context.sender.as_bytes()),
        bytes(context.recipient.as_bytes()),
        Value::from(0),
        bytes(context.commitment.as_bytes()),
        bytes(&Sha256::digest(prekey.public)),
    ];
    let numbered = fields.into_iter().enumerate();
    let map = Value::Map(
        numbered
            .map(|(key, value)| (Value::from(key as u64), value))
            .collect(),
    );
    let mut info = b"dokuei/v1/envelope".to_vec();
    coset::cbor::ser::into_writer(&map, &mut info).unwrap();
    let opened = single_shot_open::<HpkeChaCha, HkdfSha256, XWing>(
        &OpModeR::Base,
        &<XWing as Kem>::PrivateKey::from_bytes(&[0x31; 32]).unwrap(),
        &<XWing as Kem>::EncappedKey::from_bytes(&wrapped.enc).unwrap(),
        &info,
        &wrapped.ciphertext,
        b"",
    );
    assert_eq!(opened.unwrap(), [0x21; 32]);
}

#[test]
fn row_and_content_key_at_rest() {
    let key = StorageKey::from_secret(Secret32::from_bytes([0x61; 32]));
    let open = |label: &str, table: &str, place: &[u8], row: &[u8]| {
        let derived = expand(&[0x61; 32], label.as_bytes(), 32);
        let length = (table.len() as u32).to_be_bytes();
        let aad = [label.as_bytes(), &length, table.as_bytes(), place].concat();
        assert_eq!(row[0], 1, "version");
        XChaCha20Poly1305::new_from_slice(&derived)
            .unwrap()
            .decrypt(
                row[1..25].try_into().unwrap(),
                Payload {
                    msg: &row[25..],
                    aad: &aad,
                },
            )
            .unwrap()
    };
    let row = key
        .seal_row("studies", b"row key", b"a row", &mut rng(1))
        .unwrap();
    assert_eq!(
        open("dokuei/v1/derive/row-key", "studies", b"row key", &row),
        b"a row"
    );
    let parcel = seal_context().parcel;
    let wrapped = key
        .wrap_content_key(&parcel, &content_key(2), &mut rng(2))
        .unwrap();
    let opened = open(
        "dokuei/v1/derive/content-key-wrap",
        "",
        parcel.as_bytes(),
        &wrapped,
    );
    assert_eq!(opened, [2; 32]);
}

#[test]
fn key_file() {
    let cost = Cost::new(64, 2, 1).unwrap();
    let file = seal_secrets(b"the secrets", b"passphrase", cost, &mut rng(1)).unwrap();
    let (before, digest) = file.split_at(file.len() - 32);
    assert_eq!(Sha256::digest(before).as_slice(), digest);
    let (header, body) = before.split_at(94);
    let start = [
        b"dokueikf".as_slice(),
        &[0, 1],
        &[0, 0, 0, 64],
        &[0, 0, 0, 2],
        &[0, 0, 0, 1],
    ];
    assert_eq!(header[..22], start.concat());
    let (salt, nonce, check) = (&header[22..54], &header[54..78], &header[78..]);
    let mut root = [0; 32];
    let params = Params::new(64, 2, 1, Some(32)).unwrap();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(b"passphrase", salt, &mut root)
        .unwrap();
    let derived = expand(&root, b"dokuei/v1/derive/keyfile", 48);
    assert_eq!(&derived[32..], check);
    let opened = XChaCha20Poly1305::new_from_slice(&derived[..32])
        .unwrap()
        .decrypt(
            nonce.try_into().unwrap(),
            Payload {
                msg: body,
                aad: header,
            },
        );
    assert_eq!(opened.unwrap(), b"the secrets");
}

#[test]
fn pairing_proof() {
    let code: PairingSecret = "00000-00000-00000-0000Z".parse().unwrap();
    let mut key = [0; 16];
    key[15] = 31;
    for (role, byte) in [(PairingRole::Inviter, 1), (PairingRole::Accepter, 2)] {
        let mut mac = <Hmac<Sha256> as HmacImpl>::new_from_slice(&key);
        HmacImpl::update(&mut mac, b"dokuei/v1/pairing");
        HmacImpl::update(&mut mac, &[byte]);
        HmacImpl::update(&mut mac, b"transcript");
        let expected = HmacImpl::finalize(mac);
        assert_eq!(
            pairing_tag(&code, role, b"transcript").as_slice(),
            expected.as_slice()
        );
    }
}
