//! Whatever bytes are coded come back, and whatever bytes are read make no trouble.

use dokuei_compression::{Damaged, Decoder, Effort, Encoder, Layout};
use proptest::prelude::*;

fn layouts() -> impl Strategy<Value = Option<Layout>> {
    let sizes = (0..70_u32, 0..40_u32);
    let flags = any::<(bool, bool)>();
    let layout =
        (sizes, 0..4_u8, 0..5_u8, flags).prop_map(|((width, rows), bytes, colours, flags)| {
            Layout {
                width,
                rows,
                bytes,
                colours,
                is_signed: flags.0,
                is_big_endian: flags.1,
            }
        });
    proptest::option::of(layout)
}

/// Bytes with something to find in them: of a few patterns, with noise.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    (0..9_000_usize, any::<[u8; 4]>(), 0..9_u32, any::<u64>()).prop_map(
        |(length, slopes, quiet, seed)| {
            let mut state = seed | 1;
            (0..length)
                .map(|at| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let slope = slopes[at % 4].wrapping_mul((at / 61) as u8);
                    slope.wrapping_add((state as u8).checked_shr(quiet).unwrap_or(0))
                })
                .collect()
        },
    )
}

fn efforts() -> impl Strategy<Value = Effort> {
    prop_oneof![Just(Effort::Dense), Just(Effort::Fast)]
}

fn encoded(bytes: &[u8], layout: Option<&Layout>, effort: Effort) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new().encode(bytes, layout, effort, &mut out);
    out
}

fn decoded(from: &[u8], length: usize) -> Result<Vec<u8>, Damaged> {
    let (mut from, mut out) = (from, vec![9]);
    let decoded = Decoder::new().decode(&mut from, length, &mut out);
    let made = out.split_off(1);
    assert_eq!(out, [9]);
    match decoded {
        Ok(()) => assert_eq!(made.len(), length),
        Err(_) => assert!(made.is_empty()),
    }
    decoded.map(|()| made)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_come_back(bytes in bytes(), layout in layouts(), effort in efforts()) {
        let mut coded = encoded(&bytes, layout.as_ref(), effort);
        prop_assert!(coded.len() <= bytes.len() + 4 * (2 + bytes.len() / 256));
        coded.extend([1, 2, 3]);
        let (mut from, mut out) = (coded.as_slice(), Vec::new());
        prop_assert_eq!(Decoder::new().decode(&mut from, bytes.len(), &mut out), Ok(()));
        prop_assert!(out == bytes);
        prop_assert_eq!(from, &[1, 2, 3]);
    }

    #[test]
    fn damage_is_an_error_or_other_bytes(
        bytes in bytes(), layout in layouts(), effort in efforts(), place: usize, other: u8, cut: usize,
    ) {
        let mut coded = encoded(&bytes, layout.as_ref(), effort);
        prop_assume!(!coded.is_empty());
        let short = &coded[..cut % coded.len()];
        prop_assert!(decoded(short, bytes.len()).is_err());
        let places = coded.len();
        coded[place % places] ^= other;
        let _ = decoded(&coded, bytes.len());
        // Most of what can go wrong is at the front.
        coded[place % places.min(40)] ^= other;
        let _ = decoded(&coded, bytes.len());
    }

    #[test]
    fn any_bytes_are_an_error_or_other_bytes(bytes: Vec<u8>, method in 0..4_u8, length in 0..70_000_usize) {
        let _ = decoded(&bytes, length);
        let with_version = [&[0x10 | method], bytes.as_slice()].concat();
        let _ = decoded(&with_version, length);
    }
}

