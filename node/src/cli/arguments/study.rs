//! The words of `dokuei study`.

use std::path::PathBuf;

use clap::Subcommand;
use dokuei_protocol::limits::QUOTE_HOURS;

use crate::cli::At;
use crate::cli::deidentify::{Deidentify, Reidentify};

/// Studies.
#[derive(Subcommand)]
pub(in crate::cli) enum Study {
    /// 一覧（なぜ待っているか） / list them, and why each waits
    List {
        #[command(flatten)]
        at: At,
    },
    /// 一件を詳しく / show one
    Show {
        /// 検査 UID / Study Instance UID
        uid: String,
        #[command(flatten)]
        at: At,
    },
    /// 同じ患者の過去検査を自施設の PACS で探し、取り寄せる / find earlier studies of its patient in this site's archive, and fetch them
    Priors {
        /// 検査 UID / Study Instance UID
        uid: String,
        /// 取り寄せる検査の UID、または all（本人と確認できたすべて） / Study Instance UIDs to fetch, or 'all' that are certain
        #[arg(long, value_name = "all|UID", num_args = 1..)]
        fetch: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// 読影を依頼する / have one read by a partner
    Send {
        /// 検査 UID、または DICOM のファイルかフォルダ / Study Instance UID, or a DICOM file or folder
        study: String,
        /// 依頼先の名称または施設 ID。複数なら最初に引き受けた施設 / partner's name or site id; several: the first that can is booked
        #[arg(long, required = true)]
        to: Vec<String>,
        /// 優先度（通常・準緊急・至急） / priority: routine, urgent or stat
        #[arg(long, default_value = "routine")]
        priority: String,
        /// 専門領域 / sub-specialty wanted
        #[arg(long, default_value = "general")]
        specialty: String,
        /// 何時間以内にレポートが必要か / hours until the report is needed
        #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=i64::from(QUOTE_HOURS)))]
        hours: u32,
        /// 受信中でも今ある画像を送る / send what has come so far, although the study may still be arriving
        #[arg(long)]
        now: bool,
        /// フォルダ内のすべての検査を送る / send every study of the folder, when it holds several
        #[arg(long)]
        all: bool,
        /// 取り込めないファイルがあっても残りを送る / send the rest although files of the folder were refused
        #[arg(long)]
        despite_skipped: bool,
        /// 患者を仮名にした写しを送る。対応はこの施設だけに残る / send a copy under a pseudonym; who it is stays known here alone
        #[arg(long)]
        pseudonymous: bool,
        /// すべての画像を目で確かめた / somebody has looked at every image and found nobody named in one
        #[arg(long, requires = "pseudonymous")]
        pixels_seen: bool,
        /// 依頼の部位。画像と照合する（相手には送らない） / region asked for, held against the images (stays here): head, neck, chest, breast, abdomen, pelvis, spine, upper-limb, lower-limb or whole-body
        #[arg(long)]
        region: Option<String>,
        /// 依頼の左右。画像と照合する（相手には送らない） / side asked for, held against the images (stays here): right, left or both
        #[arg(long)]
        laterality: Option<String>,
        /// 検像で保留になっても送る理由（意図どおり・再取得不可・緊急） / why it is sent although the check holds it back: intended, not-repeatable or urgent
        #[arg(long, value_name = "REASON")]
        despite_check: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// 同じ UID で内容の違う画像（隔離中） / images with the UID of another image and other content, which are set aside
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// 送らずに検像する / look through one as before sending, without sending it
    Check {
        /// 検査 UID / Study Instance UID
        uid: String,
        /// 依頼の部位 / region that would be asked for
        #[arg(long)]
        region: Option<String>,
        /// 依頼の左右 / side that would be asked for
        #[arg(long)]
        laterality: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// 誰の検査か分からないようにしてフォルダに書き出す / write a study into a folder without whom it is of (PS3.15 annex E)
    Deidentify(Deidentify),
    /// 仮名から患者を調べる / find whom a pseudonym stands for
    Reidentify(Reidentify),
    /// ファイルから取り込む / take in DICOM files
    Import {
        /// ファイルまたはフォルダ / file or folder
        path: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

/// Images that are set aside.
#[derive(Subcommand)]
pub(in crate::cli) enum Quarantine {
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 一枚を完全に消す / remove one for good
    Discard {
        /// 一覧に出る名前（先頭 4 文字以上） / its name in the list, or the beginning of it
        name: String,
        /// 確認を求めない / do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        at: At,
    },
}
