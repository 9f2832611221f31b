//! What the system shows of this process's memory: nothing. It holds keys and patients' images in clear.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From now on no other process of this user reads or traces this one, files of `/proc` that show its memory, its
/// environment or its open files belong to root, and it leaves no core file when it crashes. Programs that it starts
/// have to say so themselves.
///
/// # Errors
/// When the system refuses.
pub fn keep_private() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
