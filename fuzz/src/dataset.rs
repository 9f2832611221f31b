//! A data set as a tree, and the tree as JSON (`dicom/dataset`).

use dokuei_node::dicom::dataset::{Bounds, DataSet, Value, json, read, write};
use dokuei_node::dicom::scanner::Encoding;

/// The encodings that the first byte of an input chooses from.
pub const ENCODINGS: [Encoding; 4] = [
    Encoding::ExplicitLittle,
    Encoding::ImplicitLittle,
    Encoding::ExplicitBig,
    Encoding::DeflatedExplicitLittle,
];
const BOUNDS: [Bounds; 4] = [
    Bounds::IDENTIFIER,
    Bounds::HEADER,
    Bounds::IMAGE,
    Bounds::WHOLE_HEADER,
];
/// What may be kept of an inflated data set, so that one input costs milliseconds.
const INFLATED: usize = 1 << 20;

/// A tree holds no more than its bytes did. Written and read again it is the same; in JSON it is JSON.
pub fn check(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let encoding = ENCODINGS[usize::from(choice & 3)];
    let mut bounds = BOUNDS[usize::from(choice >> 2 & 3)];
    let is_deflated = encoding == Encoding::DeflatedExplicitLittle;
    if is_deflated {
        bounds.kept_bytes = INFLATED;
        bounds.elements = 10_000;
    }
    let Ok(set) = read(&mut &*bytes, encoding, &bounds) else {
        return;
    };
    let most = if is_deflated { INFLATED } else { bytes.len() };
    assert!(kept(&set) <= most, "more is kept than came");
    again(&set);
    in_json(&set);
}

/// Bytes of all values.
fn kept(set: &DataSet) -> usize {
    let of = |value: &Value| match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Items(items) => items.iter().map(kept).sum(),
        Value::Bulk(_) => 0,
    };
    set.elements()
        .iter()
        .map(|element| of(&element.value))
        .sum()
}

/// What was written once is read and written the same ever after.
fn again(set: &DataSet) {
    let bounds = Bounds {
        kept_bytes: usize::MAX,
        ..Bounds::IDENTIFIER
    };
    for encoding in [Encoding::ExplicitLittle, Encoding::ExplicitBig] {
        let once = write(set, encoding);
        let read_once = read(&mut &*once, encoding, &bounds);
        let read_once = read_once.unwrap_or_else(|why| panic!("{encoding:?}: {why}"));
        let twice = write(&read_once, encoding);
        assert!(once == twice, "{encoding:?}: written otherwise");
    }
}

fn in_json(set: &DataSet) {
    let mut text = Vec::new();
    json::write(set, &mut text);
    // The place of the base of addresses is filled in when a request is answered.
    for byte in &mut text {
        if *byte == json::BASE {
            *byte = b'/';
        }
    }
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&text);
    if let Err(why) = parsed {
        // The parser has a bound on nesting that a tree may exceed.
        assert!(why.to_string().contains("recursion"), "no JSON: {why}");
    }
}
