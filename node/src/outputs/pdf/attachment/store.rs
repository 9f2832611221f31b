//! Loading objects by number, within one budget for the whole file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::AttachmentError;
use super::filters;
use super::object::{Dictionary, Object, Parser};
use super::xref::{self, Place, Table};

/// Bytes read as objects over the whole run: a file may list one place many times, and each visit
/// counts again.
const MAX_PARSED_BYTES: usize = 4 * super::MAX_BYTES;
/// What visiting an object costs at least.
const VISIT_COST: usize = 64;
/// Unpacked object streams and page content together.
const MAX_UNPACKED_BYTES: usize = 48 * 1024 * 1024;
/// Lengths and object streams that need one another to be read.
const MAX_CHAIN: usize = 4;

/// An object as found: its value, and for a stream where its data is in the file.
pub(super) struct Loaded {
    pub(super) object: Object,
    pub(super) stream: Option<Range<usize>>,
}

struct ObjectStream {
    data: Vec<u8>,
    /// Object number and position in `data`.
    members: Vec<(u32, usize)>,
}

/// The objects of one file.
pub(super) struct Store<'a> {
    data: &'a [u8],
    table: Table,
    streams: BTreeMap<u32, Rc<ObjectStream>>,
    parsed: usize,
    unpacked: usize,
}

impl<'a> Store<'a> {
    pub(super) fn new(data: &'a [u8], table: Table) -> Store<'a> {
        Store {
            data,
            table,
            streams: BTreeMap::new(),
            parsed: 0,
            unpacked: 0,
        }
    }

    /// Raw bytes of a stream.
    pub(super) fn raw(&self, range: Range<usize>) -> &'a [u8] {
        self.data.get(range).unwrap_or_default()
    }

    /// Whether an object of this number exists.
    pub(super) fn has(&self, number: u32) -> bool {
        matches!(
            self.table.get(&number),
            Some(Place::Offset(_) | Place::InStream { .. })
        )
    }

    /// The object of this number; a missing one is null.
    pub(super) fn load(&mut self, number: u32) -> Result<Loaded, AttachmentError> {
        self.load_in_chain(number, 0)
    }

    /// A value with its reference followed, once.
    pub(super) fn resolve(&mut self, object: &Object) -> Result<Option<Object>, AttachmentError> {
        match object {
            Object::Reference(number) => Ok(Some(self.load(*number)?.object)),
            _ => Ok(None),
        }
    }

    /// A dictionary, direct or referred to; anything else is empty.
    pub(super) fn dictionary(&mut self, object: Object) -> Result<Dictionary, AttachmentError> {
        let object = match self.resolve(&object)? {
            Some(target) => target,
            None => object,
        };
        match object {
            Object::Dictionary(dictionary) => Ok(dictionary),
            _ => Ok(Dictionary::default()),
        }
    }

    /// Unpack a stream into memory, against the budget of the whole file.
    pub(super) fn unpack(
        &mut self,
        dictionary: &Dictionary,
        raw: &[u8],
    ) -> Result<Vec<u8>, AttachmentError> {
        let room = MAX_UNPACKED_BYTES - self.unpacked;
        let data = filters::unpack(dictionary, raw, room)?;
        self.unpacked += data.len();
        Ok(data)
    }

    fn charge(&mut self, bytes: usize) -> Result<(), AttachmentError> {
        self.parsed = self.parsed.saturating_add(bytes.max(VISIT_COST));
        if self.parsed > MAX_PARSED_BYTES {
            return Err(AttachmentError::Expands {
                what: "objects visited",
            });
        }
        Ok(())
    }

    fn load_in_chain(&mut self, number: u32, chain: usize) -> Result<Loaded, AttachmentError> {
        if chain > MAX_CHAIN {
            return Err(AttachmentError::damaged("objects that need one another"));
        }
        match self.table.get(&number).copied() {
            Some(Place::Offset(at)) => self.at_offset(number, at, chain),
            Some(Place::InStream { stream, index }) => {
                let object = self.in_stream(number, stream, index, chain)?;
                Ok(Loaded {
                    object,
                    stream: None,
                })
            }
            Some(Place::Free) | None => {
                self.charge(0)?;
                Ok(Loaded {
                    object: Object::Null,
                    stream: None,
                })
            }
        }
    }

