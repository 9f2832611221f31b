//! The reasons of `keys` and `protocol` in Japanese; their own texts are the English ones.

use dokuei_keys::error::Why;
use dokuei_keys::keyfile::KeyFileError;
use dokuei_protocol::case::report::WrongVersion;
use dokuei_protocol::limits;
use dokuei_protocol::log::entry::BrokenLog;

use crate::language::{Explain, Message};

impl Explain for Why {
    fn message(&self) -> Message {
        let ja = match self {
            Why::TooLong { max } => {
                return Message::new(
                    format!("上限の {max} バイトを超えています"),
                    self.to_string(),
                );
            }
            Why::Text(field) => {
                let field = match *field {
                    "name" => "名称",
                    "licence" => "免許番号",
                    other => other,
                };
                let ja = format!("「{field}」が空か、長すぎるか、制御文字を含んでいます");
                return Message::new(ja, self.to_string());
            }
            Why::CutOff => "途中で切れています",
            Why::TrailingBytes => "終わりの後に余分なデータがあります",
            Why::Profile(_) => "符号化（決定的 CBOR）の規則に反しています",
            Why::Fields => "必要な項目がそろっていません",
            Why::Framing(_) => "署名文書の形ではありません",
            Why::OtherKind => "別の種類の署名文書です",
            Why::OtherVersion => "この版のプログラムが知らない形式です。更新してください",
            Why::OtherKey => "別の鍵で署名されています",
            Why::Signature => "署名が正しくありません（改変または偽造）",
            Why::WeakKey => "使用できない公開鍵です",
            Why::EmptyValidity => "有効期間がありません（終わりが始まりより前）",
            Why::LifeTooLong { .. } => "有効期間が長すぎます",
            Why::NotYetValid => "まだ有効期間に入っていません。時計を確認してください",
            Why::Expired => "有効期限が切れています",
            Why::OtherSite => "別の施設のものです",
            Why::OtherSubject => "委任の対象が違います",
            Why::LicenceExpired => "免許の有効期限が切れています",
            Why::NotRevocable => "ルート鍵を失効できるのはルート鍵だけです",
            Why::OtherIdentifier => "識別子が内容と一致しません",
            Why::OtherPrekey => "別の事前公開鍵に対して包まれた鍵です",
            Why::Wrap => "包まれた鍵を開けません（改変または別の依頼のもの）",
            Why::OtherKeyCommitted => "付与の記録と異なる鍵です",
            Why::OtherSeal => "別の鍵または別の場所で封入されたデータです",
            Why::Chunk => "封入されたデータが壊れています",
            Why::SealedLength => "封入されたデータの長さが正しくありません",
            Why::TooManyChunks => "封入されたデータが大きすぎます",
            Why::NoRoom => "結果を入れる領域が足りません",
            Why::AlreadyRefused => "開封は既に拒否されています。最初からやり直してください",
            Why::Row => "データベースの行が壊れています。バックアップから復元してください",
            Why::Pairing => "登録コードが一致しません。確認してやり直してください",
            _ => "署名または鍵の検査に合格しません",
        };
        Message::new(ja, self.to_string())
    }
}

impl Explain for KeyFileError {
    fn message(&self) -> Message {
        let ja = match self {
            KeyFileError::WrongPassphrase => "合言葉が違います".to_owned(),
            KeyFileError::Damaged => {
                "壊れているか、鍵ファイルではありません。バックアップから復元してください"
                    .to_owned()
            }
            KeyFileError::UnknownVersion(version) => {
                format!("形式の版 {version} に対応していません。プログラムを更新してください")
            }
            KeyFileError::Cost => {
                "許される範囲を超えた計算量を求めています。別のプログラムが作った可能性があります"
                    .to_owned()
            }
            KeyFileError::EmptyPassphrase => {
                "合言葉が空です。合言葉を決めて入力してください".to_owned()
            }
            KeyFileError::TooManySecrets => "鍵が多すぎます".to_owned(),
            KeyFileError::OutOfMemory(kib) => format!("メモリが足りません（{kib} KiB 必要）"),
        };
        Message::new(ja, self.to_string())
    }
}

