//! What the scanner says of bytes that are wrong: a refusal, or a finding that is carried along.
//!
//! Neither ever repeats a value of the object: both name an attribute and a byte offset.

use dicom_core::Tag;

use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Why an object was refused, where, and at which byte of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    /// What was wrong.
    pub kind: MalformedKind,
    /// The attribute it was found at.
    pub tag: Tag,
    /// Byte offset of that attribute: in the data set, or in the file while the file meta
    /// information is read; of a deflated data set, after inflation.
    pub offset: u64,
}

/// The reasons to refuse an object: it cannot be identified safely, its boundaries are uncertain, or
/// it costs more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MalformedKind {
    /// An element declares more bytes than the object has left.
    LengthBeyondEnd,
    /// An element declares more bytes than the item or sequence around it has left.
    LengthBeyondParent,
    /// The object ended inside an element, an item or a sequence.
    Truncated,
    /// There was no element at all.
    Empty,
    /// More nested sequences than allowed.
    TooDeep,
    /// More elements than allowed.
    TooManyElements,
    /// Undefined length on a VR that may not have it (PS3.5 §7.1.2).
    UndefinedLength,
    /// The VR field holds something that is no VR.
    InvalidVr,
    /// A sequence holds something that is not an item (PS3.5 §7.5).
    ItemExpected,
    /// An item or delimiter stands where none may be.
    UnexpectedDelimiter,
    /// A delimiter declares a length other than zero.
    DelimiterLength,
    /// A fragment of encapsulated pixel data has undefined length (PS3.5 §A.4).
    FragmentLength,
    /// An element of group 0000 or 0002 within a data set.
    ReservedGroup,
    /// An attribute that identifies the object or the patient occurs twice with different values.
    Ambiguous,
    /// An attribute that identifies the object or the patient is longer than is kept.
    IdentityTooLong,
    /// A UID that identifies the object is missing or empty.
    IdentityMissing,
    /// A UID that identifies the object breaks the grammar of UIDs, or an identifying attribute is
    /// written as a sequence.
    IdentityInvalid,
    /// Native pixel data is described as larger than a value can be (PS3.5 §7.1.1), and is shorter:
    /// whoever trusts the description runs out of memory.
    PixelDescription,
    /// The deflated data set is not a deflate stream.
    InflateBroken,
    /// The deflated data set is larger than allowed.
    InflateTooLarge,
    /// The deflated data set expands more than allowed: a decompression bomb.
    InflateRatio,
    /// The bytes are neither a DICOM file nor a data set that can be recognised safely.
    NotDicom,
    /// The file is a DICOMDIR (PS3.10 §8): it lists other files and holds no object.
    Directory,
    /// The file meta information is broken.
    MetaBroken,
    /// The file meta information is larger than allowed.
    MetaTooLarge,
    /// The file meta information names no transfer syntax, or no valid one.
    TransferSyntaxMissing,
}

impl MalformedKind {
    /// A stable name for logs, records and tests. Never changes once released.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LengthBeyondEnd => "length-beyond-end",
            Self::LengthBeyondParent => "length-beyond-parent",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::TooDeep => "too-deep",
            Self::TooManyElements => "too-many-elements",
            Self::UndefinedLength => "undefined-length",
            Self::InvalidVr => "invalid-vr",
            Self::ItemExpected => "item-expected",
            Self::UnexpectedDelimiter => "unexpected-delimiter",
            Self::DelimiterLength => "delimiter-length",
            Self::FragmentLength => "fragment-length",
            Self::ReservedGroup => "reserved-group",
            Self::Ambiguous => "ambiguous",
            Self::IdentityTooLong => "identity-too-long",
            Self::IdentityMissing => "identity-missing",
            Self::IdentityInvalid => "identity-invalid",
            Self::PixelDescription => "pixel-description",
            Self::InflateBroken => "inflate-broken",
            Self::InflateTooLarge => "inflate-too-large",
            Self::InflateRatio => "inflate-ratio",
            Self::NotDicom => "not-dicom",
            Self::Directory => "directory",
            Self::MetaBroken => "meta-broken",
            Self::MetaTooLarge => "meta-too-large",
            Self::TransferSyntaxMissing => "transfer-syntax-missing",
        }
    }
}

