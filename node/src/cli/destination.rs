//! `dokuei dicom destination …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::At;
use crate::cli::dicom::{ended, label};
use crate::cli::show::{fields, message, text};
use crate::control::request::{AddDestination, Request};
use crate::language::Failure;
use crate::say;
use crate::site::unusable;

/// Destinations.
#[derive(Subcommand)]
pub(super) enum Destination {
    /// 登録する / add one
    Add {
        /// 名前 / a name for it
        name: String,
        /// ホスト名か IP アドレス / its host name or IP address
        #[arg(long)]
        host: String,
        /// ポート / its port
        #[arg(long)]
        port: u16,
        /// AE タイトル。なければ名前と同じ / its AE title; otherwise the name
        #[arg(long)]
        ae_title: Option<String>,
        /// TLS を使い、証明書をこの指紋（SHA-256）で確かめる / use TLS, and know its certificate by this fingerprint (SHA-256)
        #[arg(long, value_name = "FINGERPRINT", conflicts_with = "tls_ca")]
        tls_fingerprint: Option<String>,
        /// TLS を使い、証明書をこの認証局（PEM ファイル）で確かめる / use TLS, and know its certificate by this authority, a PEM file
        #[arg(long, value_name = "FILE")]
        tls_ca: Option<PathBuf>,
        /// 送信の試行回数（3） / attempts at one sending (3)
        #[arg(long)]
        attempts: Option<u8>,
        /// 最初の再試行までの秒数。その後は倍になる（5） / seconds before the second attempt, doubled each time (5)
        #[arg(long, value_name = "SECONDS")]
        pause: Option<u16>,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 一歩ずつ試す / try one, step by step
    Test {
        /// 名前 / its name
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// 登録を消す / remove one
    Remove {
        /// 名前 / its name
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// Performs a command about destinations. Ends with 1 when a test fails.
///
/// # Errors
/// One sentence.
pub(super) fn perform(verb: Destination) -> Result<ExitCode, Failure> {
    match verb {
        Destination::Add {
            name,
            host,
            port,
            ae_title,
            tls_fingerprint,
            tls_ca,
            attempts,
            pause,
            at,
        } => {
            let read = |path: PathBuf| {
                std::fs::read_to_string(&path).map_err(|error| unusable(&path, &error))
            };
            let answer = at.ask(Request::DicomDestinationAdd(AddDestination {
                ae_title: ae_title.unwrap_or_else(|| name.clone()),
                name,
                host,
                port,
                tls_fingerprint,
                tls_ca: tls_ca.map(read).transpose()?,
                attempts,
                pause,
            }))?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                outln!("{}", say!("「{name}」を登録しました。「dokuei dicom destination test {name}」で試せます。", "'{name}' is added. 'dokuei dicom destination test {name}' tries it."));
                show(answer);
            });
        }
        Destination::List { at } => {
            let answer = at.ask(Request::DicomDestinationList)?;
            at.print(&answer, list);
        }
        Destination::Test { name, at } => {
            let answer = at.ask(Request::DicomDestinationTest { name })?;
            at.print(&answer, steps);
            return Ok(ended(answer["reached"] == true));
        }
        Destination::Remove { name, at } => {
            let answer = at.ask(Request::DicomDestinationRemove { name })?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                outln!(
                    "{}",
                    say!("「{name}」の登録を消しました。", "'{name}' is removed.")
                );
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(answer: &Value) {
    let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        outln!(
            "{}",
            say!("登録された送り先はありません。", "No destinations.")
        );
    }
    for destination in all {
        outln!("{}", text(destination, "name"));
        show(destination);
    }
}

fn show(destination: &Value) {
    let (host, port) = (text(destination, "host"), &destination["port"]);
    let (attempts, pause) = (&destination["attempts"], &destination["pause_seconds"]);
    let (failed, left) = (
        &destination["failed_in_a_row"],
        &destination["left_alone_seconds"],
    );
    let tls = &destination["tls"];
    let tls = match (tls["fingerprint"].as_str(), tls["authorities"].as_u64()) {
        (Some(fingerprint), _) => fingerprint.to_owned(),
        (None, Some(count)) => say!(
            "認証局の証明書 {count} 枚",
            "by {count} certificates of an authority"
        )
        .text()
        .to_owned(),
        (None, None) => say!("なし", "none").text().to_owned(),
    };
    let lately = match failed.as_u64() {
        None | Some(0) => String::new(),
        Some(_) => say!(
            "{failed} 回続けて届きません（あと {left} 秒は試みません）",
            "not reached {failed} times in a row; left alone for {left} s"
        )
        .text()
        .to_owned(),
    };
    let retry = say!(
        "{attempts} 回まで、{pause} 秒後から",
        "up to {attempts} attempts, the second after {pause} s"
    );
    let block = [
        (
            label("AE タイトル", "AE title"),
            text(destination, "ae_title").to_owned(),
        ),
        (label("場所", "place"), format!("{host}:{port}")),
        ("TLS", tls),
        (label("再試行", "retry"), retry.text().to_owned()),
        (label("最近", "lately"), lately),
    ];
    let filled: Vec<_> = block
        .into_iter()
        .filter(|field| !field.1.is_empty())
        .collect();
    print!("{}", fields(2, &filled));
}

/// Prints each step with its time, and what to do about the one that failed.
fn steps(answer: &Value) {
    for step in answer["steps"].as_array().into_iter().flatten() {
        let (mark, ms) = (if step["passed"] == true { "✓" } else { "✗" }, &step["ms"]);
        let (what, found) = (message(step, "what"), text(step, "found"));
        let line = format!("{mark} {ms:>6} ms  {what}  {found}");
        outln!("{}", line.trim_end());
        if !step["why"].is_null() {
            outln!("  {}", message(step, "why"));
        }
    }
}
