#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dokuei_fuzz::pack::check(data));
