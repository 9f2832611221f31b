//! What people read, in Japanese and in English.

use std::borrow::Cow;
use std::sync::OnceLock;

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Builds a [`Message`] from two format strings over the same values: `say!("… {x}", "… {x}")`.
#[macro_export]
macro_rules! say {
    ($ja:literal, $en:literal $(, $($rest:tt)*)?) => {
        $crate::language::Message::new(format!($ja $(, $($rest)*)?), format!($en $(, $($rest)*)?))
    };
}

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
