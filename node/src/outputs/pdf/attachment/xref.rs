//! Where the objects of the file are: cross-reference tables and streams (ISO 32000-1 section 7.5).

use std::collections::{BTreeMap, BTreeSet};

use super::AttachmentError;
use super::filters;
use super::object::{Dictionary, Object, Parser};

/// Most objects in a file; 200 pages with many fonts have a few thousand.
const MAX_OBJECTS: usize = 200_000;
/// Most incremental saves.
const MAX_SECTIONS: usize = 64;
/// Unpacked size of one cross-reference stream: all objects at 20 bytes.
const MAX_TABLE_BYTES: usize = 20 * MAX_OBJECTS;
/// The header stands in the first kilobyte, `startxref` in the last two.
const HEADER_WINDOW: usize = 1024;
const TRAILER_WINDOW: usize = 2048;

/// Where one object is.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// At this offset of the file.
    Offset(usize),
    /// In an object stream, at this place of its list.
    InStream { stream: u32, index: usize },
    /// Deleted; kept so that an older section does not bring it back.
    Free,
}

/// Object number to place.
pub(super) type Table = BTreeMap<u32, Place>;

/// Read the whole chain, newest first; returns the table and the number of the catalogue.
pub(super) fn read(data: &[u8]) -> Result<(Table, u32), AttachmentError> {
    let head = data
        .get(..data.len().min(HEADER_WINDOW))
        .unwrap_or_default();
    if find(head, b"%PDF-").is_none() {
        return Err(AttachmentError::NotAPdf);
    }
    let mut table = Table::new();
    let mut root = None;
    let mut seen = BTreeSet::new();
    let mut next = vec![start(data)?];
    while let Some(at) = next.pop() {
        if !seen.insert(at) {
            continue;
        }
        if seen.len() > MAX_SECTIONS {
            return Err(AttachmentError::damaged("its cross-reference chain"));
        }
        let trailer = section(data, at, &mut table)?;
        if trailer.value(b"Encrypt").is_some() {
            return Err(AttachmentError::Encrypted);
        }
        root = root.or(trailer.reference(b"Root"));
        // The stream of a hybrid file comes before the older sections, so it is pushed last.
        for key in [b"Prev".as_slice(), b"XRefStm"] {
            if let Some(offset) = trailer.integer(key) {
                let offset = usize::try_from(offset)
                    .map_err(|_| AttachmentError::damaged("its cross-reference chain"))?;
                next.push(offset);
            }
        }
    }
    Ok((table, root.ok_or(AttachmentError::damaged("its trailer"))?))
}

fn find(data: &[u8], word: &[u8]) -> Option<usize> {
    data.windows(word.len()).position(|window| window == word)
}

/// Offset of the newest section. Nothing may follow its end mark: a file cut off inside a later
/// save would otherwise pass as its older self.
fn start(data: &[u8]) -> Result<usize, AttachmentError> {
    let missing = AttachmentError::damaged("no end mark: it may be cut off");
    let from = data.len().saturating_sub(TRAILER_WINDOW);
    let tail = data.get(from..).unwrap_or_default();
    let word = b"startxref";
    let Some(last) = tail.windows(word.len()).rposition(|window| window == word) else {
        return Err(missing);
    };
    let mut parser = Parser::new(data, from + last + word.len());
    let offset = parser
        .integer()
        .and_then(|offset| usize::try_from(offset).ok());
    let rest = data.get(parser.at..).unwrap_or_default();
    let rest = rest.trim_ascii_start().strip_prefix(b"%%EOF");
    match (offset, rest) {
        (Some(offset), Some(rest)) if rest.iter().all(|b| b.is_ascii_whitespace() || *b == 0) => {
            Ok(offset)
        }
        (_, _) => Err(missing),
    }
}

fn section(data: &[u8], at: usize, table: &mut Table) -> Result<Dictionary, AttachmentError> {
    let mut parser = Parser::new(data, at);
    if parser.keyword(b"xref") {
        classic(&mut parser, table)
    } else {
        stream(data, parser, table)
    }
}

fn insert(table: &mut Table, number: i64, place: Place) -> Result<(), AttachmentError> {
    let number =
        u32::try_from(number).map_err(|_| AttachmentError::damaged("its cross-reference table"))?;
    table.entry(number).or_insert(place);
    if table.len() > MAX_OBJECTS {
        return Err(AttachmentError::Expands { what: "objects" });
    }
    Ok(())
}

