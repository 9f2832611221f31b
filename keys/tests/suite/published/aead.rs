//! AES-256-GCM (sealed objects), ChaCha20-Poly1305 (envelopes) and XChaCha20-Poly1305 (rows, key files): Wycheproof.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::aead::array::Array;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag, XChaCha20Poly1305};
use serde::Deserialize;

use super::{Wycheproof, parse};
use crate::hex::hex;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    iv_size: usize,
    key_size: usize,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    key: String,
    iv: String,
    aad: String,
    msg: String,
    ct: String,
    tag: String,
    result: String,
}

/// Opens every case, and seals the valid ones again; gives how many were run.
fn run<C: AeadInOut + KeyInit>(json: &str, tag_length: usize) -> usize {
    let file: Wycheproof<Group> = parse(json);
    let mut run = 0;
    for case in file.test_groups.iter().flat_map(|group| &group.tests) {
        let valid = case.result == "valid";
        run += 1;
        let Ok(nonce) = Array::try_from(hex(&case.iv).as_slice()) else {
            assert!(!valid, "case {}", case.tc_id);
            continue;
        };
        let cipher = C::new_from_slice(&hex(&case.key)).unwrap();
        let tag = hex(&case.tag);
        assert_eq!(tag.len(), tag_length);
        let tag = Array::try_from(tag.as_slice()).unwrap();
        let (aad, plain) = (hex(&case.aad), hex(&case.msg));
        let mut buffer = hex(&case.ct);
        let opened =
            cipher.decrypt_inout_detached(&nonce, &aad, buffer.as_mut_slice().into(), &tag);
        assert_eq!(opened.is_ok(), valid, "case {}", case.tc_id);
        if valid {
            assert_eq!(buffer, plain, "case {}", case.tc_id);
            let sealed = cipher.encrypt_inout_detached(&nonce, &aad, buffer.as_mut_slice().into());
            assert!(sealed.unwrap() == tag, "case {}", case.tc_id);
            assert_eq!(buffer, hex(&case.ct), "case {}", case.tc_id);
        }
    }
    assert_eq!(run, file.number_of_tests);
    run
}

#[test]
fn chacha20_poly1305() {
    let json = include_str!("../../vectors/wycheproof-chacha20_poly1305.json");
    assert_eq!(run::<ChaCha20Poly1305>(json, Tag::default().len()), 325);
}

#[test]
fn xchacha20_poly1305() {
    let json = include_str!("../../vectors/wycheproof-xchacha20_poly1305.json");
    assert_eq!(run::<XChaCha20Poly1305>(json, Tag::default().len()), 315);
}

/// The cases with keys and nonces as sealed objects have them: others cannot be given to the cipher.
#[test]
fn aes_256_gcm() {
    let json = include_str!("../../vectors/wycheproof-aes_gcm.json");
    let file: Wycheproof<Group> = parse(json);
    let as_ours = |group: &&Group| group.key_size == 256 && group.iv_size == 96;
    let cases = file.test_groups.iter().filter(as_ours);
    let mut run = 0;
    for case in cases.flat_map(|group| &group.tests) {
        let valid = case.result == "valid";
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &hex(&case.key)).unwrap());
        let nonce = || Nonce::try_assume_unique_for_key(&hex(&case.iv)).unwrap();
        let (aad, sealed, plain) = (hex(&case.aad), hex(&case.ct), hex(&case.msg));
        let mut opened = vec![0; sealed.len()];
        let aad = || Aad::from(&aad);
        let tag = hex(&case.tag);
        let result = cipher.open_separate_gather(nonce(), aad(), &sealed, &tag, &mut opened);
        assert_eq!(result.is_ok(), valid, "case {}", case.tc_id);
        if valid {
            assert_eq!(opened, plain, "case {}", case.tc_id);
            let made = cipher.seal_in_place_separate_tag(nonce(), aad(), &mut opened);
            assert_eq!(made.unwrap().as_ref(), tag, "case {}", case.tc_id);
            assert_eq!(opened, sealed, "case {}", case.tc_id);
        }
        run += 1;
    }
    assert_eq!(run, 66);
}
