//! Properties over random inputs.

use coset::cbor::value::Value;
use dokuei_keys::cbor::{MAX_DEPTH, check_profile};
use dokuei_keys::sealed::{
    CHUNK, HEADER, MAX_PLAIN, chunk_of, open, plain_len, seal, sealed_chunk, sealed_len,
};
use dokuei_keys::{
    Delegation, Opener, ParcelId, Prekey, PublicKey, Revocation, Sealer, Signed, SiteCertificate,
    SiteIdentity, peek,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::documents::node_delegation;
use crate::sample::{NOW, SAMPLE_SALT, Site, content_key, noise, seal_context};

/// Splits `bytes` into pieces of the sizes given, over and over.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    pieces
}

/// Lengths near chunk boundaries as often as anywhere.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..5 * CHUNK,
        (0..5_usize, 0..3_usize).prop_map(|(k, d)| (k * CHUNK + d).saturating_sub(1)),
    ]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..200_usize, 1..3 * CHUNK], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sealing_and_opening_do_not_depend_on_the_pieces(
        length in lengths(), sealing in sizes(), opening in sizes(), seed: u64,
    ) {
        let (key, context, plain) = (content_key(1), seal_context(), noise(length, seed));
        let whole = seal(&key, &context, SAMPLE_SALT, &plain).unwrap();
        prop_assert_eq!(whole.len() as u64, sealed_len(length as u64));

        let (mut sealer, header) = Sealer::new(&key, &context, SAMPLE_SALT);
        let mut sealed = header.to_vec();
        for piece in pieces(&plain, &sealing) {
            sealer.push(piece, &mut sealed).unwrap();
        }
        sealer.finish(&mut sealed).unwrap();
        prop_assert!(sealed == whole);

        let (header, body) = sealed.split_first_chunk::<HEADER>().unwrap();
        let mut opener = Opener::new(&key, &context, header).unwrap();
        let mut opened = Vec::new();
        for piece in pieces(body, &opening) {
            opener.push(piece, &mut opened).unwrap();
        }
        opener.finish(&mut opened).unwrap();
        prop_assert!(opened == plain);
        prop_assert!(open(&key, &context, &whole).unwrap() == plain);
    }

    #[test]
    fn filling_a_buffer_gives_the_same_bytes_as_growing_one(
        length in lengths(), sealing in sizes(), opening in sizes(), seed: u64,
    ) {
        let (key, context, plain) = (content_key(1), seal_context(), noise(length, seed));
        let whole = seal(&key, &context, SAMPLE_SALT, &plain).unwrap();

        let (mut sealer, header) = Sealer::new(&key, &context, SAMPLE_SALT);
        let mut sealed = header.to_vec();
        for piece in pieces(&plain, &sealing) {
            let mut buffer = vec![0xaa; sealer.completed_by(piece.len()) + 3];
            let needed = buffer.len() - 3;
            let written = sealer.push_into(piece, &mut buffer).unwrap();
            prop_assert_eq!(written, needed);
            prop_assert_eq!(&buffer[written..], &[0xaa; 3]);
            sealed.extend_from_slice(&buffer[..written]);
        }
        sealer.finish(&mut sealed).unwrap();
        prop_assert!(sealed == whole);

        let (header, body) = sealed.split_first_chunk::<HEADER>().unwrap();
        let mut opener = Opener::new(&key, &context, header).unwrap();
        let mut opened = Vec::new();
        for piece in pieces(body, &opening) {
            let mut buffer = vec![0; opener.completed_by(piece.len())];
            prop_assert_eq!(opener.push_into(piece, &mut buffer).unwrap(), buffer.len());
            opened.extend_from_slice(&buffer);
        }
        opener.finish(&mut opened).unwrap();
        prop_assert!(opened == plain);
    }

    #[test]
    fn any_byte_is_found_by_opening_its_chunk_alone(
        length in 1..5 * CHUNK, place in any::<prop::sample::Index>(), seed: u64,
    ) {
        let (key, context, plain) = (content_key(1), seal_context(), noise(length, seed));
        let sealed = seal(&key, &context, SAMPLE_SALT, &plain).unwrap();
        let at = place.index(length);
        let (index, within) = chunk_of(at as u64);
        let (range, last) = sealed_chunk(index, sealed.len() as u64).unwrap();
        let opener = Opener::new(&key, &context, sealed.first_chunk().unwrap()).unwrap();
        let mut out = Vec::new();
        let chunk = &sealed[range.start as usize..range.end as usize];
        opener.open_chunk(index, last, chunk, &mut out).unwrap();
        prop_assert_eq!(out[within], plain[at]);
    }

    #[test]
    fn any_single_change_is_refused(
        length in lengths(), place in any::<prop::sample::Index>(), change in 1..=255_u8,
    ) {
        let (key, context) = (content_key(1), seal_context());
        let mut sealed = seal(&key, &context, SAMPLE_SALT, &noise(length, 1)).unwrap();
        let at = place.index(sealed.len());
        sealed[at] ^= change;
        prop_assert!(open(&key, &context, &sealed).is_err());
    }
}

