//! `line run`: a command at each site.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use clap::Args;
use dokuei_line::lab::Lab;
use dokuei_line::namespace::Namespace;
use dokuei_line::site::Site;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::events::Events;
use super::options::Lines;

/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long the other commands have to end by themselves when the first one has.
const ENDING: Duration = Duration::from_secs(5);

/// What `line run` takes.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    lines: Lines,
    /// Where what was counted is written as JSON; without it, to standard error.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// `SITE: COMMAND…`, and further ones behind a `--` each.
    #[arg(last = true, required = true)]
    commands: Vec<String>,
}

/// Runs the commands. The first one's end is the end of all, and its code the code of this.
pub(super) fn run(options: &Options) -> io::Result<ExitCode> {
    let lab = options.lines.start()?;
    let events = Events::with_signals()?;
    let mut children = Vec::new();
    let started = start(&lab, &options.commands, &mut children);
    let ended = started.and_then(|()| match children.as_mut_slice() {
        [first, ..] => wait(first, &events),
        [] => Ok(None),
    });
    end(&mut children);
    let mut report = lab.report();
    report["ended_processes"] = json!(lab.end());
    match &options.report {
        Some(file) => fs::write(file, format!("{report}\n"))?,
        None => eprintln!("{report}"),
    }
    Ok(ended?.map_or(ExitCode::from(130), code))
}

/// Starts a command for each `SITE: COMMAND…`.
fn start(lab: &Lab, words: &[String], children: &mut Vec<Child>) -> io::Result<()> {
    let sites: Vec<(&Site, &Namespace)> = lab.sites().collect();
    let is_site = |word: &String| {
        let name = word.strip_suffix(':');
        sites.iter().any(|(site, _)| name == Some(&site.name))
    };
    // A `--` of a command's own stays in it.
    let mut rest = words;
    while let [site, after @ ..] = rest {
        let mut pairs = after.windows(2);
        let length = pairs.position(|pair| pair[0] == "--" && is_site(&pair[1]));
        let (command, others) = after.split_at(length.unwrap_or(after.len()));
        rest = others.get(1..).unwrap_or_default();

        let found = sites
            .iter()
            .find(|(known, _)| *site == format!("{}:", known.name));
        let (_, namespace) = found.ok_or_else(|| {
            let said = format!("`{site}` is no site; a command begins with `SITE:`");
            io::Error::other(said)
        })?;
        let child = Command::new(std::env::current_exe()?)
            .arg("within")
            .arg(std::process::id().to_string())
            .arg(namespace.path())
            .arg("--")
            .args(command.iter().map(|word| addressed(word, &sites)))
            .spawn()?;
        children.push(child);
    }
    Ok(())
}

/// A word of a command with addresses in the places of `{SITE}`.
fn addressed(word: &str, sites: &[(&Site, &Namespace)]) -> String {
    sites.iter().fold(word.to_owned(), |word, (site, _)| {
        word.replace(&format!("{{{}}}", site.name), &site.address.to_string())
    })
}

/// Waits for a command. None when a signal came first.
fn wait(child: &mut Child, events: &Events) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        match events.out.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(None),
        }
    }
}

/// Ends the commands that are still there.
fn end(children: &mut [Child]) {
    for child in children.iter_mut() {
        // Asked first: the number of one that has been collected may be somebody else's by now.
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
    }
    let deadline = Instant::now() + ENDING;
    for child in children {
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        // One that has ended is not killed, and both are collected.
        let _ = child.kill().and_then(|()| child.wait());
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
