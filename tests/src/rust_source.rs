//! Enough of Rust's grammar to measure a file: which characters are code, and where functions begin
//! and end.

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of the keyword `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
}

/// The text with every comment and the inside of every string and character literal blanked, so that
/// what is left is code. Lines stay where they are.
pub fn code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut blanked = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = literal_or_comment(&letters, at).unwrap_or(at);
        if end == at {
            blanked.push(letters[at]);
            at += 1;
        } else {
            let piece = &letters[at..end];
            blanked.extend(
                piece
                    .iter()
                    .map(|&letter| if letter == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    blanked
}

/// Where the comment or literal that begins here ends.
fn literal_or_comment(letters: &[char], at: usize) -> Option<usize> {
    let next = letters.get(at + 1).copied();
    match letters[at] {
        '/' if next == Some('/') => Some(until(letters, at, |letter| letter == '\n')),
        '/' if next == Some('*') => Some(block_comment(letters, at)),
        '"' => Some(quoted(letters, at)),
        'r' if !follows_a_word(letters, at) => raw_string(letters, at),
        '\'' => character(letters, at),
        _ => None,
    }
}

fn until(letters: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    let rest = letters[from..].iter();
    from + rest.take_while(|&&letter| !stop(letter)).count()
}

fn block_comment(letters: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            (_, _) => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    letters.len()
}

fn quoted(letters: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// `r"…"`, `r#"…"#` and so on; a raw identifier (`r#type`) is none. A byte string's `b` stays before it.
fn raw_string(letters: &[char], from: usize) -> Option<usize> {
    let open = until(letters, from + 1, |letter| letter != '#');
    let hashes = open - from - 1;
    if letters.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| {
        letters[*at] == '"'
            && letters.len() > at + hashes
            && letters[at + 1..=at + hashes]
                .iter()
                .all(|&letter| letter == '#')
    };
    let close = (open + 1..letters.len()).find(closes);
    Some(close.map_or(letters.len(), |at| at + 1 + hashes))
}

/// `'x'`, `'\n'`, `'\u{1f}'`; a lifetime is none.
fn character(letters: &[char], from: usize) -> Option<usize> {
    if letters.get(from + 1) == Some(&'\\') {
        return Some((until(letters, from + 3, |letter| letter == '\'') + 1).min(letters.len()));
    }
    (letters.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Whether the letter continues an identifier. The `b` of a byte string is not one.
fn follows_a_word(letters: &[char], at: usize) -> bool {
    let word = |at: usize| letters.get(at).copied().is_some_and(is_of_a_word);
    match at {
        0 => false,
        1 => word(0) && letters[0] != 'b',
        _ => word(at - 1) && (letters[at - 1] != 'b' || word(at - 2)),
    }
}

/// Every function with a body in a text that [`code`] has blanked.
pub fn functions(code: &str) -> Vec<Function> {
    let letters: Vec<char> = code.chars().collect();
    let keyword = |&at: &usize| {
        letters[at] == 'f'
            && letters.get(at + 1) == Some(&'n')
            && letters
                .get(at + 2)
                .is_some_and(|letter| letter.is_whitespace())
            && (at == 0 || !is_of_a_word(letters[at - 1]))
    };
    let found = (0..letters.len()).filter(keyword);
    found.filter_map(|at| function(&letters, at)).collect()
}

fn function(letters: &[char], at: usize) -> Option<Function> {
    let name_at = until(letters, at + 2, |letter| !letter.is_whitespace());
    let name_end = until(letters, name_at, |letter| !is_of_a_word(letter));
    let end = body_end(letters, name_end)?;
    let line = 1 + letters[..at]
        .iter()
        .filter(|&&letter| letter == '\n')
        .count();
    let lines = 1 + letters[at..end]
        .iter()
        .filter(|&&letter| letter == '\n')
        .count();
    (name_end > name_at).then(|| Function {
        name: letters[name_at..name_end].iter().collect(),
        line,
        lines,
    })
}

/// Where the body ends; none for a declaration, whose semicolon comes before any brace.
fn body_end(letters: &[char], from: usize) -> Option<usize> {
    let mut brackets = 0i32;
    let mut braces = 0i32;
    for (at, letter) in letters.iter().enumerate().skip(from) {
        match letter {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, usize, usize)> {
        let found = functions(&code(text)).into_iter();
        found
            .map(|function| (function.name, function.line, function.lines))
            .collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \"todo!( \\\" // {\"; // fn x() {}\nlet b = r#\"{ \" fn y() {\"#; /* { /* } */ { */ let c = '{';";
        let left = code(text);
        assert_eq!(left.lines().count(), 2);
        assert!(!left.contains(['{', '"', '\'']), "{left}");
        for kept in ["let a =", "let b =", "let c ="] {
            assert!(left.contains(kept), "{left}");
        }
    }

    #[test]
    fn a_lifetime_begins_no_character() {
        let left = code("fn f<'a>(x: &'a str) -> char { '\\'' } fn g(y: &'static [u8]) { b'\"'; }");
        assert_eq!(names(&left).len(), 2);
        assert!(left.contains("'static"));
    }

    #[test]
    fn raw_byte_strings_end_where_they_end() {
        let left = code("let x = br##\"a\"# b\"##; let bar\" y\" = r#type;");
        assert!(left.contains("r#type"), "{left}");
        assert_eq!(left.matches('b').count(), 2, "{left}");
    }

    #[test]
    fn a_function_is_measured_from_its_keyword_to_its_brace() {
        let text = "impl X {\n    pub fn one(\n        a: [u8; 3],\n    ) {\n        if a[0] == b'}' { }\n    }\n    fn declared(&self);\n}\nfn two() {}\n";
        assert_eq!(
            names(text),
            [("one".to_owned(), 2, 5), ("two".to_owned(), 9, 1)]
        );
    }

    #[test]
    fn a_function_in_a_function_counts_for_both() {
        let text = "fn outer() {\n    fn inner() {\n    }\n}\n";
        assert_eq!(
            names(text),
            [("outer".to_owned(), 1, 4), ("inner".to_owned(), 2, 2)]
        );
    }

    #[test]
    fn types_of_functions_are_no_functions() {
        assert!(names("type F = fn(u8) -> u8;\nstruct S { f: fn() }\nlet often = 1;").is_empty());
    }
}
