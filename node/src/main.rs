//! The program `dokuei`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dokuei_node::cli::main()
}
