//! The words of the command line.

mod media;
mod study;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use dokuei_protocol::limits::QUOTE_HOURS;

use crate::cli::At;
use crate::cli::case_priors::Priors;
use crate::cli::dicom::Dicom;
use crate::cli::viewer::Viewer;
use crate::demo::Peer;
use crate::language::Language;

pub(super) use media::Media;
pub(super) use study::{Quarantine, Study};

/// Most days ago at which a key may have been lost: no key was made earlier than this program.
pub(super) const DAYS_AGO: u64 = 3650;

/// 病院どうしで検査を読影し合う、医師から医師へ / hospitals read each other's radiology studies, doctor to doctor
#[derive(Parser)]
#[command(name = "dokuei", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// メッセージの言語 / language of messages: ja or en (otherwise DOKUEI_LANG, LC_ALL, LC_MESSAGES or LANG)
    #[arg(long, global = true, value_name = "ja|en", value_parser = language)]
    pub language: Option<Language>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

fn language(code: &str) -> Result<Language, String> {
    Language::from_code(code)
        .ok_or_else(|| "ja か en を指定してください / give ja or en".to_owned())
}

/// What to do.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// 施設のデータフォルダを作る / make the data folder of a site: keys, configuration, recovery sheet
    Init(Init),
    /// ノードを動かす / run the node
    Run(Run),
    /// 相手施設 / partners
    #[command(subcommand)]
    Partner(Partner),
    /// 検査 / studies
    #[command(subcommand)]
    Study(Study),
    /// CD・USB・zip・フォルダ / what came on a disc, a stick, in a zip archive or a folder
    #[command(subcommand)]
    Media(Media),
    /// 症例 / cases
    #[command(subcommand)]
    Case(Case),
    /// 署名する人 / people who sign
    #[command(subcommand)]
    Person(Person),
    /// DICOM の装置・送り先、DICOMweb に接続する人 / DICOM callers and destinations, and who comes in by DICOMweb
    #[command(subcommand)]
    Dicom(Dicom),
    /// ブラウザの画像ビューア（OHIF） / the image viewer in the browser (OHIF)
    #[command(subcommand)]
    Viewer(Viewer),
    /// 鍵を失効させる / take a key back, for ever
    #[command(subcommand)]
    Revoke(Revoke),
    /// 施設の証明書を更新する / renew the site's certificate, with the recovery sheet; the node must be stopped
    Renew(Renew),
    /// レポート / reports
    #[command(subcommand)]
    Report(Report),
    /// ノードの状態 / how the node is
    Status(Status),
    /// 診療所と大学病院を立てて全体を見せる / show the whole loop with a clinic and a university hospital
    Demo(Demo),
    /// 画像を展開する（ノードが自分で起動する） / decode images; the node starts this itself
    #[command(hide = true)]
    DecodeChild,
}

