//! Why a frame was not decoded.

use crate::language::{Explain, Message, displayed_in_english};
use crate::pixels::image::Misfit;
use crate::say;

/// Why a frame was not decoded. One request is refused; nothing else is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Its transfer syntax, or the form it uses of it, is not decoded here.
    Unsupported,
    /// The image's attributes contradict each other, are missing, or describe no image.
    Description,
    /// The compressed bytes are damaged, or are another image than the attributes say.
    Damaged,
    /// The frame, or the picture asked for, is beyond the bounds of this program.
    TooLarge,
    /// There is no frame of this number.
    NoFrame,
    /// The decoder ended: memory or computing time was used up, or the frame made it fail.
    Ended,
    /// The decoder did not answer in time.
    Late,
    /// As many requests wait as may wait.
    Busy,
    /// No decoder could be started.
    Unavailable,
}

impl DecodeError {
    /// All of them, in the order of their codes.
    pub const ALL: [DecodeError; 9] = [
        DecodeError::Unsupported,
        DecodeError::Description,
        DecodeError::Damaged,
        DecodeError::TooLarge,
        DecodeError::NoFrame,
        DecodeError::Ended,
        DecodeError::Late,
        DecodeError::Busy,
        DecodeError::Unavailable,
    ];

    /// The code on the pipe: from 1, because 0 is an answer.
    pub(super) fn code(self) -> u8 {
        match self {
            DecodeError::Unsupported => 1,
            DecodeError::Description => 2,
            DecodeError::Damaged => 3,
            DecodeError::TooLarge => 4,
            DecodeError::NoFrame => 5,
            DecodeError::Ended => 6,
            DecodeError::Late => 7,
            DecodeError::Busy => 8,
            DecodeError::Unavailable => 9,
        }
    }

    /// The error of a code; one that is not known comes from a decoder that is out of its mind.
    pub(super) fn coded(code: u8) -> DecodeError {
        let known = DecodeError::ALL.into_iter();
        let mut known = known.filter(|error| error.code() == code);
        known.next().unwrap_or(DecodeError::Ended)
    }
}

impl From<Misfit> for DecodeError {
    fn from(misfit: Misfit) -> DecodeError {
        match misfit {
            Misfit::Contradiction => DecodeError::Description,
            Misfit::TooLarge => DecodeError::TooLarge,
        }
    }
}

impl Explain for DecodeError {
    fn message(&self) -> Message {
        match self {
            DecodeError::Unsupported => say!(
                "この圧縮方式の画像はここでは展開できません。元の転送構文のまま取得してください",
                "images in this compression cannot be decoded here; fetch them in the transfer syntax they have"
            ),
            DecodeError::Description => say!(
                "画像の属性（行数・列数・ビット数など）が欠けているか、互いに矛盾しています",
                "the image's attributes, such as rows, columns and bits, are missing or contradict each other"
            ),
            DecodeError::Damaged => say!(
                "圧縮された画像データが壊れているか、属性と一致しません",
                "the compressed image data is damaged or does not match the attributes"
            ),
            DecodeError::TooLarge => say!(
                "画像、または求められた大きさが、このプログラムの上限を超えています",
                "the image, or the size asked for, is beyond this program's limit"
            ),
            DecodeError::NoFrame => say!(
                "その番号のフレームはありません",
                "there is no frame of this number"
            ),
            DecodeError::Ended => say!(
                "画像の展開中にメモリまたは計算時間の上限に達したか、展開処理が異常終了しました",
                "decoding the image reached the limit of memory or computing time, or failed"
            ),
            DecodeError::Late => say!(
                "画像の展開が時間内に終わりませんでした",
                "the image was not decoded in time"
            ),
            DecodeError::Busy => say!(
                "画像を展開する順番待ちがいっぱいです。少し待ってからもう一度お試しください",
                "too many images wait to be decoded; try again in a moment"
            ),
            DecodeError::Unavailable => say!(
                "画像を展開する処理を起動できませんでした",
                "no process to decode images could be started"
            ),
        }
    }
}

displayed_in_english!(DecodeError);

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_error_has_words_and_a_code_of_its_own() {
        assert_explained(DecodeError::ALL.iter().map(|error| error as &dyn Explain));
        for error in DecodeError::ALL {
            assert_eq!(DecodeError::coded(error.code()), error);
        }
        assert_eq!(DecodeError::coded(77), DecodeError::Ended);
    }
}
