//! The process that decodes: this program with the command `decode-child`.
//!
//! It starts without environment, takes everything it needs from its standard input, and gives back what it made on
//! its standard output. Before the first byte it takes from itself whatever a decoder in an attacker's hands could
//! use: no file, socket or pipe can be opened any more, memory and computing time are bounded, it gains no right and,
//! where the kernel has Landlock, reaches no other process.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, Scope,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::pixels::error::DecodeError;
use crate::pixels::request::Request;
use crate::pixels::wire;

/// The command.
pub const COMMAND: &str = "decode-child";

/// Most bytes of address space. The largest frame has 128 MiB; JPEG 2000 needs it as 32-bit numbers twice over (512
/// MiB for 16-bit samples) beside the source and the answer.
pub const MEMORY_BYTES: u64 = 1 << 30;

/// Most seconds of computing for one request: a mammogram takes a few, the largest frame there may be, as noise in JPEG
/// 2000, less than thirty.
pub const REQUEST_SECONDS: u64 = 30;

/// Seconds of computing after which a child ends between two requests, so that a decoder that leaks or was bent does
/// not stay.
pub const LIFE_SECONDS: u64 = 600;

/// Files that may be open: standard input, output and error.
const FILES: u64 = 3;

/// Answers requests until the node closes the pipe.
pub fn run() -> ExitCode {
    // What a decoder says in a panic may show what it decodes.
    std::panic::set_hook(Box::new(|_| {}));
    match confine().and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Gives up what decoding does not need.
fn confine() -> io::Result<()> {
    // It takes a file to say so: before files are given up.
    fence().map_err(io::Error::other)?;
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    lower(Resource::Nofile, FILES)?;
    lower(Resource::As, MEMORY_BYTES)?;
    rustix::thread::set_no_new_privs(true)?;
    // Intake and transfer come first, but on a busy core a doctor who waits for a picture still gets a quarter of it; the
    // lowest priority would get a hundredth. A system that refuses is no danger.
    let _ = rustix::process::nice(5);
    Ok(())
}

/// No file, program, port, signal or memory of another process, the node's with its keys above all: Landlock, as far as
/// this system's kernel knows it. Where it knows nothing of it, the limits remain.
fn fence() -> Result<(), RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    Ok(())
}

/// Lowers a limit for good; one that is lower already stays.
fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let most = getrlimit(resource)
        .maximum
        .map_or(most, |now| now.min(most));
    setrlimit(
        resource,
        Rlimit {
            current: Some(most),
            maximum: Some(most),
        },
    )?;
    Ok(())
}

/// Allows so many seconds of computing from now on, and what was used before.
fn allow_one_more() -> io::Result<u64> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let used = u64::try_from(used).unwrap_or(u64::MAX);
    let most = used.saturating_add(REQUEST_SECONDS + 1);
    setrlimit(
        Resource::Cpu,
        Rlimit {
            current: Some(most),
            maximum: Some(LIFE_SECONDS + REQUEST_SECONDS + 1),
        },
    )?;
    Ok(used)
}

fn serve() -> io::Result<()> {
    let mut requests = io::stdin().lock();
    let mut answers = io::BufWriter::new(io::stdout().lock());
    while let Some(request) = Request::read(&mut requests)? {
        let used = allow_one_more()?;
        // A panic of a decoder is a damaged frame; an allocation that fails ends the process.
        let answer = catch_unwind(AssertUnwindSafe(|| request.perform()));
        let last = used >= LIFE_SECONDS;
        wire::answer(
            &mut answers,
            answer.unwrap_or(Err(DecodeError::Damaged)),
            last,
        )?;
        if last {
            break;
        }
    }
    Ok(())
}
