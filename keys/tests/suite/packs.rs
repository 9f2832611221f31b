//! Packs: the same bytes each time, and only in their own place.

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{PackContext, SealContext, open, open_pack, seal_pack};

use crate::hex::dump;
use crate::sample::{content_key, seal_context};

fn context() -> PackContext {
    let SealContext { parcel, site, .. } = seal_context();
    PackContext {
        parcel,
        site,
        pack: 7,
    }
}

#[test]
fn a_pack_is_the_same_bytes_each_time_and_opens_again() {
    let key = content_key(1);
    for length in [0, 1, 16_383, 16_384, 100_000] {
        let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let sealed = seal_pack(&key, &context(), &plain).unwrap();
        assert_eq!(sealed, seal_pack(&key, &context(), &plain).unwrap());
        assert!(open_pack(&key, &context(), &sealed).unwrap() == plain);
    }
}

#[test]
fn whatever_differs_the_salt_differs_and_it_opens_nowhere_else() {
    let (key, context) = (content_key(1), context());
    let sealed = seal_pack(&key, &context, b"pack").unwrap();
    let parcel = ParcelId::from_bytes([9; 32]);
    let site = SiteId::from_bytes([9; 32]);
    let others = [
        PackContext { pack: 8, ..context },
        PackContext { parcel, ..context },
        PackContext { site, ..context },
    ];
    for other in others {
        let elsewhere = seal_pack(&key, &other, b"pack").unwrap();
        assert_ne!(sealed[..24], elsewhere[..24]);
        assert!(open_pack(&key, &other, &sealed).is_err());
    }
    for (key, plain) in [(1, b"pick"), (2, b"pack")] {
        let other = seal_pack(&content_key(key), &context, plain).unwrap();
        assert_ne!(sealed[..24], other[..24]);
    }
    assert!(open_pack(&content_key(2), &context, &sealed).is_err());
    // Object 7 of the same parcel is something else.
    assert!(open(&key, &seal_context(), &sealed).is_err());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x10;
        assert!(open_pack(&key, &context, &changed).is_err(), "byte {at}");
        assert!(
            open_pack(&key, &context, &sealed[..at]).is_err(),
            "cut {at}"
        );
    }
}

#[test]
fn the_bytes() {
    let sealed = seal_pack(&content_key(1), &context(), b"a pack").unwrap();
    insta::assert_snapshot!(dump(&sealed));
}
