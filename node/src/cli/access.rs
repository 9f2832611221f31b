//! `dokuei dicom token|client|account …`: who may come in by DICOMweb.

use clap::Subcommand;
use serde_json::Value;

use crate::cli::At;
use crate::cli::confirm::confirm;
use crate::cli::show::{date, short, table, text};
use crate::control::request::{AccessRequest, Request};
use crate::language::Failure;
use crate::say;

/// Access tokens.
#[derive(Subcommand)]
pub(super) enum Token {
    /// トークンを発行する（表示は一度だけ） / make a token; it is shown once
    Add {
        /// 用途の分かる名前 / a name that says what it is for
        name: String,
        #[command(flatten)]
        seen: Seen,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 無効にする / take one away
    Remove {
        #[command(flatten)]
        named: Named,
    },
}

/// Client certificates.
#[derive(Subcommand)]
pub(super) enum Client {
    /// 証明書を登録する / let in who has a certificate
    Add {
        /// 用途の分かる名前 / a name that says whose it is
        name: String,
        /// 証明書の SHA-256（16 進 64 桁） / SHA-256 of the certificate, 64 hexadecimal digits
        #[arg(long)]
        fingerprint: String,
        #[command(flatten)]
        seen: Seen,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 無効にする / take one away
    Remove {
        #[command(flatten)]
        named: Named,
    },
}

/// Accounts.
#[derive(Subcommand)]
pub(super) enum Account {
    /// 設定コードを発行する（24 時間、一度だけ有効。忘れたパスワードの再設定にも） / print a set-up code: it serves once, within a day; also for a forgotten password
    Invite {
        /// 氏名（ログインに使う） / the person's name, with which they log in
        name: String,
        #[command(flatten)]
        seen: Seen,
        #[command(flatten)]
        at: At,
    },
    /// 一覧 / list them
    List {
        #[command(flatten)]
        at: At,
    },
    /// 無効にする / take one away
    Remove {
        #[command(flatten)]
        named: Named,
    },
}

/// What is let see.
#[derive(clap::Args)]
pub(super) struct Seen {
    /// 見てよい範囲。all=すべて、own=自施設の検査、施設:発行者=その施設のその ID 発行者の患者だけ / what it lets see: all, own (studies of this site), or SITE:ISSUER (patients of one issuer of one site)
    #[arg(long, default_value = "own")]
    scope: String,
    /// ワークリストの変更（依頼・読影開始・返却など）も許す / let it change the worklist, too: have studies read, claim, give back
    #[arg(long)]
    worklist: bool,
    /// 検査の保存（STOW-RS）も許す / let it store studies, too (STOW-RS)
    #[arg(long)]
    store: bool,
}

/// Which one.
#[derive(clap::Args)]
pub(super) struct Named {
    /// 名前 / its name
    name: String,
    /// 確認を求めない / do not ask for confirmation
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    at: At,
}

/// Performs a command about tokens.
///
/// # Errors
/// One sentence.
pub(super) fn token(command: Token) -> Result<(), Failure> {
    match command {
        Token::Add { name, seen, at } => add_token(name, seen, &at),
        Token::List { at } => list("token", &at),
        Token::Remove { named } => remove("token", named),
    }
}

/// Performs a command about client certificates.
///
/// # Errors
/// One sentence.
pub(super) fn client(command: Client) -> Result<(), Failure> {
    match command {
        Client::Add {
            name,
            fingerprint,
            seen,
            at,
        } => add_client((name, fingerprint), seen, &at),
        Client::List { at } => list("certificate", &at),
        Client::Remove { named } => remove("certificate", named),
    }
}

/// Performs a command about accounts.
///
/// # Errors
/// One sentence.
pub(super) fn account(command: Account) -> Result<(), Failure> {
    match command {
        Account::Invite { name, seen, at } => invite(name, seen, &at),
        Account::List { at } => list("account", &at),
        Account::Remove { named } => remove("account", named),
    }
}

fn add_token(name: String, seen: Seen, at: &At) -> Result<(), Failure> {
    let Seen {
        scope,
        worklist,
        store,
    } = seen;
    let answer = at.ask(Request::Access(AccessRequest::TokenAdd {
        name,
        scope,
        worklist,
        store,
    }))?;
    at.print(&answer, |answer| {
        let (name, token) = (text(answer, "name"), text(answer, "token"));
        outln!(
            "{}\n\n  {token}\n",
            say!(
                "「{name}」のトークンです。二度と表示されません。",
                "The token '{name}'. It is not shown again."
            )
        );
    });
    Ok(())
}

fn add_client((name, fingerprint): (String, String), seen: Seen, at: &At) -> Result<(), Failure> {
    let Seen {
        scope,
        worklist,
        store,
    } = seen;
    let answer = at.ask(Request::Access(AccessRequest::CertificateAdd {
        name,
        fingerprint,
        scope,
        worklist,
        store,
    }))?;
    at.print(&answer, |answer| {
        let name = text(answer, "name");
        outln!(
            "{}",
            say!(
                "証明書「{name}」を登録しました。",
                "The certificate '{name}' lets in now."
            )
        );
    });
    Ok(())
}

fn invite(name: String, seen: Seen, at: &At) -> Result<(), Failure> {
    let Seen {
        scope,
        worklist,
        store,
    } = seen;
    let answer = at.ask(Request::Access(AccessRequest::AccountInvite {
        name,
        scope,
        worklist,
        store,
    }))?;
    at.print(&answer, |answer| {
        let (name, code) = (text(answer, "name"), text(answer, "code"));
        let place = answer["web"].as_str().unwrap_or("/login/setup");
        outln!(
            "{}\n\n  {code}\n",
            say!(
                "{name} さんの設定コードです。24 時間以内に {place} で一度だけ使えます。",
                "The set-up code of {name}. It serves once within a day, at {place}."
            )
        );
    });
    Ok(())
}

fn list(kind: &str, at: &At) -> Result<(), Failure> {
    let kind = kind.to_owned();
    let answer = at.ask(Request::Access(AccessRequest::List { kind }))?;
    at.print(&answer, |answer| {
        let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        if all.is_empty() {
            outln!("{}", say!("まだありません。", "There is none yet."));
            return;
        }
        let headings = say!(
            "名前,種類,範囲,ワークリスト,保存,発行日",
            "name,kind,scope,worklist,storing,made"
        );
        let rows: Vec<_> = all.iter().map(row).collect();
        table(&headings.text().split(',').collect::<Vec<_>>(), &rows);
    });
    Ok(())
}

fn row(credential: &Value) -> Vec<String> {
    let kind = match text(credential, "kind") {
        "token" => say!("トークン", "token"),
        "certificate" => say!("証明書", "certificate"),
        "account" => say!("アカウント", "account"),
        _ => say!("招待中", "invited"),
    };
    let scope = &credential["scope"];
    let seen = match text(scope, "of") {
        "all" => say!("すべて", "all"),
        "own" => say!("自施設", "own"),
        _ => {
            let (site, issuer) = (short(text(scope, "institution")), text(scope, "issuer"));
            say!("{site}:{issuer}", "{site}:{issuer}")
        }
    };
    let work = match credential["worklist"].as_bool() {
        Some(true) => say!("変更可", "may change"),
        _ => say!("閲覧のみ", "may look"),
    };
    let store = match credential["store"].as_bool() {
        Some(true) => say!("可", "may store"),
        _ => say!("不可", "no"),
    };
    vec![
        text(credential, "name").to_owned(),
        kind.text().to_owned(),
        seen.text().to_owned(),
        work.text().to_owned(),
        store.text().to_owned(),
        date(&credential["made"]),
    ]
}

fn remove(kind: &str, named: Named) -> Result<(), Failure> {
    let Named { name, yes, at } = named;
    confirm(
        yes,
        &say!(
            "「{name}」を無効にします。取り消しはできません。",
            "'{name}' is to be taken away; there is no way back."
        ),
    )?;
    let kind = kind.to_owned();
    let answer = at.ask(Request::Access(AccessRequest::Remove { kind, name }))?;
    at.print(&answer, |answer| {
        let name = text(answer, "name");
        outln!(
            "{}",
            say!(
                "「{name}」を無効にしました。",
                "'{name}' no longer lets anybody in."
            )
        );
    });
    Ok(())
}
