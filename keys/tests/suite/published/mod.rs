//! Every primitive against published vectors. Their origin and licences are in `tests/vectors/README.md`.

mod aead;
mod cbor;
mod ed25519;
mod hkdf;
mod hpke;
mod kem;

use serde::de::DeserializeOwned;

/// A Wycheproof file, with groups of type `G`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wycheproof<G> {
    number_of_tests: usize,
    test_groups: Vec<G>,
}

fn parse<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("a vector file")
}
