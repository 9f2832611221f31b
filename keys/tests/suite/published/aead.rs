//! ChaCha20-Poly1305 (sealed objects, envelopes) and XChaCha20-Poly1305 (rows, key files): Wycheproof.

use chacha20poly1305::aead::array::Array;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag, XChaCha20Poly1305};
use serde::Deserialize;

use super::{Wycheproof, parse};
use crate::hex::hex;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
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
