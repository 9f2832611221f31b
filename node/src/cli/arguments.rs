//! The words of the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::cli::At;
use crate::language::Language;

/// dokuei (読影): hospitals read each other's radiology studies, doctor to doctor.
#[derive(Parser)]
#[command(name = "dokuei", version, about, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// Language of messages: ja or en (otherwise DOKUEI_LANG, LC_ALL, LC_MESSAGES or LANG)
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
    /// 症例 / cases
    #[command(subcommand)]
    Case(Case),
    /// 署名する人 / people who sign
    #[command(subcommand)]
    Person(Person),
    /// レポート / reports
    #[command(subcommand)]
    Report(Report),
    /// ノードの状態 / how the node is
    Status(Status),
    /// 診療所と大学病院を立てて全体を見せる / show the whole loop with a clinic and a university hospital
    Demo(Demo),
}

/// Makes a site.
#[derive(clap::Args)]
pub(super) struct Init {
    /// The new data folder
    pub dir: PathBuf,
    /// The institution's name
    #[arg(long)]
    pub name: String,
    /// A configuration file to use instead of the template
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A file with the passphrase that seals the keys; without it one is made and kept in the data folder
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Runs a node.
#[derive(clap::Args)]
pub(super) struct Run {
    /// The data folder
    pub dir: PathBuf,
    /// A file with the passphrase that opens the keys
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Log as JSON lines
    #[arg(long)]
    pub json: bool,
    /// Stop when standard input ends, so that the node does not outlive the program that started it
    #[arg(long)]
    pub stop_with_stdin: bool,
}

/// Partners.
#[derive(Subcommand)]
pub(super) enum Partner {
    /// 招待コードを発行する / open an invitation and print its code
    Invite {
        /// Where the partner reaches this node, host:port; several are tried in order
        #[arg(long, value_name = "HOST:PORT")]
        address: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// 招待コードで相手施設を登録する / accept an invitation and its agreement
    Accept {
        /// The code that the partner read out
        code: String,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them, with what they read
    List {
        #[command(flatten)]
        at: At,
    },
    /// 登録を解除する / remove one: nothing is exchanged with it any more
    Remove {
        /// Name or site id
        partner: String,
        #[command(flatten)]
        at: At,
    },
}

/// Studies.
#[derive(Subcommand)]
pub(super) enum Study {
    /// 一覧（なぜ待っているか） / list them, and why each waits
    List {
        #[command(flatten)]
        at: At,
    },
    /// 一件を詳しく / show one
    Show {
        /// Study Instance UID
        uid: String,
        #[command(flatten)]
        at: At,
    },
    /// 読影を依頼する / have one read by a partner
    Send {
        /// Study Instance UID, or a DICOM file or folder
        study: String,
        /// Partner's name or site id; several: the first that can is booked
        #[arg(long, required = true)]
        to: Vec<String>,
        /// routine, urgent or stat
        #[arg(long, default_value = "routine")]
        priority: String,
        /// Sub-specialty wanted
        #[arg(long, default_value = "general")]
        specialty: String,
        /// Hours until the report is needed
        #[arg(long, default_value_t = 72)]
        hours: u32,
        #[command(flatten)]
        at: At,
    },
    /// ファイルから取り込む / take in DICOM files
    Import {
        /// File or folder
        path: PathBuf,
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
        /// Case id or its beginning
        case: String,
        #[command(flatten)]
        at: At,
    },
    /// 依頼を取り下げる / take one back
    Withdraw {
        /// Case id or its beginning
        case: String,
        /// not-needed, sent-in-error or read-elsewhere
        #[arg(long, default_value = "not-needed")]
        reason: String,
        #[command(flatten)]
        at: At,
    },
    /// もう一度依頼する / offer one again
    Offer {
        /// Case id or its beginning
        case: String,
        /// Partner's name or site id
        #[arg(long, required = true)]
        to: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）断る / as reader: decline
    Decline {
        /// Case id or its beginning
        case: String,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）読影を始める / as reader: begin
    Claim {
        /// Case id or its beginning
        case: String,
        /// Name or id of the reader
        #[arg(long)]
        reader: String,
        #[command(flatten)]
        at: At,
    },
    /// （読影側）読まずに返す / as reader: give the booking back
    Release {
        /// Case id or its beginning
        case: String,
        /// shift-ended, outside-competence or image-quality
        #[arg(long, default_value = "shift-ended")]
        reason: String,
        #[command(flatten)]
        at: At,
    },
    /// （依頼側）既読にする / as requester: a doctor has read the newest report version
    Acknowledge {
        /// Case id or its beginning
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
        /// Their name
        #[arg(long)]
        name: String,
        /// reader, attending-doctor, technologist or administrator
        #[arg(long, default_value = "reader")]
        role: String,
        /// Number of their licence
        #[arg(long, default_value = "")]
        licence: String,
        /// A file with their passphrase; otherwise it is asked for
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
}

/// Reports.
#[derive(Subcommand)]
pub(super) enum Report {
    /// レポートに署名する / sign a preliminary or final report
    Sign {
        #[command(flatten)]
        writing: Writing,
        /// preliminary or final
        #[arg(long, default_value = "final")]
        status: String,
    },
    /// 確定後に追加・訂正・取下げする / add to, change, correct or retract a final report
    Addendum {
        #[command(flatten)]
        writing: Writing,
        /// addendum, amended, corrected or retracted
        #[arg(long, default_value = "addendum")]
        status: String,
    },
    /// レポートを表示・保存する / show a report version, or save it
    Show {
        /// Case id or its beginning
        case: String,
        /// Version; otherwise the newest
        #[arg(long)]
        version: Option<u32>,
        /// Save the signed bundle for offline verification
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        /// Save the PDF
        #[arg(long, value_name = "FILE")]
        pdf: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// ファイルだけで真正性を確かめる / verify a report from its file alone: no node, no network
    Verify {
        /// A bundle (report show --save) or the DICOM object of a report
        file: PathBuf,
        /// Also compare with these images: a DICOM file or folder
        #[arg(long, value_name = "PATH")]
        images: Option<PathBuf>,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
}

/// What is written and who signs it.
#[derive(clap::Args)]
pub(super) struct Writing {
    /// Case id or its beginning
    pub case: String,
    /// Name or id of the author
    #[arg(long)]
    pub reader: String,
    /// The text
    #[arg(long, conflicts_with = "text_file")]
    pub text: Option<String>,
    /// A file with the text (UTF-8); - for standard input
    #[arg(long, value_name = "FILE")]
    pub text_file: Option<PathBuf>,
    /// The author's own PDF
    #[arg(long, value_name = "FILE")]
    pub pdf: Option<PathBuf>,
    /// A file with the author's passphrase; otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub at: At,
}

/// How the node is.
#[derive(clap::Args)]
pub(super) struct Status {
    /// Data folder of the running node
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    pub at: At,
}

/// The demonstration.
#[derive(clap::Args)]
pub struct Demo {
    /// A DICOM file or folder to send instead of the built-in series
    #[arg(long, value_name = "DIR")]
    pub study: Option<PathBuf>,
    /// Leave it running until interrupted
    #[arg(long)]
    pub hold: bool,
    /// Write what programs need to know, once everything is up
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Where the sites' data folders go; otherwise a temporary folder, removed at the end
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
