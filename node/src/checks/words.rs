//! What was found, in words.

use dokuei_protocol::case::check::{Concern, Verdict};

use crate::language::Message;
use crate::say;

/// The clause for a finding about so many images, series or places.
pub fn concern(concern: Concern, count: u32) -> Message {
    match concern {
        Concern::SeveralPatients => say!(
            "患者 ID の違う画像が混ざっています（{count} 人分）",
            "images carry {count} different patient IDs"
        ),
        Concern::PatientUndecided => say!(
            "メディアから取り込んだ検査で、どの患者のものか未確認です（dokuei media decide）",
            "it came on a medium, and nobody has said whose it is (dokuei media decide)"
        ),
        Concern::ConflictingObjects => say!(
            "同じ SOP Instance UID で内容の違う画像が届き、隔離されています（{count} 枚、dokuei study quarantine list）",
            "{count} images came with the UID of another image and other content, and are set aside (dokuei study quarantine list)"
        ),
        Concern::SliceGap => say!(
            "スライスの間隔が {count} か所で空いています",
            "there are gaps between slices at {count} places"
        ),
        Concern::MissingImages => say!("画像が {count} 枚足りません", "{count} images are missing"),
        Concern::MissingSeries => say!(
            "シリーズが {count} 本足りません",
            "{count} series are missing"
        ),
        Concern::OtherSide => say!(
            "左右が依頼と違う画像が {count} 枚あります",
            "{count} images show another side than was asked for"
        ),
        Concern::OtherRegion => say!(
            "部位が依頼と違う画像が {count} 枚あります",
            "{count} images show another region than was asked for"
        ),
        Concern::NumbersSkipped => say!(
            "画像番号が {count} 個抜けています",
            "{count} image numbers are left out"
        ),
        Concern::SideUnknown => say!(
            "左右の分からない画像が {count} 枚あります",
            "{count} images do not say which side they show"
        ),
        Concern::RegionUnknown => say!(
            "部位の分からない画像が {count} 枚あります",
            "{count} images do not say which region they show"
        ),
        Concern::TextDeclared => say!(
            "文字の焼き込みがあると記録された画像が {count} 枚あります",
            "{count} images say that text is burned in"
        ),
        Concern::TextOnScreen => say!(
            "画面を保存した画像が {count} 枚あります（氏名などが写り込んでいる可能性）",
            "{count} images are captured screens, which may show names"
        ),
        Concern::TextOnFilm => say!(
            "フィルムや紙を読み取った画像が {count} 枚あります（氏名などが写り込んでいる可能性）",
            "{count} images are scanned films or paper, which may show names"
        ),
        Concern::TextInDocument => say!(
            "文書（PDF）が {count} 件あります（氏名などが書かれている可能性）",
            "{count} are documents, which may name people"
        ),
        Concern::TextLikely => say!(
            "氏名などが焼き込まれやすい種類の画像が {count} 枚あります（超音波、二次取得など）",
            "{count} images are of a kind in which names are often burned in (ultrasound, secondary capture)"
        ),
        Concern::NotExamined => say!(
            "以前の版で受信したため調べられない画像が {count} 枚あります",
            "{count} images came before this version, and could not be looked at"
        ),
    }
}

/// The word for a verdict.
pub fn verdict(verdict: Verdict) -> Message {
    match verdict {
        Verdict::Pass => say!("合格", "pass"),
        Verdict::Warn => say!("注意", "warning"),
        Verdict::Hold => say!("保留", "held back"),
        Verdict::Refuse => say!("送信不可", "not to be sent"),
    }
}
