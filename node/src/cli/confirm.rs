//! Asking before something is done that cannot be taken back.

use std::io::{BufRead as _, IsTerminal as _};

use crate::language::{Failure, Message};
use crate::say;

/// Asks on the terminal whether to go on; not at all when `yes` was said on the command line.
///
/// # Errors
/// When the answer is no, or there is no terminal to ask on.
pub(super) fn confirm(yes: bool, what: &Message) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(unconfirmed(what));
    }
    eprint!(
        "{what} {}",
        say!(
            "続けるには「はい」または「yes」と入力してください: ",
            "Type 'yes' to go on: "
        )
    );
    let mut line = String::new();
    // An answer that cannot be read is none.
    let _ = std::io::stdin().lock().read_line(&mut line);
    if is_yes(&line) {
        Ok(())
    } else {
        Err(Failure::new(
            "not-confirmed",
            say!(
                "「はい」の入力がなかったので、何もしませんでした。",
                "The answer was not 'yes'; nothing was done."
            ),
        ))
    }
}

fn is_yes(line: &str) -> bool {
    let answer = line.trim();
    answer == "はい" || answer.eq_ignore_ascii_case("yes")
}

fn unconfirmed(what: &Message) -> Failure {
    let needed = say!(
        "端末以外から実行するときは --yes を付けてください。何もしませんでした。",
        "Without a terminal this needs --yes; nothing was done."
    );
    Failure::new("not-confirmed", what.clone().followed_by(&needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_yes_is_one() {
        assert!(is_yes("yes\n") && is_yes(" YES ") && is_yes("はい\n"));
        assert!(!is_yes("") && !is_yes("y\n") && !is_yes("yes please\n"));
    }
}
