//! Answers that are one multipart body, or of which the one part is the whole body (RFC 2387, PS3.18 section 8.6).

use std::io;

use rand_core::Rng as _;

use crate::chance::chance;

/// How the parts of one answer are put together.
pub(super) struct Related(Option<String>);

impl Related {
    /// One multipart body; or else one part, and nothing around it.
    pub(super) fn new(multipart: bool) -> Related {
        Related(multipart.then(boundary))
    }

    /// Whether it is one multipart body.
    pub(super) fn is_multipart(&self) -> bool {
        self.0.is_some()
    }

    /// The media type of the answer whose parts are of this one.
    pub(super) fn kind(&self, part: &str) -> String {
        match &self.0 {
            Some(boundary) => {
                let essence = part.split(';').next().unwrap_or_default();
                format!("multipart/related; type=\"{essence}\"; boundary={boundary}")
            }
            None => part.to_owned(),
        }
    }

    /// Writes what stands in front of a part: its media type, its bytes where they are known, and where it can be had.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn begin(
        &self,
        (kind, length, place): (&str, Option<u64>, &str),
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let Some(boundary) = &self.0 else {
            return Ok(());
        };
        write!(out, "\r\n--{boundary}\r\nContent-Type: {kind}\r\n")?;
        if let Some(length) = length {
            write!(out, "Content-Length: {length}\r\n")?;
        }
        write!(out, "Content-Location: {place}\r\n\r\n")
    }

    /// Writes what stands behind the last part.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn end(&self, out: &mut dyn io::Write) -> io::Result<()> {
        match &self.0 {
            Some(boundary) => write!(out, "\r\n--{boundary}--\r\n"),
            None => Ok(()),
        }
    }
}

/// A boundary that no object holds: 128 random bits.
fn boundary() -> String {
    let mut bytes = [0; 16];
    chance().fill_bytes(&mut bytes);
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(related: &Related) -> String {
        let mut out = Vec::new();
        related.begin(("a/b; c=d", Some(2), "x"), &mut out).unwrap();
        out.extend_from_slice(b"hi");
        related.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_part_is_the_whole_body_and_several_stand_between_boundaries() {
        let one = Related::new(false);
        assert_eq!(one.kind("a/b; c=d"), "a/b; c=d");
        assert_eq!(written(&one), "hi");
        let many = Related::new(true);
        let kind = many.kind("a/b; c=d");
        let boundary = kind.strip_prefix("multipart/related; type=\"a/b\"; boundary=");
        let boundary = boundary.unwrap();
        let head = "Content-Type: a/b; c=d\r\nContent-Length: 2\r\nContent-Location: x\r\n\r\n";
        let wanted = format!("\r\n--{boundary}\r\n{head}hi\r\n--{boundary}--\r\n");
        assert_eq!(written(&many), wanted);
        assert_ne!(Related::new(true).kind("a/b"), kind);
    }
}
