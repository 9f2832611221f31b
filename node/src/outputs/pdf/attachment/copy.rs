//! Writing the new file: pages, their content, and the resources that content names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::AttachmentError;
use super::object::{Dictionary, Object};
use super::pages::SourcePage;
use super::store::Store;

/// Largest new file.
const MAX_OUTPUT_BYTES: usize = 48 * 1024 * 1024;
/// Most copied objects.
const MAX_COPIED: usize = 100_000;

/// Kinds of resource page content can name (ISO 32000-1 table 33).
const RESOURCES: &[&[u8]] = &[
    b"ExtGState",
    b"ColorSpace",
    b"Pattern",
    b"Shading",
    b"XObject",
    b"Font",
    b"ProcSet",
    b"Properties",
];

/// Entries of a stream dictionary that lead out of the page content, or are written anew.
const DROPPED_STREAM_KEYS: &[&[u8]] = &[
    b"Length",
    b"F",
    b"FFilter",
    b"FDecodeParms",
    b"DL",
    b"Metadata",
    b"OC",
    b"AF",
    b"OPI",
    b"PieceInfo",
    b"StructParent",
    b"StructParents",
    b"PtData",
    b"Ref",
    b"LastModified",
    b"Alternates",
];

/// Dictionaries that are never page content; a reference to one becomes null.
const DROPPED_TYPES: &[&[u8]] = &[
    b"Action",
    b"Annot",
    b"Catalog",
    b"EmbeddedFile",
    b"F",
    b"Filespec",
    b"Metadata",
    b"OCG",
    b"OCMD",
    b"ObjStm",
    b"Outlines",
    b"Page",
    b"Pages",
    b"Sig",
    b"StructElem",
    b"StructTreeRoot",
    b"XRef",
];

/// Action types (ISO 32000-1 table 198) and the like, which need no `Type`.
const DROPPED_ACTIONS: &[&[u8]] = &[
    b"GoTo",
    b"GoToR",
    b"GoToE",
    b"Hide",
    b"ImportData",
    b"JavaScript",
    b"Launch",
    b"Movie",
    b"Named",
    b"Rendition",
    b"ResetForm",
    b"RichMediaExecute",
    b"SetOCGState",
    b"Sound",
    b"SubmitForm",
    b"Thread",
    b"URI",
];

struct Copier {
    out: Vec<u8>,
    /// Byte offset of each new object, in order of number.
    offsets: Vec<(u32, usize)>,
    /// Old to new number.
    renumbered: BTreeMap<u32, u32>,
    waiting: VecDeque<u32>,
    next: u32,
}

/// A plain PDF 1.7 with a classic cross-reference table.
pub(super) fn write(
    store: &mut Store<'_>,
    pages: &[SourcePage],
) -> Result<Vec<u8>, AttachmentError> {
    let mut copier = Copier {
        out: b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec(),
        offsets: Vec::new(),
        renumbered: BTreeMap::new(),
        waiting: VecDeque::new(),
        next: 3,
    };
    let mut kids = Vec::new();
    for page in pages {
        kids.push(copier.page(store, page)?);
    }
    copier.begin(1);
    copier.put(b"<</Type/Catalog/Pages 2 0 R>>\nendobj\n");
    copier.begin(2);
    let list: Vec<String> = kids.iter().map(|kid| format!("{kid} 0 R")).collect();
    let tree = format!(
        "<</Type/Pages/Count {}/Kids[{}]>>\nendobj\n",
        kids.len(),
        list.join(" ")
    );
    copier.put(tree.as_bytes());
    while let Some(old) = copier.waiting.pop_front() {
        copier.copy(store, old)?;
    }
    Ok(copier.finish())
}

impl Copier {
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn begin(&mut self, number: u32) {
        self.offsets.push((number, self.out.len()));
        self.put(format!("{number} 0 obj\n").as_bytes());
    }

