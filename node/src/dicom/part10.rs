//! DICOM files (PS3.10 §7.1): reading one as a stream, and the head of the files we write.

use super::header::Header;
use super::scanner::{
    FindingKind, Findings, Limits, META_BYTES_MAX, Malformed, MalformedKind, Scanner,
    TransferSyntax, head::HeadReading, head::LONG_HEAD, head::read_head,
};
use super::uid::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLEMENTATION_CLASS, IMPLICIT_VR_LITTLE_ENDIAN, Uid};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::io::Read;

/// Bytes of the preamble.
const PREAMBLE_BYTES: usize = 128;
/// What follows the preamble.
const PREFIX: &[u8; 4] = b"DICM";
/// Bytes that tell a file with a preamble from one without.
const START_BYTES: usize = PREAMBLE_BYTES + PREFIX.len();
/// Group of the file meta information.
const META_GROUP: u16 = 0x0002;
/// Group of the first elements of every composite object.
const FIRST_GROUP: u16 = 0x0008;
/// Longest plausible first element of a data set without file meta information: it is a group
/// length, a character set or an image type.
const FIRST_LENGTH_MAX: u32 = 1024;
/// Bytes read from a file at a time.
const BLOCK_BYTES: usize = 128 * 1024;
/// Our Implementation Version Name (PS3.7 §D.3.3.2), at most 16 characters.
pub const IMPLEMENTATION_VERSION: &str = concat!("DOKUEI_", env!("CARGO_PKG_VERSION"));

/// What a file says about itself before the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// How the data set is written. Recognised from its first element if the file has no file meta
    /// information.
    pub transfer_syntax: TransferSyntax,
    /// Media Storage SOP Class UID (0002,0002), if it is there and valid.
    pub sop_class: Option<Uid>,
    /// Media Storage SOP Instance UID (0002,0003), if it is there and valid.
    pub sop_instance: Option<Uid>,
}

/// A file that was read to its end.
#[derive(Debug)]
pub struct ScannedFile {
    /// What the file said about itself.
    pub meta: FileMeta,
    /// Where the data set starts: it is the rest of the file from there.
    pub data_set_offset: u64,
    /// The data set's header. Its findings include those of the file.
    pub header: Header,
}

/// Why a file could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("the file could not be read: {0}")]
    Io(#[from] std::io::Error),
    /// It was refused.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A scan of one file in progress. Bytes are pushed as they are read.
pub struct FileScanner {
    limits: Limits,
    stage: Stage,
    failed: Option<Malformed>,
}

enum Stage {
    Meta(MetaReader),
    DataSet(Box<DataSetStage>),
}

struct DataSetStage {
    meta: FileMeta,
    data_set_offset: u64,
    findings: Findings,
    recognised: bool,
    scanner: Scanner,
}

impl FileScanner {
    /// Starts the scan of a file. [`Limits::total`], if given, is the length of the file.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            stage: Stage::Meta(MetaReader::default()),
            failed: None,
        }
    }

    /// Takes the next bytes of the file, in pieces of any size.
    ///
    /// # Errors
    /// [`Malformed`] as soon as the bytes so far cannot be carried; the same again afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        // In pieces, so that what is gathered before the data set stays bounded.
        let outcome = bytes
            .chunks(BLOCK_BYTES)
            .try_for_each(|piece| self.push_piece(piece));
        if let Err(malformed) = outcome {
            self.failed = Some(malformed);
        }
        outcome
    }

    fn push_piece(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        match &mut self.stage {
            Stage::DataSet(stage) => stage.scanner.push(bytes),
            Stage::Meta(reader) => {
                reader.gathered.extend_from_slice(bytes);
                let end_of_file = false;
                match reader.read(end_of_file)? {
                    None => Ok(()),
                    Some(meta) => self.start_data_set(meta),
                }
            }
        }
    }

    fn start_data_set(&mut self, meta: ReadMeta) -> Result<(), Malformed> {
        let Stage::Meta(reader) = &mut self.stage else {
            return Ok(());
        };
        let gathered = std::mem::take(&mut reader.gathered);
        let offset = meta.data_set_offset;
        let limits = Limits {
            total: self
                .limits
                .total
                .map(|total| total.saturating_sub(offset as u64)),
            ..self.limits
        };
        let mut scanner = Scanner::new(meta.meta.transfer_syntax.clone(), limits);
        let outcome = scanner.push(gathered.get(offset..).unwrap_or_default());
        self.stage = Stage::DataSet(Box::new(DataSetStage {
            meta: meta.meta,
            data_set_offset: offset as u64,
            findings: meta.findings,
            recognised: meta.recognised,
            scanner,
        }));
        outcome
    }

    /// Ends the scan of a complete file.
    ///
    /// # Errors
    /// [`Malformed`] if the file is not complete, or holds no object that can be identified.
    pub fn finish(mut self) -> Result<ScannedFile, Malformed> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if let Stage::Meta(reader) = &mut self.stage {
            let end_of_file = true;
            match reader.read(end_of_file)? {
                Some(meta) => self.start_data_set(meta)?,
                None => return Err(reader.refuse(MalformedKind::NotDicom, Tag(0, 0))),
            }
        }
        match self.stage {
            Stage::DataSet(stage) => stage.finish(),
            Stage::Meta(reader) => Err(reader.refuse(MalformedKind::NotDicom, Tag(0, 0))),
        }
    }
}

