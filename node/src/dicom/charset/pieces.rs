//! Decoded text as it is put together: cut at delimiters, with what could not be decoded made visible.

use std::fmt::Write;

/// A stretch of decoded text between delimiters.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) inexact: bool,
    /// The delimiter after it, if any.
    pub(super) ended_by: Option<u8>,
}

/// Where text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiters {
    /// Nowhere: ST, LT, UT hold one value, in which a backslash is a backslash (PS3.5 §6.4).
    None,
    /// At backslashes: values.
    Values,
    /// At backslashes, `=` and `^`: names, component groups and components (PS3.5 §6.2.1).
    PersonName,
}

impl Delimiters {
    pub(super) fn contains(self, byte: u8) -> bool {
        match self {
            Self::None => false,
            Self::Values => byte == b'\\',
            Self::PersonName => matches!(byte, b'\\' | b'=' | b'^'),
        }
    }
}

/// Takes what the decoders find and cuts it into pieces.
pub(super) struct Cutter {
    delimiters: Delimiters,
    done: Vec<Piece>,
    open: Piece,
}

impl Cutter {
    pub(super) fn new(delimiters: Delimiters) -> Self {
        Self {
            delimiters,
            done: Vec::new(),
            open: Piece::default(),
        }
    }

    /// Whether this byte, met where one-byte characters are active, is a delimiter.
    pub(super) fn is_delimiter(&self, byte: u8) -> bool {
        self.delimiters.contains(byte)
    }

    /// Ends the piece.
    pub(super) fn cut(&mut self, delimiter: u8) {
        self.open.ended_by = Some(delimiter);
        self.done.push(std::mem::take(&mut self.open));
    }

    /// Adds a character. Control characters but those of lines (PS3.5 §6.1.3), and those that turn the
    /// direction of what follows, are made visible: text from outside must not steer a terminal.
    pub(super) fn add(&mut self, char: char) {
        let steers = match char {
            '\t' | '\n' | '\r' | '\u{C}' => false,
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
            other => other.is_control(),
        };
        if steers {
            self.open.inexact = true;
            self.write(format_args!("\\u{{{:X}}}", u32::from(char)));
        } else {
            self.open.text.push(char);
        }
    }

    /// Adds a byte that could not be decoded, as `\xHH`.
    pub(super) fn add_raw(&mut self, byte: u8) {
        self.open.inexact = true;
        self.write(format_args!("\\x{byte:02X}"));
    }

    /// Marks the piece as not exactly what the standard defines.
    pub(super) fn mark_inexact(&mut self) {
        self.open.inexact = true;
    }

    pub(super) fn finish(mut self) -> Vec<Piece> {
        self.done.push(self.open);
        self.done
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.open.text.write_fmt(text);
    }
}
