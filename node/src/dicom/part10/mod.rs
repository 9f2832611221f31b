//! DICOM files (PS3.10 §7.1): reading one as a stream, and the head of the files we write.

mod meta;
mod write;

pub use write::{IMPLEMENTATION_VERSION, file_head};

use super::header::Header;
use super::scanner::{
    FindingKind, Findings, Limits, Malformed, MalformedKind, Scanner, TransferSyntax,
};
use super::uid::Uid;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use meta::{MetaReader, ReadMeta};
use std::io::Read;

/// Bytes of the preamble.
pub const PREAMBLE_BYTES: usize = 128;
/// What follows the preamble.
const PREFIX: &[u8; 4] = b"DICM";
/// Bytes read from a file at a time.
const BLOCK_BYTES: usize = 128 * 1024;
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
    Io(#[from] std::io::Error),
    /// It was refused.
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

    /// Which object this is, as far as it has been read: transfer syntax, SOP class, SOP instance, and how many
    /// bytes of the file stand before the data set. None as long as nobody knows.
    #[must_use]
    pub fn identity(&self) -> Option<(Uid, Uid, Uid, usize)> {
        let Stage::DataSet(stage) = &self.stage else {
            return None;
        };
        let uid = |tag| Uid::parse_lenient(stage.scanner.seen(tag)?).ok();
        Some((
            stage.meta.transfer_syntax.uid().clone(),
            uid(tags::SOP_CLASS_UID)?,
            uid(tags::SOP_INSTANCE_UID)?,
            usize::try_from(stage.data_set_offset).ok()?,
        ))
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

impl Explain for FileError {
    fn message(&self) -> Message {
        match self {
            FileError::Io(error) => {
                say!("読めません（{why}）", "it cannot be read ({why})"; why = error.message())
            }
            FileError::Malformed(malformed) => malformed.message(),
        }
    }
}

displayed_in_english!(FileError);