impl DataSetStage {
    fn finish(mut self) -> Result<ScannedFile, Malformed> {
        let mut scanned = self.scanner.finish_structure()?;
        // Fragments without a transfer syntax could be any codec.
        if self.recognised && scanned.has_encapsulated_pixels() {
            return Err(Malformed {
                kind: MalformedKind::TransferSyntaxMissing,
                tag: tags::TRANSFER_SYNTAX_UID,
                offset: 0,
            });
        }
        std::mem::swap(&mut self.findings, &mut scanned.findings);
        scanned.findings.append(&self.findings);
        let mut header = Header::new(scanned)?;
        let differs = self
            .meta
            .sop_class
            .as_ref()
            .is_some_and(|uid| uid != header.sop_class())
            || self
                .meta
                .sop_instance
                .as_ref()
                .is_some_and(|uid| uid != header.sop_instance());
        if differs {
            let tag = tags::MEDIA_STORAGE_SOP_INSTANCE_UID;
            header.record(FindingKind::MetaIdentity, tag, 0);
        }
        Ok(ScannedFile {
            meta: self.meta,
            data_set_offset: self.data_set_offset,
            header,
        })
    }
}

/// Reads a whole file through a [`FileScanner`]. `length`, if known, is the file's length in bytes.
///
/// # Errors
/// [`FileError`] if it could not be read or was refused.
pub fn scan_file(mut file: impl Read, length: Option<u64>) -> Result<ScannedFile, FileError> {
    let mut scanner = FileScanner::new(Limits {
        total: length,
        ..Limits::default()
    });
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(scanner.finish()?);
        }
        scanner.push(block.get(..read).unwrap_or_default())?;
    }
}

/// The head of a DICOM file: zeroed preamble, prefix and file meta information. Append the data set
/// as it was received, and the file is one of PS3.10.
#[must_use]
pub fn file_head(sop_class: &Uid, sop_instance: &Uid, transfer_syntax: &Uid) -> Vec<u8> {
    let mut group = Vec::new();
    let mut element = |tag: Tag, vr: &[u8; 2], value: &[u8]| {
        group.extend_from_slice(&tag.0.to_le_bytes());
        group.extend_from_slice(&tag.1.to_le_bytes());
        group.extend_from_slice(vr);
        // Every value is at most 64 bytes, or the two of the version.
        let length = value.len() as u16;
        if vr == b"OB" {
            group.extend_from_slice(&[0, 0]);
            group.extend_from_slice(&u32::from(length).to_le_bytes());
        } else {
            group.extend_from_slice(&length.to_le_bytes());
        }
        group.extend_from_slice(value);
    };
    let mut version = IMPLEMENTATION_VERSION.as_bytes().to_vec();
    if version.len() % 2 == 1 {
        version.push(b' ');
    }
    element(tags::FILE_META_INFORMATION_VERSION, b"OB", &[0, 1]);
    element(
        tags::MEDIA_STORAGE_SOP_CLASS_UID,
        b"UI",
        &sop_class.to_value(),
    );
    element(
        tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
        b"UI",
        &sop_instance.to_value(),
    );
    element(
        tags::TRANSFER_SYNTAX_UID,
        b"UI",
        &transfer_syntax.to_value(),
    );
    element(
        tags::IMPLEMENTATION_CLASS_UID,
        b"UI",
        &IMPLEMENTATION_CLASS.to_value(),
    );
    element(tags::IMPLEMENTATION_VERSION_NAME, b"SH", &version);
    let mut head = vec![0; PREAMBLE_BYTES];
    head.extend_from_slice(PREFIX);
    head.extend_from_slice(b"\x02\0\0\0UL\x04\0");
    head.extend_from_slice(&(group.len() as u32).to_le_bytes());
    head.extend_from_slice(&group);
    head
}