    fn check(&self) -> Result<(), AttachmentError> {
        if self.out.len() > MAX_OUTPUT_BYTES {
            return Err(AttachmentError::Expands { what: "its copy" });
        }
        Ok(())
    }

    fn page(&mut self, store: &mut Store<'_>, page: &SourcePage) -> Result<u32, AttachmentError> {
        let content = self.content(store, &page.contents)?;
        let number = self.number();
        let mut resources = Vec::new();
        for key in RESOURCES {
            let Some(value) = page.resources.value(key) else {
                continue;
            };
            resources.push(b'/');
            resources.extend_from_slice(key);
            resources.push(b' ');
            self.value(store, value, &mut resources)?;
        }
        self.begin(number);
        let [left, bottom, right, top] = page.visible;
        let head = format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[{left} {bottom} {right} {top}]/Rotate {}\
             /Contents {content} 0 R/Resources<<",
            page.turn
        );
        self.put(head.as_bytes());
        self.put(&resources);
        self.put(b">>>>\nendobj\n");
        self.check()?;
        Ok(number)
    }

    /// All content streams of a page as one, unpacked and packed again.
    fn content(&mut self, store: &mut Store<'_>, contents: &[u32]) -> Result<u32, AttachmentError> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
        let failed = |_| AttachmentError::damaged("page content");
        for old in contents {
            let loaded = store.load(*old)?;
            let (Object::Dictionary(dictionary), Some(range)) = (loaded.object, loaded.stream)
            else {
                continue;
            };
            let raw = store.raw(range);
            let data = store.unpack(&dictionary, raw)?;
            packer.write_all(&data).map_err(failed)?;
            packer.write_all(b"\n").map_err(failed)?;
        }
        let packed = packer.finish().map_err(failed)?;
        let number = self.number();
        self.begin(number);
        self.put(format!("<</Filter/FlateDecode/Length {}>>stream\n", packed.len()).as_bytes());
        self.put(&packed);
        self.put(b"\nendstream\nendobj\n");
        self.check()?;
        Ok(number)
    }

    fn copy(&mut self, store: &mut Store<'_>, old: u32) -> Result<(), AttachmentError> {
        let Some(new) = self.renumbered.get(&old).copied() else {
            return Ok(());
        };
        let loaded = store.load(old)?;
        if let Object::Dictionary(dictionary) = &loaded.object {
            require_embedded(store, dictionary)?;
        }
        let mut body = Vec::new();
        match (&loaded.object, loaded.stream) {
            (Object::Dictionary(dictionary), Some(range)) if !is_dropped(dictionary) => {
                let raw = store.raw(range);
                let kept: &[&[u8]] = DROPPED_STREAM_KEYS;
                body.extend_from_slice(b"<<");
                self.entries(store, dictionary, kept, &mut body)?;
                body.extend_from_slice(format!("/Length {}>>stream\n", raw.len()).as_bytes());
                body.extend_from_slice(raw);
                body.extend_from_slice(b"\nendstream");
            }
            (Object::Dictionary(_), Some(_)) | (Object::Reference(_), _) => {
                body.extend_from_slice(b"null");
            }
            (object, _) => self.value(store, object, &mut body)?,
        }
        self.begin(new);
        self.put(&body);
        self.put(b"\nendobj\n");
        self.check()
    }

    fn entries(
        &mut self,
        store: &Store<'_>,
        dictionary: &Dictionary,
        dropped: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), AttachmentError> {
        let mut seen = BTreeSet::new();
        for (key, value) in &dictionary.0 {
            if dropped.contains(&key.as_slice()) || !seen.insert(key) {
                continue;
            }
            name(key, out);
            out.push(b' ');
            self.value(store, value, out)?;
        }
        Ok(())
    }

    /// Write a value; the parser has bounded the depth of this recursion.
    fn value(
        &mut self,
        store: &Store<'_>,
        object: &Object,
        out: &mut Vec<u8>,
    ) -> Result<(), AttachmentError> {
        match object {
            Object::Null => out.extend_from_slice(b"null"),
            Object::Boolean(true) => out.extend_from_slice(b"true"),
            Object::Boolean(false) => out.extend_from_slice(b"false"),
            Object::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Object::Real(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Object::Text(text) => {
                out.push(b'<');
                for byte in text {
                    out.extend_from_slice(format!("{byte:02X}").as_bytes());
                }
                out.push(b'>');
            }
            Object::Name(text) => name(text, out),
            Object::Array(items) => {
                out.push(b'[');
                for item in items {
                    self.value(store, item, out)?;
                    out.push(b' ');
                }
                out.push(b']');
            }
            Object::Dictionary(dictionary) if is_dropped(dictionary) => {
                out.extend_from_slice(b"null");
            }
            Object::Dictionary(dictionary) => {
                out.extend_from_slice(b"<<");
                self.entries(store, dictionary, &[], out)?;
                out.extend_from_slice(b">>");
            }
            Object::Reference(old) => match self.renumber(store, *old)? {
                Some(new) => out.extend_from_slice(format!("{new} 0 R").as_bytes()),
                None => out.extend_from_slice(b"null"),
            },
        }
        Ok(())
    }

    fn renumber(&mut self, store: &Store<'_>, old: u32) -> Result<Option<u32>, AttachmentError> {
        if let Some(new) = self.renumbered.get(&old) {
            return Ok(Some(*new));
        }
        if !store.has(old) {
            return Ok(None);
        }
        if self.renumbered.len() >= MAX_COPIED {
            return Err(AttachmentError::Expands { what: "resources" });
        }
        let new = self.number();
        self.renumbered.insert(old, new);
        self.waiting.push_back(old);
        Ok(Some(new))
    }

    fn finish(mut self) -> Vec<u8> {
        self.offsets.sort_unstable();
        let start = self.out.len();
        let size = self.offsets.len() + 1;
        let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for (_, offset) in &self.offsets {
            table.push_str(&format!("{offset:010} 00000 n \n"));
        }
        table.push_str(&format!(
            "trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
        ));
        self.put(table.as_bytes());
        self.out
    }
}

