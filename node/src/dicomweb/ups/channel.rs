//! A subscriber's events over a WebSocket (PS3.18 section 11.13): each report one text of DICOM JSON. What the client
//! sends is read, so that it may close, and not otherwise looked at.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::super::answer::{Answer, Refusal, plain, set};
use super::super::limits::{HANDSHAKE_TIME, STALL_TIME};
use crate::say;
use crate::worklist::{Channel, Who, Worklist};

/// How often the client is asked whether it is still there, so that nothing in between takes the line for dead.
const PING: Duration = Duration::from_secs(20);
/// Pings without an answer after which it is not.
const UNANSWERED: u32 = 3;
/// Longest message of a client: none has anything to say.
const MESSAGE_BYTES: usize = 4 * 1024;
/// Most that waits to be written: one long report, which is sent before the next one is asked for.
const WRITE_BYTES: usize = 256 * 1024;

/// Why a channel is closed.
const BEHIND: (CloseCode, &str) = (
    CloseCode::Again,
    "events were missed: search, and open the channel again",
);
const NOT_ALLOWED: (CloseCode, &str) = (
    CloseCode::Policy,
    "the token, certificate or session is over",
);

/// Answers a request to listen, and goes on to tell once the answer is there.
pub(super) async fn open(
    worklist: &Worklist,
    (who, subscriber): (Who, String),
    head: &mut Parts,
    stands: impl Fn() -> bool + Send + 'static,
) -> Result<Answer, Refusal> {
    let has = |name: &HeaderName, wanted: &str| {
        let values = head
            .headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut tokens = values.flat_map(|value| value.split(','));
        tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    let key = head.headers.get(SEC_WEBSOCKET_KEY).cloned();
    let is_one = has(&UPGRADE, "websocket")
        && has(&CONNECTION, "upgrade")
        && has(&SEC_WEBSOCKET_VERSION, "13");
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let (Some(key), Some(upgrade), true) = (key, upgrade, is_one) else {
        let why = say!(
            "ここは WebSocket で開いてください。",
            "Open this as a WebSocket."
        );
        let mut answer = Answer::from(Refusal::new(StatusCode::UPGRADE_REQUIRED, why));
        set(&mut answer, UPGRADE, "websocket");
        set(&mut answer, SEC_WEBSOCKET_VERSION, "13");
        return Ok(answer);
    };
    let channel = match worklist.listen(&who, &subscriber).await {
        Ok(channel) => channel,
        Err(why) => return Ok(super::refused(why)),
    };
    tokio::spawn(async move {
        if let Ok(Ok(upgraded)) = tokio::time::timeout(HANDSHAKE_TIME, upgrade).await {
            tell(upgraded, channel, stands).await;
        }
    });
    let mut answer = plain(StatusCode::SWITCHING_PROTOCOLS, "text/plain", Vec::new());
    answer.headers_mut().clear();
    set(&mut answer, UPGRADE, "websocket");
    set(&mut answer, CONNECTION, "Upgrade");
    set(
        &mut answer,
        SEC_WEBSOCKET_ACCEPT,
        &derive_accept_key(key.as_bytes()),
    );
    Ok(answer)
}

/// Tells until the client is gone, has missed something, or is let in no more.
async fn tell(upgraded: Upgraded, mut channel: Channel, stands: impl Fn() -> bool) {
    let config = WebSocketConfig::default()
        .read_buffer_size(MESSAGE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES));
    let socket = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    let mut pings = tokio::time::interval(PING);
    let mut unanswered = 0;
    let over = loop {
        let message = tokio::select! {
            told = channel.next() => match told {
                Some(report) => Message::text(String::from_utf8_lossy(&report).into_owned()),
                None => break BEHIND,
            },
            said = socket.next() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
            },
            _ = pings.tick() => {
                if unanswered == UNANSWERED {
                    return;
                }
                unanswered += 1;
                Message::Ping(Vec::new().into())
            }
        };
        if !stands() {
            break NOT_ALLOWED;
        }
        let sent = tokio::time::timeout(STALL_TIME, socket.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    };
    let (code, why) = over;
    let over = CloseFrame {
        code,
        reason: why.into(),
    };
    // A client that takes nothing more is gone anyway.
    let _ = tokio::time::timeout(STALL_TIME, socket.close(Some(over))).await;
}
