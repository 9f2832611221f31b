//! PDF objects (ISO 32000-1 section 7.3) and an iterative, bounded reader for them.

use super::AttachmentError;

/// Deepest nesting of arrays and dictionaries; real files stay below ten.
const MAX_DEPTH: usize = 64;
/// Most values in one object; the widest font tables have some 20,000.
const MAX_VALUES: usize = 250_000;

/// One PDF object. Generation numbers are not kept: a file has one object of each number.
pub(super) enum Object {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Name(Vec<u8>),
    Array(Vec<Object>),
    Dictionary(Dictionary),
    Reference(u32),
}

/// A dictionary in file order; of two equal keys the first counts.
#[derive(Default)]
pub(super) struct Dictionary(pub(super) Vec<(Vec<u8>, Object)>);

impl Dictionary {
    pub(super) fn value(&self, key: &[u8]) -> Option<&Object> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub(super) fn name(&self, key: &[u8]) -> Option<&[u8]> {
        match self.value(key) {
            Some(Object::Name(name)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn integer(&self, key: &[u8]) -> Option<i64> {
        match self.value(key) {
            Some(Object::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn reference(&self, key: &[u8]) -> Option<u32> {
        match self.value(key) {
            Some(Object::Reference(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Reads objects from a position of a byte slice.
pub(super) struct Parser<'a> {
    data: &'a [u8],
    pub(super) at: usize,
}

enum Token {
    ArrayOpen,
    ArrayClose,
    DictionaryOpen,
    DictionaryClose,
    Value(Object),
    Keyword,
}

enum Open {
    Array(Vec<Object>),
    Dictionary(Dictionary, Option<Vec<u8>>),
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
    )
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

impl<'a> Parser<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Parser<'a> {
        Parser { data, at }
    }

    fn peek(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    /// Skip white space and comments.
    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if is_space(byte) {
                self.at += 1;
            } else if byte == b'%' {
                while self.peek().is_some_and(|b| b != b'\n' && b != b'\r') {
                    self.at += 1;
                }
            } else {
                return;
            }
        }
    }

    /// Read `word` if it comes next (after white space).
    pub(super) fn keyword(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let end = self.at + word.len();
        let next = self.data.get(self.at..end) == Some(word);
        if next {
            self.at = end;
        }
        next
    }

    /// Read a whole number if it comes next.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        self.skip_space();
        match self.number() {
            Ok(Object::Integer(number)) => Some(number),
            _ => {
                self.at = start;
                None
            }
        }
    }

    /// Read one object of any kind but a stream's data.
    pub(super) fn object(&mut self) -> Result<Object, AttachmentError> {
        let mut open: Vec<Open> = Vec::new();
        for _ in 0..MAX_VALUES {
            let value = match self.token()? {
                Token::ArrayOpen => {
                    open.push(Open::Array(Vec::new()));
                    None
                }
                Token::DictionaryOpen => {
                    open.push(Open::Dictionary(Dictionary::default(), None));
                    None
                }
                Token::ArrayClose => match open.pop() {
                    Some(Open::Array(items)) => Some(Object::Array(items)),
                    _ => return Err(AttachmentError::damaged("an array")),
                },
                Token::DictionaryClose => match open.pop() {
                    Some(Open::Dictionary(entries, None)) => Some(Object::Dictionary(entries)),
                    _ => return Err(AttachmentError::damaged("a dictionary")),
                },
                Token::Value(value) => Some(value),
                Token::Keyword => return Err(AttachmentError::damaged("an object")),
            };
            if open.len() > MAX_DEPTH {
                return Err(AttachmentError::damaged("its nesting"));
            }
            let Some(value) = value else { continue };
            match open.last_mut() {
                None => return Ok(value),
                Some(Open::Array(items)) => items.push(value),
                Some(Open::Dictionary(entries, key)) => match (key.take(), value) {
                    (Some(name), value) => entries.0.push((name, value)),
                    (None, Object::Name(name)) => *key = Some(name),
                    (None, _) => return Err(AttachmentError::damaged("a dictionary key")),
                },
            }
        }
        Err(AttachmentError::Expands {
            what: "values in one object",
        })
    }

    fn token(&mut self) -> Result<Token, AttachmentError> {
        self.skip_space();
        let byte = self
            .peek()
            .ok_or(AttachmentError::damaged("it ends too early"))?;
        let pair = self.data.get(self.at..self.at + 2);
        let (length, token) = match (byte, pair) {
            (b'[', _) => (1, Token::ArrayOpen),
            (b']', _) => (1, Token::ArrayClose),
            (_, Some(b"<<")) => (2, Token::DictionaryOpen),
            (_, Some(b">>")) => (2, Token::DictionaryClose),
            (b'<', _) => return self.hex_text().map(Token::Value),
            (b'(', _) => return self.literal_text().map(Token::Value),
            (b'/', _) => return self.name().map(Token::Value),
            (b'+' | b'-' | b'.' | b'0'..=b'9', _) => return self.number_or_reference(),
            (_, _) => return Ok(self.word()),
        };
        self.at += length;
        Ok(token)
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| !is_space(b) && !is_delimiter(b))
        {
            self.at += 1;
        }
        match self.data.get(start..self.at).unwrap_or_default() {
            b"null" => Token::Value(Object::Null),
            b"true" => Token::Value(Object::Boolean(true)),
            b"false" => Token::Value(Object::Boolean(false)),
            _ => Token::Keyword,
        }
    }

    fn number(&mut self) -> Result<Object, AttachmentError> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| matches!(b, b'+' | b'-' | b'.' | b'0'..=b'9'))
        {
            self.at += 1;
        }
        let digits = self.data.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(digits).unwrap_or_default();
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Object::Integer(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && text.len() <= 64 => Ok(Object::Real(number)),
            _ => Err(AttachmentError::damaged("a number")),
        }
    }

    fn number_or_reference(&mut self) -> Result<Token, AttachmentError> {
        let number = self.number()?;
        let Object::Integer(value) = number else {
            return Ok(Token::Value(number));
        };
        let after = self.at;
        let target = u32::try_from(value).ok();
        if let (Some(target), Some(0..=65535)) = (target, self.integer())
            && self.keyword(b"R")
            && self.peek().is_none_or(|b| is_space(b) || is_delimiter(b))
        {
            return Ok(Token::Value(Object::Reference(target)));
        }
        self.at = after;
        Ok(Token::Value(number))
    }

    fn name(&mut self) -> Result<Object, AttachmentError> {
        self.at += 1;
        let mut name = Vec::new();
        while let Some(byte) = self.peek() {
            if is_space(byte) || is_delimiter(byte) {
                break;
            }
            self.at += 1;
            let escaped = self
                .data
                .get(self.at..self.at + 2)
                .and_then(|pair| match pair {
                    [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                    _ => None,
                });
            match escaped {
                Some(value) if byte == b'#' => {
                    name.push(value);
                    self.at += 2;
                }
                Some(_) | None => name.push(byte),
            }
        }
        if name.len() > 255 {
            return Err(AttachmentError::damaged("a name"));
        }
        Ok(Object::Name(name))
    }

    fn hex_text(&mut self) -> Result<Object, AttachmentError> {
        self.at += 1;
        let mut text = Vec::new();
        let mut high: Option<u8> = None;
        loop {
            let byte = self.peek().ok_or(AttachmentError::damaged("a text"))?;
            self.at += 1;
            if byte == b'>' {
                break;
            }
            if is_space(byte) {
                continue;
            }
            let digit = hex_digit(byte).ok_or(AttachmentError::damaged("a text"))?;
            match high.take() {
                Some(first) => text.push(first << 4 | digit),
                None => high = Some(digit),
            }
        }
        text.extend(high.map(|digit| digit << 4));
        Ok(Object::Text(text))
    }

    fn literal_text(&mut self) -> Result<Object, AttachmentError> {
        self.at += 1;
        let mut text = Vec::new();
        let mut depth = 1usize;
        loop {
            let byte = self.peek().ok_or(AttachmentError::damaged("a text"))?;
            self.at += 1;
            match byte {
                b'\\' => self.escape(&mut text),
                b'(' => {
                    depth += 1;
                    text.push(byte);
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Object::Text(text));
                    }
                    text.push(byte);
                }
                _ => text.push(byte),
            }
        }
    }

    /// What follows a backslash in a literal text (table 3 of the standard).
    fn escape(&mut self, text: &mut Vec<u8>) {
        let Some(byte) = self.peek() else { return };
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'\r' => {
                if self.peek() == Some(b'\n') {
                    self.at += 1;
                }
            }
            b'\n' => {}
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    match self.peek() {
                        Some(digit @ b'0'..=b'7') => {
                            value = value * 8 + u32::from(digit - b'0');
                            self.at += 1;
                        }
                        Some(_) | None => break,
                    }
                }
                text.push((value & 0xFF) as u8);
            }
            _ => text.push(byte),
        }
    }
}
