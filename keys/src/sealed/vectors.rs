//! The stream against vectors made by an independent implementation of the specification.

use serde::Deserialize;
use shake::{ExtendableOutput, Shake256, Update, XofReader};

use super::lengths::{CHUNK, HEADER, SEALED_CHUNK, sealed_chunk, sealed_len};
use super::opener::Opener;
use super::sealer::Sealer;
use crate::id::sha256;
use crate::secret::Secret32;

#[derive(Deserialize)]
struct File {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    size: usize,
    key: String,
    salt: String,
    context: String,
    msg_shake256_seed: String,
    msg_sha256: String,
    commitment: String,
    ct_len: usize,
    ct_sha256: String,
    ct: Option<String>,
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

impl Case {
    fn message(&self) -> Vec<u8> {
        let mut xof = Shake256::default();
        xof.update(&hex(&self.msg_shake256_seed));
        let mut message = vec![0; self.size];
        xof.finalize_xof().read(&mut message);
        assert_eq!(sha256(&message).to_vec(), hex(&self.msg_sha256));
        message
    }

    fn key(&self) -> Secret32 {
        Secret32::from_bytes(hex(&self.key).try_into().unwrap())
    }

    fn check(&self) {
        let (key, context, message) = (self.key(), hex(&self.context), self.message());
        let salt = hex(&self.salt).try_into().unwrap();
        let (mut sealer, header) = Sealer::with_context_bytes(&key, &context, salt);
        assert_eq!(header[24..], hex(&self.commitment));
        let mut sealed = header.to_vec();
        for piece in message.chunks(10_007) {
            sealer.push(piece, &mut sealed).unwrap();
        }
        sealer.finish(&mut sealed).unwrap();
        assert_eq!(sealed.len(), self.ct_len);
        assert_eq!(sealed.len() as u64, sealed_len(self.size as u64));
        assert_eq!(sha256(&sealed).to_vec(), hex(&self.ct_sha256));
        if let Some(ct) = &self.ct {
            assert_eq!(sealed, hex(ct));
        }

        let mut opener = Opener::with_context_bytes(&key, &context, &header).unwrap();
        let mut opened = Vec::new();
        for piece in sealed[HEADER..].chunks(9_973) {
            opener.push(piece, &mut opened).unwrap();
        }
        opener.finish(&mut opened).unwrap();
        assert!(opened == message);

        let opener = Opener::with_context_bytes(&key, &context, &header).unwrap();
        for (index, chunk) in sealed[HEADER..].chunks(SEALED_CHUNK).enumerate() {
            let (range, last) = sealed_chunk(index as u64, sealed.len() as u64).unwrap();
            assert_eq!((range.end - range.start) as usize, chunk.len());
            let mut out = Vec::new();
            opener
                .open_chunk(index as u64, last, chunk, &mut out)
                .unwrap();
            assert!(message[index * CHUNK..].starts_with(&out));
            let mut place = vec![0; out.len()];
            let written = opener.open_chunk_into(index as u64, last, chunk, &mut place);
            assert_eq!(written.unwrap(), out.len());
            assert!(place == out);
            let mut short = vec![0; out.len().saturating_sub(1)];
            let refused = opener.open_chunk_into(index as u64, last, chunk, &mut short);
            assert_eq!(refused.is_err(), !out.is_empty());
        }
    }
}

#[test]
fn all_twelve() {
    let file: File =
        serde_json::from_str(include_str!("../../tests/vectors/chunked-encryption.json")).unwrap();
    assert_eq!(file.tests.len(), 12);
    file.tests.iter().for_each(Case::check);
}
