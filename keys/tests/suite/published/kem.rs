//! X-Wing, and the two it is made of: X25519 and ML-KEM-768.

use dokuei_keys::{PrekeySecret, Secret32};
use ml_kem::kem::{Decapsulate as _, KeyExport as _};
use ml_kem::{FromSeed as _, MlKem768};
use serde::Deserialize;
use x_wing::{Ciphertext, DecapsulationKey, Decapsulator as _};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Wycheproof, parse};
use crate::hex::hex;

#[derive(Deserialize)]
struct XWing {
    eseed: String,
    ss: String,
    sk: String,
    pk: String,
    ct: String,
}

#[test]
fn xwing() {
    let cases: Vec<XWing> = parse(include_str!("../../vectors/xwing.json"));
    assert_eq!(cases.len(), 3);
    for case in cases {
        let seed: [u8; 32] = hex(&case.sk).try_into().unwrap();
        let prekey = PrekeySecret::from_seed(Secret32::from_bytes(seed));
        assert_eq!(prekey.public().as_slice(), hex(&case.pk));

        let key = DecapsulationKey::from(seed);
        let eseed: [u8; 64] = hex(&case.eseed).try_into().unwrap();
        let (ct, ss) = key
            .encapsulation_key()
            .encapsulate_deterministic(&eseed.into());
        assert_eq!(ct.as_slice(), hex(&case.ct));
        assert_eq!(ss.as_slice(), hex(&case.ss));
        let ct = Ciphertext::try_from(hex(&case.ct).as_slice()).unwrap();
        assert_eq!(
            x_wing::kem::Decapsulate::decapsulate(&key, &ct).as_slice(),
            hex(&case.ss)
        );
    }
}

#[derive(Deserialize)]
struct Group<C> {
    tests: Vec<C>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exchange {
    tc_id: u32,
    public: String,
    private: String,
    shared: String,
}

/// "Acceptable" cases are points on the twist, of low order or in a second encoding: the function is defined for them
/// (RFC 7748 §5), and X-Wing needs no refusal because its combiner hashes the ciphertext.
#[test]
fn x25519() {
    let file: Wycheproof<Group<Exchange>> =
        parse(include_str!("../../vectors/wycheproof-x25519.json"));
    let mut run = 0;
    for case in file.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = hex(&case.private).try_into().unwrap();
        let public: [u8; 32] = hex(&case.public).try_into().unwrap();
        let shared = StaticSecret::from(private).diffie_hellman(&PublicKey::from(public));
        assert_eq!(
            shared.as_bytes().as_slice(),
            hex(&case.shared),
            "case {}",
            case.tc_id
        );
        run += 1;
    }
    assert_eq!((run, file.number_of_tests), (518, 518));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decapsulation {
    tc_id: u32,
    seed: String,
    ek: Option<String>,
    c: String,
    #[serde(rename = "K")]
    shared: Option<String>,
    result: String,
}

/// Invalid cases are seeds or ciphertexts of another length, which do not fit the types.
#[test]
fn ml_kem_768() {
    let file: Wycheproof<Group<Decapsulation>> =
        parse(include_str!("../../vectors/wycheproof-mlkem_768.json"));
    let (mut valid, mut invalid) = (0, 0);
    for case in file.test_groups.iter().flat_map(|group| &group.tests) {
        let seed = <[u8; 64]>::try_from(hex(&case.seed));
        let sent = <[u8; 1088]>::try_from(hex(&case.c));
        let (Ok(seed), Ok(sent)) = (seed, sent) else {
            assert_eq!(case.result, "invalid", "case {}", case.tc_id);
            invalid += 1;
            continue;
        };
        let (private, public) = MlKem768::from_seed(&seed.into());
        if let Some(ek) = &case.ek {
            assert_eq!(public.to_bytes().as_slice(), hex(ek), "case {}", case.tc_id);
        }
        let shared = private.decapsulate(&sent.into());
        assert_eq!(case.result, "valid", "case {}", case.tc_id);
        let expected = case.shared.as_deref().map(hex);
        assert_eq!(
            expected.as_deref(),
            Some(shared.as_slice()),
            "case {}",
            case.tc_id
        );
        valid += 1;
    }
    assert_eq!((valid, invalid, file.number_of_tests), (153, 40, 193));
}
