//! What can go wrong in the network room, grouped by who must do something about it.

use std::net::SocketAddr;

use super::status::Transport;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// The network did not start. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS libraries write session keys to the file this variable names.
    KeyLog,
    /// Someone else listens there.
    PortUsed {
        /// What was asked for.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
    },
    /// Someone else has the port for bulk data.
    BulkPortUsed {
        /// What was asked for.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
    },
    /// The system does not let its own sockets be used.
    Sockets(std::io::Error),
    /// The address cannot be listened on.
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
        /// What the system said.
        source: std::io::Error,
    },
    /// Both transports are switched off.
    NoTransport,
    /// The node's key made no certificate.
    Identity(String),
}

/// A document did not get an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection now; send again on `NetworkEvent::Connected`.
    NotConnected,
    /// The queue for this node is full; send again after the next answer.
    Busy,
    /// Not in the list given to `set_members`.
    NotAMember,
    /// Longer than [`super::limits::MESSAGE_MAX`].
    TooLarge,
    /// It may or may not have arrived; send again.
    Unanswered,
    /// The network is stopping.
    Stopped,
}

/// A sync question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// No connection now.
    NotConnected,
    /// As many questions as allowed are open at this node.
    Busy,
    /// Not in the list given to `set_members`.
    NotAMember,
    /// Longer than [`super::limits::MESSAGE_MAX`].
    TooLarge,
    /// The partner did not want to answer.
    Refused,
    /// The connection was lost, or the answer was late or malformed.
    Unanswered,
}

/// A pairing conversation did not come about, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// Nobody answers at these addresses.
    Unreachable,
    /// The other side ended it: no window, another conversation, too many attempts, or a wrong code.
    Refused,
    /// No answer within [`super::limits::PAIRING_DEADLINE`].
    Late,
    /// A frame is longer than [`super::limits::PAIRING_FRAME_MAX`], or more than
    /// [`super::limits::PAIRING_FRAMES`] were sent.
    TooLarge,
    /// Too many pairings or dials are going on here, or the network is stopping.
    Busy,
}

/// A fetch ended before all ranges were answered. What the sink was given stays valid: ask for the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection now.
    NotConnected,
    /// Not in the list given to `set_members`.
    NotAMember,
    /// The partner serves as many streams as it can.
    Busy,
    /// The connection was lost or a stream was reset.
    Interrupted,
    /// No byte for the time allowed.
    Stalled,
    /// The partner broke the protocol.
    Malformed,
    /// The sink could not take the bytes: our own disk, usually.
    Sink(Message),
}

impl Explain for StartError {
    fn message(&self) -> Message {
        match self {
            StartError::KeyLog => say!(
                "環境変数 SSLKEYLOGFILE が設定されているため、通信の鍵がファイルに書き出されてしまいます。設定を解除してから開始してください",
                "the environment variable SSLKEYLOGFILE is set, so the keys of every connection would be written to a file; unset it and start again"
            ),
            StartError::PortUsed { address, transport } => {
                let (ip, port) = (address.ip(), address.port());
                say!(
                    "{ip} の {transport} ポート {port} はほかのプログラムが使用しています。そのプログラムを止めるか、dokuei.toml の network.listen を別のポートにしてください",
                    "{transport} port {port} on {ip} is already used by another program; stop that program or choose another port as network.listen in dokuei.toml"
                )
            }
            StartError::BulkPortUsed { address, transport } => {
                let (ip, port) = (address.ip(), address.port());
                say!(
                    "{ip} の {transport} ポート {port}（大きなデータ用）はほかのプログラムが使用しています。そのプログラムを止めるか、dokuei.toml の network.bulk_port を別のポートにしてください",
                    "{transport} port {port} on {ip}, for bulk data, is already used by another program; stop that program or choose another port as network.bulk_port in dokuei.toml"
                )
            }
            StartError::Sockets(source) => say!(
                "通信の準備ができません（{why}）",
                "the network could not be prepared ({why})";
                why = source.message()
            ),
            StartError::Listen {
                address,
                transport,
                source,
            } => say!(
                "{transport} の {address} で待ち受けできません（{why}）。dokuei.toml の network.listen を確認してください",
                "cannot listen on {transport} {address} ({why}); check network.listen in dokuei.toml";
                why = source.message()
            ),
            StartError::NoTransport => say!(
                "QUIC と TCP の両方が無効になっています。少なくとも一方を有効にしてください",
                "both QUIC and TCP are switched off; allow at least one of them"
            ),
            StartError::Identity(said) => say!(
                "ノードの鍵から TLS の証明書を作れません（{said}）",
                "the node's key could not be made into a TLS identity: {said}"
            ),
        }
    }
}

fn not_connected() -> Message {
    say!("相手施設に接続していません", "not connected")
}

fn not_a_member() -> Message {
    say!("相手施設の登録がありません", "not a member")
}

