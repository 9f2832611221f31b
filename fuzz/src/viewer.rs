//! A package of the viewer (`viewer/package`).

use std::io::{self, Write as _};

use dokuei_node::viewer::unpack;
use flate2::Compression;
use flate2::write::GzEncoder;

/// What is taken has a plain name, and all of it no more bytes than the archive.
///
/// An input is the archive before it is compressed; after `gz` it is what a package is, as it comes.
pub fn check(data: &[u8]) {
    let packed = match data.strip_prefix(b"gz") {
        Some(packed) => packed.to_vec(),
        None => {
            let mut out = GzEncoder::new(Vec::new(), Compression::none());
            out.write_all(data).unwrap();
            out.finish().unwrap()
        }
    };
    let mut bytes = 0;
    let mut take = |name: &str, content: &mut dyn io::Read| {
        let is_plain = |part: &str| !matches!(part, "" | "." | "..");
        assert!(name.split('/').all(is_plain) && !name.contains(['\\', '\0', ':']));
        bytes += io::copy(content, &mut io::sink()).unwrap_or(0);
        Ok(())
    };
    let _taken_or_refused = unpack(&*packed, packed.len() as u64, &mut take);
    // `gz` may be of what unpacks to more; the reader's own bound is fifty times.
    assert!(bytes <= 50 * packed.len() as u64);
}
