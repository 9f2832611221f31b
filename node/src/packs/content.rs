//! What is inside a pack once it is opened.
//!
//! ```text
//! version (u8, 1) ‖ for each piece: group (u8) ‖ start (u32) ‖ length (u32) ‖ words ‖ groups       numbers in big endian
//! ```
//!
//! The samples of a piece are its bytes from `start`, `length` of them; everything else of all pieces, one behind the other,
//! are the words: a length (u32) and as many bytes of a zstd frame, or 0 and the words as they are. Pieces whose samples look
//! alike are of one group, numbered from 1 in order of appearance; group 0 has no samples, group 255 samples that are
//! compressed already and stand as they are. A piece of group 254 is not there: whoever made the pack could not read it. Behind the words the coded samples of each group follow, those of group 255 last.
//! How many bytes a piece has is in the manifest, and so not here.

use std::ops::Range;

use dokuei_compression::{Decoder, Effort, Encoder, Layout};
use dokuei_protocol::study::plan::PACK;

/// The first byte.
const VERSION: u8 = 1;
/// Bytes of a piece's entry in the table.
const ENTRY: usize = 9;
/// The group of pieces without samples.
const NONE: u8 = 0;
/// The group of samples that are compressed already.
const AS_THEY_ARE: u8 = 255;
/// The group of pieces that are not there.
const ABSENT: u8 = 254;
/// Level of zstd for the words: higher ones save some percent of what is a percent of a study, and take several times as long.
const LEVEL: i32 = 3;
/// The same where little effort is asked for.
const LEVEL_FAST: i32 = 1;
/// Bytes that a group, or the words, may have beyond those of its blocks.
const BESIDE: u64 = 16;
/// A block of at least so many bytes has up to four more.
const BLOCK_LEAST: u64 = 256;

/// A pack that no maker made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPack;

/// A piece of an object on its way into a pack.
pub(super) struct Filling {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// Which of them are samples.
    pub(super) samples: Option<(Range<usize>, Kind)>,
}

/// What samples are like.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Uncompressed, laid out like this.
    Native(Layout),
    /// Compressed as the object's transfer syntax says.
    Compressed,
}

/// Bytes that a pack of so many bytes in so many pieces may have beyond these.
pub(super) fn overhead(plain: u64, pieces: usize) -> u64 {
    let table = (1 + pieces * ENTRY) as u64;
    table + 4 * (plain / BLOCK_LEAST) + (pieces as u64 + 1) * BESIDE
}

/// Packs pieces; of one that is none nothing goes in.
pub(super) fn pack(pieces: &[Option<Filling>], effort: Effort, encoder: &mut Encoder) -> Vec<u8> {
    let there = pieces.iter().flatten();
    let whole: usize = there.map(|piece| piece.bytes.len()).sum();
    let mut out = Vec::with_capacity(whole / 2);
    out.push(VERSION);
    let mut kinds: Vec<&Layout> = Vec::new();
    let (mut words, mut groups) = (Vec::new(), Vec::<Vec<u8>>::new());
    let mut as_they_are = Vec::new();
    for piece in pieces {
        let Some(piece) = piece else {
            out.extend_from_slice(&[ABSENT, 0, 0, 0, 0, 0, 0, 0, 0]);
            continue;
        };
        let (range, kind) = match &piece.samples {
            Some((range, kind)) => (range.clone(), Some(kind)),
            None => (0..0, None),
        };
        let samples = piece.bytes.get(range.clone()).unwrap_or_default();
        let group = match kind {
            None => NONE,
            Some(Kind::Compressed) => {
                as_they_are.extend_from_slice(samples);
                AS_THEY_ARE
            }
            Some(Kind::Native(layout)) => {
                let known = kinds.iter().position(|known| *known == layout);
                let at = known.unwrap_or_else(|| {
                    kinds.push(layout);
                    groups.push(Vec::with_capacity(samples_of(layout, pieces)));
                    kinds.len() - 1
                });
                if let Some(group) = groups.get_mut(at) {
                    group.extend_from_slice(samples);
                }
                // At most as many as there are pieces, which is less than 254.
                at as u8 + 1
            }
        };
        out.push(group);
        out.extend_from_slice(&(range.start as u32).to_be_bytes());
        out.extend_from_slice(&(samples.len() as u32).to_be_bytes());
        words.extend_from_slice(piece.bytes.get(..range.start).unwrap_or_default());
        words.extend_from_slice(piece.bytes.get(range.end..).unwrap_or_default());
    }
    push_words(&words, effort, &mut out);
    for (group, layout) in groups.iter().zip(kinds) {
        encoder.encode(group, Some(layout), effort, &mut out);
    }
    out.extend_from_slice(&as_they_are);
    out
}