/// Gathers a file's first bytes until the data set starts.
#[derive(Default)]
struct MetaReader {
    gathered: Vec<u8>,
    /// Where the element that is read next starts; `None` until it is known how the file starts.
    next: Option<usize>,
    start: usize,
    /// Where the group ends, as its group length says.
    stated_end: Option<usize>,
    findings: Findings,
    transfer_syntax: Option<Uid>,
    sop_class: Option<Uid>,
    sop_instance: Option<Uid>,
}

/// What was read before the data set.
struct ReadMeta {
    meta: FileMeta,
    data_set_offset: usize,
    findings: Findings,
    /// The transfer syntax was recognised from the data set, not stated.
    recognised: bool,
}

impl MetaReader {
    /// Reads on. `None` if more bytes are needed, which is an error at the end of the file.
    fn read(&mut self, end_of_file: bool) -> Result<Option<ReadMeta>, Malformed> {
        let mut next = match self.next {
            Some(next) => next,
            None if self.gathered.len() < START_BYTES && !end_of_file => return Ok(None),
            None => match self.recognise_start()? {
                Start::DataSet(recognised) => return Ok(Some(recognised)),
                Start::Meta(start) => {
                    self.start = start;
                    start
                }
            },
        };
        loop {
            self.next = Some(next);
            if next > self.start + META_BYTES_MAX {
                return Err(self.refuse(MalformedKind::MetaTooLarge, Tag(META_GROUP, 0)));
            }
            if self.ends_at(next, end_of_file) {
                return self.conclude(next).map(Some);
            }
            match self.read_element(next)? {
                Some(after) => next = after,
                None if end_of_file => {
                    return Err(self.refuse(MalformedKind::Truncated, Tag(META_GROUP, 0)));
                }
                None => return Ok(None),
            }
        }
    }

    fn recognise_start(&mut self) -> Result<Start, Malformed> {
        if self.gathered.get(PREAMBLE_BYTES..START_BYTES) == Some(PREFIX) {
            return Ok(Start::Meta(START_BYTES));
        }
        let mut first = [0; LONG_HEAD];
        let Some(bytes) = self.gathered.first_chunk::<LONG_HEAD>() else {
            return Err(self.refuse(MalformedKind::NotDicom, Tag(0, 0)));
        };
        first.copy_from_slice(bytes);
        let not_dicom = self.refuse(MalformedKind::NotDicom, Tag(0, 0));
        let explicit = TransferSyntax::from(EXPLICIT_VR_LITTLE_ENDIAN);
        let implicit = TransferSyntax::from(IMPLICIT_VR_LITTLE_ENDIAN);
        for transfer_syntax in [explicit, implicit] {
            let form = transfer_syntax.encoding().into();
            let HeadReading::Complete(head) = read_head(form, &first, LONG_HEAD) else {
                continue;
            };
            let plausible = head.is_standard_vr()
                && head.length.is_some_and(|length| length <= FIRST_LENGTH_MAX);
            let stated = transfer_syntax.uid() == &EXPLICIT_VR_LITTLE_ENDIAN;
            match head.tag.0 {
                META_GROUP if plausible && stated => {
                    self.findings.record(FindingKind::MetaMissing, head.tag, 0);
                    return Ok(Start::Meta(0));
                }
                FIRST_GROUP if plausible => {
                    self.findings.record(FindingKind::MetaMissing, head.tag, 0);
                    return Ok(Start::DataSet(self.recognised(transfer_syntax)));
                }
                _ => {}
            }
        }
        Err(not_dicom)
    }

    fn recognised(&mut self, transfer_syntax: TransferSyntax) -> ReadMeta {
        ReadMeta {
            meta: FileMeta {
                transfer_syntax,
                sop_class: None,
                sop_instance: None,
            },
            data_set_offset: 0,
            findings: std::mem::take(&mut self.findings),
            recognised: true,
        }
    }

