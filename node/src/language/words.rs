//! The codes of the protocol as people read them.

use crate::language::Message;
use crate::say;

/// The word for a code: a phase of a case, what happened in it, the status of a report and what became of it, a role, a
/// sub-specialty, a priority. A code that is not known here stands for itself.
pub fn word(code: &str) -> Message {
    let known = CASES
        .iter()
        .chain(PRIORS)
        .chain(REPORTS)
        .chain(PEOPLE)
        .chain(TERMS)
        .chain(BODY)
        .find(|(known, _, _)| *known == code);
    match known {
        Some((_, ja, en)) => Message::new(*ja, *en),
        None => say!("{code}", "{code}"),
    }
}

/// A number of bytes in a unit that is read at a glance.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} kB", bytes / 1e3),
    }
}

type Word = (&'static str, &'static str, &'static str);

const CASES: &[Word] = &[
    ("draft", "起票", "draft"),
    ("checked", "確認済", "checked"),
    ("offered", "打診", "offered"),
    ("quoted", "引受回答", "quoted"),
    ("admitted", "申し出を採用", "admitted"),
    ("not-admitted", "申し出を不採用", "not admitted"),
    ("booked", "依頼先の確定", "booked"),
    ("granted", "鍵の付与", "granted"),
    ("handing-over", "検査の転送", "handing over"),
    ("received", "受領", "received"),
    ("claimed", "読影開始", "claimed"),
    ("delivered", "配送済", "delivered"),
    ("acknowledged", "既読", "acknowledged"),
    ("report-rejected", "レポートの検証不合格", "report rejected"),
    ("closed", "完了", "closed"),
    ("declined", "辞退", "declined"),
    ("withdrawn", "取下げ", "withdrawn"),
    ("expired", "期限切れ", "expired"),
    ("released", "返却", "released"),
    ("not-chosen", "他施設に決定", "not chosen"),
];

/// How far an earlier study is.
const PRIORS: &[Word] = &[
    ("prior-offered", "取り寄せ可", "can be asked for"),
    ("prior-asked", "依頼中", "asked for"),
    ("prior-not-taken", "受付なし", "not taken"),
    ("prior-sought", "検索中", "being found"),
    ("prior-found", "鍵待ち", "found"),
    ("prior-handed-over", "受渡し済", "handed over"),
    ("prior-refused", "受渡しなし", "not handed over"),
    ("prior-coming", "受信中", "on its way"),
    ("prior-here", "到着", "here"),
    ("prior-gone", "削除済", "removed"),
];

const REPORTS: &[Word] = &[
    ("preliminary", "速報", "preliminary"),
    ("final", "確定", "final"),
    ("addendum", "追加", "addendum"),
    ("amended", "変更", "amended"),
    ("corrected", "訂正", "corrected"),
    ("retracted", "取下げ", "retracted"),
    ("issued", "発行済", "issued"),
    ("rejected", "検証不合格", "rejected"),
];

const PEOPLE: &[Word] = &[
    ("reader", "読影医", "reader"),
    ("attending-doctor", "主治医", "attending doctor"),
    ("technologist", "診療放射線技師", "technologist"),
    ("administrator", "管理者", "administrator"),
];

const TERMS: &[Word] = &[
    ("routine", "通常", "routine"),
    ("urgent", "準緊急", "urgent"),
    ("stat", "至急", "stat"),
    ("general", "一般", "general"),
    ("neuro", "脳神経", "neuro"),
    ("head-neck", "頭頸部", "head and neck"),
    ("chest", "胸部", "chest"),
    ("cardiac", "心血管", "cardiac"),
    ("breast", "乳腺", "breast"),
    ("abdomen", "腹部", "abdomen"),
    ("urology", "泌尿器", "urology"),
    ("gynaecology", "婦人科", "gynaecology"),
    ("musculoskeletal", "骨軟部", "musculoskeletal"),
    ("paediatric", "小児", "paediatric"),
    ("nuclear", "核医学", "nuclear"),
    ("emergency", "救急", "emergency"),
];

const BODY: &[Word] = &[
    ("right", "右", "right"),
    ("left", "左", "left"),
    ("both", "両側", "both sides"),
    ("head", "頭部", "head"),
    ("neck", "頸部", "neck"),
    ("pelvis", "骨盤", "pelvis"),
    ("spine", "脊椎", "spine"),
    ("upper-limb", "上肢", "upper limb"),
    ("lower-limb", "下肢", "lower limb"),
    ("whole-body", "全身", "whole body"),
];

#[cfg(test)]
mod tests {
    use dokuei_protocol::case::report::ReportStatus;
    use dokuei_protocol::case::terms::{Priority, Specialty};

    use super::*;
    use crate::checks::Region;
    use crate::language::assert_both;
    use crate::studies::seen::Side;

    #[test]
    fn every_code_has_a_word() {
        let codes = (ReportStatus::ALL.iter().map(|status| status.code()))
            .chain(Priority::ALL.iter().map(|priority| priority.code()))
            .chain(Specialty::ALL.iter().map(|specialty| specialty.code()))
            .chain(Region::ALL.iter().map(|region| region.code()))
            .chain(Side::ALL.iter().map(|side| side.code()))
            .chain(CASES.iter().chain(PEOPLE).map(|(code, _, _)| *code));
        codes.map(word).for_each(|word| assert_both(&word));
        assert_eq!(word("new-code").ja, "new-code");
    }

    #[test]
    fn a_code_is_known_once() {
        let all = || [CASES, REPORTS, PEOPLE, TERMS, BODY].into_iter().flatten();
        let codes: std::collections::BTreeSet<_> = all().map(|(code, _, _)| code).collect();
        assert_eq!(codes.len(), all().count());
    }
}
