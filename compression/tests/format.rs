//! What is on the wire: known samples are coded as ever, and blocks that were coded once are read.
//!
//! A difference here is another format: it takes another version, and readers of both. What zstd makes of bytes may change
//! with zstd; of that, only the reading is fixed.
#![allow(clippy::unwrap_used, reason = "a test")]

use dokuei_compression::{Decoder, Effort, Encoder, Layout};

const LAYOUT: Layout = Layout {
    width: 40,
    rows: 30,
    bytes: 2,
    colours: 1,
    is_signed: true,
    is_big_endian: false,
};

/// A slope with some noise, always the same.
fn samples(count: usize, step: i16) -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 27) as i16
    };
    let samples = (0..count).map(|at| (at % 40 * 5 + at / 40 * 3) as i16 - 100 + noise());
    samples
        .flat_map(|sample| (sample * step).to_le_bytes())
        .collect()
}

/// FNV-1a, 64 bits.
fn digest(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, step)
}

fn unhex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn dense(bytes: &[u8], layout: &Layout) -> Vec<u8> {
    let mut coded = Vec::new();
    Encoder::new().encode(bytes, Some(layout), Effort::Dense, &mut coded);
    coded
}

#[test]
fn what_is_dense_is_as_ever() {
    let eight = Layout {
        width: 64,
        bytes: 1,
        colours: 3,
        rows: 400,
        is_signed: false,
        ..LAYOUT
    };
    let cases = [
        (
            "frames",
            samples(40 * 30 * 20, 1),
            LAYOUT,
            (17588, 0x6EB3_2EBF_9A7E_B21E),
        ),
        (
            "steps of three",
            samples(40 * 30 * 20, 3),
            LAYOUT,
            (17588, 0xBCA7_4276_8A6D_CE45),
        ),
        (
            "big endian",
            samples(40 * 30 * 20, 1),
            Layout {
                is_big_endian: true,
                ..LAYOUT
            },
            (40930, 0xF71D_7523_81E0_3362),
        ),
        (
            "large rows",
            samples(3000 * 90, 1),
            Layout {
                width: 3000,
                rows: 90,
                ..LAYOUT
            },
            (207222, 0x4609_DC51_F0D8_74F0),
        ),
        (
            "colours",
            samples(64 * 400 * 3, 1),
            eight,
            (85501, 0x9774_BECB_97BE_7E70),
        ),
    ];
    for (what, bytes, layout, expected) in cases {
        let coded = dense(&bytes, &layout);
        assert_eq!((coded.len(), digest(&coded)), expected, "{what}");
    }
}

/// Values of few, in frames like those before them.
fn rare() -> Vec<u8> {
    let value = |at: u16| (at % 256 % 7) * (at % 256 % 5) * (at % 256 / 50) * 301 + at % 2 * 2;
    (0..1024).flat_map(|at| value(at).to_le_bytes()).collect()
}

#[test]
fn what_was_coded_once_is_read() {
    let cases = [
        ("stored", STORED, vec![1, 2, 3]),
        ("packed", PACKED, b"ten words, and ".repeat(20)),
        ("fast", FAST, samples(256, 1)),
        ("dense", DENSE, samples(256, 1)),
        ("rare values and differences", RARE, rare()),
    ];
    for (what, coded, expected) in cases {
        let (coded, mut out) = (unhex(coded), Vec::new());
        let mut from = coded.as_slice();
        Decoder::new()
            .decode(&mut from, expected.len(), &mut out)
            .unwrap();
        assert!(out == expected && from.is_empty(), "{what}");
    }
}

const STORED: &str = "1003010203";

const PACKED: &str = "11ac021f28b52ffd0000b500007874656e20776f7264732c20616e642001001aa2ce3a";

const FAST: &str = "\
120500101001a10228b52ffd0000c508009410b91214161f1e240317320d14141a1b3ac81720021404081e162e100102\
2a30257e4c1b14102c04016d212d181c3f0a09d917171d424f2c297c0b4a0334080732ae12171448220b301c28030106\
064200f30b081f251422230a31340c1d0a330ba20e07222017073e1e051804242c051c9a240d0136120c017515280135\
152027eb1d080a473418039a32111c481f2816a211022e2c2508481f101a12200e0404e1080125150d2e613c13000f07\
13220b8c18140c160c154c25301b0c1240112cbc0f2411181742054f3904042a41181d0b16042d012c350ab0200f1813\
3a1340a406082e121436001b30120412260412f10e100e190c270814251605144318190001000100010001000510001b\
8ce145f1a25880720a";

const DENSE: &str = "\
130501101001810201192050403058203030502028203020101881808128814868280840304d8c6f010072fbc2018be3\
dd085c13d0006e940200fba4c903c5a68204d7283d03b9e89b2ea4a6c841ae2c4f23bf17ae33de0ca498d0d52352e70a\
a556ba08070f0c8d6af582347c0d91a18f625c4506828456c68c015d2f9e38c25310ae838b85b1cd124603a4c803534c\
00c10247abc40b2958df3d69f7f90e4e9dcd05f5902fbd8dbed1b017769ac35cbacbf86ac989d9fa3a61a65592c69afc\
cbb33106557c7a34701969f1ef3f5b5b3170838f147ce59e8481c728599a98047023cfba680d8398126ceb3ee6a8e6aa\
b6e3ffa8ca7cf3106e4642789ff009488310e7d8fac8b3c02a";

const RARE: &str = "\
121d00000033008002ad02ab0202ab02ad0202ab0202ab0202d80402ad02ab0202d80402850702ab0202d80402d80402\
b209028507870702d80402b20902b209e30b8507028c0e028c0e02b20902e61202e812ce25021010040ecb0128b52ffd\
0008150600e2cc2b22d0b04c1b20b6e521e11ce748ee249082bc3fc7300618f0f79d54de2791ab2d4754061ac59b4458\
b8a777791ca9e42d3e508e25b8cb3ff553c1b1219b605c98c5c606bc50c74425531a42eb08425660576cb06da42e8cb1\
1cb673e458f65194509b1cd9238f93d8c74315ee8a01c248d4a4d1cbd856fbd95c3c49983a484df910ca34f603e2a02a\
fbdf50e0ff6416aed2fbe3ae7dda40d62a246881823fa03a01927dea0c3c6955c152854d2680cb0500ddc20f88708332\
85d560c41d6e08";
