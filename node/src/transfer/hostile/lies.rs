//! What a partner may hand out in place of a pack.

use std::io;
use std::sync::Arc;

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_keys::sealed::{PackContext, open_pack, seal_pack};
use dokuei_keys::secret::{ContentKey, Secret32};

use super::super::tests::{PARCEL, Pair, SITE, noise};
use super::{Lie, body};
use crate::network::{Part, RangeBody, RangeRequest};

/// A pack that is sealed as it should be and holds what the partner likes.
pub(super) fn sealed(
    pair: &Pair,
    request: &RangeRequest,
    content: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Vec<u8> {
    let Part::Pack(pack, _) = request.part else {
        panic!("packs are asked for");
    };
    let context = PackContext {
        parcel: PARCEL,
        site: SITE,
        pack,
    };
    let genuine = open_pack(&pair.key, &context, &pair.pack(request)).unwrap();
    seal_pack(&pair.key, &context, &content(genuine)).unwrap()
}

/// Sealed under this key, as this pack of that parcel of that site.
fn sealed_as(
    (key, parcel, site): (&ContentKey, ParcelId, SiteId),
    pair: &Pair,
    request: &RangeRequest,
    beside: u32,
) -> Vec<u8> {
    let Part::Pack(pack, _) = request.part else {
        panic!("packs are asked for");
    };
    let own = PackContext {
        parcel: PARCEL,
        site: SITE,
        pack,
    };
    let content = open_pack(&pair.key, &own, &pair.pack(request)).unwrap();
    let context = PackContext {
        parcel,
        site,
        pack: pack + beside,
    };
    seal_pack(key, &context, &content).unwrap()
}

/// A lie about the words of a pack: they are so many bytes once they are unpacked.
fn expanding(bytes: usize) -> Lie {
    let words = zstd::bulk::compress(&vec![0; bytes], 1).unwrap();
    let length = (words.len() as u32).to_be_bytes();
    let words = [&length[..], &words].concat();
    lie(move |pair, asked| {
        // The table of a pack of one piece; there are no samples in it.
        sealed(pair, asked, |content| {
            [&content[..1], &[0; 9], &words].concat()
        })
    })
}

/// Bytes in place of a pack's.
fn lie(bytes: impl Fn(&Pair, &RangeRequest) -> Vec<u8> + Send + Sync + 'static) -> Lie {
    Arc::new(move |pair, request| body(bytes(pair, request), request))
}

fn changed(mut content: Vec<u8>, from: usize, by: u8) -> Vec<u8> {
    for byte in content.iter_mut().skip(from).step_by(7) {
        *byte ^= by;
    }
    content
}

/// Lies for which a partner is to blame.
pub(super) fn damaging() -> impl Iterator<Item = (&'static str, Lie)> {
    wrongly_sealed().into_iter().chain(wrongly_filled())
}

/// What does not open as the pack that was asked for.
fn wrongly_sealed() -> Vec<(&'static str, Lie)> {
    let other_key = || ContentKey::from_secret(Secret32::from_bytes([9; 32]));
    let other_parcel = ParcelId::from_bytes([8; 32]);
    let other_site = SiteId::from_bytes([8; 32]);
    vec![
        ("noise", lie(|pair, asked| noise(pair.pack(asked).len(), 1))),
        (
            "noise as long as it may be",
            lie(|_, asked| noise(asked.length as usize, 2)),
        ),
        ("one byte", lie(|_, _| vec![0])),
        (
            "nothing",
            Arc::new(|_, _| {
                Ok(RangeBody {
                    length: 0,
                    bytes: Box::new(io::empty()),
                })
            }),
        ),
        (
            "another key",
            lie(move |pair, asked| sealed_as((&other_key(), PARCEL, SITE), pair, asked, 0)),
        ),
        (
            "another parcel",
            lie(move |pair, asked| sealed_as((&pair.key, other_parcel, SITE), pair, asked, 0)),
        ),
        (
            "another site",
            lie(move |pair, asked| sealed_as((&pair.key, PARCEL, other_site), pair, asked, 0)),
        ),
        (
            "another pack",
            lie(|pair, asked| sealed_as((&pair.key, PARCEL, SITE), pair, asked, 1)),
        ),
    ]
}

/// What opens, and holds something else.
fn wrongly_filled() -> Vec<(&'static str, Lie)> {
    vec![
        (
            "an empty pack",
            lie(|pair, asked| sealed(pair, asked, |_| Vec::new())),
        ),
        (
            "another version",
            lie(|pair, asked| sealed(pair, asked, |content| changed(content, 0, 0xff))),
        ),
        (
            "another table",
            lie(|pair, asked| sealed(pair, asked, |content| changed(content, 1, 0x55))),
        ),
        (
            "other methods and orders",
            lie(|pair, asked| {
                sealed(pair, asked, |content| {
                    let from = content.len() / 2;
                    changed(content, from, 0x2b)
                })
            }),
        ),
        (
            "one bit of a sample",
            lie(|pair, asked| {
                sealed(pair, asked, |mut content| {
                    *content.last_mut().unwrap() ^= 1;
                    content
                })
            }),
        ),
        (
            "more behind it",
            lie(|pair, asked| sealed(pair, asked, |content| [content, vec![0]].concat())),
        ),
        (
            "less of it",
            lie(|pair, asked| sealed(pair, asked, |content| content[..content.len() / 2].to_vec())),
        ),
        (
            "hundreds of megabytes in some kilobytes",
            expanding(1 << 28),
        ),
        ("another length than there should be", expanding(1 << 20)),
    ]
}
