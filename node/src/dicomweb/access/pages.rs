//! The pages with which people log in. They work without scripts.

use http::header::{COOKIE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use http::{Method, StatusCode};
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

use super::password::{CHARACTERS, is_fit};
use super::{Access, AccessError, Kind, hash, random};
use crate::audit::event::Outcome;
use crate::dicomweb::answer::{Answer, Refusal, plain, set};
use crate::dicomweb::limits::SESSION_LONGEST;
use crate::dicomweb::origin::Base;
use crate::dicomweb::page::{Page, STYLE, escaped, language, leads_to, other};
use crate::dicomweb::query::Query;
use crate::dicomweb::trail::Trail;
use crate::language::{Language, Message};
use crate::say;

/// Where people log in.
pub(in crate::dicomweb) const LOG_IN: &str = "/login";
const SET_UP: &str = "/login/setup";
const LOG_OUT: &str = "/logout";
/// Where a log-in leads when nothing else is named.
const HOME: &str = "/viewer/";

/// What a page needs to know of its request.
pub(in crate::dicomweb) struct Visit<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    pub base: &'a Base,
    pub peer: IpAddr,
    pub trail: &'a Trail,
    /// The form that was sent.
    pub form: Query,
}

impl Visit<'_> {
    fn language(&self) -> Language {
        language(self.query, self.headers)
    }

    /// Where to go on: a place of this node and nowhere else.
    fn next(&self) -> &str {
        let wanted = self.form.value("next").or_else(|| self.query.value("next"));
        wanted.filter(|next| is_own_place(next)).unwrap_or(HOME)
    }
}

/// Whether a path leads to this node. Browsers take `//` and `/\` for another host.
fn is_own_place(path: &str) -> bool {
    path.len() <= 2_048
        && path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\')
}

/// The name of the cookie. Browsers hold the `__Host-` one to this host and to encrypted connections.
pub(in crate::dicomweb) fn cookie_name(base: &Base) -> &'static str {
    match base.scheme {
        "https" => "__Host-dokuei",
        _ => "dokuei",
    }
}

/// The session cookie of a request.
pub(in crate::dicomweb) fn cookie<'h>(headers: &'h HeaderMap, base: &Base) -> Option<&'h str> {
    let name = cookie_name(base);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// Answers the pages of logging in and out; none when the path is another.
pub(in crate::dicomweb) async fn pages(access: &Access, visit: &Visit<'_>) -> Option<Answer> {
    let answer = match (visit.method, visit.path) {
        (&Method::GET, STYLE) => style(),
        (&Method::GET, LOG_IN) => log_in_page(visit, None, StatusCode::OK),
        (&Method::GET, SET_UP) => set_up_page(visit, None, StatusCode::OK),
        (&Method::POST, LOG_IN) => log_in(access, visit).await,
        (&Method::POST, SET_UP) => set_up(access, visit).await,
        (&Method::POST, LOG_OUT) => log_out(access, visit),
        (_, STYLE) => Refusal::method("GET, HEAD").into(),
        (_, LOG_IN | SET_UP) => Refusal::method("GET, HEAD, POST").into(),
        (_, LOG_OUT) => Refusal::method("POST").into(),
        _ => return None,
    };
    Some(answer)
}

fn style() -> Answer {
    let css = include_str!("../../../assets/web/login.css");
    plain(StatusCode::OK, "text/css; charset=utf-8", css.into())
}

async fn log_in(access: &Access, visit: &Visit<'_>) -> Answer {
    let name = visit.form.value("name").unwrap_or_default().trim();
    let password = visit.form.value("password").unwrap_or_default();
    let begun = access.attempts().begin(name, visit.peer);
    let tried = match begun {
        Ok(tried) => tried,
        Err(wait) => return waiting(visit, wait),
    };
    let account = access.named(Kind::Account, name);
    match access.is_password(account.as_ref(), password).await {
        None => {
            access.attempts().take_back(tried);
            Refusal::busy().into()
        }
        Some(true) => {
            access.attempts().take_back(tried);
            begin_session(access, visit, name)
        }
        Some(false) => {
            visit.trail.logged_in(name, visit.peer, Outcome::Minor);
            tracing::warn!(target: "dokuei::web", from = %visit.peer, "a log-in failed");
            let why = say!(
                "名前かパスワードが違います。",
                "The name or the password is wrong."
            );
            log_in_page(visit, Some(&why), StatusCode::FORBIDDEN)
        }
    }
}

