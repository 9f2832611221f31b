//! The command line: one command a file. Commands print what people read, or JSON with `--json`.

/// Prints one line of an answer.
macro_rules! outln {
    () => {
        $crate::cli::show::line(format_args!(""))
    };
    ($($line:tt)*) => {
        $crate::cli::show::line(format_args!($($line)*))
    };
}

mod access;
mod arguments;
pub use arguments::Demo;
mod case;
mod case_priors;
mod check;
mod confirm;
mod deidentify;
mod destination;
mod dicom;
mod init;
mod media;
mod notice;
mod partner;
mod passphrase;
mod person;
mod priors;
mod quarantine;
mod renew;
mod report;
mod revoke;
mod run;
mod show;
mod status;
mod study;
mod verify;
mod viewer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use serde_json::Value;

use crate::cli::arguments::{Arguments, Verb};
use crate::control::client::ask;
use crate::control::request::Request;
use crate::language::{self, Explain as _, Failure, Language, Message};
use crate::runtime::memory;
use crate::say;
use crate::site::SiteFolder;

/// Runs the command line of this process. Ends with 0 when all went well, 1 when something failed, 2
/// when the command line cannot be understood.
pub fn main() -> ExitCode {
    // Every command, the decoder too: many of them hold a passphrase, a key or what a patient is named.
    if let Err(error) = memory::keep_private() {
        eprintln!("dokuei: {}", unguarded(&error));
        return ExitCode::FAILURE;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) => return misread(&wrong),
    };
    if let Some(language) = arguments.language {
        language::choose(language);
    }
    match perform(arguments.verb) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("dokuei: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn unguarded(error: &std::io::Error) -> Message {
    say!(
        "このプログラムのメモリをほかのプロセスから守れないため、動作を中止します（{why}）。",
        "The memory of this program cannot be kept from other processes, so it does not run ({why}).";
        why = error.message()
    )
}

/// Prints the help that was asked for, or what is wrong with the command line. The details are in English only: a line in
/// the reader's language comes before them.
fn misread(wrong: &clap::Error) -> ExitCode {
    let words = std::env::args().skip(1).collect::<Vec<_>>();
    if let Some(language) = wanted_language(&words) {
        language::choose(language);
    }
    if wrong.use_stderr() && Language::current() == Language::Japanese {
        eprintln!(
            "dokuei: コマンドの書き方が正しくありません。「--help」を付けると使い方が表示されます。"
        );
    }
    // An output that is closed wants no help.
    let _ = wrong.print();
    u8::try_from(wrong.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The language on a command line that cannot be understood otherwise.
fn wanted_language(words: &[String]) -> Option<Language> {
    let after = words.iter().skip_while(|word| *word != "--language").nth(1);
    let joined = words
        .iter()
        .find_map(|word| word.strip_prefix("--language="));
    Language::from_code(joined.or(after.map(String::as_str))?)
}

fn perform(verb: Verb) -> Result<ExitCode, Failure> {
    let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
    match verb {
        Verb::Init(init) => done(init::init(&init)),
        Verb::Run(run) => done(run::run(&run)),
        Verb::Partner(partner) => done(partner::partner(partner)),
        Verb::Media(media) => done(media::media(media)),
        Verb::Study(study) => done(study::study(study)),
        Verb::Case(case) => done(case::case(case)),
        Verb::Person(person) => done(person::person(person)),
        Verb::Revoke(revoke) => done(revoke::revoke(revoke)),
        Verb::Renew(renew) => done(renew::renew(&renew)),
        Verb::Viewer(viewer) => done(viewer::viewer(viewer)),
        Verb::Dicom(verb) => dicom::dicom(verb),
        Verb::Report(report) => report::report(report),
        Verb::Status(status) => done(status::status(&status)),
        Verb::Demo(demo) => done(crate::demo::demo(&demo)),
        Verb::DecodeChild => Ok(crate::pixels::run_child()),
    }
}

/// Which node a command speaks to, and how it prints.
#[derive(clap::Args)]
pub struct At {
    /// 動いているノードのデータフォルダ / data folder of the running node
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// プログラム用に JSON で出す / print JSON for programs
    #[arg(long)]
    json: bool,
}

impl At {
    fn ask(&self, request: Request) -> Result<Value, Failure> {
        ask(&self.folder()?, request)
    }

    fn folder(&self) -> Result<SiteFolder, Failure> {
        self.dir.as_ref().map(SiteFolder::new).ok_or_else(|| {
            Failure::new(
                "no-dir",
                say!(
                    "どのノードか分かりません。--dir でデータフォルダを指定してください。",
                    "Which node? Give its data folder with --dir."
                ),
            )
        })
    }

    /// Prints an answer: JSON, or as `people` writes it.
    fn print(&self, answer: &Value, people: impl FnOnce(&Value)) {
        if self.json {
            outln!("{answer:#}");
        } else {
            people(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::language::Message;
    use crate::language::assert_both;

    /// Holds the help of a command and of everything below it against the form "日本語 / English".
    fn assert_bilingual(command: &clap::Command) {
        let about = command.get_about().map(ToString::to_string);
        let arguments = command
            .get_arguments()
            .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"));
        let helps = arguments.map(|argument| argument.get_help().map(ToString::to_string));
        for help in std::iter::once(about).chain(helps) {
            let help = help.unwrap_or_else(|| panic!("{} lacks a help", command.get_name()));
            let (ja, en) = help.split_once('/').unwrap_or((&help, ""));
            assert_both(&Message::new(ja.trim(), en.trim()));
        }
        command.get_subcommands().for_each(assert_bilingual);
    }

    #[test]
    fn every_help_is_in_both_languages() {
        assert_bilingual(&Arguments::command());
    }

    #[test]
    fn the_language_is_found_where_nothing_else_is() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let wanted = |line: &str| wanted_language(&words(line));
        assert_eq!(wanted("--language ja stduy"), Some(Language::Japanese));
        assert_eq!(wanted("stduy --language=en"), Some(Language::English));
        assert_eq!(wanted("stduy list"), None);
        assert_eq!(wanted("stduy --language"), None);
    }
}
