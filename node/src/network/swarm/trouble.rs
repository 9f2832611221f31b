//! libp2p's errors in an operator's words: short, without multiaddresses and peer ids.

use std::error::Error;
use std::io;

use libp2p::core::transport::TransportError;
use libp2p::swarm::{ConnectionError, DialError, ListenError};

/// Errors nest; no deeper than this is worth following.
const DEPTH: usize = 16;

/// Why a dial failed.
pub(super) fn dial_trouble(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "this address is our own".to_owned(),
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::WrongPeerId { .. } => "another node answers at this address".to_owned(),
        DialError::Denied { cause } => format!("not dialed: {}", innermost(cause)),
        DialError::Aborted | DialError::DialPeerConditionFalse(_) => {
            "the dial was given up".to_owned()
        }
        DialError::Transport(failures) => failures.last().map_or_else(
            || "no transport for this address".to_owned(),
            |(_, failure)| match failure {
                TransportError::MultiaddrNotSupported(_) => {
                    "no transport for this address".to_owned()
                }
                TransportError::Other(error) => innermost(error),
            },
        ),
    }
}

/// Why a connection ended that we did not close.
pub(super) fn closing_trouble(cause: Option<&ConnectionError>) -> String {
    match cause {
        None => "closed by this node".to_owned(),
        Some(ConnectionError::KeepAliveTimeout) => "nothing was left to do".to_owned(),
        Some(ConnectionError::IO(error)) => innermost(error),
    }
}

/// Why an incoming connection was not let in.
pub(super) fn listen_trouble(error: &ListenError) -> String {
    match error {
        ListenError::Denied { cause } => innermost(cause),
        ListenError::Transport(TransportError::Other(error)) => innermost(error),
        ListenError::Transport(TransportError::MultiaddrNotSupported(_))
        | ListenError::Aborted
        | ListenError::WrongPeerId { .. }
        | ListenError::LocalPeerId { .. } => "the handshake did not end well".to_owned(),
    }
}

/// The last error of the chain says what happened; those around it say where in libp2p.
fn innermost(error: &(dyn Error + 'static)) -> String {
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
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_error_is_named() {
        let inner = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let error = DialError::Transport(vec![(
            "/ip4/192.0.2.1/tcp/1".parse().unwrap(),
            TransportError::Other(io::Error::other(io::Error::other(inner))),
        )]);
        assert_eq!(dial_trouble(&error), "connection refused");
    }
}
