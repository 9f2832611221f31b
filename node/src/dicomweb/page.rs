//! What the pages of this node have in common: their language, their style, and that text stays text.

use http::StatusCode;
use http::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderMap, LOCATION};

use super::answer::{Answer, plain, set};
use super::origin::Base;
use super::query::Query;
use crate::language::{Language, Message};

/// Where the style of the pages lies.
pub(super) const STYLE: &str = "/login.css";

/// Nothing but our own style and our own forms.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page around what is shown on it.
pub(super) struct Page<'a> {
    pub language: Language,
    /// What a proxy puts before paths.
    pub prefix: &'a str,
    pub title: &'a Message,
    /// Whether it holds a table rather than a form.
    pub wide: bool,
    /// What is below the title, in HTML.
    pub below: &'a str,
}

impl Page<'_> {
    pub(super) fn answer(&self, status: StatusCode) -> Answer {
        let (code, prefix, below) = (self.language.code(), self.prefix, self.below);
        let title = escaped(self.title.in_language(self.language));
        let class = if self.wide { " class=\"wide\"" } else { "" };
        let html = format!(
            "<!doctype html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} – dokuei</title>\n<link rel=\"stylesheet\" href=\"{prefix}{STYLE}\">\n</head>\n<body>\n<main{class}>\n<h1>{title}</h1>\n{below}</main>\n</body>\n</html>\n"
        );
        let mut page = plain(status, "text/html; charset=utf-8", html.into_bytes());
        set(&mut page, CONTENT_SECURITY_POLICY, POLICY);
        page
    }
}

/// Leads the browser on to a path of this node.
pub(super) fn leads_to(base: &Base, place: &str) -> Answer {
    let kind = "text/plain; charset=utf-8";
    let mut answer = plain(StatusCode::SEE_OTHER, kind, Vec::new());
    set(&mut answer, LOCATION, &format!("{}{place}", base.prefix));
    answer
}

/// The other language, and how it calls itself.
pub(super) fn other(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::Japanese => ("en", "English"),
        Language::English => ("ja", "日本語"),
    }
}

/// The language of a page: the one in its address, else the first of the browser's that there is.
pub(super) fn language(query: &Query, headers: &HeaderMap) -> Language {
    let asked = query.value("lang").and_then(Language::from_code);
    let accepted = || {
        let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
        header
            .split(',')
            .find_map(|range| Language::from_code(range.trim()))
    };
    asked.or_else(accepted).unwrap_or(Language::Japanese)
}

/// A text as it stands in HTML, also in an attribute between double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_escaped() {
        assert_eq!(
            escaped("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }
}
