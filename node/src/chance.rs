//! The random source of this node.

use getrandom::SysRng;
use rand_core::UnwrapErr;

/// The operating system's random source. It fails only where there is none at all; nothing could be
/// sealed then, so the process ends.
pub fn chance() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