/// A header by hand: form, predictor, width, rows, strips, length of the payload.
fn block(method: u8, form: [u8; 2], sizes: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0x10 | method], form.as_slice(), sizes, payload].concat()
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let plain = [16, 16, 1, 0];
    let large = [0xFF, 0xFF, 0xFF, 0x7F];
    let cases: [(&str, Vec<u8>); 13] = [
        ("version", vec![0x20, 1, 0]),
        ("method", vec![0x1F, 1, 0]),
        ("nothing", vec![0x10, 0]),
        (
            "longer than is asked for",
            [&[0x10, 0x80, 0x20], [0; 4096].as_slice()].concat(),
        ),
        (
            "packed without end",
            [&[0x11], large.as_slice(), &[0]].concat(),
        ),
        ("colours", block(3, [0x60, 0], &plain, &[])),
        ("predictor", block(3, [1, 5], &plain, &[])),
        (
            "steps of nothing",
            block(2, [0x11, 0], &[0, 0, 0, 0, 16, 16, 1, 0], &[]),
        ),
        ("no rows", block(3, [1, 0], &[16, 0, 1, 0], &[])),
        (
            "rows without end",
            block(3, [1, 0], &[&large[..], &large, &[1, 0]].concat(), &[]),
        ),
        ("many strips", block(3, [1, 0], &[1, 1, 0x81, 0x02, 0], &[])),
        (
            "the first strip as a difference",
            block(3, [9, 0], &[16, 8, 2, 1, 0], &[]),
        ),
        (
            "a difference behind the last strip",
            block(3, [9, 0], &[16, 8, 2, 4, 0], &[]),
        ),
    ];
    for (what, block) in cases {
        assert!(decoded(&block, 512).is_err(), "{what}");
    }
}

#[test]
fn a_block_that_expands_without_end_stops_at_its_length() {
    let zeros = vec![0; 64 << 20];
    let mut packer = zstd::bulk::Compressor::new(3).unwrap();
    let plain = zstd::zstd_safe::CParameter::ContentSizeFlag(false);
    packer.set_parameter(plain).unwrap();
    packer
        .set_parameter(zstd::zstd_safe::CParameter::WindowLog(20))
        .unwrap();
    let bomb = packer.compress(&zeros).unwrap();
    let packed = |length: &[u8]| {
        let size = [
            bomb.len() as u8 & 0x7F | 0x80,
            (bomb.len() >> 7) as u8 & 0x7F | 0x80,
            (bomb.len() >> 14) as u8,
        ];
        [&[0x11], length, &size, bomb.as_slice()].concat()
    };
    assert!(decoded(&packed(&[0x80, 0x20]), 4096).is_err());
    assert!(decoded(&packed(&[0x80, 0x80, 0x80, 0x20]), 64 << 20).is_err());
}

#[test]
fn large_and_many_frames_come_back() {
    let layout = |width, rows, bytes, colours| Layout {
        width,
        rows,
        bytes,
        colours,
        is_signed: rows % 2 == 0,
        is_big_endian: rows % 3 == 0,
    };
    let mut state = 5_u32;
    let mut noise = |spread: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % spread
    };
    let layouts = [
        layout(512, 512, 2, 1),
        layout(2000, 300, 2, 1),
        layout(70_000, 9, 1, 3),
        layout(640, 480, 1, 3),
        layout(100, 101, 2, 3),
        layout(33, 31, 1, 1),
        layout(1, 5000, 2, 1),
        layout(300_000, 4, 1, 1),
    ];
    for layout in layouts {
        for spread in [1, 5, 300, 60_000] {
            let sample = |at: u32| (at % layout.width * 3 + at / 700 + noise(spread)) as u16;
            let bytes: Vec<u8> = (0..340_001)
                .map(sample)
                .flat_map(u16::to_le_bytes)
                .collect();
            for effort in [Effort::Dense, Effort::Fast] {
                let coded = encoded(&bytes, Some(&layout), effort);
                assert!(decoded(&coded, bytes.len()).is_ok_and(|back| back == bytes));
            }
        }
    }
}

#[test]
fn threads_may_have_them() {
    fn is_send<T: Send>() {}
    is_send::<Encoder>();
    is_send::<Decoder>();
}

#[test]
fn nothing_is_nothing() {
    assert!(encoded(&[], None, Effort::Dense).is_empty());
    assert_eq!(decoded(&[], 0), Ok(Vec::new()));
    assert_eq!(decoded(&[], 1), Err(Damaged::Length));
}