impl Explain for BrokenLog {
    fn message(&self) -> Message {
        let ja = match self {
            BrokenLog::Order(at) => format!("{at} 番の記録があるべき場所にありません"),
            BrokenLog::Chain(at) => format!("{at} 番の記録が前の記録とつながりません"),
            BrokenLog::Unreadable(at) => format!("{at} 番の記録を読めません"),
            BrokenLog::Contradiction(at) => format!("{at} 番の記録がそれまでの記録と矛盾します"),
        };
        Message::new(ja, self.to_string())
    }
}

impl Explain for WrongVersion {
    fn message(&self) -> Message {
        let ja = match self {
            WrongVersion::PreliminaryAfterFinal => {
                "確定レポートの後に速報は出せません。追加・変更・訂正は「dokuei report addendum」で行ってください".to_owned()
            }
            WrongVersion::FinalTwice => {
                "既に確定しています。追加・変更・訂正・取下げは「dokuei report addendum」で行ってください".to_owned()
            }
            WrongVersion::NothingFinal => {
                "確定レポートがまだないため、追加・変更・訂正・取下げはできません".to_owned()
            }
            WrongVersion::Retracted => "レポートは取り下げられており、次の版は出せません".to_owned(),
            WrongVersion::NotNext => "最新の版に続いていません。症例の状態を確認してやり直してください".to_owned(),
            WrongVersion::TooMany => format!("一症例のレポートは {} 版までです", limits::REPORT_VERSIONS),
        };
        Message::new(ja, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn reasons_are_told_in_both_languages() {
        let whys = [
            Why::TooLong { max: 64 },
            Why::CutOff,
            Why::TrailingBytes,
            Why::Profile("x"),
            Why::Fields,
            Why::Framing("x"),
            Why::OtherKind,
            Why::OtherVersion,
            Why::OtherKey,
            Why::Signature,
            Why::WeakKey,
            Why::Text("name"),
            Why::EmptyValidity,
            Why::LifeTooLong { seconds: 1 },
            Why::NotYetValid,
            Why::Expired,
            Why::OtherSite,
            Why::OtherSubject,
            Why::LicenceExpired,
            Why::NotRevocable,
            Why::OtherIdentifier,
            Why::OtherPrekey,
            Why::Wrap,
            Why::OtherKeyCommitted,
            Why::OtherSeal,
            Why::Chunk,
            Why::SealedLength,
            Why::TooManyChunks,
            Why::NoRoom,
            Why::AlreadyRefused,
            Why::Row,
            Why::Pairing,
        ];
        assert_explained(whys.iter().map(|why| why as &dyn Explain));
        let files = [
            KeyFileError::WrongPassphrase,
            KeyFileError::Damaged,
            KeyFileError::UnknownVersion(9),
            KeyFileError::Cost,
            KeyFileError::EmptyPassphrase,
            KeyFileError::TooManySecrets,
            KeyFileError::OutOfMemory(64),
        ];
        assert_explained(files.iter().map(|error| error as &dyn Explain));
        let logs = [
            BrokenLog::Order(1),
            BrokenLog::Chain(1),
            BrokenLog::Unreadable(1),
            BrokenLog::Contradiction(1),
        ];
        assert_explained(logs.iter().map(|error| error as &dyn Explain));
        let versions = [
            WrongVersion::PreliminaryAfterFinal,
            WrongVersion::FinalTwice,
            WrongVersion::NothingFinal,
            WrongVersion::Retracted,
            WrongVersion::NotNext,
            WrongVersion::TooMany,
        ];
        assert_explained(versions.iter().map(|error| error as &dyn Explain));
    }
}
