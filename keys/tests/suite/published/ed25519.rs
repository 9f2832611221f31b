//! Ed25519: Wycheproof, CCTV's edge cases, and "Taming the many EdDSAs".

use dokuei_keys::PublicKey;
use serde::Deserialize;

use super::{Wycheproof, parse};
use crate::hex::hex;

/// Does the crate accept this signature by this key?
fn accepts(key: &str, message: &[u8], signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (
        <[u8; 32]>::try_from(hex(key)),
        <[u8; 64]>::try_from(hex(signature)),
    ) else {
        return false;
    };
    PublicKey::from_bytes(&key).is_ok_and(|key| key.verify(message, &signature).is_ok())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key: Key,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Key {
    pk: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    msg: String,
    sig: String,
    result: String,
}

#[test]
fn wycheproof() {
    let file: Wycheproof<Group> = parse(include_str!("../../vectors/wycheproof-ed25519.json"));
    let mut run = 0;
    for group in &file.test_groups {
        for case in &group.tests {
            let accepted = accepts(&group.public_key.pk, &hex(&case.msg), &case.sig);
            assert_eq!(accepted, case.result == "valid", "case {}", case.tc_id);
            run += 1;
        }
    }
    assert_eq!((run, file.number_of_tests), (151, 151));
}

#[derive(Deserialize)]
struct EdgeCase {
    number: u32,
    key: String,
    sig: String,
    msg: String,
    flags: Option<Vec<String>>,
}

/// Of the 914 signatures that satisfy one verification equation or another, strict verification accepts 43; none has
/// a low-order key or commitment, and none depends on a second encoding of a point.
#[test]
fn cctv() {
    let cases: Vec<EdgeCase> = parse(include_str!("../../vectors/cctv-ed25519.json"));
    assert_eq!(cases.len(), 914);
    let accepted: Vec<&EdgeCase> = cases
        .iter()
        .filter(|case| accepts(&case.key, case.msg.as_bytes(), &case.sig))
        .collect();
    assert_eq!(accepted.len(), 43);
    for case in accepted {
        for flag in case.flags.iter().flatten() {
            assert!(
                ![
                    "low_order_A",
                    "low_order_R",
                    "non_canonical_A",
                    "non_canonical_R"
                ]
                .contains(&flag.as_str()),
                "case {} is {flag}",
                case.number
            );
        }
    }
}

#[derive(Deserialize)]
struct SpecCheck {
    message: String,
    pub_key: String,
    signature: String,
}

/// Of the twelve, only number 3 passes: a mixed-order key and commitment whose torsion parts cancel in the
/// cofactorless equation, which every verifier must accept alike.
#[test]
fn speccheck() {
    let cases: Vec<SpecCheck> = parse(include_str!("../../vectors/ed25519-speccheck.json"));
    assert_eq!(cases.len(), 12);
    let accepted: Vec<usize> = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| accepts(&case.pub_key, &hex(&case.message), &case.signature))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(accepted, [3]);
}

/// The eight points of small order, in every encoding (from the speccheck paper's table): none is a key.
#[test]
fn no_low_order_or_second_encoding_is_a_key() {
    let cases: Vec<EdgeCase> = parse(include_str!("../../vectors/cctv-ed25519.json"));
    let mut refused = 0;
    for case in &cases {
        let flags = case.flags.clone().unwrap_or_default();
        if flags
            .iter()
            .any(|f| f == "low_order_A" || f == "non_canonical_A")
        {
            let key: [u8; 32] = hex(&case.key).try_into().unwrap();
            assert!(PublicKey::from_bytes(&key).is_err(), "{}", case.key);
            refused += 1;
        }
    }
    assert!(refused >= 526, "{refused}");
}