impl MalformedKind {
    fn japanese(self) -> &'static str {
        match self {
            Self::LengthBeyondEnd => {
                "要素の長さが残りのデータより長く、途中で切れているおそれがあります"
            }
            Self::LengthBeyondParent => "要素の長さが上位の項目を超えています",
            Self::Truncated => "データが途中で終わっています",
            Self::Empty => "中身がありません",
            Self::TooDeep => "シーケンスの入れ子が深すぎます",
            Self::TooManyElements => "要素が多すぎます",
            Self::UndefinedLength => "長さの必要な要素に長さがありません",
            Self::InvalidVr => "値表現（VR）が正しくありません",
            Self::ItemExpected => "シーケンスの中に項目以外のものがあります",
            Self::UnexpectedDelimiter => "項目の区切りの位置が正しくありません",
            Self::DelimiterLength => "項目の区切りの長さが正しくありません",
            Self::FragmentLength => "画素データの断片に長さがありません",
            Self::ReservedGroup => "使用できないグループの要素があります",
            Self::Ambiguous => "患者や検査を識別する属性が二つあり、値が違います",
            Self::IdentityTooLong => "患者や検査を識別する属性が長すぎます",
            Self::IdentityMissing => "検査を識別する UID がありません",
            Self::IdentityInvalid => "患者や検査を識別する属性が正しくありません",
            Self::PixelDescription => "画像の大きさの記述が異常です",
            Self::InflateBroken => "圧縮データ（Deflate）が壊れています",
            Self::InflateTooLarge => "圧縮データ（Deflate）の展開後が大きすぎます",
            Self::InflateRatio => "圧縮データ（Deflate）の展開率が異常です",
            Self::NotDicom => "DICOM ファイルではありません",
            Self::Directory => "DICOMDIR（ディスクの目次）です。画像ではないため取り込みません",
            Self::MetaBroken => "ファイルの先頭部分（File Meta）が壊れています",
            Self::MetaTooLarge => "ファイルの先頭部分（File Meta）が大きすぎます",
            Self::TransferSyntaxMissing => "転送構文（Transfer Syntax）の指定がありません",
        }
    }

    fn english(self) -> &'static str {
        match self {
            Self::LengthBeyondEnd => {
                "an element is longer than the rest of the object, which may be cut off"
            }
            Self::LengthBeyondParent => "an element is longer than the rest of its item",
            Self::Truncated => "the object ends too early",
            Self::Empty => "the object holds no element",
            Self::TooDeep => "sequences are nested too deeply",
            Self::TooManyElements => "the object has too many elements",
            Self::UndefinedLength => "undefined length where a length is required",
            Self::InvalidVr => "no value representation",
            Self::ItemExpected => "a sequence holds something that is not an item",
            Self::UnexpectedDelimiter => "an item or delimiter out of place",
            Self::DelimiterLength => "a delimiter has a length",
            Self::FragmentLength => "a pixel data fragment has no length",
            Self::ReservedGroup => "an element of a reserved group",
            Self::Ambiguous => "an identifying attribute occurs twice and differs",
            Self::IdentityTooLong => "an identifying attribute is too long",
            Self::IdentityMissing => "an identifying UID is missing",
            Self::IdentityInvalid => "an identifying attribute is not valid",
            Self::PixelDescription => "the image is described as impossibly large",
            Self::InflateBroken => "the deflated data set is broken",
            Self::InflateTooLarge => "the deflated data set is too large",
            Self::InflateRatio => "the deflated data set expands beyond reason",
            Self::NotDicom => "this is not recognisable as DICOM",
            Self::Directory => "a DICOMDIR, which lists other files and is no object",
            Self::MetaBroken => "the file meta information is broken",
            Self::MetaTooLarge => "the file meta information is too large",
            Self::TransferSyntaxMissing => "no valid transfer syntax is named",
        }
    }
}

impl Explain for MalformedKind {
    fn message(&self) -> Message {
        Message::new(self.japanese(), self.english())
    }
}

impl Explain for Malformed {
    fn message(&self) -> Message {
        let (tag, offset, code) = (self.tag, self.offset, self.kind.code());
        match self.kind {
            // Where in the bytes it was seen means nothing to whoever chose the wrong file.
            MalformedKind::NotDicom | MalformedKind::Directory => self.kind.message(),
            kind => say!(
                "{kind}（{tag}、{offset} バイト目、{code}）",
                "{kind} at {tag}, byte {offset} ({code})";
                kind = kind.message()
            ),
        }
    }
}

displayed_in_english!(MalformedKind, Malformed);

/// A deviation from the standard that does not keep the object from being carried unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What deviates.
    pub kind: FindingKind,
    /// The attribute it was found at.
    pub tag: Tag,
    /// Byte offset as in [`Malformed::offset`].
    pub offset: u64,
}

