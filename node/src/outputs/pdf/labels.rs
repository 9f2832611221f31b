//! The fixed words of a report page, Japanese and English.
//!
//! `node/assets/fonts/build.py` reads the characters of this file: every one of them is in the
//! bold face, so a new label needs the faces built again (a test says so).

use crate::outputs::view::{ReportStatus, Sex};

/// One label in both languages.
#[derive(Clone, Copy)]
pub(super) struct Label {
    pub(super) ja: &'static str,
    pub(super) en: &'static str,
}

const fn label(ja: &'static str, en: &'static str) -> Label {
    Label { ja, en }
}

pub(super) const REPORT_TITLE: Label = label("画像診断報告書", "Diagnostic Imaging Report");
pub(super) const PATIENT_ID: Label = label("患者ID", "Patient ID");
pub(super) const ISSUER: Label = label("患者ID発行元", "ID issuer");
pub(super) const BIRTH_DATE: Label = label("生年月日", "Date of birth");
pub(super) const SEX: Label = label("性別", "Sex");
pub(super) const SEX_AND_AGE: Label = label("性別・年齢", "Sex, age");
pub(super) const STUDY_DATE: Label = label("検査日時", "Study date");
pub(super) const ACCESSION: Label = label("受付番号", "Accession no.");
pub(super) const MODALITY: Label = label("検査種別・部位", "Modality");
pub(super) const REQUESTED_BY: Label = label("依頼施設", "Requested by");
pub(super) const REFERRING: Label = label("依頼医", "Referred by");
pub(super) const EXAMINATION: Label = label("検査名", "Examination");
pub(super) const IMAGES_READ: Label = label("読影画像", "Images read");
pub(super) const COMPARISON: Label = label("比較", "Comparison");
pub(super) const STUDY_UID: Label = label("検査UID", "Study UID");
pub(super) const CASE: Label = label("症例番号", "Case");
pub(super) const PREDECESSOR: Label = label("前版", "Previous version");
pub(super) const FINDINGS: Label = label("所見", "Findings");
pub(super) const IMPRESSION: Label = label("診断", "Impression");
pub(super) const RECOMMENDATION: Label = label("推奨", "Recommendation");
pub(super) const REPORT_TEXT: Label = label("報告", "Report");
pub(super) const READER: Label = label("読影医", "Read by");
pub(super) const LICENCE: Label = label("医籍登録番号", "Licence no.");
pub(super) const SITE: Label = label("読影施設", "Reading site");
pub(super) const SIGNED: Label = label("署名日時", "Signed");
pub(super) const DIGEST: Label = label("報告書ダイジェスト", "Report digest");
pub(super) const NO_PRIOR: Label = label("過去画像の提供なし", "No prior offered");
pub(super) const NAME_INEXACT: Label = label(
    "※ 氏名の一部の文字を復元できません。患者IDで確認してください",
    "Some characters of the name could not be decoded; check the patient ID",
);
pub(super) const OWN_PDF_FOLLOWS: Label = label(
    "本文は、次ページ以降の読影医作成文書です。",
    "The report is the reader's own document on the following pages.",
);
pub(super) const OWN_PDF: Label = label("読影医作成文書", "Reader's own document");
pub(super) const END: Label = label("以上", "End of report");
/// Stands behind a name that is not exact.
pub(super) const MARK: &str = "※";
/// Stands where nothing is known.
pub(super) const NOT_KNOWN: &str = "—";

/// The word for a standing.
pub(super) fn status(status: ReportStatus) -> Label {
    match status {
        ReportStatus::Preliminary => label("速報", "PRELIMINARY"),
        ReportStatus::Final => label("確定", "FINAL"),
        ReportStatus::Addendum => label("追加", "ADDENDUM"),
        ReportStatus::Amended => label("改訂", "AMENDED"),
        ReportStatus::Corrected => label("訂正", "CORRECTED"),
        ReportStatus::Retracted => label("取下げ", "RETRACTED"),
    }
}

/// What the standing asks of the reader of the page; nothing for a final report.
pub(super) fn notice(status: ReportStatus) -> Option<Label> {
    match status {
        ReportStatus::Preliminary => Some(label(
            "この報告は速報です。確定報告が後に発行され、内容が変わることがあります。",
            "Preliminary reading. A final report follows and may differ.",
        )),
        ReportStatus::Final => None,
        ReportStatus::Addendum => Some(label(
            "前版への追加です。前版の本文はそのまま有効です。前版と併せてお読みください。",
            "Addendum. The previous version stays valid; read both together.",
        )),
        ReportStatus::Amended => Some(label(
            "内容を改訂しました。前版に代わるものです。改めてご確認ください。",
            "Amended. Replaces the previous version; please read it again.",
        )),
        ReportStatus::Corrected => Some(label(
            "前版の誤りを訂正しました。前版に代わるものです。改めてご確認ください。",
            "Corrected. Replaces a previous version that contained an error.",
        )),
        ReportStatus::Retracted => Some(label(
            "このレポートは取り下げられました。診療に使用しないでください。",
            "This report has been retracted. Do not use it for care.",
        )),
    }
}

/// The word for a sex, `None` when not known.
pub(super) fn sex(sex: Sex) -> Option<Label> {
    match sex {
        Sex::Male => Some(label("男性", "Male")),
        Sex::Female => Some(label("女性", "Female")),
        Sex::Other => Some(label("その他", "Other")),
        Sex::Unknown => None,
    }
}

/// `第2版 Version 2`.
pub(super) fn version(version: u32) -> String {
    format!("第{version}版 Version {version}")
}

/// `3シリーズ 412画像 (3 series, 412 images)`.
pub(super) fn images(series: u32, instances: u32) -> String {
    format!("{series}シリーズ {instances}画像 ({series} series, {instances} images)")
}

/// `読影医作成文書 1 / 3`.
pub(super) fn own_pdf_page(page: usize, pages: usize) -> String {
    format!("{} {} — {page} / {pages}", OWN_PDF.ja, OWN_PDF.en)
}