/// Bytes of samples that are laid out like this.
fn samples_of(layout: &Layout, pieces: &[Option<Filling>]) -> usize {
    let all = pieces
        .iter()
        .flatten()
        .filter_map(|piece| piece.samples.as_ref());
    let alike = all.filter(|(_, kind)| matches!(kind, Kind::Native(own) if own == layout));
    alike.map(|(range, _)| range.len()).sum()
}

fn push_words(words: &[u8], effort: Effort, out: &mut Vec<u8>) {
    let level = match effort {
        Effort::Fast => LEVEL_FAST,
        Effort::Dense => LEVEL,
    };
    let coded = zstd::bulk::compress(words, level).ok();
    match coded.filter(|coded| coded.len() < words.len()) {
        Some(coded) => {
            out.extend_from_slice(&(coded.len() as u32).to_be_bytes());
            out.extend_from_slice(&coded);
        }
        None => {
            out.extend_from_slice(&0_u32.to_be_bytes());
            out.extend_from_slice(words);
        }
    }
}

/// An entry of the table.
struct Entry {
    group: u8,
    samples: Range<usize>,
}

/// Takes a pack apart into pieces of these lengths, none where one is not there. What it allocates is a small multiple of their sum, which is [`PACK`] at
/// the most.
///
/// # Errors
/// [`BadPack`].
pub fn unpack(
    bytes: &[u8],
    lengths: &[usize],
    decoder: &mut Decoder,
) -> Result<Vec<Option<Vec<u8>>>, BadPack> {
    let mut whole = 0_usize;
    for length in lengths {
        let sum = whole.checked_add(*length);
        whole = sum.filter(|sum| *sum as u64 <= PACK).ok_or(BadPack)?;
    }
    let (version, rest) = bytes.split_first().ok_or(BadPack)?;
    let table = rest.split_at_checked(lengths.len() * ENTRY);
    let (table, mut rest) = table.filter(|_| *version == VERSION).ok_or(BadPack)?;
    let entries: Vec<Entry> = table
        .chunks_exact(ENTRY)
        .zip(lengths)
        .map(|(entry, length)| entry_of(entry, *length))
        .collect::<Option<_>>()
        .ok_or(BadPack)?;
    let there = |group: u8| group != ABSENT;
    let of_words = lengths.iter().zip(&entries);
    let words: usize = of_words
        .filter(|(_, entry)| there(entry.group))
        .map(|(length, entry)| length - entry.samples.len())
        .sum();
    let words = take_words(&mut rest, words)?;
    let mut groups: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut numbers: Vec<u8> = entries.iter().map(|entry| entry.group).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let with_samples = |number: &u8| *number != NONE && there(*number);
    for number in numbers.into_iter().filter(with_samples) {
        let of_group = entries.iter().filter(|entry| entry.group == number);
        let length = of_group.map(|entry| entry.samples.len()).sum();
        let mut samples = Vec::with_capacity(length);
        if number == AS_THEY_ARE {
            let (taken, after) = rest.split_at_checked(length).ok_or(BadPack)?;
            samples.extend_from_slice(taken);
            rest = after;
        } else {
            let decoded = decoder.decode(&mut rest, length, &mut samples);
            decoded.map_err(|_| BadPack)?;
        }
        groups.push((number, samples));
    }
    if !rest.is_empty() {
        return Err(BadPack);
    }
    together(lengths, &entries, &words, &groups).ok_or(BadPack)
}

/// An entry for a piece of this length; none when it is none.
fn entry_of(entry: &[u8], length: usize) -> Option<Entry> {
    let (group, numbers) = entry.split_first()?;
    let (start, count) = numbers.split_first_chunk()?;
    let start = u32::from_be_bytes(*start) as usize;
    let count = u32::from_be_bytes(*count.first_chunk()?) as usize;
    let samples = start..start.checked_add(count)?;
    let has_samples = ![NONE, ABSENT].contains(group);
    let fits = samples.end <= length && (has_samples || samples == (0..0));
    fits.then_some(Entry {
        group: *group,
        samples,
    })
}

fn take_words(rest: &mut &[u8], length: usize) -> Result<Vec<u8>, BadPack> {
    let (coded, after) = rest.split_first_chunk().ok_or(BadPack)?;
    let coded = u32::from_be_bytes(*coded) as usize;
    let is_coded = coded > 0;
    let taken = if is_coded { coded } else { length };
    let (bytes, after) = after.split_at_checked(taken).ok_or(BadPack)?;
    *rest = after;
    if !is_coded {
        return Ok(bytes.to_vec());
    }
    // Never more than is asked for here, whatever the frame says.
    let words = zstd::bulk::decompress(bytes, length).map_err(|_| BadPack)?;
    (words.len() == length).then_some(words).ok_or(BadPack)
}