fn too_large() -> Message {
    say!("文書が 64 KiB を超えています", "longer than 64 KiB")
}

impl Explain for SendError {
    fn message(&self) -> Message {
        match self {
            SendError::NotConnected => not_connected(),
            SendError::Busy => say!(
                "この相手施設への送信待ちの文書が多すぎます",
                "too many documents are waiting for this node"
            ),
            SendError::NotAMember => not_a_member(),
            SendError::TooLarge => too_large(),
            SendError::Unanswered => say!(
                "送信しましたが相手施設から応答がありません",
                "sent, but not answered"
            ),
            SendError::Stopped => say!(
                "このノードの通信は停止しています",
                "the network has stopped"
            ),
        }
    }
}

impl Explain for SyncError {
    fn message(&self) -> Message {
        match self {
            SyncError::NotConnected => not_connected(),
            SyncError::Busy => say!(
                "この相手施設への問い合わせが多すぎます",
                "too many questions are open at this node"
            ),
            SyncError::NotAMember => not_a_member(),
            SyncError::TooLarge => too_large(),
            SyncError::Refused => say!("相手施設が回答を断りました", "the partner gave no answer"),
            SyncError::Unanswered => {
                say!("相手施設から回答が届きません", "the answer did not come")
            }
        }
    }
}

impl Explain for PairError {
    fn message(&self) -> Message {
        match self {
            PairError::Unreachable => say!(
                "招待コードのアドレスで応答するノードがありません。アドレスと、相手施設のノードが動いていることを確認してください",
                "no node answers at the given addresses; check them, and that the other node is running"
            ),
            PairError::Refused => say!(
                "相手施設のノードが登録を打ち切りました。新しい招待コードを発行してもらってください",
                "the other node ended the conversation; ask its operator for a new code"
            ),
            PairError::Late => say!(
                "相手施設のノードが時間内に応答しません",
                "the other node did not answer in time"
            ),
            PairError::TooLarge => say!(
                "登録のメッセージが長すぎるか、多すぎます",
                "the pairing message is too long or one too many"
            ),
            PairError::Busy => say!(
                "接続の処理が混み合っています。もう一度試してください",
                "too many connections are being made; try again"
            ),
        }
    }
}

impl Explain for FetchError {
    fn message(&self) -> Message {
        match self {
            FetchError::NotConnected => not_connected(),
            FetchError::NotAMember => not_a_member(),
            FetchError::Busy => say!(
                "相手施設が混み合っています。後で再試行します",
                "the partner is busy; try again later"
            ),
            FetchError::Interrupted => {
                say!("通信の途中で接続が切れました", "the connection was lost")
            }
            FetchError::Stalled => {
                say!("データの到着が止まりました", "no byte arrived for too long")
            }
            FetchError::Malformed => say!(
                "相手施設から予期しないデータが届きました。双方のプログラムの版を確認してください",
                "the partner sent something that makes no sense here; compare both versions of the program"
            ),
            FetchError::Sink(why) => say!(
                "届いたデータを保存できません（{why}）。ディスクを確認してください",
                "what arrived could not be stored: {why}; check the disk";
                why = why.clone()
            ),
        }
    }
}

displayed_in_english!(StartError, SendError, SyncError, PairError, FetchError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_error_is_told_in_both_languages() {
        let address = SocketAddr::from(([192, 0, 2, 1], 4400));
        let start = [
            StartError::KeyLog,
            StartError::PortUsed {
                address,
                transport: Transport::Quic,
            },
            StartError::Listen {
                address,
                transport: Transport::Tcp,
                source: std::io::ErrorKind::AddrNotAvailable.into(),
            },
            StartError::NoTransport,
            StartError::Identity("x".to_owned()),
        ];
        assert_explained(start.iter().map(|error| error as &dyn Explain));
        let send = [
            SendError::NotConnected,
            SendError::Busy,
            SendError::NotAMember,
            SendError::TooLarge,
            SendError::Unanswered,
            SendError::Stopped,
        ];
        assert_explained(send.iter().map(|error| error as &dyn Explain));
        let sync = [
            SyncError::NotConnected,
            SyncError::Busy,
            SyncError::NotAMember,
            SyncError::TooLarge,
            SyncError::Refused,
            SyncError::Unanswered,
        ];
        assert_explained(sync.iter().map(|error| error as &dyn Explain));
        let pair = [
            PairError::Unreachable,
            PairError::Refused,
            PairError::Late,
            PairError::TooLarge,
            PairError::Busy,
        ];
        assert_explained(pair.iter().map(|error| error as &dyn Explain));
        let fetch = [
            FetchError::NotConnected,
            FetchError::NotAMember,
            FetchError::Busy,
            FetchError::Interrupted,
            FetchError::Stalled,
            FetchError::Malformed,
            FetchError::Sink(say!("満杯", "full")),
        ];
        assert_explained(fetch.iter().map(|error| error as &dyn Explain));
    }
}