fn classic(parser: &mut Parser<'_>, table: &mut Table) -> Result<Dictionary, AttachmentError> {
    let broken = || AttachmentError::damaged("its cross-reference table");
    while let Some(first) = parser.integer() {
        let count = parser.integer().ok_or_else(broken)?;
        for number in first..first.saturating_add(count) {
            let offset = parser.integer().ok_or_else(broken)?;
            parser.integer().ok_or_else(broken)?;
            let place = if parser.keyword(b"n") {
                Place::Offset(usize::try_from(offset).map_err(|_| broken())?)
            } else if parser.keyword(b"f") {
                Place::Free
            } else {
                return Err(broken());
            };
            insert(table, number, place)?;
        }
    }
    if !parser.keyword(b"trailer") {
        return Err(AttachmentError::damaged("its trailer"));
    }
    match parser.object()? {
        Object::Dictionary(trailer) => Ok(trailer),
        _ => Err(AttachmentError::damaged("its trailer")),
    }
}

fn stream(
    data: &[u8],
    mut parser: Parser<'_>,
    table: &mut Table,
) -> Result<Dictionary, AttachmentError> {
    let broken = || AttachmentError::damaged("its cross-reference stream");
    parser.integer().ok_or_else(broken)?;
    parser.integer().ok_or_else(broken)?;
    if !parser.keyword(b"obj") {
        return Err(broken());
    }
    let Object::Dictionary(dictionary) = parser.object()? else {
        return Err(broken());
    };
    // The standard wants a direct length here.
    let length = dictionary
        .integer(b"Length")
        .and_then(|length| usize::try_from(length).ok())
        .ok_or_else(broken)?;
    let from = stream_start(data, &mut parser).ok_or_else(broken)?;
    let raw = from
        .checked_add(length)
        .and_then(|end| data.get(from..end))
        .ok_or_else(broken)?;
    let rows = filters::unpack(&dictionary, raw, MAX_TABLE_BYTES)?;
    let widths = widths(&dictionary).ok_or_else(broken)?;
    let size: usize = widths.iter().sum();
    let mut rows = rows.chunks_exact(size.max(1));
    for (first, count) in subsections(&dictionary).ok_or_else(broken)? {
        for number in first..first.saturating_add(count) {
            let row = rows.next().ok_or_else(broken)?;
            insert(table, number, place(row, widths).ok_or_else(broken)?)?;
        }
    }
    Ok(dictionary)
}

/// Position of the first data byte after the keyword `stream` and its line end.
pub(super) fn stream_start(data: &[u8], parser: &mut Parser<'_>) -> Option<usize> {
    if !parser.keyword(b"stream") {
        return None;
    }
    let at = parser.at;
    match (data.get(at), data.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(at + 2),
        (Some(b'\n' | b'\r'), _) => Some(at + 1),
        (_, _) => Some(at),
    }
}

fn widths(dictionary: &Dictionary) -> Option<[usize; 3]> {
    let Some(Object::Array(items)) = dictionary.value(b"W") else {
        return None;
    };
    let mut widths = [0; 3];
    for (place, width) in widths.iter_mut().enumerate() {
        match items.get(place)? {
            Object::Integer(number @ 0..=8) => *width = usize::try_from(*number).ok()?,
            _ => return None,
        }
    }
    Some(widths)
}

fn subsections(dictionary: &Dictionary) -> Option<Vec<(i64, i64)>> {
    match dictionary.value(b"Index") {
        None => Some(vec![(0, dictionary.integer(b"Size")?)]),
        Some(Object::Array(items)) => items
            .chunks(2)
            .map(|pair| match pair {
                [Object::Integer(first), Object::Integer(count)] => Some((*first, *count)),
                _ => None,
            })
            .collect(),
        Some(_) => None,
    }
}

fn place(row: &[u8], widths: [usize; 3]) -> Option<Place> {
    let (kind, rest) = row.split_at_checked(widths[0])?;
    let (second, third) = rest.split_at_checked(widths[1])?;
    let number = |bytes: &[u8]| {
        let value = bytes
            .iter()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        usize::try_from(value).ok()
    };
    let kind = if kind.is_empty() { 1 } else { number(kind)? };
    match kind {
        0 => Some(Place::Free),
        1 => Some(Place::Offset(number(second)?)),
        2 => Some(Place::InStream {
            stream: u32::try_from(number(second)?).ok()?,
            index: number(third)?,
        }),
        // Reserved by the standard: to be taken as null.
        _ => Some(Place::Free),
    }
}
