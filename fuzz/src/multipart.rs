//! Multipart bodies of STOW-RS (`dicomweb/multipart`).

use dokuei_node::dicomweb::multipart::{Event, Multipart, MultipartError, PartHead};

/// The same parts come out in whatever pieces the body comes, and no more bytes than came.
///
/// The first line of an input is its boundary.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let Some((boundary, body)) = end.map(|at| (&data[..at], &data[at + 1..])) else {
        return;
    };
    let Ok(boundary) = std::str::from_utf8(boundary) else {
        return;
    };
    let whole = parts(boundary, body, body.len().max(1));
    let smallest = if body.len() <= 16 * 1024 { 1 } else { 61 };
    for piece in [smallest, 1000] {
        assert!(parts(boundary, body, piece) == whole, "pieces of {piece}");
    }
    if let Ok(parts) = whole {
        let bytes: usize = parts.iter().map(|(_, content)| content.len()).sum();
        assert!(bytes <= body.len());
    }
}

type Parts = Vec<(PartHead, Vec<u8>)>;

fn parts(boundary: &str, body: &[u8], piece: usize) -> Result<Parts, MultipartError> {
    let mut multipart = Multipart::new(boundary)?;
    let (mut parts, mut open): (Parts, bool) = (Vec::new(), false);
    for bytes in body.chunks(piece) {
        multipart.push(bytes, &mut |event| {
            match event {
                Event::Begin(head) => {
                    assert!(!std::mem::replace(&mut open, true));
                    parts.push((head, Vec::new()));
                }
                Event::Data(data) => {
                    assert!(open);
                    parts.last_mut().unwrap().1.extend_from_slice(data);
                }
                Event::End => assert!(std::mem::replace(&mut open, false)),
            }
            Ok::<(), MultipartError>(())
        })?;
    }
    multipart.finish()?;
    assert!(!open);
    Ok(parts)
}
