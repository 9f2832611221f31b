//! The command line.

mod door;
mod events;
mod lab;
mod measuring;
mod options;
mod running;

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use dokuei_line::namespace;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Emulated lines between network namespaces. Needs root, or a system on which users may make user
/// namespaces and use /dev/net/tun.
///
/// Each site has its own line to a router that is faster than all of them. Values are X for both ways,
/// or X/Y for up (from the site) and down (to it).
#[derive(Parser)]
#[command(name = "line", version)]
struct Arguments {
    #[command(subcommand)]
    command: Asked,
}

#[derive(Subcommand)]
enum Asked {
    /// Run a command at each site; when the first one ends, so do the others.
    ///
    /// `line run --rate 100mbit --delay 15ms -- clinic: line measure send {hospital} -- hospital: line
    /// measure serve`. `{SITE}` in a command stands for that site's address.
    Run(running::Options),
    /// Make the sites, say where they are, and keep them until standard input ends.
    ///
    /// Orders come on standard input, one a line, and are answered with a line of JSON each: `loss 2%`,
    /// `second: rate 20mbit/100mbit`, `outage 3s`, `udp off`, `report`, `where`, `stop`.
    Lab(lab::Options),
    /// Give an order to a lab that has a name.
    Tell {
        /// The lab.
        name: String,
        /// The order.
        #[arg(required = true)]
        order: Vec<String>,
    },
    /// Run a command at a site of a lab that has a name.
    Enter {
        /// The lab.
        name: String,
        /// The site.
        site: String,
        /// The command.
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Measure what gets through.
    Measure {
        #[command(subcommand)]
        what: measuring::What,
    },
    /// What `run` starts at a site: it ends with the process that started it.
    #[command(hide = true)]
    Within {
        holder: u32,
        network: PathBuf,
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<String>,
    },
}

/// Does what the command line says.
pub(crate) fn run() -> io::Result<ExitCode> {
    match Arguments::parse().command {
        Asked::Run(options) => running::run(&options),
        Asked::Lab(options) => lab::keep(&options),
        Asked::Tell { name, order } => door::tell(&name, &order.join(" ")).map(|answer| {
            println!("{answer}");
            let refused = answer.get("error").is_some();
            ExitCode::from(u8::from(refused))
        }),
        Asked::Enter {
            name,
            site,
            command,
        } => {
            let (holder, network) = door::whereabouts(&name, &site)?;
            enter(holder, &network, &command)
        }
        Asked::Measure { what } => measuring::measure(&what),
        Asked::Within {
            holder,
            network,
            command,
        } => {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have ended before that was set.
            let parent = getppid()
                .map(Pid::as_raw_nonzero)
                .map(|parent| parent.get());
            if parent.map(i32::unsigned_abs) != Some(holder) {
                return Err(io::Error::other("what started this has ended"));
            }
            enter(holder, &network, &command)
        }
    }
}

/// Becomes a command at a site.
fn enter(holder: u32, network: &Path, command: &[String]) -> io::Result<ExitCode> {
    let [program, arguments @ ..] = command else {
        return Err(io::Error::other("there is no command"));
    };
    namespace::enter(holder, network)?;
    let error = Command::new(program).args(arguments).exec();
    Err(io::Error::new(error.kind(), format!("{program}: {error}")))
}
