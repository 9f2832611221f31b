//! Sealed objects against their own mutations.

use dokuei_keys::sealed::{
    CHUNK, HEADER, MAX_CHUNKS, MAX_PLAIN, SEALED_CHUNK, TAG, object_digest_key, open, plain_len,
    seal, sealed_chunk, sealed_len,
};
use dokuei_keys::{ObjectHasher, Opener, ParcelId, Refused, SealContext, Sealer, SiteId, Why};

use crate::sample::{SAMPLE_SALT, content_key, noise, seal_context};

fn sealed(plain: &[u8]) -> Vec<u8> {
    seal(&content_key(1), &seal_context(), SAMPLE_SALT, plain).unwrap()
}

/// Opens in one go and as a stream in uneven pieces; both must refuse. A stream may release a beginning, but only of
/// the true plaintext.
fn assert_refused(bytes: &[u8], truth: &[u8], what: &str) {
    let mut released = Vec::new();
    let streamed = open_as_stream(bytes, &mut released);
    let whole = open(&content_key(1), &seal_context(), bytes).map(drop);
    for refused in [whole, streamed] {
        assert_eq!(refused.expect_err(what).to_string(), "refused", "{what}");
    }
    assert!(
        truth.starts_with(&released),
        "{what}: released what was never sealed"
    );
}

fn open_as_stream(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
    let (header, body) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(Refused::from(Why::SealedLength))?;
    let mut opener = Opener::new(&content_key(1), &seal_context(), header)?;
    for piece in body.chunks(7_001) {
        opener.push(piece, out)?;
    }
    opener.finish(out)
}

#[test]
fn every_prefix_and_flipped_bit_of_a_small_object_is_refused() {
    let plain = noise(100, 1);
    let bytes = sealed(&plain);
    for length in 0..bytes.len() {
        assert_refused(&bytes[..length], &plain, &format!("prefix {length}"));
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert_refused(&flipped, &plain, &format!("byte {at} bit {bit}"));
        }
    }
    for extra in [1, 15, 16, 17] {
        let longer = [bytes.as_slice(), &vec![0; extra]].concat();
        assert_refused(&longer, &plain, &format!("{extra} bytes more"));
    }
}

/// Objects that end inside a chunk, exactly at a boundary (with an empty last chunk), and one byte around it.
fn larger() -> Vec<Vec<u8>> {
    [3 * CHUNK + 500, 3 * CHUNK, 3 * CHUNK + 1, 3 * CHUNK - 1]
        .iter()
        .map(|length| noise(*length, *length as u64))
        .collect()
}

/// Header and chunks of a sealed object.
fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (header, body) = bytes.split_at(HEADER);
    let chunks = body.chunks(SEALED_CHUNK).map(<[u8]>::to_vec);
    std::iter::once(header.to_vec()).chain(chunks).collect()
}

#[test]
fn prefixes_around_every_chunk_boundary_are_refused() {
    for plain in larger() {
        let bytes = sealed(&plain);
        let boundaries = (0..4).map(|k| HEADER + k * SEALED_CHUNK);
        for boundary in boundaries {
            for cut in [
                boundary - 1,
                boundary,
                boundary + 1,
                boundary + TAG,
                boundary + TAG - 1,
            ] {
                if cut < bytes.len() {
                    assert_refused(&bytes[..cut], &plain, &format!("cut at {cut}"));
                }
            }
        }
    }
}

#[test]
fn dropped_swapped_and_doubled_chunks_are_refused() {
    for plain in larger() {
        let whole = parts(&sealed(&plain));
        for at in 1..whole.len() {
            let mut dropped = whole.clone();
            dropped.remove(at);
            assert_refused(&dropped.concat(), &plain, &format!("chunk {at} dropped"));
            let mut doubled = whole.clone();
            doubled.insert(at, whole[at].clone());
            assert_refused(&doubled.concat(), &plain, &format!("chunk {at} doubled"));
            for with in at + 1..whole.len() {
                let mut swapped = whole.clone();
                swapped.swap(at, with);
                assert_refused(
                    &swapped.concat(),
                    &plain,
                    &format!("{at} and {with} swapped"),
                );
            }
            let mut flipped = whole.clone();
            flipped[at][0] ^= 1;
            assert_refused(&flipped.concat(), &plain, &format!("chunk {at} changed"));
            let mut retagged = whole.clone();
            *retagged[at].last_mut().unwrap() ^= 0x80;
            assert_refused(&retagged.concat(), &plain, &format!("tag {at} changed"));
        }
    }
}

