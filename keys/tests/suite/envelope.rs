//! The envelope against its own mutations.

use dokuei_keys::envelope::{ENC, WRAPPED, unwrap, wrap};
use dokuei_keys::sealed::commitment;
use dokuei_keys::{
    ContentKey, Digest, GrantContext, ParcelId, Prekey, PrekeySecret, RecipientRole, Refused,
    SiteId, Why, WrappedKey,
};

use crate::sample::{Site, content_key, grant_context, prekey_secret, rng, validity};

/// A content key wrapped for the hospital's prekey.
struct Granted {
    key: ContentKey,
    context: GrantContext,
    secret: PrekeySecret,
    prekey: Prekey,
    wrapped: WrappedKey,
}

fn granted() -> Granted {
    let key = content_key(0x21);
    let context = grant_context(&key);
    let secret = prekey_secret(0x31);
    let prekey = secret.prekey(Site::hospital().id(), validity(7));
    let wrapped = wrap(&key, &prekey, &context, &mut rng(1)).unwrap();
    Granted {
        key,
        context,
        secret,
        prekey,
        wrapped,
    }
}

fn why<T>(refused: Result<T, Refused>) -> Why {
    let refused = refused.err().expect("accepted");
    assert_eq!(refused.to_string(), "refused", "one class towards a peer");
    refused.why()
}

#[test]
fn what_was_wrapped_unwraps() {
    let it = granted();
    assert!(unwrap(&it.wrapped, &it.secret, &it.context).unwrap() == it.key);
    let again = wrap(&it.key, &it.prekey, &it.context, &mut rng(2)).unwrap();
    assert_ne!(again.enc, it.wrapped.enc, "each wrap is fresh");
    assert!(unwrap(&again, &it.secret, &it.context).unwrap() == it.key);
}

type Change<'a> = &'a dyn Fn(&mut GrantContext);

#[test]
fn each_bound_field_changed_alone_is_refused() {
    let it = granted();
    let other = SiteId::from_bytes([1; 32]);
    let changes: [(&str, Change); 6] = [
        ("case", &|c| c.case[31] ^= 1),
        ("sender", &|c| c.sender = other),
        ("recipient", &|c| c.recipient = other),
        ("role", &|c| c.role = RecipientRole::Requester),
        ("commitment", &|c| {
            c.commitment = Digest::from_bytes([2; 32])
        }),
        // With a commitment that fits the other parcel, so that only the binding is left to refuse it.
        ("parcel", &|c| {
            c.parcel = ParcelId::from_bytes([0x41; 32]);
            c.commitment = commitment(&content_key(0x21), &c.parcel);
        }),
    ];
    for (field, change) in changes {
        let mut context = it.context;
        change(&mut context);
        assert_eq!(
            why(unwrap(&it.wrapped, &it.secret, &context)),
            Why::Wrap,
            "{field}"
        );
    }
}

#[test]
fn each_flipped_bit_of_a_wrap_is_refused() {
    let it = granted();
    for at in 0..ENC + WRAPPED {
        let mut wrapped = it.wrapped.clone();
        let byte = match at.checked_sub(ENC) {
            None => &mut wrapped.enc[at],
            Some(at) => &mut wrapped.ciphertext[at],
        };
        *byte ^= 1 << (at % 8);
        assert_eq!(
            why(unwrap(&wrapped, &it.secret, &it.context)),
            Why::Wrap,
            "byte {at}"
        );
    }
}

/// The top bit of an X25519 coordinate is ignored by X25519 itself; X-Wing's combiner must still see it.
#[test]
fn a_second_spelling_of_the_x25519_part_is_refused() {
    let it = granted();
    let mut wrapped = it.wrapped.clone();
    wrapped.enc[ENC - 1] ^= 0x80;
    assert_eq!(why(unwrap(&wrapped, &it.secret, &it.context)), Why::Wrap);
}

#[test]
fn another_prekey_is_refused() {
    let it = granted();
    let other = prekey_secret(0x32);
    assert_eq!(
        why(unwrap(&it.wrapped, &other, &it.context)),
        Why::OtherPrekey
    );
    let mut renamed = it.wrapped.clone();
    renamed.prekey = other.id();
    assert_eq!(why(unwrap(&renamed, &other, &it.context)), Why::Wrap);
    assert_eq!(
        why(unwrap(&renamed, &it.secret, &it.context)),
        Why::OtherPrekey
    );
}

#[test]
fn parts_of_two_wraps_do_not_combine() {
    let it = granted();
    let second = wrap(
        &content_key(0x22),
        &it.prekey,
        &grant_context(&content_key(0x22)),
        &mut rng(3),
    );
    let second = second.unwrap();
    let mut spliced = it.wrapped.clone();
    spliced.enc = second.enc;
    assert_eq!(why(unwrap(&spliced, &it.secret, &it.context)), Why::Wrap);
    let mut spliced = it.wrapped.clone();
    spliced.ciphertext = second.ciphertext;
    assert_eq!(why(unwrap(&spliced, &it.secret, &it.context)), Why::Wrap);
}

#[test]
fn a_wrap_that_would_be_refused_is_not_made() {
    let it = granted();
    let mut rng = rng(4);
    let other_key = content_key(0x22);
    assert_eq!(
        why(wrap(&other_key, &it.prekey, &it.context, &mut rng)),
        Why::OtherKeyCommitted
    );
    let mut elsewhere = it.prekey.clone();
    elsewhere.site = Site::clinic().id();
    assert_eq!(
        why(wrap(&it.key, &elsewhere, &it.context, &mut rng)),
        Why::OtherSite
    );
    let mut renamed = it.prekey.clone();
    renamed.public[0] ^= 1;
    assert_eq!(
        why(wrap(&it.key, &renamed, &it.context, &mut rng)),
        Why::OtherIdentifier
    );
}

#[test]
fn a_wrap_in_cbor_has_one_spelling() {
    let it = granted();
    let bytes = dokuei_keys::cbor::encode(&it.wrapped);
    let decode = |bytes: &[u8]| dokuei_keys::cbor::decode_strict::<WrappedKey>(bytes, 2048);
    assert_eq!(decode(&bytes).unwrap(), it.wrapped);
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err());
    }
    // The suite: a map, key 0, value 1. No other value is one.
    assert_eq!(bytes[..3], [0xa4, 0x00, 0x01]);
    for suite in [0, 2, 3, 0x17] {
        let mut other = bytes.clone();
        other[2] = suite;
        assert!(decode(&other).is_err(), "suite {suite}");
    }
}