/// Puts words and samples of each piece together again.
fn together(
    lengths: &[usize],
    entries: &[Entry],
    mut words: &[u8],
    groups: &[(u8, Vec<u8>)],
) -> Option<Vec<Option<Vec<u8>>>> {
    let mut groups: Vec<(u8, &[u8])> = groups
        .iter()
        .map(|(number, samples)| (*number, samples.as_slice()))
        .collect();
    let mut pieces = Vec::with_capacity(lengths.len());
    for (length, entry) in lengths.iter().zip(entries) {
        if entry.group == ABSENT {
            pieces.push(None);
            continue;
        }
        let mut piece = Vec::with_capacity(*length);
        let before = words.split_off(..entry.samples.start)?;
        piece.extend_from_slice(before);
        if entry.group != NONE {
            let mut all = groups.iter_mut();
            let (_, group) = all.find(|(number, _)| *number == entry.group)?;
            piece.extend_from_slice(group.split_off(..entry.samples.len())?);
        }
        piece.extend_from_slice(words.split_off(..length - entry.samples.end)?);
        pieces.push(Some(piece));
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling(length: usize, samples: Option<(Range<usize>, Kind)>) -> Option<Filling> {
        let bytes = (0..length).map(|at| (at * at / 7 % 253) as u8).collect();
        Some(Filling { bytes, samples })
    }

    fn layout(width: u32) -> Kind {
        Kind::Native(Layout {
            width,
            rows: 8,
            bytes: 2,
            colours: 1,
            is_signed: false,
            is_big_endian: false,
        })
    }

    fn study() -> Vec<Option<Filling>> {
        vec![
            filling(1_000, Some((200..1_000, layout(10)))),
            filling(0, None),
            filling(900, Some((90..890, layout(10)))),
            filling(300, None),
            None,
            filling(500, Some((100..500, Kind::Compressed))),
            filling(701, Some((1..701, layout(25)))),
            filling(60, Some((60..60, layout(10)))),
        ]
    }

    /// Those of pieces that are not there are told apart, too.
    fn lengths(pieces: &[Option<Filling>]) -> Vec<usize> {
        let length = |piece: &Option<Filling>| piece.as_ref().map_or(77, |piece| piece.bytes.len());
        pieces.iter().map(length).collect()
    }

    #[test]
    fn pieces_come_back_as_they_went() {
        for effort in [Effort::Fast, Effort::Dense] {
            for pieces in [study(), Vec::new(), vec![filling(0, None)]] {
                let packed = pack(&pieces, effort, &mut Encoder::new());
                let lengths = lengths(&pieces);
                let back = unpack(&packed, &lengths, &mut Decoder::new()).unwrap();
                let went = pieces
                    .iter()
                    .map(|piece| piece.as_ref().map(|piece| &piece.bytes));
                assert!(went.eq(back.iter().map(Option::as_ref)));
                let whole: usize = lengths.iter().sum();
                assert!(packed.len() as u64 <= whole as u64 + overhead(whole as u64, pieces.len()));
            }
        }
    }

    #[test]
    fn the_same_pieces_are_the_same_pack() {
        let one = pack(&study(), Effort::Dense, &mut Encoder::new());
        let mut used = Encoder::new();
        pack(&study(), Effort::Fast, &mut used);
        assert!(one == pack(&study(), Effort::Dense, &mut used));
    }

    #[test]
    fn what_is_cut_or_changed_is_refused_or_of_the_same_lengths() {
        let pieces = study();
        let lengths = lengths(&pieces);
        let packed = pack(&pieces, Effort::Dense, &mut Encoder::new());
        let mut decoder = Decoder::new();
        for at in 0..packed.len() {
            assert_eq!(unpack(&packed[..at], &lengths, &mut decoder), Err(BadPack));
            for bit in [0, 3, 7] {
                let mut changed = packed.clone();
                changed[at] ^= 1 << bit;
                if let Ok(back) = unpack(&changed, &lengths, &mut decoder) {
                    let mut back = back.iter().zip(&lengths);
                    assert!(back.all(|(back, length)| {
                        back.as_ref().is_none_or(|back| back.len() == *length)
                    }));
                }
            }
        }
        let longer = [&packed[..], &[0]].concat();
        assert_eq!(unpack(&longer, &lengths, &mut decoder), Err(BadPack));
        for other in [&lengths[1..], &[10; 8], &[usize::MAX >> 8; 8]] {
            assert_eq!(unpack(&packed, other, &mut decoder), Err(BadPack));
        }
    }
}
