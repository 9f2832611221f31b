//! What no file of the repository may contain, and what its map must name. Every rule answers with
//! sentences; none means that it is kept.

use crate::rust_source::{code, functions};

/// Longest file: what one person reads in one sitting.
pub const FILE_LINES: usize = 500;
/// Longest function: what fits on a screen.
pub const FUNCTION_LINES: usize = 70;

/// A file of the repository.
pub struct File<'a> {
    /// Its path from the root, with `/`.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// A Rust file is short, and so is each of its functions. `exceptions` names functions that are
/// long for a good reason, as `path::function`.
pub fn sizes(file: &File<'_>, exceptions: &[(&str, &str)]) -> Vec<String> {
    let path = file.path;
    let mut wrong = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        wrong.push(format!(
            "{path} has {lines} lines, at most {FILE_LINES}: split it"
        ));
    }
    for function in functions(&code(file.text)) {
        let (name, line, lines) = (&function.name, function.line, function.lines);
        let place = format!("{path}::{name}");
        let excepted = exceptions.iter().any(|(exception, _)| *exception == place);
        if lines > FUNCTION_LINES && !excepted {
            wrong.push(format!(
                "{path}:{line} {name} has {lines} lines, at most {FUNCTION_LINES}: split it"
            ));
        }
    }
    wrong
}

/// Code that is not finished, tests that do not run, channels without a bound.
pub fn unfinished(file: &File<'_>) -> Vec<String> {
    let code_words = [
        "todo!",
        "unimplemented!",
        "dbg!",
        "#[ignore",
        "unbounded_channel",
        "mpsc::unbounded(",
    ];
    // Put together here, so that this file keeps its own rule.
    let comment_words = [
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("TO", "DO"),
    ];
    let code = code(file.text);
    let in_code = code_words.iter().flat_map(|word| lines_with(&code, word));
    let in_text = comment_words
        .iter()
        .flat_map(|word| lines_with(file.text, word));
    let found = in_code.chain(in_text);
    found
        .map(|(line, word)| format!("{}:{line} contains {word}", file.path))
        .collect()
}

/// libp2p's name for a node stays in the network's room.
pub fn peer_ids(file: &File<'_>) -> Vec<String> {
    if file.path.starts_with("node/src/network/") {
        return Vec::new();
    }
    let code = code(file.text);
    let found = lines_with(&code, concat!("Peer", "Id"));
    found
        .map(|(line, word)| format!("{}:{line} names {word}", file.path))
        .collect()
}

