//! RFC 8949 appendix A: which of its 82 examples the profile admits.

use dokuei_keys::cbor::check_profile;

use crate::hex::hex;

/// The examples that are deterministic, free of floats, tags and simple values, with integer keys.
const ADMITTED: &[&str] = &[
    "00",
    "01",
    "0a",
    "17",
    "1818",
    "1819",
    "1864",
    "1903e8",
    "1a000f4240",
    "1b000000e8d4a51000",
    "1bffffffffffffffff",
    "3bffffffffffffffff",
    "20",
    "29",
    "3863",
    "3903e7",
    "f4",
    "f5",
    "f6",
    "40",
    "4401020304",
    "60",
    "6161",
    "6449455446",
    "62225c",
    "62c3bc",
    "63e6b0b4",
    "64f0908591",
    "80",
    "83010203",
    "8301820203820405",
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    "a0",
    "a201020304",
];

/// The others: bignums and other tags, floats, simple values, text keys, indefinite lengths.
const REFUSED: &[&str] = &[
    "c249010000000000000000",
    "c349010000000000000000",
    "f90000",
    "f98000",
    "f93c00",
    "fb3ff199999999999a",
    "f93e00",
    "f97bff",
    "fa47c35000",
    "fa7f7fffff",
    "fb7e37e43c8800759c",
    "f90001",
    "f90400",
    "f9c400",
    "fbc010666666666666",
    "f97c00",
    "f97e00",
    "f9fc00",
    "fa7f800000",
    "fa7fc00000",
    "faff800000",
    "fb7ff0000000000000",
    "fb7ff8000000000000",
    "fbfff0000000000000",
    "f7",
    "f0",
    "f818",
    "f8ff",
    "c074323031332d30332d32315432303a30343a30305a",
    "c11a514b67b0",
    "c1fb41d452d9ec200000",
    "d74401020304",
    "d818456449455446",
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
    "a26161016162820203",
    "826161a161626163",
    "a56161614161626142616361436164614461656145",
    "5f42010243030405ff",
    "7f657374726561646d696e67ff",
    "9fff",
    "9f018202039f0405ffff",
    "9f01820203820405ff",
    "83018202039f0405ff",
    "83019f0203ff820405",
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff",
    "826161bf61626163ff",
    "bf6346756ef563416d7421ff",
];

#[test]
fn appendix_a() {
    assert_eq!(ADMITTED.len() + REFUSED.len(), 82);
    for example in ADMITTED {
        assert!(check_profile(&hex(example)).is_ok(), "{example}");
    }
    for example in REFUSED {
        assert!(check_profile(&hex(example)).is_err(), "{example}");
    }
}

/// What appendix A does not show: the ways to write something twice, and to end badly.
#[test]
fn second_spellings_and_bad_ends() {
    for bad in [
        "1817",               // 23 in two bytes
        "190018",             // 24 in three
        "1a00000100",         // 256 in five
        "1b0000000000010000", // 65536 in nine
        "3817",               // -24 in two
        "580140",             // the length 1 in two bytes
        "9800",               // an empty array with a long head
        "b80100f6",           // a map of one with a long head
        "a201010101",         // a key twice
        "a202010101",         // keys out of order
        "a220010101",         // a negative key before a positive
        "a14101f6",           // a byte string as key
        "a18001",             // an array as key
        "a1f501",             // a boolean as key
        "62c328",             // not UTF-8
        "1c",                 // reserved heads
        "5d",
        "fe",
        "f81f",
        "ff",                 // a break alone
        "",                   // nothing
        "18",                 // cut off in the head
        "430102",             // cut off in a string
        "8201",               // an item short
        "a101",               // a value short
        "0000",               // more than one value
        "9bffffffffffffffff", // more items than could follow
        "bbffffffffffffffff",
        "5bffffffffffffffff00",
        "818181818181818180", // nine levels
    ] {
        assert!(check_profile(&hex(bad)).is_err(), "{bad}");
    }
    assert!(
        check_profile(&hex("8181818181818180")).is_ok(),
        "eight levels"
    );
    assert!(check_profile(&hex("a20101200a")).is_ok(), "1 before -1");
}
