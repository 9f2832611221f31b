//! Data sets made by hand, element by element, right or wrong.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dokuei_node::dicom::header::Header;
use dokuei_node::dicom::scanner::{Limits, Malformed, Scanned, Scanner, TransferSyntax};
use dokuei_node::dicom::uid::{self, Uid};

pub(crate) const UNDEFINED: u32 = 0xFFFF_FFFF;
pub(crate) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(crate) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(crate) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
/// A sequence that every reader knows: Content Sequence.
pub(crate) const SEQUENCE: Tag = tags::CONTENT_SEQUENCE;

/// How elements are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Implicit,
    Explicit,
    Big,
}

impl Form {
    pub(crate) fn transfer_syntax(self) -> TransferSyntax {
        TransferSyntax::from(match self {
            Self::Implicit => uid::IMPLICIT_VR_LITTLE_ENDIAN,
            Self::Explicit => uid::EXPLICIT_VR_LITTLE_ENDIAN,
            Self::Big => uid::EXPLICIT_VR_BIG_ENDIAN,
        })
    }
}

/// A data set in the making.
#[derive(Clone)]
pub(crate) struct DataSet {
    pub(crate) form: Form,
    pub(crate) bytes: Vec<u8>,
}

impl DataSet {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            bytes: Vec::new(),
        }
    }

    /// A data set with the four UIDs, up to group 0020; add what comes after.
    pub(crate) fn identified(form: Form) -> Self {
        Self::new(form)
            .element(tags::SOP_CLASS_UID, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0")
            .element(tags::SOP_INSTANCE_UID, b"UI", b"1.2.3.4\0")
            .element(tags::STUDY_INSTANCE_UID, b"UI", b"1.2.3\0")
            .element(tags::SERIES_INSTANCE_UID, b"UI", b"1.2.3.1\0")
    }

    fn u16(&mut self, number: u16) {
        self.bytes.extend(match self.form {
            Form::Big => number.to_be_bytes(),
            Form::Implicit | Form::Explicit => number.to_le_bytes(),
        });
    }

    fn u32(&mut self, number: u32) {
        self.bytes.extend(match self.form {
            Form::Big => number.to_be_bytes(),
            Form::Implicit | Form::Explicit => number.to_le_bytes(),
        });
    }

    /// A head that declares `length`, whatever follows.
    pub(crate) fn head(mut self, tag: Tag, vr: &[u8; 2], length: u32) -> Self {
        self.u16(tag.0);
        self.u16(tag.1);
        let long = [
            b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT",
            b"UV", b"ZZ",
        ];
        if self.form == Form::Implicit || tag.0 == 0xFFFE {
            self.u32(length);
        } else if long.contains(&vr) {
            self.bytes.extend_from_slice(vr);
            self.u16(0);
            self.u32(length);
        } else {
            self.bytes.extend_from_slice(vr);
            self.u16(u16::try_from(length).unwrap());
        }
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn element(self, tag: Tag, vr: &[u8; 2], value: &[u8]) -> Self {
        self.head(tag, vr, u32::try_from(value.len()).unwrap())
            .raw(value)
    }

    /// A US element.
    pub(crate) fn short(self, tag: Tag, number: u16) -> Self {
        let bytes = match self.form {
            Form::Big => number.to_be_bytes(),
            Form::Implicit | Form::Explicit => number.to_le_bytes(),
        };
        self.element(tag, b"US", &bytes)
    }

    /// A delimiter of undefined or zero length.
    pub(crate) fn mark(self, tag: Tag, length: u32) -> Self {
        self.head(tag, b"  ", length)
    }

    /// Scans the data set in one push, with its length known.
    pub(crate) fn scan(&self) -> Result<Header, Malformed> {
        let mut scanner = self.scanner(Limits::for_total(self.bytes.len() as u64));
        scanner.push(&self.bytes)?;
        scanner.finish()
    }

    /// Scans the data set as it arrives over the network: in pieces, with its length unknown.
    pub(crate) fn scan_structure(&self) -> Result<Scanned, Malformed> {
        let mut scanner = self.scanner(Limits::default());
        for piece in self.bytes.chunks(7) {
            scanner.push(piece)?;
        }
        scanner.finish_structure()
    }

    pub(crate) fn scanner(&self, limits: Limits) -> Scanner {
        Scanner::new(self.form.transfer_syntax(), limits)
    }

    /// The code of the refusal, or `carried` and the findings' codes; the same whether the length is
    /// known or not.
    pub(crate) fn outcome(&self) -> String {
        match self.scan() {
            Err(malformed) => malformed.kind.code().to_owned(),
            Ok(header) => header
                .findings()
                .as_slice()
                .iter()
                .fold("carried".to_owned(), |all, finding| {
                    format!("{all} {}", finding.kind.code())
                }),
        }
    }
}

/// A transfer syntax by its UID.
pub(crate) fn transfer_syntax(text: &str) -> TransferSyntax {
    TransferSyntax::from(text.parse::<Uid>().unwrap())
}
