//! The words of `dokuei media`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::At;

/// Media.
#[derive(Subcommand)]
pub(in crate::cli) enum Media {
    /// 取り込む。患者が確かでない検査は保留になる / take in; a study whose patient is not certain is held until somebody decides
    Import {
        /// ファイル・フォルダ・zip / file, folder or zip archive
        path: PathBuf,
        /// 照合する症例 ID か検査 UID。なければこの施設の全検査と照合する / case or Study Instance UID whose patient is expected; otherwise all studies here are compared
        #[arg(long = "match", value_name = "CASE|UID")]
        of: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// 取り込みの控えの一覧 / list the receipts of imports
    List {
        #[command(flatten)]
        at: At,
    },
    /// 控えを一件 / show one receipt
    Show {
        /// 控えの名前（先頭 4 文字以上） / name of the receipt, or its beginning
        import: String,
        #[command(flatten)]
        at: At,
    },
    /// 保留中の検査が誰のものかを決める / say whose the held studies are
    Decide {
        /// 控えの名前（先頭 4 文字以上） / name of the receipt, or its beginning
        import: String,
        /// この検査だけ / this study only
        #[arg(long, value_name = "UID")]
        study: Option<String>,
        #[command(flatten)]
        whose: Whose,
        /// この施設の患者 ID の発行者 / issuer of that ID
        #[arg(long, requires = "patient")]
        issuer: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

/// What is decided.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Whose {
    /// この施設の患者 ID（画像の属性は変えない） / the patient's ID at this site; the images keep their own
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
    /// そのまま読影に出す / to be read as it is
    #[arg(long)]
    pub as_is: bool,
    /// 消す / remove it
    #[arg(long)]
    pub discard: bool,
}
