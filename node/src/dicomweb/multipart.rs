//! Reading multipart bodies (RFC 2046 section 5.1) as they come: bytes go in, parts come out, and no more is held than
//! one head and one boundary. No I/O.

use memchr::memmem;

/// Bytes of a part's head. DICOMweb parts have a content type and a location.
const HEAD_BYTES: usize = 8 * 1024;
/// Fields of a part's head.
const FIELDS: usize = 32;
/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY: usize = 70;
/// White space that may follow a boundary.
const PADDING: usize = 64;

/// What is wrong with a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartError {
    /// The boundary is empty, too long, or holds what no boundary may.
    Boundary,
    /// A part's head is too long or none.
    Head,
    /// The body ends before its last boundary.
    Truncated,
}

/// What comes out of a body.
pub enum Event<'a> {
    /// A part begins; its head.
    Begin(PartHead),
    /// The next bytes of the part.
    Data(&'a [u8]),
    /// The part is complete.
    End,
}

/// The fields of a part's head, names in lower case.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct PartHead(Vec<(String, String)>);

impl PartHead {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Option<PartHead> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            // A line that begins with white space goes on with the field before.
            if line.starts_with([' ', '\t'])
                && let Some((_, value)) = fields.last_mut()
            {
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            if fields.len() == FIELDS {
                return None;
            }
            let (name, value) = line.split_once(':')?;
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(PartHead(fields))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Head,
    Data,
    Epilogue,
}

/// What follows a delimiter that was found.
enum After {
    /// This many bytes end the line: a part begins.
    Part(usize),
    /// The last one.
    Last,
    /// It was none: the bytes only look like it.
    None,
    /// Nobody knows yet.
    Unknown,
}

/// Reads one multipart body.
pub struct Multipart {
    delimiter: Vec<u8>,
    state: State,
    held: Vec<u8>,
}

impl Multipart {
    /// A reader of a body with this boundary, as the content type says it, without quotes.
    ///
    /// # Errors
    /// [`MultipartError::Boundary`].
    pub fn new(boundary: &str) -> Result<Multipart, MultipartError> {
        let fits = (1..=BOUNDARY).contains(&boundary.len())
            && boundary.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
            && !boundary.ends_with(' ');
        if !fits {
            return Err(MultipartError::Boundary);
        }
        Ok(Multipart {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::Preamble,
            // The first boundary may be the first thing in the body.
            held: b"\r\n".to_vec(),
        })
    }

    /// Takes the next bytes of the body, and hands out what they complete.
    ///
    /// # Errors
    /// What `take` answers, or a [`MultipartError`].
    pub fn push<E: From<MultipartError>>(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.state == State::Epilogue {
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(next) = self.step(rest, take)? {
            rest = next;
            if self.state == State::Epilogue {
                return Ok(());
            }
        }
        // What is left is shorter than a head, or than a delimiter with what follows it.
        let kept = self.hand_out(rest, take)?;
        self.held = kept.to_vec();
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`MultipartError::Truncated`].
    pub fn finish(self) -> Result<(), MultipartError> {
        match self.state {
            State::Epilogue => Ok(()),
            State::Preamble | State::Head | State::Data => Err(MultipartError::Truncated),
        }
    }

    /// Goes over the next head or delimiter; none when it is not complete.
    fn step<'a, E: From<MultipartError>>(
        &mut self,
        bytes: &'a [u8],
        take: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Option<&'a [u8]>, E> {
        if self.state == State::Head {
            return self.take_head(bytes, take);
        }
        let mut from = 0;
        while let Some(at) = memmem::find(&bytes[from..], &self.delimiter).map(|at| at + from) {
            let behind = at + self.delimiter.len();
            match after(&bytes[behind..]) {
                After::Unknown => return Ok(None),
                After::None => from = at + 1,
                found @ (After::Part(_) | After::Last) => {
                    if self.state == State::Data {
                        if at > 0 {
                            take(Event::Data(&bytes[..at]))?;
                        }
                        take(Event::End)?;
                    }
                    let After::Part(line) = found else {
                        self.state = State::Epilogue;
                        return Ok(Some(&[]));
                    };
                    self.state = State::Head;
                    return Ok(Some(&bytes[behind + line..]));
                }
            }
        }
        Ok(None)
    }

    fn take_head<'a, E: From<MultipartError>>(
        &mut self,
        bytes: &'a [u8],
        take: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Option<&'a [u8]>, E> {
        let (head, rest) = match memmem::find(bytes, b"\r\n\r\n") {
            _ if bytes.starts_with(b"\r\n") => (&bytes[..0], &bytes[2..]),
            Some(at) if at <= HEAD_BYTES => (&bytes[..at], &bytes[at + 4..]),
            // Its end may still come: the answer must not depend on the pieces that come.
            None if bytes.len() < HEAD_BYTES + 4 => return Ok(None),
            Some(_) | None => return Err(MultipartError::Head.into()),
        };
        let head = PartHead::parse(head).ok_or(MultipartError::Head)?;
        self.state = State::Data;
        take(Event::Begin(head))?;
        Ok(Some(rest))
    }

