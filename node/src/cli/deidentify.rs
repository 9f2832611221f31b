//! `dokuei study deidentify` and `dokuei study reidentify`.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::At;
use crate::cli::show::{day, message, text};
use crate::control::request::{DeidentifyStudy, Request};
use crate::deidentify::{Dates, Options};
use crate::language::Failure;
use crate::say;

/// What is written without whom it is of.
#[derive(clap::Args)]
pub(super) struct Deidentify {
    /// 検査 UID / Study Instance UID
    uid: String,
    /// 出力先の新しいフォルダ / the folder to write to, new or empty
    out: PathBuf,
    /// 使用目的。同じ目的なら同じ仮名になる / what it is for: the same purpose gives the same pseudonyms
    #[arg(long)]
    purpose: String,
    /// 仮名から患者に戻せるよう対応をこの施設に保存する / keep the way back from the pseudonym at this site
    #[arg(long)]
    reversible: bool,
    /// 日付と時刻を残す / keep dates and times
    #[arg(long, conflicts_with = "shift_dates")]
    keep_dates: bool,
    /// 日付を患者ごとに同じ日数だけ過去にずらす / move dates into the past, by the same days for all of a patient
    #[arg(long)]
    shift_dates: bool,
    /// UID を残す / keep UIDs
    #[arg(long)]
    keep_uids: bool,
    /// 性別・年齢・体格などを残す / keep sex, age, size, weight and the like
    #[arg(long)]
    keep_characteristics: bool,
    /// 装置の識別情報を残す / keep what identifies the device
    #[arg(long)]
    keep_device: bool,
    /// 施設名などを残す / keep what identifies the institution
    #[arg(long)]
    keep_institution: bool,
    /// 規格で安全とされた独自の属性を残す / keep private attributes that the standard knows to be safe
    #[arg(long)]
    keep_safe_private: bool,
    /// 検査名などを既知の語だけにして残す / keep descriptions as far as they are made of known words
    #[arg(long)]
    clean_descriptors: bool,
    /// 構造化レポート（線量など）を、数値・コード・既知の語だけにして残す / keep structured reports, doses for instance, as far as they are numbers, codes and known words
    #[arg(long)]
    clean_structured: bool,
    /// 領域ファイルの規則に合う画像の文字の場所を黒く塗る / make black where devices write, by the file of regions
    #[arg(long)]
    clean_pixels: bool,
    /// すべての画像を目で確かめ、患者の情報が書き込まれていないと確認した / somebody has looked at every image and found nobody named in one
    #[arg(long)]
    pixels_seen: bool,
    #[command(flatten)]
    at: At,
}

/// A pseudonym to find again.
#[derive(clap::Args)]
pub(super) struct Reidentify {
    /// 仮名（Patient ID） / the pseudonym: the Patient ID of what was written
    pseudonym: String,
    #[command(flatten)]
    at: At,
}

/// Writes a study without whom it is of.
///
/// # Errors
/// One sentence.
pub(super) fn deidentify(asked: Deidentify) -> Result<(), Failure> {
    let folder = std::path::absolute(&asked.out).unwrap_or(asked.out);
    let dates = match (asked.keep_dates, asked.shift_dates) {
        (true, _) => Dates::Keep,
        (_, true) => Dates::Shift,
        _ => Dates::Remove,
    };
    let answer = asked.at.ask(Request::StudyDeidentify(DeidentifyStudy {
        study: asked.uid,
        folder: folder.display().to_string(),
        purpose: asked.purpose,
        reversible: asked.reversible,
        options: Options {
            dates,
            keep_uids: asked.keep_uids,
            keep_characteristics: asked.keep_characteristics,
            keep_device: asked.keep_device,
            keep_institution: asked.keep_institution,
            keep_safe_private: asked.keep_safe_private,
            clean_descriptors: asked.clean_descriptors,
            clean_structured: asked.clean_structured,
            clean_pixels: asked.clean_pixels,
            pixels_seen: asked.pixels_seen,
        },
    }))?;
    asked.at.print(&answer, written);
    if answer["written"] == 0 {
        return Err(Failure::new(
            "nothing-written",
            say!(
                "匿名化して書き出せるオブジェクトがありませんでした。上の理由を確認してください。",
                "No object could be written: see the reasons above."
            ),
        ));
    }
    Ok(())
}

fn written(answer: &Value) {
    let (count, left, folder) = (
        &answer["written"],
        &answer["refused"],
        text(answer, "folder"),
    );
    outln!(
        "{}",
        say!(
            "{count} 件を {folder} に書き出しました。書き出さなかったオブジェクトは {left} 件です。",
            "Wrote {count} objects to {folder}, refused {left}."
        )
    );
    let pseudonyms = answer["pseudonyms"].as_array().into_iter().flatten();
    for pseudonym in pseudonyms.filter_map(Value::as_str) {
        outln!(
            "  {}",
            say!(
                "仮名（患者 ID） {pseudonym}",
                "pseudonym (patient ID) {pseudonym}"
            )
        );
    }
    for refused in answer["reasons"].as_array().into_iter().flatten() {
        outln!(
            "  {}: {}",
            text(refused, "sop_instance"),
            message(refused, "why")
        );
    }
}

/// Shows whom a pseudonym stands for.
///
/// # Errors
/// One sentence.
pub(super) fn reidentify(asked: &Reidentify) -> Result<(), Failure> {
    let pseudonym = asked.pseudonym.clone();
    let answer = asked.at.ask(Request::StudyReidentify { pseudonym })?;
    asked.at.print(&answer, |answer| {
        for study in answer.as_array().into_iter().flatten() {
            outln!(
                "{}  {}  {}  {}  {}  {}",
                text(study, "patient_name"),
                text(study, "patient_id"),
                day(study, "birth_date"),
                day(study, "date"),
                text(study, "uid"),
                text(study, "purpose")
            );
        }
    });
    Ok(())
}
