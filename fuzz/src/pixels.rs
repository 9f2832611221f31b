//! Requests to a decoder, and the decoders that are this program's own (`pixels`). JPEG and JPEG 2000 are decoded by
//! others' code, whose faults the child contains.

use dokuei_node::pixels::{Codec, Request};

/// Longest answer of an input that is performed, so that one costs milliseconds.
const ANSWER: u64 = 1 << 20;

/// An answer is no longer than was announced.
pub fn check(data: &[u8]) {
    let Ok(Some(request)) = Request::read(&mut &*data) else {
        return;
    };
    let again = request.to_bytes().unwrap();
    assert!(again.len() <= 2 * data.len() + 64);
    if matches!(request.image().codec, Codec::Jpeg | Codec::Jpeg2000) {
        return;
    }
    let Ok(most) = request.answer_bytes_max() else {
        assert!(request.perform().is_err());
        return;
    };
    if most.max(request.image().frame_bytes()) > ANSWER {
        return;
    }
    if let Ok(answer) = request.perform() {
        assert!(answer.len() as u64 <= most, "longer than announced");
    }
}
