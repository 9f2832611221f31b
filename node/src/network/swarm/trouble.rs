//! libp2p's errors in an operator's words: short, without multiaddresses and peer ids.

use std::error::Error;
use std::io;

use libp2p::core::transport::TransportError;
use libp2p::swarm::{ConnectionError, DialError, ListenError};

use super::super::gate::Closed;
use crate::language::{Explain, Message};
use crate::say;

/// Errors nest; no deeper than this is worth following.
const DEPTH: usize = 16;

/// Why a dial failed.
pub(super) fn dial_trouble(error: &DialError) -> Message {
    match error {
        DialError::LocalPeerId { .. } => say!(
            "相手施設のアドレスがこのノード自身を指しています",
            "this address is our own"
        ),
        DialError::NoAddresses => say!(
            "相手施設のアドレスが分かりません。相手からの接続を待ちます",
            "no address is known; waiting to be called"
        ),
        DialError::WrongPeerId { .. } => say!(
            "そのアドレスでは別のノードが応答します。相手施設のアドレスを確認してください",
            "another node answers at this address"
        ),
        DialError::Denied { cause } => say!(
            "接続を見合わせました（{why}）",
            "not dialed: {why}";
            why = innermost(cause)
        ),
        DialError::Aborted | DialError::DialPeerConditionFalse(_) => {
            say!("接続を取りやめました", "the dial was given up")
        }
        DialError::Transport(failures) => match failures.last() {
            Some((_, TransportError::Other(error))) => innermost(error),
            Some((_, TransportError::MultiaddrNotSupported(_))) | None => say!(
                "このアドレスに接続する手段がありません",
                "no transport for this address"
            ),
        },
    }
}

/// Why a connection ended that we did not close.
pub(super) fn closing_trouble(cause: Option<&ConnectionError>) -> Message {
    match cause {
        None => say!("このノードが接続を閉じました", "closed by this node"),
        Some(ConnectionError::KeepAliveTimeout) => {
            say!("用がないため接続を閉じました", "nothing was left to do")
        }
        Some(ConnectionError::IO(error)) => innermost(error),
    }
}

/// Why an incoming connection was not let in.
pub(super) fn listen_trouble(error: &ListenError) -> Message {
    match error {
        ListenError::Denied { cause } => innermost(cause),
        ListenError::Transport(TransportError::Other(error)) => innermost(error),
        ListenError::Transport(TransportError::MultiaddrNotSupported(_))
        | ListenError::Aborted
        | ListenError::WrongPeerId { .. }
        | ListenError::LocalPeerId { .. } => {
            say!("接続の確立に失敗しました", "the handshake did not end well")
        }
    }
}

/// Whether it was not let in for who it is: no member's key, or a revoked one.
pub(super) fn is_stranger(error: &ListenError) -> bool {
    let ListenError::Denied { cause } = error else {
        return false;
    };
    let closed = cause.source().and_then(|why| why.downcast_ref::<Closed>());
    matches!(
        closed,
        Some(Closed::ForeignKey | Closed::NotAMember | Closed::Revoked)
    )
}

/// The last error of the chain says what happened; those around it say where in libp2p.
fn innermost(error: &(dyn Error + 'static)) -> Message {
    let mut error = error;
    for _ in 0..DEPTH {
        // An io::Error made of another error shows that one, but names its source's source as its source.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let inner = inner
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| error.source());
        match inner {
            Some(inner) => error = inner,
            None => break,
        }
    }
    if let Some(closed) = error.downcast_ref::<Closed>() {
        return closed.message();
    }
    if let Some(system) = error.downcast_ref::<io::Error>() {
        return system.message();
    }
    foreign(&error.to_string())
}

/// What the transports say, whose errors are not all public types.
fn foreign(text: &str) -> Message {
    // An error of the system that somebody wrapped is only known by the number in its text.
    let number = text
        .rsplit_once("(os error ")
        .and_then(|(_, number)| number.trim_end_matches(')').parse().ok());
    if let Some(number) = number {
        return io::Error::from_raw_os_error(number).message();
    }
    let lower = text.to_ascii_lowercase();
    if ["timed out", "timeout"]
        .iter()
        .any(|words| lower.contains(words))
    {
        say!(
            "時間内に応答がありません。相手施設のノードと回線を確認してください",
            "no answer in time; is the other node running, and the line up?"
        )
    } else if ["by peer", "by remote"]
        .iter()
        .any(|words| lower.contains(words))
    {
        say!(
            "相手のノードが接続を閉じました。相手施設で登録が有効か確認してください",
            "closed by the other node; does it still know this site?"
        )
    } else {
        say!("接続に失敗しました（{text}）", "{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_error_is_named() {
        let inner = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = DialError::Transport(vec![(
            "/ip4/192.0.2.1/tcp/1".parse().unwrap(),
            TransportError::Other(io::Error::other(io::Error::other(inner))),
        )]);
        let said = dial_trouble(&error);
        assert_eq!(
            said,
            io::Error::from(io::ErrorKind::ConnectionRefused).message()
        );
    }

    #[test]
    fn every_trouble_is_told_in_both_languages() {
        let transport = |error: &str| {
            let failure = TransportError::Other(io::Error::other(error.to_owned()));
            DialError::Transport(vec![("/ip4/192.0.2.1/tcp/1".parse().unwrap(), failure)])
        };
        let dials = [
            DialError::NoAddresses,
            DialError::Aborted,
            DialError::Transport(Vec::new()),
            transport("Timeout has been reached"),
            transport("closed by peer: 0"),
            transport("Connection refused (os error 111)"),
            transport("invalid peer certificate"),
        ];
        let mut told: Vec<Message> = dials.iter().map(dial_trouble).collect();
        told.push(closing_trouble(None));
        told.push(closing_trouble(Some(&ConnectionError::KeepAliveTimeout)));
        told.push(listen_trouble(&ListenError::Aborted));
        told.iter().for_each(crate::language::assert_both);
        assert!(told.iter().all(|told| !told.ja.contains("os error")));
    }
}