    /// Hands out what cannot belong to a delimiter any more; gives what may.
    fn hand_out<'a, E: From<MultipartError>>(
        &self,
        bytes: &'a [u8],
        take: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        if self.state == State::Head {
            return Ok(bytes);
        }
        let longest = self.delimiter.len() + PADDING + 2;
        let open = bytes.len().saturating_sub(longest);
        let begin = memchr::memchr(b'\r', &bytes[open..]).map_or(bytes.len(), |at| open + at);
        if self.state == State::Data && begin > 0 {
            take(Event::Data(&bytes[..begin]))?;
        }
        Ok(&bytes[begin..])
    }
}

/// What stands behind a delimiter.
fn after(bytes: &[u8]) -> After {
    if bytes.starts_with(b"--") {
        return After::Last;
    }
    let padding = bytes
        .iter()
        .take(PADDING + 1)
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    match bytes.get(padding..padding + 2) {
        Some(b"\r\n") => After::Part(padding + 2),
        Some(_) => After::None,
        None if padding > PADDING => After::None,
        None => match bytes.get(padding) {
            Some(b'\r') | None => After::Unknown,
            Some(b'-') if padding == 0 => After::Unknown,
            Some(_) => After::None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = Vec<(Option<String>, Vec<u8>)>;

    fn read(body: &[u8], piece: usize) -> Result<Parts, MultipartError> {
        let mut multipart = Multipart::new("b-1")?;
        let (mut parts, mut open, mut most): (Parts, bool, usize) = (Vec::new(), false, 0);
        for bytes in body.chunks(piece) {
            multipart.push(bytes, &mut |event| {
                match event {
                    Event::Begin(head) => {
                        assert!(!std::mem::replace(&mut open, true));
                        let kind = head.field("content-type").map(str::to_owned);
                        parts.push((kind, Vec::new()));
                    }
                    Event::Data(data) => parts.last_mut().unwrap().1.extend_from_slice(data),
                    Event::End => assert!(std::mem::replace(&mut open, false)),
                }
                Ok::<(), MultipartError>(())
            })?;
            most = most.max(multipart.held.len());
        }
        assert!(most <= HEAD_BYTES + 4 + piece, "{most} bytes are held");
        multipart.finish()?;
        assert!(!open);
        Ok(parts)
    }

    #[test]
    fn parts_come_out_whole_however_the_bytes_come_in() {
        let body = b"preamble\r\n--b-1 \t\r\nContent-Type: application/dicom\r\nX: y\r\n z\r\n\r\none\r\n--b-\r\n--b-12\r\n--b-1\r\n\r\n\r\n--b-1\r\n\r\n\r\n\r\r\n--b-1--epilogue\r\n--b-1\r\n";
        for piece in 1..body.len() {
            let parts = read(body, piece).unwrap();
            assert_eq!(parts.len(), 3, "pieces of {piece}");
            assert_eq!(parts[0].0.as_deref(), Some("application/dicom"));
            assert_eq!(parts[0].1, b"one\r\n--b-\r\n--b-12");
            assert_eq!(parts[1], (None, Vec::new()));
            assert_eq!(parts[2].1, b"\r\n\r");
        }
    }

    #[test]
    fn a_body_may_begin_with_its_boundary_and_hold_nothing() {
        assert_eq!(read(b"--b-1--", 3), Ok(Vec::new()));
        assert_eq!(read(b"--b-1\r\n\r\nx\r\n--b-1--", 4).unwrap()[0].1, b"x");
    }

    #[test]
    fn the_longest_head_is_taken_and_no_longer_one_however_it_comes_in() {
        for (length, taken) in [(HEAD_BYTES, true), (HEAD_BYTES + 1, false)] {
            let field = format!("X: {}", "y".repeat(length - 3));
            let body = format!("--b-1\r\n{field}\r\n\r\ncontent\r\n--b-1--");
            for piece in [1, 1000, body.len()] {
                let parts = read(body.as_bytes(), piece);
                assert_eq!(parts.is_ok(), taken, "{length} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_broken_is_named() {
        for (body, error) in [
            (&b""[..], MultipartError::Truncated),
            (b"--other--", MultipartError::Truncated),
            (b"--b-1", MultipartError::Truncated),
            (b"--b-1\r\n\r\nhalf", MultipartError::Truncated),
            (b"--b-1\r\nnonsense\r\n\r\n", MultipartError::Head),
            (b"--b-1\r\n\xff: x\r\n\r\n", MultipartError::Head),
        ] {
            assert_eq!(read(body, 5), Err(error));
        }
        let endless = [b"--b-1\r\n".to_vec(), vec![b'x'; 3 * HEAD_BYTES]].concat();
        assert_eq!(read(&endless, 1000), Err(MultipartError::Head));
        let long = "x".repeat(71);
        for boundary in ["", "a\r\nb", "ends ", long.as_str()] {
            assert!(matches!(
                Multipart::new(boundary),
                Err(MultipartError::Boundary)
            ));
        }
    }
}