fn waiting(visit: &Visit<'_>, wait: Duration) -> Answer {
    let seconds = wait.as_secs() + 1;
    let why = say!(
        "続けて間違えたため、あと {seconds} 秒はログインできません。",
        "After several wrong passwords, the next try waits for {seconds} seconds."
    );
    let mut page = log_in_page(visit, Some(&why), StatusCode::TOO_MANY_REQUESTS);
    set(&mut page, RETRY_AFTER, &seconds.to_string());
    page
}

async fn set_up(access: &Access, visit: &Visit<'_>) -> Answer {
    let field = |name| visit.form.value(name).unwrap_or_default();
    let refuse = |why: Message| set_up_page(visit, Some(&why), StatusCode::FORBIDDEN);
    let no_code = || {
        tracing::warn!(target: "dokuei::web", from = %visit.peer, "a set-up code was refused");
        refuse(say!(
            "設定コードが違うか、期限が切れています。管理者に新しいコードを発行してもらってください。",
            "The set-up code is wrong or has run out. Ask the administrator for a new one."
        ))
    };
    let Some(invitation) = access.invitation(field("code").trim()) else {
        return no_code();
    };
    if !is_fit(field("password")) || field("password") != field("again") {
        return refuse(say!(
            "パスワードは {CHARACTERS} 文字以上で、2 回とも同じものを入力してください。",
            "A password has at least {CHARACTERS} characters, the same both times."
        ));
    }
    let (name, scope) = (&invitation.name, invitation.scope.clone());
    let Some(account) = access.account(name, scope, field("password")).await else {
        return Refusal::busy().into();
    };
    let name = account.name.clone();
    let kept = {
        let access = access.clone();
        tokio::task::spawn_blocking(move || access.accept(&invitation, account))
    };
    match kept.await {
        Ok(Ok(())) => begin_session(access, visit, &name),
        Ok(Err(AccessError::Unknown)) => no_code(),
        Ok(Err(error)) => {
            tracing::error!(target: "dokuei::web", "an account cannot be kept: {error}");
            Refusal::failed().into()
        }
        Err(_) => Refusal::failed().into(),
    }
}

/// Begins a new session, whatever cookie came with the request, and leads on.
fn begin_session(access: &Access, visit: &Visit<'_>, account: &str) -> Answer {
    let value: Zeroizing<String> = random(32);
    access.sessions().begin(hash(&value), account);
    visit.trail.logged_in(account, visit.peer, Outcome::Success);
    let age = SESSION_LONGEST.as_secs();
    let mut answer = leads_to(visit.base, visit.next());
    set(
        &mut answer,
        SET_COOKIE,
        &set_cookie(visit.base, &value, age),
    );
    answer
}

fn log_out(access: &Access, visit: &Visit<'_>) -> Answer {
    if let Some(cookie) = cookie(visit.headers, visit.base) {
        let account = access.sessions().end(&hash(cookie));
        if let Some(account) = account {
            visit.trail.logged_out(&account, visit.peer);
        }
    }
    let mut answer = leads_to(visit.base, LOG_IN);
    set(&mut answer, SET_COOKIE, &set_cookie(visit.base, "", 0));
    answer
}

fn set_cookie(base: &Base, value: &str, age: u64) -> String {
    let secure = match base.scheme {
        "https" => "; Secure",
        _ => "",
    };
    let name = cookie_name(base);
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")
}

