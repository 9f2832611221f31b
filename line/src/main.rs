//! `line`: emulated lines between network namespaces, and a pair of programs to measure them.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("line: {error}");
            ExitCode::from(2)
        }
    }
}
