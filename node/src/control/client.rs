//! The command line's side.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::control::ANSWER_BYTES;
use crate::control::request::{Reply, Request};
use crate::control::socket::{NoNode, connect};
use crate::language::{Explain as _, Failure, Message};
use crate::say;
use crate::site::SiteFolder;

/// How long an answer may take: importing a folder or rendering a long report takes minutes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Asks the running node of a data folder. What listens there is known to be the node before the
/// request, which may hold a passphrase, is sent.
///
/// # Errors
/// When no node runs there, or what the node says.
pub fn ask(folder: &SiteFolder, request: Request) -> Result<Value, Failure> {
    let mut stream = connect(folder.path()).map_err(|why| no_node(folder, why))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .map_err(broken)?;
    let mut line =
        Zeroizing::new(serde_json::to_vec(&request).map_err(|error| broken(error.into()))?);
    drop(request);
    line.push(b'\n');
    // A node that refuses stops reading; what it says is worth more than that.
    let sent = stream.write_all(&line);
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES))
        .read_until(b'\n', &mut answer)
        .map_err(broken)?;
    match serde_json::from_slice(&answer) {
        Ok(Reply::Done(value)) => Ok(value),
        Ok(Reply::Failed { code, ja, en }) => Err(Failure::new(code, Message { ja, en })),
        Err(error) => Err(match sent {
            Ok(()) => broken(error.into()),
            Err(unsent) => broken(unsent),
        }),
    }
}

fn no_node(folder: &SiteFolder, why: NoNode) -> Failure {
    let place = folder.path().display();
    match why {
        NoNode::NotRunning => Failure::new(
            "not-running",
            say!(
                "{place} のノードは動いていません。「dokuei run {place}」で開始してください。",
                "No node is running on {place}. Start it with 'dokuei run {place}'."
            ),
        ),
        NoNode::NotPermitted => Failure::new(
            "not-permitted",
            say!(
                "{place} を操作する権限がありません。ノードと同じ利用者で実行してください（例: sudo -u dokuei dokuei …）。",
                "This user may not speak to the node on {place}. Run the command as the node's own user (sudo -u dokuei dokuei …)."
            ),
        ),
        NoNode::NotOurs(user) => Failure::new(
            "not-ours",
            say!(
                "{place} で待ち受けているのは別の利用者（ID {user}）のプログラムです。何も送りませんでした。フォルダの所有者と権限を確認してください。",
                "What listens on {place} is a program of another user (id {user}). Nothing was sent. Check the folder's owner and permissions."
            ),
        ),
        NoNode::Io(error) => broken(error),
    }
}

fn broken(error: io::Error) -> Failure {
    Failure::new(
        "control-broken",
        say!(
            "ノードとの通信が切れました（{why}）。「dokuei status」でノードの状態を確認してください。",
            "The connection to the node broke ({why}). See 'dokuei status'.";
            why = error.message()
        ),
    )
}
