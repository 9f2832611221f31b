//! `line lab`: sites that are kept.

use std::io;
use std::process::ExitCode;

use clap::Args;
use dokuei_line::lab::Lab;
use dokuei_line::order::{Order, order};
use serde_json::{Value, json};

use super::door;
use super::events::{Event, Events, say};
use super::options::Lines;

/// What `line lab` takes.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    lines: Lines,
    /// What `line tell` and `line enter` find it by.
    #[arg(long)]
    name: Option<String>,
}

/// Keeps sites until standard input ends, a signal comes or `stop` is said. Then what is left at the
/// sites is ended, and the last line says what was counted.
pub(super) fn keep(options: &Options) -> io::Result<ExitCode> {
    let lab = options.lines.start()?;
    let events = Events::with_signals()?;
    if let Some(name) = &options.name {
        door::open(name, &events.into)?;
    }
    say(&lab.place().to_string());
    events.of_standard_input();
    while let Ok(Event::Order(text, answered)) = events.out.recv() {
        let (answer, is_last) = obey(&lab, &text);
        // Whoever asked may be gone.
        let _ = answered.send(answer.to_string());
        if is_last {
            break;
        }
    }
    let mut report = lab.report();
    report["ended_processes"] = json!(lab.end());
    say(&report.to_string());
    Ok(ExitCode::SUCCESS)
}

/// The answer, and whether it is the last.
fn obey(lab: &Lab, text: &str) -> (Value, bool) {
    let sites: Vec<_> = lab.sites().map(|(site, _)| site.clone()).collect();
    match order(text, &sites) {
        Ok(order) => (lab.obey(&order), order == Order::Stop),
        Err(error) => (json!({ "error": error }), false),
    }
}
