//! `dokuei dicom …`: who may call, and the certificate of the port for TLS.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::At;
use crate::cli::access::{self, Account, Client, Token};
use crate::cli::destination::{self, Destination};
use crate::cli::show::{fields, message, text};
use crate::config::{CERTIFICATE, Config, KEY};
use crate::control::request::{AddCaller, Request, TestCaller};
use crate::language::{Failure, Language};
use crate::say;
use crate::tls::{fingerprint_text, make_certificate};

/// DICOM.
#[derive(Subcommand)]
pub(super) enum Dicom {
    /// このノードに接続してよい装置 / who may call this node
    #[command(subcommand)]
    Caller(Caller),
    /// このノードからの送り先 / where this node sends
    #[command(subcommand)]
    Destination(Destination),
    /// DICOMweb のアクセストークン / access tokens for DICOMweb
    #[command(subcommand)]
    Token(Token),
    /// DICOMweb のクライアント証明書 / client certificates that DICOMweb lets in
    #[command(subcommand)]
    Client(Client),
    /// ブラウザでログインする人 / people who log in with a browser
    #[command(subcommand)]
    Account(Account),
    /// TLS 用の証明書と鍵を作る / make a certificate and key for the port for TLS
    Certificate {
        /// 装置がこのノードを呼ぶホスト名か IP アドレス（複数可）。なければ dicom.tls.listen か dicom.listen のアドレス / host names or addresses by which devices call this node; otherwise where it listens
        #[arg(long, value_name = "HOST")]
        host: Vec<String>,
        #[command(flatten)]
        at: At,
    },
}