/// Nothing depends on the folder of whoever wrote it.
pub fn absolute_paths(file: &File<'_>) -> Vec<String> {
    let homes = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut wrong = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for home in homes {
            let begins = |(at, _): &(usize, &str)| {
                let before = line[..*at].chars().next_back();
                !before.is_some_and(|letter| letter.is_alphanumeric() || "._-/}".contains(letter))
            };
            if line.match_indices(home).any(|found| begins(&found)) {
                wrong.push(format!(
                    "{}:{} names a path below {home}",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    wrong
}

/// The module that a source file of a crate is, as `crate/src/name`: a file or folder at the top of
/// `src`, or a folder below it. None for the crate's own root and for files inside rooms.
pub fn module(path: &str) -> Option<String> {
    let (of_crate, rest) = path.split_once("/src/")?;
    let known = [
        "keys",
        "compression",
        "protocol",
        "congestion",
        "node",
        "simulations",
        "line",
    ]
    .contains(&of_crate);
    let name = rest.strip_suffix(".rs")?;
    let name = name.strip_suffix("/mod").unwrap_or(name);
    let is_root = ["lib", "main"].contains(&name);
    let room = name.split('/').next().unwrap_or(name);
    (known && !is_root).then(|| format!("{of_crate}/src/{room}"))
}

/// Every module is on the map, between backticks: with its crate's path, or by its bare name.
pub fn map(map: &str, modules: &[String]) -> Vec<String> {
    let quoted: Vec<&str> = map.split('`').skip(1).step_by(2).collect();
    let is_named = |module: &&String| {
        let name = module.rsplit('/').next().unwrap_or(module);
        quoted.iter().any(|words| {
            let word = words.trim_end_matches('/').trim_end_matches(".rs");
            word == module.as_str() || word == name
        })
    };
    let missing = modules.iter().filter(|module| !is_named(module));
    missing
        .map(|module| format!("docs/ARCHITECTURE.md does not name `{module}`"))
        .collect()
}

/// Where a text has a word of its own, from line 1.
fn lines_with<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_letter = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let has = move |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + word.len()..]);
            let ends_in_letter = is_letter(word.chars().next_back());
            let continues = ends_in_letter && is_letter(after.chars().next());
            !continues && !is_letter(before.chars().next_back())
        })
    };
    let lines = text.lines().enumerate();
    lines
        .filter(move |(_, line)| has(line))
        .map(move |(number, _)| (number + 1, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(path: &'a str, text: &'a str) -> File<'a> {
        File { path, text }
    }

    #[test]
    fn a_long_file_and_a_long_function_are_found() {
        let text = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(70));
        let wrong = sizes(&file("a.rs", &text), &[]);
        assert_eq!(wrong, ["a.rs:1 long has 72 lines, at most 70: split it"]);
        assert!(sizes(&file("a.rs", &text), &[("a.rs::long", "a table")]).is_empty());
        let text = "\n".repeat(501);
        assert_eq!(sizes(&file("b.rs", &text), &[]).len(), 1);
        let text = format!("fn just() {{\n{}}}\n", "    step();\n".repeat(68));
        assert!(sizes(&file("a.rs", &text), &[]).is_empty());
    }

    #[test]
    fn unfinished_code_is_found_and_talk_of_it_is_not() {
        for planted in [
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"x\") }",
            "let x = dbg!(y);",
            "    #[ignore = \"slow\"]",
            "let (a, b) = mpsc::unbounded_channel();",
            concat!("// FIX", "ME later"),
            concat!("let x = 1; // X", "XX"),
            concat!("/* TO", "DO: more */"),
        ] {
            assert_eq!(unfinished(&file("a.rs", planted)).len(), 1, "{planted}");
        }
        for fine in [
            "let x = \"todo!()\";",
            "// dbg! is not used",
            "let uid = \"OBXXXX1A\";",
            "my_todo!()",
        ] {
            assert!(unfinished(&file("a.rs", fine)).is_empty(), "{fine}");
        }
    }

    #[test]
    fn a_peer_id_outside_the_network_is_found() {
        let text = "fn who(peer: PeerId) {}";
        assert_eq!(
            peer_ids(&file("node/src/runtime/x.rs", text)),
            ["node/src/runtime/x.rs:1 names PeerId"]
        );
        assert!(peer_ids(&file("node/src/network/peers.rs", text)).is_empty());
        assert!(
            peer_ids(&file(
                "node/src/runtime/x.rs",
                "// no PeerId here\nstruct PeerIds;"
            ))
            .is_empty()
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for planted in [
            concat!("cat /ho", "me/me/x"),
            concat!("open(\"/wo", "rk/data\")"),
            concat!("/ro", "ot/x"),
        ] {
            assert_eq!(absolute_paths(&file("a", planted)).len(), 1, "{planted}");
        }
        for fine in [
            concat!("https://example.org/wo", "rk/x"),
            concat!("$base/ho", "me/x"),
            "/var/lib/dokuei/x",
        ] {
            assert!(absolute_paths(&file("a", fine)).is_empty(), "{fine}");
        }
    }

    #[test]
    fn modules_are_top_files_and_rooms() {
        assert_eq!(
            module("node/src/dicom/scp/mod.rs").as_deref(),
            Some("node/src/dicom")
        );
        assert_eq!(module("keys/src/id.rs").as_deref(), Some("keys/src/id"));
        for none in [
            "node/src/lib.rs",
            "simulations/src/main.rs",
            "tests/src/rules.rs",
            "node/tests/x.rs",
        ] {
            assert_eq!(module(none), None, "{none}");
        }
    }

    #[test]
    fn a_module_missing_from_the_map_is_found() {
        let modules = [
            "keys/src/id".to_owned(),
            "node/src/dicom".to_owned(),
            "node/src/store".to_owned(),
        ];
        let wrong = map(
            "`id` newtypes, the `node/src/dicom/` room, and the store",
            &modules,
        );
        assert_eq!(
            wrong,
            ["docs/ARCHITECTURE.md does not name `node/src/store`"]
        );
    }
}
