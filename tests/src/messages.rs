//! The messages of the source: every `say!` says the same in both languages, and an error inside it speaks the
//! language of the sentence around it.

use std::collections::BTreeSet;

use crate::rules::File;
use crate::rust_source::code;

/// What errors and their causes are called in this code.
const CAUSES: [&str; 10] = [
    "broken", "cannot", "cause", "error", "failure", "fault", "other", "problem", "refused", "why",
];

/// Both sentences of a message hold the same values, and a cause stands behind the semicolon, where each language gets
/// its own text of it.
pub fn messages(file: &File<'_>) -> Vec<String> {
    let letters: Vec<char> = file.text.chars().collect();
    let blanked: Vec<char> = code(file.text).chars().collect();
    let begins: Vec<char> = "say!(".chars().collect();
    let mut wrong = Vec::new();
    for at in (0..blanked.len()).filter(|at| blanked[*at..].starts_with(&begins)) {
        let line = 1 + letters[..at]
            .iter()
            .filter(|&&letter| letter == '\n')
            .count();
        let place = format!("{}:{line}", file.path);
        let after = at + begins.len();
        let Some((ja, next)) = literal(&letters, after) else {
            continue;
        };
        let Some((en, next)) = literal(&letters, next) else {
            continue;
        };
        if ja.trim().is_empty() != en.trim().is_empty() {
            wrong.push(format!("{place} says something in one language only"));
        }
        let (ja, en) = (values(&ja), values(&en));
        if ja != en {
            wrong.push(format!(
                "{place} tells {ja:?} in Japanese, {en:?} in English"
            ));
        }
        let own = named(&blanked, next);
        let causes = ja.iter().filter(|value| CAUSES.contains(&value.as_str()));
        for cause in causes.filter(|cause| !own.contains(*cause)) {
            wrong.push(format!(
                "{place} puts {{{cause}}} into both languages: write `; {cause} = ….message()`"
            ));
        }
    }
    wrong
}

/// The string literal that is next from here, and where it ends.
fn literal(letters: &[char], from: usize) -> Option<(String, usize)> {
    let skipped = letters[from..]
        .iter()
        .take_while(|letter| letter.is_whitespace() || **letter == ',')
        .count();
    let begin = from + skipped + 1;
    if letters.get(begin - 1) != Some(&'"') {
        return None;
    }
    let mut end = begin;
    while *letters.get(end)? != '"' {
        end += if letters[end] == '\\' { 2 } else { 1 };
    }
    Some((letters[begin..end].iter().collect(), end + 1))
}

/// The values of a format string, by name; those without one by their number.
fn values(format: &str) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    let plain = format.replace("{{", "").replace("}}", "");
    for part in plain.split('{').skip(1) {
        let name = part.split(['}', ':']).next().unwrap_or_default();
        let unnamed = name.is_empty().then(|| values.len().to_string());
        values.insert(unnamed.unwrap_or_else(|| name.to_owned()));
    }
    values
}

/// The names given behind the semicolon of the invocation that goes on here.
fn named(blanked: &[char], from: usize) -> BTreeSet<String> {
    let mut depth = 1;
    let inside = blanked[from..].iter().take_while(|letter| {
        depth += match letter {
            '(' | '[' | '{' => 1,
            ')' | ']' | '}' => -1,
            _ => 0,
        };
        depth > 0
    });
    let inside: String = inside.collect();
    let Some((_, parts)) = inside.split_once(';') else {
        return BTreeSet::new();
    };
    let words: Vec<&str> = parts
        .split([' ', '\n'])
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = words.windows(2).filter(|pair| pair[1] == "=");
    pairs.map(|pair| pair[0].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<String> {
        messages(&File { path: "a.rs", text })
    }

    #[test]
    fn an_error_in_both_languages_at_once_is_found() {
        let found = wrong("let x = say!(\"失敗（{error}）。\", \"Failed ({error}).\");");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a.rs:1 "), "{found:?}");
        let fine = "say!(\n  \"失敗（{why}、{file}）。\",\n  \"Failed ({why}, {file}).\";\n  why = error.message()\n)";
        assert!(wrong(fine).is_empty(), "{:?}", wrong(fine));
    }

    #[test]
    fn sentences_that_tell_different_things_are_found() {
        assert_eq!(wrong("say!(\"{a} と {b}\", \"{a}\", a, b)").len(), 1);
        assert_eq!(wrong("say!(\"\", \"only English\")").len(), 1);
        for fine in [
            "say!(\"{a:04X} {{x}}\", \"{a}\")",
            "say!(\"{}、{}\", \"{} {}\", a, b)",
            "// say!(\"{error}\", \"{error}\")",
            "let x = \"say!(\";",
        ] {
            assert!(wrong(fine).is_empty(), "{fine}: {:?}", wrong(fine));
        }
    }
}