/// The same plaintext sealed once more, with one thing different: its parts fit nowhere in the first.
#[test]
fn parts_spliced_from_another_object_are_refused() {
    let context = seal_context();
    let strangers: [(&str, u8, SealContext, u8); 5] = [
        ("key", 2, context, 0x5a),
        ("salt", 1, context, 0x5b),
        ("slot", 1, SealContext { slot: 8, ..context }, 0x5a),
        (
            "parcel",
            1,
            SealContext {
                parcel: ParcelId::from_bytes([9; 32]),
                ..context
            },
            0x5a,
        ),
        (
            "site",
            1,
            SealContext {
                site: SiteId::from_bytes([9; 32]),
                ..context
            },
            0x5a,
        ),
    ];
    for plain in larger() {
        let whole = parts(&sealed(&plain));
        for (what, key, context, salt) in &strangers {
            let other = seal(&content_key(*key), context, [*salt; 24], &plain).unwrap();
            // With another salt it is a genuine object of this key and place: the header says which salt.
            if *what != "salt" {
                assert_refused(&other, &plain, &format!("another {what}"));
            }
            let other = parts(&other);
            for at in 0..whole.len() {
                let mut spliced = whole.clone();
                spliced[at].clone_from(&other[at]);
                assert_refused(
                    &spliced.concat(),
                    &plain,
                    &format!("part {at}, another {what}"),
                );
            }
        }
    }
}

/// An object shortened with the end of a shorter one: refused because each seal has its own salt. Under one salt
/// twice it would be the shorter object, which is why [`Sealer::new`] asks for a fresh one.
#[test]
fn the_end_of_a_shorter_object_does_not_fit() {
    let plain = noise(3 * CHUNK + 500, 5);
    let whole = parts(&sealed(&plain));
    let shorter = &plain[..2 * CHUNK + 500];
    let fresh = seal(&content_key(1), &seal_context(), [1; 24], shorter).unwrap();
    let spliced = [&whole[..3], &parts(&fresh)[3..]].concat().concat();
    assert_eq!(spliced.len(), fresh.len());
    assert_refused(&spliced, &plain, "shortened");
    assert_eq!(parts(&sealed(shorter))[..3], whole[..3], "the same salt");
}

#[test]
fn a_chunk_opens_alone_only_in_its_own_place() {
    let plain = noise(2 * CHUNK + 10, 6);
    let bytes = sealed(&plain);
    let header = bytes.first_chunk::<HEADER>().unwrap();
    let opener = Opener::new(&content_key(1), &seal_context(), header).unwrap();
    let chunks = &parts(&bytes)[1..];
    for (at, chunk) in chunks.iter().enumerate() {
        for index in 0..4_u64 {
            for last in [false, true] {
                let mut out = vec![7];
                let opened = opener.open_chunk(index, last, chunk, &mut out);
                let right = index == at as u64 && last == (at == 2);
                assert_eq!(opened.is_ok(), right, "chunk {at} as {index}, last {last}");
                if right {
                    let end = plain.len().min((at + 1) * CHUNK);
                    assert_eq!(out[1..], plain[at * CHUNK..end]);
                } else {
                    assert_eq!(out, [7], "nothing is released");
                }
            }
        }
    }
    let mut out = Vec::new();
    let beyond = opener.open_chunk(MAX_CHUNKS, true, &chunks[2], &mut out);
    assert_eq!(beyond.unwrap_err().why(), Why::TooManyChunks);
    for length in [0, 15, SEALED_CHUNK, SEALED_CHUNK + 1] {
        let refused = opener.open_chunk(0, true, &vec![0; length], &mut out);
        assert_eq!(refused.unwrap_err().why(), Why::SealedLength, "{length}");
    }
}

#[test]
fn after_a_refusal_an_opener_stays_shut() {
    let plain = noise(2 * CHUNK, 7);
    let bytes = sealed(&plain);
    let header = bytes.first_chunk::<HEADER>().unwrap();
    let mut opener = Opener::new(&content_key(1), &seal_context(), header).unwrap();
    let mut out = Vec::new();
    let wrong = vec![0; SEALED_CHUNK];
    assert_eq!(opener.push(&wrong, &mut out).unwrap_err().why(), Why::Chunk);
    let genuine = &bytes[HEADER..];
    assert_eq!(
        opener.push(genuine, &mut out).unwrap_err().why(),
        Why::AlreadyRefused
    );
    assert_eq!(
        opener.finish(&mut out).unwrap_err().why(),
        Why::AlreadyRefused
    );
    assert!(out.is_empty());
}