    /// Whether the file meta information ends at `next`. A deflated data set may start with bytes
    /// that look like group 0002, so there the group length decides.
    fn ends_at(&self, next: usize, end_of_file: bool) -> bool {
        let deflated = self.transfer_syntax.clone().is_some_and(|uid| {
            TransferSyntax::from(uid).encoding() == super::scanner::Encoding::DeflatedExplicitLittle
        });
        if deflated && self.stated_end == Some(next) {
            return true;
        }
        match self.gathered.get(next..next + 2) {
            Some(group) => group != META_GROUP.to_le_bytes(),
            None => end_of_file,
        }
    }

    /// Reads the element at `next`; gives where the one after it starts, or `None` if more bytes are
    /// needed.
    fn read_element(&mut self, next: usize) -> Result<Option<usize>, Malformed> {
        let available = self.gathered.get(next..).unwrap_or_default();
        let have = available.len().min(LONG_HEAD);
        let mut bytes = [0; LONG_HEAD];
        for (slot, byte) in bytes.iter_mut().zip(available) {
            *slot = *byte;
        }
        let form = super::scanner::Encoding::ExplicitLittle.into();
        let head = match read_head(form, &bytes, have) {
            HeadReading::Needs(_) => return Ok(None),
            HeadReading::InvalidVr(tag) => {
                return Err(self.refuse(MalformedKind::MetaBroken, tag));
            }
            HeadReading::Complete(head) => head,
        };
        let Some(length) = head.length.filter(|_| head.is_standard_vr()) else {
            return Err(self.refuse(MalformedKind::MetaBroken, head.tag));
        };
        let value = next + head.bytes();
        let after = value.saturating_add(length as usize);
        if after > self.start + META_BYTES_MAX {
            return Err(self.refuse(MalformedKind::MetaTooLarge, head.tag));
        }
        let Some(value) = self.gathered.get(value..after) else {
            return Ok(None);
        };
        match head.tag {
            tags::FILE_META_INFORMATION_GROUP_LENGTH => {
                self.stated_end = <[u8; 4]>::try_from(value)
                    .ok()
                    .map(|length| after.saturating_add(u32::from_le_bytes(length) as usize));
            }
            tags::TRANSFER_SYNTAX_UID => self.transfer_syntax = Uid::parse_lenient(value).ok(),
            tags::MEDIA_STORAGE_SOP_CLASS_UID => self.sop_class = Uid::parse_lenient(value).ok(),
            tags::MEDIA_STORAGE_SOP_INSTANCE_UID => {
                self.sop_instance = Uid::parse_lenient(value).ok();
            }
            // The rest of the group is about who wrote the file.
            _ => {}
        }
        Ok(Some(after))
    }

    fn conclude(&mut self, end: usize) -> Result<ReadMeta, Malformed> {
        let Some(transfer_syntax) = self.transfer_syntax.take() else {
            return Err(self.refuse(
                MalformedKind::TransferSyntaxMissing,
                tags::TRANSFER_SYNTAX_UID,
            ));
        };
        let start = self.start as u64;
        if self.stated_end != Some(end) {
            let tag = tags::FILE_META_INFORMATION_GROUP_LENGTH;
            self.findings
                .record(FindingKind::MetaGroupLength, tag, start);
        }
        for (uid, tag) in [
            (&self.sop_class, tags::MEDIA_STORAGE_SOP_CLASS_UID),
            (&self.sop_instance, tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
        ] {
            if uid.is_none() {
                self.findings.record(FindingKind::MetaIdentity, tag, start);
            }
        }
        Ok(ReadMeta {
            meta: FileMeta {
                transfer_syntax: transfer_syntax.into(),
                sop_class: self.sop_class.take(),
                sop_instance: self.sop_instance.take(),
            },
            data_set_offset: end,
            findings: std::mem::take(&mut self.findings),
            recognised: false,
        })
    }

    fn refuse(&self, kind: MalformedKind, tag: Tag) -> Malformed {
        Malformed {
            kind,
            tag,
            offset: self.next.unwrap_or(0) as u64,
        }
    }
}

enum Start {
    /// The file meta information starts here.
    Meta(usize),
    /// The data set starts at once.
    DataSet(ReadMeta),
}