/// The deviations that are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// A value of odd length (PS3.5 §7.1.1).
    OddLength,
    /// A top-level element is not in ascending order of tags (PS3.5 §7.1).
    OutOfOrder,
    /// A kept attribute occurs twice, with the same value or without identifying anything; the first
    /// one counts. Or the pixel data occurs twice.
    Duplicate,
    /// A two-letter VR that PS3.5 §6.2 does not know; read with a 32-bit length.
    UnknownVr,
    /// A VR field of two printable characters that are no letters; read with a 16-bit length.
    UnprintableVr,
    /// Pixel fragments under a transfer syntax that has none, or the reverse (PS3.5 §A).
    PixelEncoding,
    /// Native pixel data is shorter than rows, columns, frames, samples and bits say.
    PixelDataShort,
    /// Native pixel data is longer than rows, columns, frames, samples and bits say.
    PixelDataLong,
    /// Zero bytes follow the last element.
    TrailingZeros,
    /// Bytes follow the end of the deflate stream.
    TrailingAfterDeflate,
    /// A kept attribute is longer than is kept; its value is not available.
    ValueTooLong,
    /// A kept number could not be read; its value is not available.
    ValueUnreadable,
    /// An identifying UID has a component that starts with zero.
    UidLeadingZero,
    /// The transfer syntax is not one of PS3.6; it was read as Explicit VR Little Endian.
    UnknownTransferSyntax,
    /// The file has no preamble or no file meta information.
    MetaMissing,
    /// The group length of the file meta information is missing or wrong.
    MetaGroupLength,
    /// The file meta information names no SOP class or instance, no valid one, or another one than
    /// the data set, which counts.
    MetaIdentity,
}

impl FindingKind {
    /// A stable name for logs, records and tests. Never changes once released.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OddLength => "odd-length",
            Self::OutOfOrder => "out-of-order",
            Self::Duplicate => "duplicate",
            Self::UnknownVr => "unknown-vr",
            Self::UnprintableVr => "unprintable-vr",
            Self::PixelEncoding => "pixel-encoding",
            Self::PixelDataShort => "pixel-data-short",
            Self::PixelDataLong => "pixel-data-long",
            Self::TrailingZeros => "trailing-zeros",
            Self::TrailingAfterDeflate => "trailing-after-deflate",
            Self::ValueTooLong => "value-too-long",
            Self::ValueUnreadable => "value-unreadable",
            Self::UidLeadingZero => "uid-leading-zero",
            Self::UnknownTransferSyntax => "unknown-transfer-syntax",
            Self::MetaMissing => "meta-missing",
            Self::MetaGroupLength => "meta-group-length",
            Self::MetaIdentity => "meta-identity",
        }
    }
}

/// Findings kept of one object. A broken object can have as many as it has elements.
pub const FINDINGS_MAX: usize = 64;

/// The findings of one object: the first [`FINDINGS_MAX`], and how many there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    count: u64,
}

impl Findings {
    /// Adds a finding; beyond [`FINDINGS_MAX`] it is only counted.
    pub(crate) fn record(&mut self, kind: FindingKind, tag: Tag, offset: u64) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(Finding { kind, tag, offset });
        }
    }

    /// Adds the findings of another reading of the same object.
    pub(crate) fn append(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        let room = FINDINGS_MAX.saturating_sub(self.kept.len());
        self.kept.extend(other.kept.iter().take(room));
    }

    /// The kept findings, in the order they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.kept
    }

    /// How many there were, kept or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether a finding of this kind was kept.
    #[must_use]
    pub fn has(&self, kind: FindingKind) -> bool {
        self.kept.iter().any(|finding| finding.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_reason_is_told_in_both_languages() {
        let kinds = [
            MalformedKind::LengthBeyondEnd,
            MalformedKind::LengthBeyondParent,
            MalformedKind::Truncated,
            MalformedKind::Empty,
            MalformedKind::TooDeep,
            MalformedKind::TooManyElements,
            MalformedKind::UndefinedLength,
            MalformedKind::InvalidVr,
            MalformedKind::ItemExpected,
            MalformedKind::UnexpectedDelimiter,
            MalformedKind::DelimiterLength,
            MalformedKind::FragmentLength,
            MalformedKind::ReservedGroup,
            MalformedKind::Ambiguous,
            MalformedKind::IdentityTooLong,
            MalformedKind::IdentityMissing,
            MalformedKind::IdentityInvalid,
            MalformedKind::PixelDescription,
            MalformedKind::InflateBroken,
            MalformedKind::InflateTooLarge,
            MalformedKind::InflateRatio,
            MalformedKind::NotDicom,
            MalformedKind::Directory,
            MalformedKind::MetaBroken,
            MalformedKind::MetaTooLarge,
            MalformedKind::TransferSyntaxMissing,
        ];
        let malformed = kinds.map(|kind| Malformed {
            kind,
            tag: Tag(0x0010, 0x0010),
            offset: 132,
        });
        assert_explained(malformed.iter().map(|error| error as &dyn Explain));
        assert_explained(kinds.iter().map(|kind| kind as &dyn Explain));
    }
}
