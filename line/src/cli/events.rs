//! What a lab that is kept waits for: orders from whoever may give them, and its end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use dokuei_line::order::ORDER_MOST;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Orders that wait. Whoever gives one waits for its answer, so that more than one each is a bound
/// that is never reached.
const WAITING_MOST: usize = 16;

/// One thing that has happened.
pub(super) enum Event {
    /// An order, and where its answer goes.
    Order(String, SyncSender<String>),
    /// Standard input ended, or a signal came.
    End,
}

/// The ends of a channel of events.
pub(super) struct Events {
    /// Where they go in.
    pub(super) into: SyncSender<Event>,
    /// Where they come out.
    pub(super) out: Receiver<Event>,
}

impl Events {
    /// A channel into which signals that end a process go from now on.
    pub(super) fn with_signals() -> io::Result<Events> {
        let (into, out) = sync_channel(WAITING_MOST);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let ends = into.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                // Nobody listens any more when everything has ended.
                let _ = ends.send(Event::End);
            }
        });
        Ok(Events { into, out })
    }

    /// Orders of standard input go in, too; with its end all ends.
    pub(super) fn of_standard_input(&self) {
        let into = self.into.clone();
        thread::spawn(move || {
            let mut input = BufReader::new(io::stdin());
            while let Ok(Some(line)) = read_order(&mut input) {
                match ask(&into, line) {
                    Some(answer) => say(&answer),
                    None => return,
                }
            }
            // As above.
            let _ = into.send(Event::End);
        });
    }
}

/// Prints a line. Whoever was to read it may be gone; what is to be removed is removed all the same.
pub(super) fn say(line: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Gives an order and waits for the answer. None when all has ended.
pub(super) fn ask(into: &SyncSender<Event>, order: String) -> Option<String> {
    let (answered, answer) = sync_channel(1);
    into.send(Event::Order(order, answered)).ok()?;
    answer.recv().ok()
}

/// Reads one line. None at the end.
pub(super) fn read_order(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = input.take(ORDER_MOST).read_line(&mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if !line.ends_with('\n') && length as u64 == ORDER_MOST {
        return Err(io::Error::other("the order is too long"));
    }
    Ok(Some(line.trim().to_owned()))
}
