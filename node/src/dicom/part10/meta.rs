//! The start of a file: preamble and file meta information (PS3.10 §7.1), or their absence.

use super::{FileMeta, PREAMBLE_BYTES, PREFIX};
use crate::dicom::scanner::head::{HeadReading, LONG_HEAD, read_head};
use crate::dicom::scanner::{
    Encoding, FindingKind, Findings, META_BYTES_MAX, Malformed, MalformedKind, TransferSyntax,
};
use crate::dicom::uid::{
    EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, MEDIA_STORAGE_DIRECTORY, Uid,
};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Bytes that tell a file with a preamble from one without.
const START_BYTES: usize = PREAMBLE_BYTES + PREFIX.len();
/// Group of the file meta information.
const META_GROUP: u16 = 0x0002;
/// Group of the first elements of every composite object.
const FIRST_GROUP: u16 = 0x0008;
/// Longest plausible first element of a data set without file meta information: it is a group
/// length, a character set or an image type.
const FIRST_LENGTH_MAX: u32 = 1024;
/// Gathers a file's first bytes until the data set starts.
#[derive(Default)]
pub(super) struct MetaReader {
    pub(super) gathered: Vec<u8>,
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
pub(super) struct ReadMeta {
    pub(super) meta: FileMeta,
    pub(super) data_set_offset: usize,
    pub(super) findings: Findings,
    /// The transfer syntax was recognised from the data set, not stated.
    pub(super) recognised: bool,
}

impl MetaReader {
    /// Reads on. `None` if more bytes are needed, which is an error at the end of the file.
    pub(super) fn read(&mut self, end_of_file: bool) -> Result<Option<ReadMeta>, Malformed> {
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
            if plausible && stated && head.tag.0 == META_GROUP {
                self.findings.record(FindingKind::MetaMissing, head.tag, 0);
                return Ok(Start::Meta(0));
            }
            if plausible && head.tag.0 == FIRST_GROUP {
                self.findings.record(FindingKind::MetaMissing, head.tag, 0);
                return Ok(Start::DataSet(self.recognised(transfer_syntax)));
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
            TransferSyntax::from(uid).encoding() == Encoding::DeflatedExplicitLittle
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
        let form = Encoding::ExplicitLittle.into();
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
        // The rest of the group is about who wrote the file.
        if head.tag == tags::FILE_META_INFORMATION_GROUP_LENGTH {
            self.stated_end = <[u8; 4]>::try_from(value)
                .ok()
                .map(|length| after.saturating_add(u32::from_le_bytes(length) as usize));
        } else if head.tag == tags::TRANSFER_SYNTAX_UID {
            // Of two transfer syntaxes, readers differ in which one counts.
            if self.transfer_syntax.is_some() {
                return Err(self.refuse(MalformedKind::MetaBroken, head.tag));
            }
            self.transfer_syntax = Uid::parse_lenient(value).ok();
        } else if head.tag == tags::MEDIA_STORAGE_SOP_CLASS_UID {
            self.sop_class = Uid::parse_lenient(value).ok();
        } else if head.tag == tags::MEDIA_STORAGE_SOP_INSTANCE_UID {
            self.sop_instance = Uid::parse_lenient(value).ok();
        }
        Ok(Some(after))
    }

    fn conclude(&mut self, end: usize) -> Result<ReadMeta, Malformed> {
        if self.sop_class.as_ref() == Some(&MEDIA_STORAGE_DIRECTORY) {
            let tag = tags::MEDIA_STORAGE_SOP_CLASS_UID;
            return Err(self.refuse(MalformedKind::Directory, tag));
        }
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

    pub(super) fn refuse(&self, kind: MalformedKind, tag: Tag) -> Malformed {
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
