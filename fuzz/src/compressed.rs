//! Compressed pixels of a partner, made bytes again (`compression`).

use dokuei_compression::{Decoder, Effort, Encoder, Layout};

/// Bytes that an input may ask for, so that one costs milliseconds.
const LENGTH: usize = 1 << 20;

/// What the first bytes of an input are.
struct Asked {
    length: usize,
    layout: Layout,
}

/// Length (three bytes, the least significant first), width, rows, and a byte of bits for the rest of a layout.
fn asked([a, b, c, width, rows, kind]: [u8; 6]) -> Asked {
    Asked {
        length: u32::from_le_bytes([a, b, c, 0]) as usize % LENGTH,
        layout: Layout {
            width: width.into(),
            rows: rows.into(),
            bytes: 1 + (kind & 1),
            colours: if kind & 2 == 0 { 1 } else { 3 },
            is_signed: kind & 4 != 0,
            is_big_endian: kind & 8 != 0,
        },
    }
}

/// Blocks are as many bytes as were asked for, or an error that leaves nothing; any bytes come back by either effort,
/// whatever is said of their layout, and what is behind their blocks is left.
pub fn check(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk() else {
        return;
    };
    let Asked { length, layout } = asked(*head);
    let (mut from, mut out) = (rest, vec![7]);
    match Decoder::new().decode(&mut from, length, &mut out) {
        Ok(()) => assert_eq!(out.len(), 1 + length),
        Err(_) => assert_eq!(out, [7]),
    }
    for effort in [Effort::Dense, Effort::Fast] {
        let (mut coded, mut back) = (Vec::new(), Vec::new());
        Encoder::new().encode(rest, Some(&layout), effort, &mut coded);
        coded.push(9);
        let mut from = coded.as_slice();
        let decoded = Decoder::new().decode(&mut from, rest.len(), &mut back);
        assert_eq!(decoded, Ok(()));
        assert!(back == rest && from == [9]);
    }
}

/// Samples, and the blocks that they become.
pub fn seeds() -> Vec<Vec<u8>> {
    let samples: Vec<u8> = (0..2048_u16)
        .flat_map(|at| (at % 16 * 9 + at % 97 * (at % 31) % 61 / 4).to_le_bytes())
        .collect();
    let rare: Vec<u8> = (0..2048_u16)
        .flat_map(|at| (at % 7 * (at % 5) * 900).to_le_bytes())
        .collect();
    let mut seeds = Vec::new();
    for (bytes, kind) in [
        (&samples, 1),
        (&samples, 2),
        (&samples, 13),
        (&rare, 1),
        (&rare, 0),
    ] {
        let [a, b, c, _] = (bytes.len() as u32).to_le_bytes();
        let head = [a, b, c, 16, 32, kind];
        seeds.push([head.as_slice(), bytes].concat());
        for effort in [Effort::Dense, Effort::Fast] {
            let mut seed = head.to_vec();
            Encoder::new().encode(bytes, Some(&asked(head).layout), effort, &mut seed);
            seeds.push(seed);
        }
    }
    seeds
}