/// Makes a site.
#[derive(clap::Args)]
pub(super) struct Init {
    /// 新しいデータフォルダ / the new data folder
    pub dir: PathBuf,
    /// 施設名 / the institution's name
    #[arg(long)]
    pub name: String,
    /// ひな形の代わりに使う設定ファイル / a configuration file to use instead of the template
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// 鍵を封じる合言葉のファイル。なければ作ってデータフォルダに置く / a file with the passphrase that seals the keys; without it one is made and kept in the data folder
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Runs a node.
#[derive(clap::Args)]
pub(super) struct Run {
    /// データフォルダ / the data folder
    pub dir: PathBuf,
    /// 鍵を開く合言葉のファイル / a file with the passphrase that opens the keys
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// ログを JSON で出す / log as JSON lines
    #[arg(long)]
    pub json: bool,
    /// 標準入力が閉じたら止まる / stop when standard input ends, so that the node does not outlive the program that started it
    #[arg(long)]
    pub stop_with_stdin: bool,
}

/// Partners.
#[derive(Subcommand)]
pub(super) enum Partner {
    /// 招待コードを発行する / open an invitation and print its code
    Invite {
        /// この招待で相手施設が接続する場所 / where the partner calls for this invitation, host:port, several are tried in order; otherwise
        /// network.announce. Later it calls where network.announce says
        #[arg(long, value_name = "HOST:PORT")]
        address: Vec<String>,
        /// 検査を必ず仮名で送る契約にする / an agreement by which studies travel under a pseudonym
        #[arg(long)]
        pseudonyms: bool,
        #[command(flatten)]
        at: At,
    },
    /// 招待コードで相手施設を登録する / accept an invitation and its agreement
    Accept {
        /// 相手施設から伝えられたコード / the code that the partner read out
        code: String,
        #[command(flatten)]
        at: At,
    },
    /// 一覧（接続・契約・読影枠） / list them: connection, agreement, what they read
    List {
        #[command(flatten)]
        at: At,
    },
    /// 別の内容の契約を提案する / propose another agreement
    Propose {
        /// 名称または施設 ID / name or site id
        partner: String,
        /// 検査を必ず仮名で送る / studies travel under a pseudonym
        #[arg(long, required_unless_present = "identified")]
        pseudonyms: bool,
        /// 検査をそのまま送る / studies travel as they are
        #[arg(long, conflicts_with = "pseudonyms")]
        identified: bool,
        /// 症例終了後に検査を保持する日数（省略時は今の契約どおり） / days for which studies are kept after their case is closed; as before when absent
        #[arg(long)]
        retention_days: Option<u16>,
        #[command(flatten)]
        at: At,
    },
    /// 提案された契約に署名する / sign the agreement that a partner proposes
    Agree {
        /// 名称または施設 ID / name or site id
        partner: String,
        #[command(flatten)]
        at: At,
    },
    /// 相手の鍵の失効・更新の通知ファイルを取り込む / take a partner's notice of revoked or renewed keys
    Import {
        /// 相手施設の「dokuei revoke」か「dokuei renew」が作ったファイル / the file that the partner's 'dokuei revoke' or 'dokuei renew' made
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// 登録を解除する / remove one: nothing is exchanged with it any more
    Remove {
        /// 名称または施設 ID / name or site id
        partner: String,
        /// 終わっていない症例があっても解除する / also when cases with it are not over
        #[arg(long)]
        despite_open_cases: bool,
        #[command(flatten)]
        at: At,
    },
}

/// Cases.
#[derive(Subcommand)]
pub(super) enum Case {
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 経過と待ち理由 / show one: its timeline, and why it does not move
    Show {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        #[command(flatten)]
        at: At,
    },
    /// 過去検査の一覧と取り寄せ / earlier studies that go with one: list them, and ask for some
    Priors(Priors),
    /// 依頼を取り下げる（読影中は中止を依頼） / take one back; once it is read, ask its reader to stop
    Withdraw {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        /// 理由（不要・誤送信・他で読影済） / not-needed, sent-in-error or read-elsewhere
        #[arg(long, default_value = "not-needed")]
        reason: String,
        #[command(flatten)]
        at: At,
    },
    /// 回線が使えないとき、送付中の検査を封じたままメディアに書き出す / write a case that is on its way to a medium, sealed, for when the line is down
    Export {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        /// 新しく作るフォルダ / the new folder
        to: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// もう一度依頼する / offer one again
    Offer {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        /// 依頼先の名称または施設 ID / partner's name or site id
        #[arg(long, required = true)]
        to: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）引き受ける / as reader: promise to read it
    Quote {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        /// 何時間以内にレポートを返すか。なければ読影枠の時間か依頼元の希望期限 / hours until the report; otherwise as the capacity says, or when the requester needs it
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(QUOTE_HOURS)))]
        hours: Option<u16>,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）断る / as reader: decline
    Decline {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）読影を始める / as reader: begin
    Claim {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        /// 読影医の氏名または ID / name or id of the reader
        #[arg(long)]
        reader: String,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）読まずに返す / as reader: give the booking back
    Release {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        /// 理由（勤務終了・専門外・画質） / shift-ended, outside-competence or image-quality
        #[arg(long, default_value = "shift-ended")]
        reason: String,
        #[command(flatten)]
        at: At,
    },
    /// （依頼側）既読にする / as requester: a doctor has read the newest report version
    Acknowledge {
        /// 症例 ID（先頭 4 文字以上） / case id or its beginning
        case: String,
        #[command(flatten)]
        at: At,
    },
}

/// People.
#[derive(Subcommand)]
pub(super) enum Person {
    /// 署名鍵を発行する / give a person a key of their own
    Add {
        /// 氏名 / their name
        #[arg(long)]
        name: String,
        /// 役割（読影医・主治医・診療放射線技師・管理者） / reader, attending-doctor, technologist or administrator
        #[arg(long, default_value = "reader")]
        role: String,
        /// 免許番号（読影医と主治医に必要）/ number of their licence; readers and attending doctors need one
        #[arg(long, default_value = "")]
        licence: String,
        /// 本人の合言葉のファイル。なければ入力を求める / a file with their passphrase; otherwise it is asked for
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them, with their roles and until when they can sign
    List {
        #[command(flatten)]
        at: At,
    },
    /// 署名鍵を取り上げる / take a person's key away: they sign no more, what they signed stays valid
    Remove {
        /// 氏名または ID / name or id
        person: String,
        /// 確認を求めない / do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        at: At,
    },
}

/// Keys to take back.
#[derive(Subcommand)]
pub(super) enum Revoke {
    /// 人の署名鍵（ノードの稼働中に） / the key of a person of this site; the node must run
    Person {
        /// 氏名または ID / name or id
        person: String,
        /// 確認を求めない / do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        at: At,
    },
    /// このノードの鍵 / the key of this site's node
    Node {
        #[command(flatten)]
        sheet: Sheet,
        #[command(flatten)]
        at: At,
    },
    /// 施設鍵 / the site key, and with it every node and person it certified
    SiteKey {
        #[command(flatten)]
        sheet: Sheet,
        #[command(flatten)]
        at: At,
    },
    /// 鍵を直接指定（データフォルダがないとき） / any key of this site by its 64 digits, also without a data folder
    Key {
        /// 公開鍵。相手施設の「partner list --json」に出る / the public key; partners read it from 'partner list --json'
        key: String,
        #[command(flatten)]
        sheet: Sheet,
        #[command(flatten)]
        at: At,
    },
}

/// What the recovery sheet is needed for.
#[derive(clap::Args)]
pub(super) struct Sheet {
    /// 復旧シートのコードのファイル。なければ入力を求める / a file with the code of the recovery sheet; otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub code_file: Option<PathBuf>,
    /// 鍵が漏れたおそれがあるのは何日前からか / days ago at which the key may have been lost
    #[arg(long, default_value_t = 0, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(..=DAYS_AGO))]
    pub days_ago: u64,
    /// 相手施設に渡す通知をここにも書く（新しいファイル） / write the notice for partners here too, as a new file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// 鍵を開く合言葉のファイル / a file with the passphrase that opens the keys
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// 確認を求めない / do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// Renews a certificate.
#[derive(clap::Args)]
pub(super) struct Renew {
    /// データフォルダ / the data folder
    pub dir: PathBuf,
    /// 施設鍵とノード鍵も作り直す（失効したとき、漏れたおそれがあるとき） / make new site and node keys too: when they were revoked, or may have been seen
    #[arg(long)]
    pub new_keys: bool,
    /// 復旧シートのコードのファイル。なければ入力を求める / a file with the code of the recovery sheet; otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub code_file: Option<PathBuf>,
    /// 鍵を開く合言葉のファイル / a file with the passphrase that opens the keys
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Reports.
#[derive(Subcommand)]
pub(super) enum Report {
    /// レポートに署名する / sign a preliminary or final report
    Sign {
        #[command(flatten)]
        writing: Writing,
        /// 速報か確定か / preliminary or final
        #[arg(long, default_value = "final")]
        status: String,
    },
    /// 確定後に追加・訂正・取下げする / add to, change, correct or retract a final report
    Addendum {
        #[command(flatten)]
        writing: Writing,
        /// 追加・変更・訂正・取下げ / addendum, amended, corrected or retracted
        #[arg(long, default_value = "addendum")]
        status: String,
    },
    /// レポートを表示・保存する / show a report version, or save it
    Show(ShowReport),
    /// ファイルだけで真正性を確かめる / verify a report from its file alone: no node, no network
    Verify {
        /// 保存したバンドルまたはレポートの DICOM ファイル / a bundle (report show --save) or the DICOM object of a report
        file: PathBuf,
        /// この画像とも照合する / also compare with these images: a DICOM file or folder
        #[arg(long, value_name = "PATH")]
        images: Option<PathBuf>,
        /// プログラム用に JSON で出す / print JSON for programs
        #[arg(long)]
        json: bool,
    },
}

/// Which report to show.
#[derive(clap::Args)]
pub(super) struct ShowReport {
    /// 症例 ID（先頭 4 文字以上） / case id or its beginning
    pub case: String,
    /// 版。なければ最新 / version; otherwise the newest
    #[arg(long)]
    pub version: Option<u32>,
    /// 検証用の署名済みファイルを保存 / save the signed bundle for offline verification
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// PDF を保存 / save the PDF
    #[arg(long, value_name = "FILE")]
    pub pdf: Option<PathBuf>,
    /// 保存先にあるファイルを上書きする / overwrite the files that are there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub at: At,
}

/// What is written and who signs it.
#[derive(clap::Args)]
pub(super) struct Writing {
    /// 症例 ID（先頭 4 文字以上） / case id or its beginning
    pub case: String,
    /// 署名者の氏名または ID（読影開始前なら、この人で読影開始になる） / name or id of the author; begins the reading when it has not begun
    #[arg(long)]
    pub reader: String,
    /// 本文 / the text
    #[arg(long, conflicts_with = "text_file")]
    pub text: Option<String>,
    /// 本文のファイル（UTF-8）。- は標準入力 / a file with the text (UTF-8); - for standard input
    #[arg(long, value_name = "FILE")]
    pub text_file: Option<PathBuf>,
    /// 署名者が作成した PDF / the author's own PDF
    #[arg(long, value_name = "FILE")]
    pub pdf: Option<PathBuf>,
    /// 署名者の合言葉のファイル。なければ入力を求める / a file with the author's passphrase; otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub at: At,
}

/// How the node is.
#[derive(clap::Args)]
pub(super) struct Status {
    /// 動いているノードのデータフォルダ / data folder of the running node
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    pub at: At,
}

/// The demonstration.
#[derive(clap::Args)]
pub struct Demo {
    /// 付属の画像の代わりに送る DICOM / a DICOM file or folder to send instead of the built-in series
    #[arg(long, value_name = "DIR")]
    pub study: Option<PathBuf>,
    /// Ctrl-C まで動かしたままにする / leave it running until interrupted
    #[arg(long)]
    pub hold: bool,
    /// 診療所に接続を許し、送り先にもする装置（複数可） / equipment that may call the clinic, and that it sends to; several can be given
    #[arg(long, value_name = "AE=HOST:PORT")]
    pub peer: Vec<Peer>,
    /// 準備ができたら接続情報を書き出す / write what programs need to know, once everything is up
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// 両施設のデータフォルダの場所。なければ一時フォルダ（終了時に消去） / where the sites' data folders go; otherwise a temporary folder, removed at the end
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