/// The page on which people log in.
pub(in crate::dicomweb) fn log_in_page(
    visit: &Visit<'_>,
    wrong: Option<&Message>,
    status: StatusCode,
) -> Answer {
    let form = Form {
        action: LOG_IN,
        title: say!("ログイン", "Log in"),
        fields: vec![
            Field::text("name", say!("名前", "Name"), "username"),
            Field::secret(
                "password",
                say!("パスワード", "Password"),
                "current-password",
            ),
        ],
        button: say!("ログイン", "Log in"),
        other: (
            SET_UP,
            say!("設定コードをお持ちの方", "I have a set-up code"),
        ),
    };
    form.page(visit, wrong, status)
}

fn set_up_page(visit: &Visit<'_>, wrong: Option<&Message>, status: StatusCode) -> Answer {
    let form = Form {
        action: SET_UP,
        title: say!("アカウントの設定", "Set up the account"),
        fields: vec![
            Field::text("code", say!("設定コード", "Set-up code"), "one-time-code"),
            Field::secret(
                "password",
                say!(
                    "新しいパスワード（{CHARACTERS} 文字以上）",
                    "New password ({CHARACTERS} characters or more)"
                ),
                "new-password",
            ),
            Field::secret("again", say!("もう一度", "Once more"), "new-password"),
        ],
        button: say!("設定してログイン", "Set up and log in"),
        other: (LOG_IN, say!("ログインへ", "To the log-in")),
    };
    form.page(visit, wrong, status)
}

struct Field {
    name: &'static str,
    label: Message,
    kind: &'static str,
    complete: &'static str,
}

impl Field {
    fn text(name: &'static str, label: Message, complete: &'static str) -> Field {
        let kind = "text";
        Field {
            name,
            label,
            kind,
            complete,
        }
    }

    fn secret(name: &'static str, label: Message, complete: &'static str) -> Field {
        let kind = "password";
        Field {
            name,
            label,
            kind,
            complete,
        }
    }
}

struct Form {
    action: &'static str,
    title: Message,
    fields: Vec<Field>,
    button: Message,
    other: (&'static str, Message),
}

impl Form {
    fn page(&self, visit: &Visit<'_>, wrong: Option<&Message>, status: StatusCode) -> Answer {
        let language = visit.language();
        let (code, text) = (language.code(), |message: &Message| {
            escaped(message.in_language(language))
        });
        let (prefix, next) = (&visit.base.prefix, escaped(visit.next()));
        let wrong = wrong.map_or_else(String::new, |why| {
            format!(
                "<p class=\"wrong\" role=\"alert\" id=\"wrong\">{}</p>\n",
                text(why)
            )
        });
        let fields: String = self.fields.iter().map(|field| {
            let Field { name, label, kind, complete } = field;
            let label = text(label);
            format!("<label for=\"{name}\">{label}</label>\n<input id=\"{name}\" name=\"{name}\" type=\"{kind}\" autocomplete=\"{complete}\" required>\n")
        }).collect();
        let (elsewhere, there) = (self.other.0, text(&self.other.1));
        let (button, action) = (text(&self.button), self.action);
        let (others, in_other) = other(language);
        let next_query =
            percent_encoding::utf8_percent_encode(visit.next(), percent_encoding::NON_ALPHANUMERIC);
        let below = format!(
            "{wrong}<form method=\"post\" action=\"{prefix}{action}?lang={code}\">\n<input type=\"hidden\" name=\"next\" value=\"{next}\">\n{fields}<button type=\"submit\">{button}</button>\n</form>\n<nav><a href=\"{prefix}{elsewhere}?lang={code}\">{there}</a> <a href=\"{prefix}{action}?lang={others}&amp;next={next_query}\" lang=\"{others}\">{in_other}</a></nav>\n"
        );
        let page = Page {
            language,
            prefix,
            title: &self.title,
            wide: false,
            below: &below,
        };
        page.answer(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_places_of_this_node_only() {
        for own in ["/viewer/", "/viewer/viewer?StudyInstanceUIDs=1.2,1.3"] {
            assert!(is_own_place(own), "{own}");
        }
        for other in [
            "",
            "viewer",
            "//evil",
            "/\\evil",
            "https://evil",
            "/a b",
            "/a\r\nb",
        ] {
            assert!(!is_own_place(other), "{other}");
        }
    }
}
