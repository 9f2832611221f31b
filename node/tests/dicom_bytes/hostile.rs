//! Every hostile file is refused, for the reason it was made for, as soon as that can be known.

use crate::dataset::{DataSet, Form};
use crate::files::{names, outcome, read, scan, scan_within};
use dokuei_node::dicom::part10::FileScanner;
use dokuei_node::dicom::scanner::Limits;

/// The files and why each is refused. Those made of UIDs alone lack a study, so that is what is
/// wrong with them first; the tests below give them one.
const REFUSALS: &[(&str, &str)] = &[
    ("deflate_bomb_1000MiB_1MB.dcm", "inflate-ratio"),
    ("frag_4GB_accepted_silently.dcm", "length-beyond-end"),
    ("len_1GB_UT.dcm", "length-beyond-end"),
    ("len_4GB_252_bytes.dcm", "length-beyond-end"),
    ("len_max_minus1.dcm", "length-beyond-end"),
    ("nest_10000_overflow_8MiB_stack.dcm", "too-deep"),
    ("nest_2000_overflow_2MiB_stack.dcm", "too-deep"),
    ("nest_64_ok.dcm", "identity-missing"),
    ("preamble_elf.dcm", "identity-missing"),
    ("preamble_html.dcm", "identity-missing"),
    ("preamble_pe_mz.dcm", "identity-missing"),
    ("preamble_script.dcm", "identity-missing"),
    ("rows_65535_no_pixels.dcm", "pixel-description"),
    ("rows_as_UL.dcm", "identity-missing"),
    ("uid_path_abs.dcm", "identity-invalid"),
    ("uid_path_dotdot.dcm", "identity-invalid"),
    ("uid_path_nul.dcm", "identity-invalid"),
    ("uid_path_win.dcm", "identity-invalid"),
    ("uid_uid_65_chars.dcm", "identity-invalid"),
    ("uid_uid_dev.dcm", "identity-invalid"),
    ("uid_uid_empty.dcm", "identity-missing"),
];

#[test]
fn every_file_is_refused_for_its_reason() {
    let listed: Vec<&str> = REFUSALS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("hostile"), listed);
    for (name, code) in REFUSALS {
        let file = read("hostile", name);
        assert_eq!(
            outcome(&scan(&file, 128 * 1024)),
            format!("refused {code}"),
            "{name}"
        );
    }
}

#[test]
fn lying_lengths_are_refused_without_knowing_the_length_too() {
    for (name, code) in REFUSALS {
        let file = read("hostile", name);
        // A name of 4 GB is refused by its own bound, any other length when the bytes end.
        let code = match (*code, *name) {
            ("length-beyond-end", "len_4GB_252_bytes.dcm" | "len_max_minus1.dcm") => {
                "identity-too-long"
            }
            ("length-beyond-end", _) => "truncated",
            (code, _) => code,
        };
        let scanned = scan_within(&file, 1000, Limits::default());
        assert_eq!(outcome(&scanned), format!("refused {code}"), "{name}");
    }
}

#[test]
fn the_bomb_is_refused_after_a_sixtieth_of_its_bytes() {
    let file = read("hostile", "deflate_bomb_1000MiB_1MB.dcm");
    let mut scanner = FileScanner::new(Limits::for_total(file.len() as u64));
    let mut pushed = 0;
    for piece in file.chunks(1024) {
        pushed += piece.len();
        if scanner.push(piece).is_err() {
            break;
        }
    }
    // 16 MiB may come out before the ratio counts, which is 16 KiB of zeros deflated.
    assert!(pushed < 20 * 1024, "{pushed} bytes were taken");
}

#[test]
fn nesting_is_refused_at_the_sixty_fifth_level() {
    for name in [
        "nest_2000_overflow_2MiB_stack.dcm",
        "nest_10000_overflow_8MiB_stack.dcm",
    ] {
        let file = read("hostile", name);
        let malformed = scan(&file, 4096).unwrap_err();
        // 64 levels of a sequence head of 12 bytes and an item head of 8.
        assert_eq!(malformed.offset, 64 * (12 + 8), "{name}");
    }
}

#[test]
fn sixty_four_levels_are_carried_once_the_object_says_who_it_is() {
    let file = read("hostile", "nest_64_ok.dcm");
    let data_set = file.get(0xEC..).unwrap();
    let identified = DataSet::identified(Form::Explicit).raw(data_set);
    assert_eq!(identified.outcome(), "carried");
}

#[test]
fn no_uid_of_a_refusal_is_repeated() {
    for (name, _) in REFUSALS {
        let Err(malformed) = scan(&read("hostile", name), 4096) else {
            panic!("{name} was carried");
        };
        let text = format!("{malformed} {malformed:?}");
        for trace in ["passwd", "cron", "CON", "..", "1.2.3", "222222"] {
            assert!(!text.contains(trace), "{name}: {text}");
        }
    }
}
