//! The command line's side.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::control::request::{Envelope, Reply, Request};
use crate::control::{ANSWER_BYTES, ControlFile};
use crate::language::{Explain as _, Failure, Message};
use crate::say;
use crate::site::SiteFolder;

/// How long an answer may take: importing a folder or rendering a long report takes minutes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Asks the running node of a data folder.
///
/// # Errors
/// When no node runs there, or what the node says.
pub fn ask(folder: &SiteFolder, request: Request) -> Result<Value, Failure> {
    let path = folder.control();
    let place = folder.path().display().to_string();
    let not_running = || {
        Failure::new(
            "not-running",
            say!(
                "{place} のノードは動いていません。「dokuei run {place}」で開始してください。",
                "No node is running on {place}. Start it with 'dokuei run {place}'."
            ),
        )
    };
    let text = std::fs::read_to_string(&path).map_err(|_| not_running())?;
    let file: ControlFile = serde_json::from_str(&text).map_err(|_| not_running())?;
    let mut stream = TcpStream::connect(&file.address).map_err(|_| not_running())?;
    let broken = |error: io::Error| {
        Failure::new(
            "control-broken",
            say!(
                "ノードとの通信が切れました（{why}）。「dokuei status」でノードの状態を確認してください。",
                "The connection to the node broke ({why}). See 'dokuei status'.";
                why = error.message()
            ),
        )
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    let mut line = serde_json::to_vec(&Envelope {
        token: file.token,
        request,
    })
    .map_err(|error| broken(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES))
        .read_line(&mut answer)
        .map_err(broken)?;
    match serde_json::from_str(&answer).map_err(|error| broken(error.into()))? {
        Reply::Done(value) => Ok(value),
        Reply::Failed { code, ja, en } => Err(Failure::new(code, Message { ja, en })),
    }
}