/// Callers.
#[derive(Subcommand)]
pub(super) enum Caller {
    /// 登録する。最初の一台を登録すると、登録した装置だけが接続できる / register one; once one is registered, nobody else gets in
    Add {
        /// 名前 / a name for it
        name: String,
        /// AE タイトル。なければ名前と同じ / its AE title; otherwise the name
        #[arg(long)]
        ae_title: Option<String>,
        /// 接続元の IP アドレスかネットワーク（複数可） / its IP address or network, such as 192.0.2.0/24; several can be given
        #[arg(long, required = true, value_name = "ADDRESS")]
        address: Vec<String>,
        /// 証明書の指紋（SHA-256）。指定すると TLS とその証明書が必須になる / fingerprint (SHA-256) of its certificate; it must then come over TLS and show it
        #[arg(long, value_name = "FINGERPRINT")]
        certificate: Option<String>,
        /// 許可する操作（送信・検索と取得） / what it may do: store, query (search and retrieve), or both
        #[arg(long, value_delimiter = ',', default_value = "store")]
        may: Vec<String>,
        /// 見てよい患者（すべて・自施設・一つの発行者） / which patients it may see: all, own (this institution's) or domain
        #[arg(long, default_value = "all")]
        scope: String,
        /// scope が domain のときの施設。なければ自施設 / the institution of a domain: a partner's name or id; otherwise this one
        #[arg(long)]
        institution: Option<String>,
        /// scope が domain のときの患者 ID 発行者 / the issuer of patient IDs of a domain
        #[arg(long, default_value = "")]
        issuer: String,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 接続できるかどうかと、できない理由 / say whether one would be let in, and why not
    Test {
        /// AE タイトル / its AE title
        ae_title: String,
        /// 接続元の IP アドレス / its IP address
        address: String,
        /// 示す証明書の指紋（SHA-256） / fingerprint (SHA-256) of the certificate that it would show
        #[arg(long, value_name = "FINGERPRINT")]
        certificate: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// 登録を消す / remove one
    Remove {
        /// 名前 / its name
        name: String,
        /// 最後の装置でも消す（院内のどの装置からも受信するようになる） / even the last one, after which any device of the house may send
        #[arg(long)]
        despite_open_intake: bool,
        #[command(flatten)]
        at: At,
    },
}

/// Performs a command about DICOM. Ends with 1 when a test fails.
///
/// # Errors
/// One sentence.
pub(super) fn dicom(verb: Dicom) -> Result<ExitCode, Failure> {
    match verb {
        Dicom::Caller(caller) => perform(caller),
        Dicom::Destination(destination) => destination::perform(destination),
        Dicom::Token(token) => access::token(token).map(|()| ExitCode::SUCCESS),
        Dicom::Client(client) => access::client(client).map(|()| ExitCode::SUCCESS),
        Dicom::Account(account) => access::account(account).map(|()| ExitCode::SUCCESS),
        Dicom::Certificate { host, at } => {
            certificate(host, &at)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn perform(verb: Caller) -> Result<ExitCode, Failure> {
    match verb {
        Caller::Add {
            name,
            ae_title,
            address,
            certificate,
            may,
            scope,
            institution,
            issuer,
            at,
        } => {
            let answer = at.ask(Request::DicomCallerAdd(AddCaller {
                ae_title: ae_title.unwrap_or_else(|| name.clone()),
                name,
                addresses: address,
                certificate,
                may,
                scope,
                institution,
                issuer,
            }))?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                outln!(
                    "{}",
                    say!(
                        "「{name}」を登録しました。登録していない装置は接続できません。",
                        "'{name}' is registered. Whoever is not registered is not let in."
                    )
                );
                show(answer);
            });
        }
        Caller::List { at } => {
            let answer = at.ask(Request::DicomCallerList)?;
            at.print(&answer, list);
        }
        Caller::Test {
            ae_title,
            address,
            certificate,
            at,
        } => {
            let answer = at.ask(Request::DicomCallerTest(TestCaller {
                ae_title,
                address,
                certificate,
            }))?;
            at.print(&answer, judged);
            return Ok(ended(answer["let_in"] == true));
        }
        Caller::Remove {
            name,
            despite_open_intake: opens,
            at,
        } => {
            let answer = at.ask(Request::DicomCallerRemove { name, opens })?;
            at.print(&answer, removed);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn removed(answer: &Value) {
    let name = text(answer, "name");
    outln!(
        "{}",
        say!("「{name}」の登録を消しました。", "'{name}' is removed.")
    );
    if answer["open_intake"] == true {
        outln!("{}", open());
    }
}

/// How a test ends.
pub(super) fn ended(passed: bool) -> ExitCode {
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn open() -> crate::language::Message {
    say!(
        "登録された装置はありません。院内のどの装置からも画像を受信します（検索と取得は誰にも許可されません）。",
        "No caller is registered: any device of the house may send images, and nobody may search or retrieve."
    )
}

fn list(answer: &Value) {
    let callers = answer["callers"].as_array().map(Vec::as_slice);
    let callers = callers.unwrap_or_default();
    if callers.is_empty() {
        if answer["open_intake"] == true {
            outln!("{}", open());
        } else {
            outln!(
                "{}",
                say!(
                    "登録された装置はありません。どの装置も接続できません。",
                    "No caller is registered: nobody is let in."
                )
            );
        }
    }
    for caller in callers {
        outln!("{}", text(caller, "name"));
        show(caller);
    }
}

fn show(caller: &Value) {
    let addresses: Vec<&str> = strings(&caller["addresses"]);
    let certificate = text(caller, "certificate").to_owned();
    let block = [
        (
            label("AE タイトル", "AE title"),
            text(caller, "ae_title").to_owned(),
        ),
        (label("アドレス", "address"), addresses.join(" ")),
        (label("証明書", "certificate"), certificate),
        (label("許可", "may"), may(caller)),
        (label("範囲", "sees"), scope(&caller["scope"])),
    ];
    let filled: Vec<_> = block
        .into_iter()
        .filter(|field| !field.1.is_empty())
        .collect();
    print!("{}", fields(2, &filled));
}

fn judged(answer: &Value) {
    if answer["let_in"] != true {
        let refused = say!("接続できません。", "Not let in.");
        outln!("{refused} {}", message(answer, "why"));
        return;
    }
    let (may, scope) = (may(answer), scope(&answer["scope"]));
    let who = match text(answer, "caller") {
        "" => say!(
            "登録されていない院内の装置",
            "a device of the house that is not registered"
        )
        .text()
        .to_owned(),
        name => name.to_owned(),
    };
    outln!(
        "{}",
        say!(
            "接続できます: {who}（許可: {may}、範囲: {scope}）",
            "Let in as {who} (may: {may}; sees: {scope})."
        )
    );
}

fn may(value: &Value) -> String {
    let words = strings(&value["may"]).into_iter().map(|one| match one {
        "store" => label("送信", "store"),
        "query" => label("検索・取得", "query and retrieve"),
        other => other,
    });
    words.collect::<Vec<_>>().join(label("、", ", "))
}

fn scope(scope: &Value) -> String {
    let said = match text(scope, "kind") {
        "all" => say!("このノードのすべての検査", "everything at this node"),
        "own" => say!("自施設の検査", "this institution's own studies"),
        _ => {
            let (site, issuer) = (text(scope, "institution"), text(scope, "issuer"));
            say!(
                "施設 {site} の発行者「{issuer}」の患者",
                "patients of issuer '{issuer}' at {site}"
            )
        }
    };
    said.text().to_owned()
}

fn strings(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

/// A label in the language of this process.
pub(super) fn label<'a>(ja: &'a str, en: &'a str) -> &'a str {
    match Language::current() {
        Language::Japanese => ja,
        Language::English => en,
    }
}

/// Makes the certificate; the node need not run.
fn certificate(hosts: Vec<String>, at: &At) -> Result<(), Failure> {
    let folder = at.folder()?;
    folder.must_be_site()?;
    let config = Config::read(&folder.config())?;
    let hosts = match hosts.is_empty() {
        true => {
            let listen = config
                .dicom_tls
                .map_or(config.dicom_listen, |tls| tls.listen);
            vec![listen.ip().to_string()]
        }
        false => hosts,
    };
    let (certificate, key) = (folder.path().join(CERTIFICATE), folder.path().join(KEY));
    let made = make_certificate(&config.site_name, &hosts, &certificate, &key)?;
    let answer = serde_json::json!({
        "fingerprint": fingerprint_text(&made),
        "certificate": certificate,
        "key": key,
        "hosts": hosts,
    });
    at.print(&answer, |_| {
        let (fingerprint, file) = (fingerprint_text(&made), certificate.display());
        outln!("{fingerprint}");
        eprintln!("{}", say!(
            "証明書 {file} を作りました。上は指紋（SHA-256）です。dokuei.toml の [dicom.tls] に listen を書いてノードを再起動し、装置にこの証明書を登録してください。",
            "The certificate is {file}; its fingerprint (SHA-256) is above. Set listen under [dicom.tls] in dokuei.toml, restart the node, and register the certificate at the devices."
        ));
    });
    Ok(())
}
