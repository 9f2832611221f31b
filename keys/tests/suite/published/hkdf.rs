//! HKDF-SHA-256, as HPKE uses it: Wycheproof.

use hkdf::Hkdf;
use serde::Deserialize;
use sha2::Sha256;

use super::{Wycheproof, parse};
use crate::hex::hex;

#[derive(Deserialize)]
struct Group {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    ikm: String,
    salt: String,
    info: String,
    size: usize,
    okm: String,
    result: String,
}

#[test]
fn wycheproof() {
    let file: Wycheproof<Group> = parse(include_str!("../../vectors/wycheproof-hkdf_sha256.json"));
    let mut run = 0;
    for case in file.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; case.size];
        let expanded = Hkdf::<Sha256>::new(Some(&hex(&case.salt)), &hex(&case.ikm))
            .expand(&hex(&case.info), &mut okm);
        let valid = case.result == "valid";
        assert_eq!(expanded.is_ok(), valid, "case {}", case.tc_id);
        if valid {
            assert_eq!(okm, hex(&case.okm), "case {}", case.tc_id);
        }
        run += 1;
    }
    assert_eq!((run, file.number_of_tests), (86, 86));
}
