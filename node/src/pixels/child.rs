//! The process that decodes: this program with the command `decode-child`.
//!
//! It starts without environment, takes everything it needs from its standard input, and gives back what it made on
//! its standard output. Before the first byte it takes from itself whatever a decoder in an attacker's hands could
//! use: no file, socket or pipe can be opened any more, memory and computing time are bounded, and it gains no right.

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::pixels::error::DecodeError;
use crate::pixels::wire::{self, Head, Task};
use crate::pixels::{codecs, rendering};

/// The command.
pub const COMMAND: &str = "decode-child";

/// Most bytes of address space. The largest frame has 128 MiB; JPEG 2000 needs it as 32-bit numbers twice over (512
/// MiB for 16-bit samples) beside the source and the answer.
pub const MEMORY_BYTES: u64 = 1 << 30;

/// Most seconds of computing for one request: the largest frames take a few. The node stops waiting earlier or later
/// by its own clock.
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
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    lower(Resource::Nofile, FILES)?;
    lower(Resource::As, MEMORY_BYTES)?;
    rustix::thread::set_no_new_privs(true)?;
    // Doctors who wait for a transfer come before those who wait for a picture. A system that refuses is no danger.
    let _ = rustix::process::nice(19);
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
    while let Some((head, source)) = wire::request(&mut requests)? {
        let used = allow_one_more()?;
        // A panic of a decoder is a damaged frame; an allocation that fails ends the process.
        let answer = catch_unwind(AssertUnwindSafe(|| perform(&head, &source)));
        wire::answer(&mut answers, answer.unwrap_or(Err(DecodeError::Damaged)))?;
        answers.flush()?;
        if used >= LIFE_SECONDS {
            break;
        }
    }
    Ok(())
}

/// Does what is asked.
fn perform(head: &Head, source: &[u8]) -> Result<Vec<u8>, DecodeError> {
    match &head.task {
        Task::Frame => codecs::decode(&head.image, source),
        Task::Render(rendering) => rendering::render(&head.image, source, rendering),
    }
}