/// Composite fonts must be contained in the file (ISO 32000-1 sections 9.7.4 and 9.9).
fn require_embedded(store: &mut Store<'_>, font: &Dictionary) -> Result<(), AttachmentError> {
    if font.name(b"Subtype") != Some(b"Type0") {
        return Ok(());
    }
    let Some(descendants) = font.value(b"DescendantFonts") else {
        return Ok(());
    };
    let target = store.resolve(descendants)?;
    let Object::Array(items) = target.as_ref().unwrap_or(descendants) else {
        return Ok(());
    };
    for item in items {
        let target = store.resolve(item)?;
        let Object::Dictionary(descendant) = target.as_ref().unwrap_or(item) else {
            continue;
        };
        let described = descendant.value(b"FontDescriptor");
        let target = match described {
            Some(described) => store.resolve(described)?,
            None => None,
        };
        let embedded = match target.as_ref().or(described) {
            Some(Object::Dictionary(descriptor)) => {
                let files: [&[u8]; 3] = [b"FontFile", b"FontFile2", b"FontFile3"];
                files.iter().any(|key| descriptor.value(key).is_some())
            }
            _ => false,
        };
        if !embedded {
            return Err(AttachmentError::FontNotEmbedded);
        }
    }
    Ok(())
}

/// Whether a dictionary is of a kind that has no place in page content.
fn is_dropped(dictionary: &Dictionary) -> bool {
    let kind = dictionary.name(b"Type");
    let action = dictionary.name(b"S");
    let postscript = dictionary.name(b"Subtype") == Some(b"PS");
    kind.is_some_and(|kind| DROPPED_TYPES.contains(&kind))
        || action.is_some_and(|action| DROPPED_ACTIONS.contains(&action))
        || postscript
}

fn name(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'/');
    for byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'*' | b',') {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("#{byte:02X}").as_bytes());
        }
    }
}
