//! A digest over everything that happened, in order. Two runs of one seed end with the same.

use dokuei_keys::id::Digest;

/// The digest so far.
pub(crate) struct Trace(Digest);

impl Default for Trace {
    fn default() -> Trace {
        Trace(Digest::from_bytes([0; 32]))
    }
}

impl Trace {
    /// Adds something that happened.
    pub(crate) fn add(&mut self, what: &str, parts: &[&[u8]]) {
        let mut bytes = self.0.as_bytes().to_vec();
        bytes.extend((what.len() as u64).to_be_bytes());
        bytes.extend(what.as_bytes());
        for part in parts {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(*part);
        }
        self.0 = Digest::of(&bytes);
    }

    /// The digest.
    pub(crate) fn digest(&self) -> Digest {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_boundaries_count() {
        let trace = |parts: &[(&str, &[u8])]| {
            let mut trace = Trace::default();
            for (what, part) in parts {
                trace.add(what, &[part]);
            }
            trace.digest()
        };
        let one = trace(&[("a", b"b"), ("c", b"d")]);
        assert_ne!(one, trace(&[("c", b"d"), ("a", b"b")]));
        assert_ne!(one, trace(&[("ab", b""), ("c", b"d")]));
        assert_eq!(one, trace(&[("a", b"b"), ("c", b"d")]));
    }
}
