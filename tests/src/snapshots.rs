//! What goes between sites or lies in the store has a snapshot: each kind of signed document, each kind of log entry,
//! each table, each form that is sealed. A new version is a new kind, and asks for one of its own.

use std::collections::BTreeSet;

use crate::rules::File;
use crate::rust_source::code;

/// What stands before a signed document's kind in its content type.
const CONTENT_TYPE: &str = "application/vnd.dokuei.";

/// The kinds of signed documents that a source file defines, as `kind;v=version`.
pub fn documents(file: &File<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut kind = None;
    for line in file.text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("const KIND: &'static str = ") {
            kind = literal(rest);
        } else if let Some(rest) = line.strip_prefix("const VERSION: u16 = ") {
            let version = rest.trim_end_matches(';');
            found.extend(kind.take().map(|kind| format!("{kind};v={version}")));
        }
    }
    found
}

/// The kinds of log entries, from the file that gives each record its code.
pub fn records(file: &File<'_>) -> Vec<String> {
    let arms = file.text.lines().map(str::trim);
    let arms = arms.filter(|line| line.starts_with("Record::"));
    arms.filter_map(|arm| literal(arm.split_once("=> ")?.1))
        .map(str::to_owned)
        .collect()
}

/// The store's tables, from the file that names them: words that end with their version.
pub fn tables(file: &File<'_>) -> Vec<String> {
    let names = file.text.split('"').skip(1).step_by(2);
    names
        .filter(|name| is_versioned(name))
        .map(str::to_owned)
        .collect()
}

fn is_versioned(name: &str) -> bool {
    let version = name.rsplit_once('-').map(|(_, version)| version);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version.is_some_and(is_number)
}

fn literal(rest: &str) -> Option<&str> {
    rest.strip_prefix('"')?.split('"').next()
}

/// What a snapshot shows: the text after insta's own head.
fn content(text: &str) -> &str {
    text.splitn(3, "---\n").nth(2).unwrap_or_default()
}

/// The names that a snapshot shows: the first word of each of its lines, and, when it is a dump of bytes, the kinds of
/// signed documents in it.
pub fn shown(snapshot: &File<'_>) -> BTreeSet<String> {
    let content = content(snapshot.text);
    let first_word = |line: &str| {
        line.split([' ', ','])
            .next()
            .map(str::to_owned)
            .filter(|word| !word.is_empty())
    };
    let mut names: BTreeSet<_> = content.lines().filter_map(first_word).collect();
    let bytes = unhex(content);
    let text = String::from_utf8_lossy(&bytes);
    for (at, _) in text.match_indices(CONTENT_TYPE) {
        let rest = &text[at + CONTENT_TYPE.len()..];
        let of_type = |letter: &char| letter.is_ascii_alphanumeric() || "-+;=".contains(*letter);
        let kind: String = rest.chars().take_while(of_type).collect();
        names.insert(kind.replacen("+cbor", "", 1));
    }
    names
}

/// The bytes of a dump; none when the text is not one.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| u8::try_from(letter.to_digit(16)?).ok())
        .collect();
    let digits = digits.unwrap_or_default();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// A snapshot shows something, and is decided: insta leaves `.snap.new` where one changed.
pub fn decided(file: &File<'_>) -> Option<String> {
    let path = file.path;
    if path.ends_with(".snap.new") {
        return Some(format!("{path}: a snapshot changed and nobody decided"));
    }
    let empty = path.ends_with(".snap") && content(file.text).trim().is_empty();
    empty.then(|| format!("{path} shows nothing"))
}

/// Each kind is shown by some snapshot.
pub fn missing(kinds: &[String], snapshots: &[File<'_>]) -> Vec<String> {
    let shown: BTreeSet<String> = snapshots.iter().flat_map(shown).collect();
    let absent = kinds.iter().filter(|kind| !shown.contains(*kind));
    absent
        .map(|kind| format!("no snapshot shows {kind}"))
        .collect()
}

/// Whether a source file has code that makes a kind of signed document, so that a rule can see that it found all.
pub fn defines_documents(file: &File<'_>) -> usize {
    code(file.text).matches("impl Document for ").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(path: &'a str, text: &'a str) -> File<'a> {
        File { path, text }
    }

    const DOCUMENT: &str = "impl Document for Link {\n    const KIND: &'static str = \"link\";\n    const VERSION: u16 = 2;\n}\n";

    #[test]
    fn a_new_version_without_a_snapshot_is_found() {
        let kinds = documents(&file("a.rs", DOCUMENT));
        assert_eq!(kinds, ["link;v=2"]);
        assert_eq!(defines_documents(&file("a.rs", DOCUMENT)), 1);
        let old = file(
            "a.snap",
            "---\nsource: a\n---\nlink;v=1, event  0\n    {}\n",
        );
        assert_eq!(missing(&kinds, &[old]), ["no snapshot shows link;v=2"]);
        let new = file(
            "a.snap",
            "---\nsource: a\n---\nlink;v=2, event  0\n    {}\n",
        );
        assert!(missing(&kinds, &[new]).is_empty());
        assert_eq!(missing(&kinds, &[]).len(), 1);
    }

    #[test]
    fn a_dump_shows_the_kind_in_its_bytes() {
        let dump =
            |text: &str| -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
        let text = format!(
            "---\nsource: a\n---\n{}\n",
            dump("\u{1}application/vnd.dokuei.link+cbor;v=2\u{1}")
        );
        assert!(shown(&file("a.snap", &text)).contains("link;v=2"));
        let text = format!("---\nsource: a\n---\n{}\n", dump("link;v=2"));
        assert!(!shown(&file("a.snap", &text)).contains("link;v=2"));
    }

    #[test]
    fn tables_and_records_are_read_from_their_files() {
        let text =
            "TableDefinition::new(\"records-1\");\nRows::Studies => \"studies-12\",\n\"no-table\"";
        assert_eq!(tables(&file("a.rs", text)), ["records-1", "studies-12"]);
        let text = "    Record::Sent(..) => \"document-sent\",\n    // Record => \"talk\"\n    let x = \"y\";";
        assert_eq!(records(&file("a.rs", text)), ["document-sent"]);
        let snapshot = file(
            "a.snap",
            "---\nsource: a\n---\nrecords-1\n{}\ndocument-sent\n",
        );
        let kinds = ["records-1", "studies-12", "document-sent"].map(str::to_owned);
        assert_eq!(
            missing(&kinds, &[snapshot]),
            ["no snapshot shows studies-12"]
        );
    }

    #[test]
    fn an_empty_and_an_undecided_snapshot_are_found() {
        assert!(decided(&file("a.snap", "---\nsource: a\n---\n\n")).is_some());
        assert!(decided(&file("a.snap.new", "---\nsource: a\n---\nx\n")).is_some());
        assert!(decided(&file("a.snap", "---\nsource: a\n---\nx\n")).is_none());
        assert!(decided(&file("a.rs", "")).is_none());
    }
}
