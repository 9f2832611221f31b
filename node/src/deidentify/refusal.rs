//! Why an object is not written. What cannot be made safe stays here: nothing is written in part.

use std::io;

use crate::dicom::dataset::ReadError;
use crate::language::{Explain, Message, displayed_in_english};
use crate::pixels::DecodeError;
use crate::say;

/// Why an object is not written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read whole.
    Unreadable(#[from] ReadError),
    /// Its bytes cannot be read, or the new ones not written.
    Io(#[from] io::Error),
    /// Its kind is not one that is known to be cleaned wholly; its SOP Class UID.
    UnknownKind(String),
    /// A report, a document, a drawing: its content is text.
    Text,
    /// It says itself that its pixels name somebody.
    BurnedIn,
    /// Its kind often has text in its pixels, and nobody has looked.
    PixelsUnseen,
    /// The same, and no rule says where this device writes: modality, rows, columns.
    NoRegions(String, u16, u16),
    /// Its pixels were to be made black in places, and cannot be read.
    Undecodable(#[from] DecodeError),
    /// A slide of which the label may be in the picture.
    SlideLabel,
    /// Its pixels hold an overlay in bits of their own.
    OverlayInPixels,
    /// Pixel data is longer than its picture.
    PixelsTooLong,
    /// A long value stands where it cannot be looked at.
    LongValue,
    /// It is written in a way in which it cannot be looked through; the Transfer Syntax UID.
    Encoding(String),
    /// Its identity is missing.
    Nameless,
}

impl Explain for Refusal {
    fn message(&self) -> Message {
        match self {
            Refusal::Unreadable(error) => error.message(),
            Refusal::Io(error) => error.message(),
            Refusal::UnknownKind(class) => say!(
                "匿名化の方法が決まっていない種類のオブジェクトです（SOP クラス {class}）",
                "it is of a kind that this program cannot de-identify (SOP class {class})"
            ),
            Refusal::Text => say!(
                "レポートや文書、図形など、内容が文章のオブジェクトです",
                "it is a report, document or drawing: its content is text"
            ),
            Refusal::BurnedIn => say!(
                "画像の中に患者の情報が書き込まれていると記録されています（Burned In Annotation）",
                "it says itself that its pixels name the patient (Burned In Annotation)"
            ),
            Refusal::PixelsUnseen => say!(
                "画像の中に文字が書き込まれていることの多い種類です。すべての画像を目で確かめてから --pixels-seen を付けてください",
                "images of this kind often have text in their pixels: look at every one, then give --pixels-seen"
            ),
            Refusal::NoRegions(modality, rows, columns) => say!(
                "画像の中に文字が書き込まれていることの多い種類ですが、この装置と大きさ（{modality}、{columns}×{rows}）に合う規則が領域ファイルにありません。規則を加えるか、すべての画像を目で確かめてから --pixels-seen を付けてください",
                "images of this kind often have text in their pixels, and no rule in the file of regions is for this device and size ({modality}, {columns}×{rows}): add one, or look at every image, then give --pixels-seen"
            ),
            Refusal::Undecodable(error) => say!(
                "黒く塗る画像を開けません（{why}）",
                "its pixels were to be blanked and cannot be read ({why})";
                why = error.message()
            ),
            Refusal::SlideLabel => say!(
                "スライド全体の画像のうち、ラベルが写り得るもの（LABEL、OVERVIEW など）です。VOLUME の画像だけを書き出します",
                "it is of a slide and may show its label (LABEL, OVERVIEW and the like): only VOLUME images are written"
            ),
            Refusal::OverlayInPixels => say!(
                "画素の空きビットに図形（オーバーレイ）が入っています",
                "an overlay is kept in bits of its pixels"
            ),
            Refusal::PixelsTooLong => say!(
                "画素データが画像の大きさより長く、余分な部分の内容が分かりません",
                "its pixel data is longer than the picture, and nobody knows what is in the rest"
            ),
            Refusal::LongValue => say!(
                "確認できない長いデータを含んでいます",
                "it has a long value that cannot be looked at"
            ),
            Refusal::Encoding(syntax) => say!(
                "この形式（転送構文 {syntax}）のデータは確認できません",
                "data written in this way (transfer syntax {syntax}) cannot be looked through"
            ),
            Refusal::Nameless => say!(
                "検査・シリーズ・画像を識別する UID がありません",
                "it lacks the UIDs of its study, series or instance"
            ),
        }
    }
}

displayed_in_english!(Refusal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_refusal_is_told_in_both_languages() {
        let all = [
            Refusal::Unreadable(ReadError::TooLarge),
            Refusal::Io(io::ErrorKind::NotFound.into()),
            Refusal::UnknownKind("1.2".to_owned()),
            Refusal::Text,
            Refusal::BurnedIn,
            Refusal::PixelsUnseen,
            Refusal::NoRegions("US".to_owned(), 480, 640),
            Refusal::Undecodable(DecodeError::Damaged),
            Refusal::SlideLabel,
            Refusal::OverlayInPixels,
            Refusal::PixelsTooLong,
            Refusal::LongValue,
            Refusal::Encoding("1.2".to_owned()),
            Refusal::Nameless,
        ];
        assert_explained(all.iter().map(|why| why as &dyn Explain));
    }
}
