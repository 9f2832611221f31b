//! HPKE: RFC 9180 with X25519 in all four modes, and the X-Wing suites of draft-ietf-hpke-pq.

use std::convert::Infallible;

use hpke::aead::{Aead, ChaCha20Poly1305, ExportOnlyAead};
use hpke::kdf::{HkdfSha256, Kdf, KdfShake256};
use hpke::kem::{Kem, X25519HkdfSha256, XWing};
use hpke::{
    Deserializable, OpModeR, OpModeS, PskBundle, Serializable, setup_receiver,
    setup_sender_with_rng,
};
use rand_chacha::rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

use super::parse;
use crate::hex::hex;

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the files' own names")]
struct Case {
    mode: u8,
    kem_id: u16,
    kdf_id: u16,
    aead_id: u16,
    info: String,
    ikmE: String,
    skRm: String,
    pkRm: String,
    skSm: Option<String>,
    pkSm: Option<String>,
    psk: Option<String>,
    psk_id: Option<String>,
    enc: String,
    encryptions: Vec<Encryption>,
    exports: Vec<Export>,
}

#[derive(Deserialize)]
struct Encryption {
    aad: String,
    ct: String,
    nonce: String,
    pt: String,
}

#[derive(Deserialize)]
struct Export {
    exporter_context: String,
    #[serde(rename = "L")]
    length: usize,
    exported_value: String,
}

/// Gives out the randomness a vector was made with, once.
struct Replay(Vec<u8>);

impl TryRng for Replay {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0.drain(..out.len()).collect::<Vec<u8>>());
        Ok(())
    }
}

impl TryCryptoRng for Replay {}

impl Case {
    /// Runs the case from both ends; gives how many encryptions were compared.
    fn run<A: Aead, D: Kdf, K: Kem>(&self) -> usize {
        let info = hex(&self.info);
        let psk = (
            self.psk.as_deref().map(hex),
            self.psk_id.as_deref().map(hex),
        );
        let bundle = || PskBundle::new(psk.0.as_ref().unwrap(), psk.1.as_ref().unwrap()).unwrap();
        let sender_key = || K::PrivateKey::from_bytes(&hex(self.skSm.as_ref().unwrap())).unwrap();
        let sender_public = || K::PublicKey::from_bytes(&hex(self.pkSm.as_ref().unwrap())).unwrap();
        let (sender, receiver) = match self.mode {
            0 => (OpModeS::<K>::Base, OpModeR::<K>::Base),
            1 => (OpModeS::Psk(bundle()), OpModeR::Psk(bundle())),
            2 => (
                OpModeS::Auth((sender_key(), sender_public())),
                OpModeR::Auth(sender_public()),
            ),
            3 => (
                OpModeS::AuthPsk((sender_key(), sender_public()), bundle()),
                OpModeR::AuthPsk(sender_public(), bundle()),
            ),
            other => panic!("mode {other}"),
        };
        let public = K::PublicKey::from_bytes(&hex(&self.pkRm)).unwrap();
        let private = K::PrivateKey::from_bytes(&hex(&self.skRm)).unwrap();
        assert!(K::sk_to_pk(&private) == public);
        let mut replay = Replay(hex(&self.ikmE));
        let (enc, mut from) =
            setup_sender_with_rng::<A, D, K>(&sender, &public, &info, &mut replay).unwrap();
        assert_eq!(enc.to_bytes().as_slice(), hex(&self.enc));
        let mut to = setup_receiver::<A, D, K>(&receiver, &private, &enc, &info).unwrap();
        for export in &self.exports {
            let mut out = vec![0; export.length];
            to.export(&hex(&export.exporter_context), &mut out).unwrap();
            assert_eq!(out, hex(&export.exported_value));
        }
        let mut compared = 0;
        // A file leaves out numbers; the contexts count through them. Export-only suites encrypt nothing.
        for number in 0..self.numbers() {
            let Some(case) = self.encryption(number) else {
                let skipped = from.seal(b"", b"").unwrap();
                to.open(&skipped, b"").unwrap();
                continue;
            };
            let (plain, aad) = (hex(&case.pt), hex(&case.aad));
            let ct = from.seal(&plain, &aad).unwrap();
            assert_eq!(ct, hex(&case.ct));
            assert_eq!(to.open(&ct, &aad).unwrap(), plain);
            compared += 1;
        }
        compared
    }

    /// The number of an encryption, from its nonce: base nonce XOR number.
    fn number(&self, case: &Encryption) -> u16 {
        let low = |nonce: &str| {
            let bytes = hex(nonce);
            u16::from_be_bytes([bytes[10], bytes[11]])
        };
        low(&case.nonce) ^ low(&self.encryptions[0].nonce)
    }

    /// One more than the last encryption's number.
    fn numbers(&self) -> u16 {
        let numbers = self.encryptions.iter().map(|case| self.number(case) + 1);
        numbers.max().unwrap_or(0)
    }

    fn encryption(&self, number: u16) -> Option<&Encryption> {
        self.encryptions
            .iter()
            .find(|case| self.number(case) == number)
    }
}

#[test]
fn rfc_9180_x25519() {
    let cases: Vec<Case> = parse(include_str!(
        "../../vectors/hpke-rfc9180-x25519-chachapoly.json"
    ));
    let mut compared = 0;
    for case in &cases {
        assert_eq!((case.kem_id, case.kdf_id), (0x20, 1));
        compared += match case.aead_id {
            3 => case.run::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(),
            0xffff => case.run::<ExportOnlyAead, HkdfSha256, X25519HkdfSha256>(),
            other => panic!("aead {other}"),
        };
    }
    assert_eq!((cases.len(), compared), (8, 40));
}

#[test]
fn xwing_suites() {
    let files = [
        include_str!("../../vectors/hpke-pq-draft-xwing.json"),
        include_str!("../../vectors/hpke-rust-xwing.json"),
    ];
    let mut compared = 0;
    for case in files.iter().flat_map(|file| parse::<Vec<Case>>(file)) {
        assert_eq!((case.kem_id, case.aead_id), (0x647a, 3));
        compared += match case.kdf_id {
            1 => case.run::<ChaCha20Poly1305, HkdfSha256, XWing>(),
            0x11 => case.run::<ChaCha20Poly1305, KdfShake256, XWing>(),
            other => panic!("kdf {other}"),
        };
    }
    assert_eq!(compared, 40);
}
