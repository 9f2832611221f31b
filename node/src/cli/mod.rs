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

mod arguments;
pub use arguments::Demo;
mod case;
mod confirm;
mod init;
mod notice;
mod partner;
mod passphrase;
mod person;
mod renew;
mod report;
mod revoke;
mod run;
mod show;
mod status;
mod study;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use serde_json::Value;

use crate::cli::arguments::{Arguments, Verb};
use crate::control::client::ask;
use crate::control::request::Request;
use crate::language::{self, Failure};
use crate::say;
use crate::site::SiteFolder;

/// Runs the command line of this process. Ends with 0 when all went well, 1 when something failed, 2
/// when the command line cannot be understood.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
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

fn perform(verb: Verb) -> Result<ExitCode, Failure> {
    let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
    match verb {
        Verb::Init(init) => done(init::init(&init)),
        Verb::Run(run) => done(run::run(&run)),
        Verb::Partner(partner) => done(partner::partner(partner)),
        Verb::Study(study) => done(study::study(study)),
        Verb::Case(case) => done(case::case(case)),
        Verb::Person(person) => done(person::person(person)),
        Verb::Revoke(revoke) => done(revoke::revoke(revoke)),
        Verb::Renew(renew) => done(renew::renew(&renew)),
        Verb::Report(report) => report::report(report),
        Verb::Status(status) => done(status::status(&status)),
        Verb::Demo(demo) => done(crate::demo::demo(&demo)),
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
