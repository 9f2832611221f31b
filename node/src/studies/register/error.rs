//! Why the register could not do it.

use dokuei_protocol::limits;

use crate::language::{Explain, Message, displayed_in_english};
use crate::say;
use crate::store::StoreError;

/// The register could not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The disk failed or is full.
    Disk(#[from] std::io::Error),
    /// The store failed.
    Store(#[from] StoreError),
    /// Too many studies are arriving, or one has too many objects.
    Full,
    /// No such study.
    Unknown,
    /// Objects of the study are still arriving.
    Arriving,
    /// A stored row or parcel cannot be opened.
    Damaged,
}

impl Explain for RegisterError {
    fn message(&self) -> Message {
        match self {
            RegisterError::Disk(error) => say!(
                "ディスクに読み書きできません（{why}）。空き容量を確認してください。受信済みの検査は失われていません",
                "the disk failed or is full ({why}): make room, nothing that was confirmed is lost";
                why = error.message()
            ),
            RegisterError::Store(error) => error.message(),
            RegisterError::Full => {
                let most = limits::OBJECTS;
                say!(
                    "同時に受信中の検査が多すぎるか、一つの検査の画像が {most} 枚を超えています",
                    "too many studies are arriving at once, or one has more than {most} objects"
                )
            }
            RegisterError::Unknown => say!(
                "その検査はこの施設にありません",
                "there is no such study here"
            ),
            RegisterError::Arriving => say!(
                "この検査はまだ受信中です。少し待ってからやり直してください",
                "objects of the study are arriving at this moment; wait a little"
            ),
            RegisterError::Damaged => say!(
                "保存された検査を開けません。データフォルダをバックアップから復元してください",
                "a stored study cannot be opened: restore the data folder from a backup"
            ),
        }
    }
}

displayed_in_english!(RegisterError);