#[test]
fn lengths_map_both_ways_and_gaps_are_refused() {
    let chunk = CHUNK as u64;
    for plain in [
        0,
        1,
        chunk - 1,
        chunk,
        chunk + 1,
        5 * chunk,
        1 << 40,
        MAX_PLAIN,
    ] {
        assert_eq!(plain_len(sealed_len(plain)).unwrap(), plain);
    }
    assert_eq!(sealed_len(0), 72);
    assert_eq!(sealed_len(MAX_PLAIN + 1), u64::MAX);
    let full = (HEADER + SEALED_CHUNK) as u64;
    for bad in [0, 55, 56, 71, full, full + 15, u64::MAX] {
        assert!(plain_len(bad).is_err(), "{bad}");
    }
    let too_many = sealed_len(MAX_PLAIN) + 17;
    assert!(plain_len(too_many).is_err());

    let length = sealed_len(2 * chunk + 10);
    let (range, last) = sealed_chunk(1, length).unwrap();
    assert_eq!((range, last), (full..full + SEALED_CHUNK as u64, false));
    let (range, last) = sealed_chunk(2, length).unwrap();
    assert_eq!(
        (range.end, range.end - range.start, last),
        (length, 26, true)
    );
    assert!(sealed_chunk(3, length).is_err());
    assert!(sealed_chunk(u64::MAX, length).is_err());
}

#[test]
fn digests_are_keyed_per_parcel() {
    let plain = noise(100_000, 8);
    let key = content_key(1);
    let parcel = seal_context().parcel;
    let digest_key = object_digest_key(&key, &parcel);
    let whole = ObjectHasher::digest(&digest_key, &plain);
    let mut pieces = ObjectHasher::new(&digest_key);
    plain.chunks(777).for_each(|piece| pieces.update(piece));
    assert_eq!(pieces.finish(), whole);
    let elsewhere = object_digest_key(&key, &ParcelId::from_bytes([9; 32]));
    assert_ne!(ObjectHasher::digest(&elsewhere, &plain), whole);
    assert_ne!(
        ObjectHasher::digest(&object_digest_key(&content_key(2), &parcel), &plain),
        whole
    );
}

#[test]
fn a_sealer_holds_no_more_than_a_chunk() {
    let (mut sealer, header) = Sealer::new(&content_key(1), &seal_context(), SAMPLE_SALT);
    let plain = noise(3 * CHUNK + 500, 9);
    let mut out = header.to_vec();
    for (pushed, byte) in plain.iter().enumerate() {
        sealer.push(std::slice::from_ref(byte), &mut out).unwrap();
        assert_eq!(out.len(), HEADER + (pushed + 1) / CHUNK * SEALED_CHUNK);
    }
    sealer.finish(&mut out).unwrap();
    assert_eq!(out, sealed(&plain));
}

#[test]
fn a_buffer_too_short_is_refused_and_not_overrun() {
    let plain = noise(2 * CHUNK, 10);
    let bytes = sealed(&plain);
    let (mut sealer, header) = Sealer::new(&content_key(1), &seal_context(), SAMPLE_SALT);
    assert_eq!(sealer.completed_by(plain.len()), 2 * SEALED_CHUNK);
    let mut short = vec![0; 2 * SEALED_CHUNK - 1];
    let refused = sealer.push_into(&plain, &mut short).unwrap_err();
    assert_eq!(refused.why(), Why::NoRoom);

    let mut opener = Opener::new(&content_key(1), &seal_context(), &header).unwrap();
    assert_eq!(opener.completed_by(2 * SEALED_CHUNK), 2 * CHUNK);
    let mut short = vec![0; 2 * CHUNK - 1];
    let refused = opener.push_into(&bytes[HEADER..], &mut short).unwrap_err();
    assert_eq!(refused.why(), Why::NoRoom);
    assert_eq!(short[CHUNK..], vec![0; CHUNK - 1], "no part of a chunk");
}
