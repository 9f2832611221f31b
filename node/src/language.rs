//! What people read, in Japanese and in English.
//!
//! A cause of trouble [`Explain`]s itself as a clause: no capital letter, no full stop. Whoever shows it puts it into a
//! sentence (`say!("… {why}。", "… {why}."; why = error.message())`) or makes it one ([`Message::sentence`]). Logs are
//! English: what explains itself displays as its English clause.

mod reasons;
mod system;
mod words;

use std::borrow::Cow;
use std::sync::OnceLock;

pub use words::{size, word};

/// A language that people read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 日本語.
    Japanese,
    /// English.
    English,
}

static CHOSEN: OnceLock<Language> = OnceLock::new();

impl Language {
    /// The language of this process: the one [`choose`]n, else the environment's (`DOKUEI_LANG`,
    /// `LC_ALL`, `LC_MESSAGES`, `LANG`), else English.
    pub fn current() -> Language {
        *CHOSEN.get_or_init(|| {
            ["DOKUEI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                .and_then(|value| Language::from_code(&value))
                .unwrap_or(Language::English)
        })
    }

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Language::Japanese => "ja",
            Language::English => "en",
        }
    }

    /// The language of a code such as `ja`, `ja_JP.UTF-8` or `en`.
    pub fn from_code(code: &str) -> Option<Language> {
        match code.get(..2)?.to_ascii_lowercase().as_str() {
            "ja" => Some(Language::Japanese),
            "en" => Some(Language::English),
            _ => None,
        }
    }
}

/// Fixes the language of this process. Only the first call counts.
pub fn choose(language: Language) {
    let _ = CHOSEN.set(language);
}

/// One message in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// 日本語.
    pub ja: String,
    /// English.
    pub en: String,
}

impl Message {
    /// A message.
    pub fn new(ja: impl Into<String>, en: impl Into<String>) -> Message {
        Message {
            ja: ja.into(),
            en: en.into(),
        }
    }

    /// A clause as a sentence of its own: with a full stop, in English with a capital letter.
    #[must_use]
    pub fn sentence(self) -> Message {
        let ja = match self.ja.ends_with('。') {
            true => self.ja,
            false => self.ja + "。",
        };
        let mut letters = self.en.trim_end_matches('.').chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        let en = first.chain(letters).chain(['.']).collect();
        Message { ja, en }
    }

    /// This sentence, and then another, which may be empty.
    #[must_use]
    pub fn followed_by(self, next: &Message) -> Message {
        let space = if next.en.is_empty() { "" } else { " " };
        Message {
            ja: self.ja + &next.ja,
            en: self.en + space + &next.en,
        }
    }

    /// The text in the language of this process.
    pub fn text(&self) -> &str {
        self.in_language(Language::current())
    }

    /// The text in one language.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Japanese => &self.ja,
            Language::English => &self.en,
        }
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// Something that can be said to people in both languages: what went wrong, and why.
pub trait Explain {
    /// The clause: no capital letter, no full stop; it never names a patient.
    fn message(&self) -> Message;
}

/// Builds a [`Message`] from two format strings over the same values: `say!("… {x}", "… {x}")`. What is a message itself
/// is named behind a semicolon, so that each language gets its own: `say!("… {why}", "… {why}"; why = error.message())`.
#[macro_export]
macro_rules! say {
    ($ja:literal, $en:literal; $($name:ident = $part:expr),+ $(,)?) => {{
        $(let $name: $crate::language::Message = $part;)+
        $crate::language::Message::new(
            { $(let $name = &$name.ja;)+ format!($ja) },
            { $(let $name = &$name.en;)+ format!($en) },
        )
    }};
    ($ja:literal, $en:literal $(, $($rest:tt)*)?) => {
        $crate::language::Message::new(format!($ja $(, $($rest)*)?), format!($en $(, $($rest)*)?))
    };
}

/// Lets what explains itself display as its English clause, for logs.
macro_rules! displayed_in_english {
    ($($type:ty),+ $(,)?) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::language::Explain::message(self).en)
            }
        }
    )+};
}
pub(crate) use displayed_in_english;

/// A failure that a person reads: what was wrong, with what, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word for programs.
    pub code: Cow<'static, str>,
    /// The sentence.
    pub message: Message,
}

impl Failure {
    /// A failure.
    pub fn new(code: impl Into<Cow<'static, str>>, message: Message) -> Failure {
        Failure {
            code: code.into(),
            message,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message.fmt(f)
    }
}

impl std::error::Error for Failure {}

/// Whether a text has letters of Japanese.
#[cfg(test)]
fn is_japanese(text: &str) -> bool {
    text.chars()
        .any(|letter| matches!(letter, 'ぁ'..='ヿ' | '一'..='鿿'))
}

/// Holds a message against the rules for both languages.
#[cfg(test)]
pub(crate) fn assert_both(message: &Message) {
    let Message { ja, en } = message;
    assert!(is_japanese(ja), "not Japanese: {message:?}");
    assert!(
        !en.trim().is_empty() && !is_japanese(en),
        "not English: {message:?}"
    );
    for text in [ja, en] {
        assert!(
            !text.contains(['{', '}', '\n']) && !text.contains("  "),
            "{message:?}"
        );
        assert!(
            !text.contains("..") && !text.contains("。。"),
            "{message:?}"
        );
    }
}

/// Holds what a room can say against the rules for clauses.
#[cfg(test)]
pub(crate) fn assert_explained<'a>(all: impl IntoIterator<Item = &'a dyn Explain>) {
    let mut seen = std::collections::BTreeSet::new();
    for message in all.into_iter().map(Explain::message) {
        assert_both(&message);
        assert!(
            !message.ja.ends_with('。') && !message.en.ends_with('.'),
            "no clause: {message:?}"
        );
        assert!(seen.insert(message.ja.clone()), "said twice: {message:?}");
    }
    assert!(!seen.is_empty());
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_nested_message_keeps_its_language() {
        let (why, file) = (say!("空き容量がありません", "no space is left"), "a.dcm");
        let said = say!("{file} を保存できません（{why}）。", "{file} cannot be stored ({why})."; why = why);
        assert_eq!(said.ja, "a.dcm を保存できません（空き容量がありません）。");
        assert_eq!(said.en, "a.dcm cannot be stored (no space is left).");
    }

    #[test]
    fn a_clause_becomes_one_sentence() {
        let once = say!("見つかりません", "not found").sentence();
        assert_eq!(
            (once.ja.as_str(), once.en.as_str()),
            ("見つかりません。", "Not found.")
        );
        assert_eq!(once.clone().sentence(), once);
    }
}