    fn at_offset(
        &mut self,
        number: u32,
        at: usize,
        chain: usize,
    ) -> Result<Loaded, AttachmentError> {
        let broken = || AttachmentError::damaged("an object is not where its table says");
        let mut parser = Parser::new(self.data, at);
        if parser.integer() != Some(i64::from(number)) {
            return Err(broken());
        }
        parser.integer().ok_or_else(broken)?;
        if !parser.keyword(b"obj") {
            return Err(broken());
        }
        let object = parser.object()?;
        self.charge(parser.at - at)?;
        let stream = match &object {
            Object::Dictionary(dictionary) => match xref::stream_start(self.data, &mut parser) {
                Some(from) => Some(self.extent(dictionary, from, chain)?),
                None => None,
            },
            _ => None,
        };
        Ok(Loaded { object, stream })
    }

    /// Where the data of a stream ends: by its length, or by `endstream` when that is wrong.
    fn extent(
        &mut self,
        dictionary: &Dictionary,
        from: usize,
        chain: usize,
    ) -> Result<Range<usize>, AttachmentError> {
        let length = match dictionary.value(b"Length") {
            Some(Object::Integer(length)) => Some(*length),
            Some(Object::Reference(number)) => {
                match self.load_in_chain(*number, chain + 1)?.object {
                    Object::Integer(length) => Some(length),
                    _ => None,
                }
            }
            _ => None,
        };
        let stated = length
            .and_then(|length| usize::try_from(length).ok())
            .and_then(|length| from.checked_add(length))
            .filter(|end| *end <= self.data.len());
        if let Some(end) = stated
            && Parser::new(self.data, end).keyword(b"endstream")
        {
            return Ok(from..end);
        }
        let rest = self.data.get(from..).unwrap_or_default();
        let word = b"endstream";
        let found = rest.windows(word.len()).position(|window| window == word);
        self.charge(found.unwrap_or(rest.len()))?;
        match found {
            Some(length) => Ok(from..from + length),
            None => Err(AttachmentError::damaged("a stream without an end")),
        }
    }

    fn in_stream(
        &mut self,
        number: u32,
        stream: u32,
        index: usize,
        chain: usize,
    ) -> Result<Object, AttachmentError> {
        let broken = || AttachmentError::damaged("an object stream");
        let holder = self.object_stream(stream, chain)?;
        let (member, at) = holder.members.get(index).ok_or_else(broken)?;
        if *member != number {
            return Err(broken());
        }
        let mut parser = Parser::new(&holder.data, *at);
        let object = parser.object()?;
        self.charge(parser.at.saturating_sub(*at))?;
        Ok(object)
    }

    fn object_stream(
        &mut self,
        number: u32,
        chain: usize,
    ) -> Result<Rc<ObjectStream>, AttachmentError> {
        if let Some(known) = self.streams.get(&number) {
            return Ok(Rc::clone(known));
        }
        let broken = || AttachmentError::damaged("an object stream");
        let loaded = self.load_in_chain(number, chain + 1)?;
        let (Object::Dictionary(dictionary), Some(range)) = (loaded.object, loaded.stream) else {
            return Err(broken());
        };
        let raw = self.raw(range);
        let data = self.unpack(&dictionary, raw)?;
        let size = |key: &[u8]| {
            dictionary
                .integer(key)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or_else(broken)
        };
        let (count, first) = (size(b"N")?, size(b"First")?);
        let mut parser = Parser::new(&data, 0);
        let mut members = Vec::new();
        // Every turn reads at least one digit, so the data bounds the list.
        for _ in 0..count {
            let member = parser.integer().and_then(|n| u32::try_from(n).ok());
            let offset = parser.integer().and_then(|n| usize::try_from(n).ok());
            let (Some(member), Some(offset)) = (member, offset) else {
                return Err(broken());
            };
            members.push((member, first.saturating_add(offset)));
        }
        let stream = Rc::new(ObjectStream { data, members });
        self.streams.insert(number, Rc::clone(&stream));
        Ok(stream)
    }
}