/// A value of the profile, at most `depth` levels deep.
fn values(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ".{0,12}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(depth, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(any::<i32>(), inner, 0..6).prop_map(|map| {
                let mut pairs: Vec<(Vec<u8>, i32, Value)> = map
                    .into_iter()
                    .map(|(key, value)| (written(&Value::from(key)), key, value))
                    .collect();
                pairs.sort_by(|one, two| one.0.cmp(&two.0));
                Value::Map(
                    pairs
                        .into_iter()
                        .map(|(_, key, value)| (key.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

fn written(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    coset::cbor::ser::into_writer(value, &mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lengths_map_both_ways(plain in 0..=MAX_PLAIN) {
        prop_assert_eq!(plain_len(sealed_len(plain)), Ok(plain));
    }

    /// Another library's encoding of values in the profile is admitted.
    #[test]
    fn the_profile_admits_what_another_library_writes(value in values(MAX_DEPTH as u32 - 1)) {
        prop_assert!(check_profile(&written(&value)).is_ok());
    }

    /// What is admitted has one spelling: another library reads it, and writes the same bytes.
    #[test]
    fn what_the_profile_admits_has_one_spelling(
        value in values(3), place in any::<prop::sample::Index>(), change: u8,
    ) {
        let mut bytes = written(&value);
        let at = place.index(bytes.len());
        bytes[at] ^= change;
        if check_profile(&bytes).is_ok() {
            let read: Value = coset::cbor::de::from_reader(bytes.as_slice()).unwrap();
            prop_assert_eq!(written(&read), bytes);
        }
    }

    #[test]
    fn no_reader_panics_or_accepts_noise(bytes in vec(any::<u8>(), 0..400)) {
        let key = Site::clinic().key.public();
        prop_assert!(peek(&bytes).is_err());
        prop_assert!(SiteIdentity::check(&bytes, NOW).is_err());
        prop_assert!(Signed::<SiteCertificate>::verify(&bytes, &key).is_err());
        prop_assert!(Signed::<Delegation>::verify(&bytes, &key).is_err());
        prop_assert!(Signed::<Revocation>::verify(&bytes, &key).is_err());
        prop_assert!(Signed::<Prekey>::verify(&bytes, &key).is_err());
    }

    /// Changed in several places, moved around, cut: a document is refused, and nothing panics on the way.
    #[test]
    fn a_document_with_spliced_bytes_is_refused(
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
        insert in vec(any::<u8>(), 0..20),
    ) {
        let clinic = Site::clinic();
        let signed = node_delegation(&clinic);
        let length = signed.bytes().len();
        let (from, to) = (from.index(length), to.index(length));
        let mut bytes = signed.bytes().to_vec();
        bytes.splice(from.min(to)..from.max(to), insert);
        if bytes != signed.bytes() {
            prop_assert!(Signed::<Delegation>::verify(&bytes, &clinic.key.public()).is_err());
        }
    }

    #[test]
    fn names_read_back(bytes: [u8; 32]) {
        let id = ParcelId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        if let Ok(key) = PublicKey::from_bytes(&bytes) {
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
