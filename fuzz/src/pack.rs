//! What is in a pack (`packs`): how many pieces, how long each is said to be, and the pack.

use dokuei_compression::{Decoder, Effort, Encoder, Layout};
use dokuei_node::packs::unpack;

/// Pieces at the most, of so many bytes each.
const PIECES: usize = 8;
const UNIT: usize = 64;

/// Pieces come out as long as they are said to be, or not at all, and are the same each time.
pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let count = usize::from(*count) % (PIECES + 1);
    let Some((lengths, pack)) = rest.split_at_checked(count) else {
        return;
    };
    let lengths: Vec<usize> = lengths
        .iter()
        .map(|length| usize::from(*length) * UNIT)
        .collect();
    let mut decoder = Decoder::new();
    let Ok(pieces) = unpack(pack, &lengths, &mut decoder) else {
        return;
    };
    assert_eq!(pieces.len(), lengths.len());
    for (piece, length) in pieces.iter().zip(&lengths) {
        assert!(piece.as_ref().is_none_or(|piece| piece.len() == *length));
    }
    // What one input left in a decoder is nothing to the next.
    assert!(unpack(pack, &lengths, &mut decoder) == Ok(pieces));
}

/// Packs of two pieces: words alone, as they are and compressed; samples in a group, and as they are; and one that is not
/// there.
pub fn seeds() -> Vec<Vec<u8>> {
    let entry = |group: u8, start: u32, length: u32| {
        [&[group][..], &start.to_be_bytes(), &length.to_be_bytes()].concat()
    };
    let pack = |entries: [Vec<u8>; 2], words: &[u8], groups: &[u8]| {
        let lengths = [2, 2, 1, 1];
        [&lengths, entries.concat().as_slice(), words, groups].concat()
    };
    let plain = |length: usize| [&[0; 4][..], &vec![7; length]].concat();
    let frame = zstd::bulk::compress(&[7; 192], 3).unwrap();
    let coded = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
    let layout = Layout {
        width: 16,
        rows: 4,
        bytes: 2,
        colours: 1,
        is_signed: false,
        is_big_endian: false,
    };
    let mut group = Vec::new();
    Encoder::new().encode(&[5; 128], Some(&layout), Effort::Dense, &mut group);
    vec![
        pack([entry(0, 0, 0), entry(0, 0, 0)], &plain(192), &[]),
        pack([entry(0, 0, 0), entry(0, 0, 0)], &coded, &[]),
        pack([entry(1, 0, 128), entry(0, 0, 0)], &plain(64), &group),
        pack(
            [entry(255, 28, 100), entry(255, 64, 0)],
            &plain(92),
            &[9; 100],
        ),
        pack([entry(0, 0, 0), entry(254, 0, 0)], &plain(128), &[]),
    ]
}
