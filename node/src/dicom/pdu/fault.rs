//! What ends an association early, and whom it is to be blamed on.

use super::PduKind;
use super::watch::Phase;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Another protocol's client on the DICOM port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A TLS record: a ClientHello, or the alert that answers what is no TLS.
    Tls,
    /// Plain DICOM, where TLS is spoken.
    Plain,
    /// An HTTP request line.
    Http,
    /// An SSH banner.
    Ssh,
}

impl Foreign {
    /// Recognise a protocol by its first six bytes.
    pub(super) fn recognise(first: [u8; 6]) -> Option<Self> {
        const METHODS: [&[u8]; 7] = [
            b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTION", b"PRI * ", b"CONNEC",
        ];
        // A TLS record: alert (0x15) or handshake (0x16), major version 3 (RFC 8446 section 5.1).
        if matches!(first[0], 0x15 | 0x16) && first[1] == 0x03 {
            Some(Foreign::Tls)
        } else if METHODS.iter().any(|m| first.starts_with(m)) {
            Some(Foreign::Http)
        } else if first.starts_with(b"SSH-") {
            Some(Foreign::Ssh)
        } else {
            None
        }
    }
}

/// A PDU that breaks PS3.8: the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PduFault {
    /// Not DICOM at all.
    Foreign(Foreign),
    /// A PDU type outside the seven.
    UnknownType(u8),
    /// An announced length above the limit of its kind.
    TooLong {
        /// The PDU.
        kind: PduKind,
        /// What it announced.
        length: u32,
        /// What is taken.
        limit: u32,
    },
    /// An announced length below what its kind needs.
    TooShort {
        /// The PDU.
        kind: PduKind,
        /// What it announced.
        length: u32,
        /// What it needs.
        least: u32,
    },
    /// A field that contradicts the standard or another field.
    Malformed {
        /// The PDU.
        kind: PduKind,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// A PDU that has no place at this point of the association.
    Unexpected {
        /// The PDU.
        kind: PduKind,
        /// When it came.
        during: &'static str,
    },
}

/// Source and reason of an A-ABORT (PS3.8 section 9.3.8), as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort {
    /// 0 service user, 2 service provider.
    pub source: u8,
    /// Reason; meaningful for the provider only.
    pub reason: u8,
}

impl Abort {
    /// Provider, reason not specified: limits and time-outs.
    pub(crate) const UNSPECIFIED: Abort = Abort::provider(0);
    const UNRECOGNISED_PDU: Abort = Abort::provider(1);
    const UNEXPECTED_PDU: Abort = Abort::provider(2);
    const INVALID_PARAMETER: Abort = Abort::provider(6);
    /// Service user: the application gives up.
    pub(crate) const USER: Abort = Abort {
        source: 0,
        reason: 0,
    };

    const fn provider(reason: u8) -> Abort {
        Abort { source: 2, reason }
    }
}

impl Foreign {
    /// Whether this is the head of an A-ASSOCIATE-RQ (PS3.8 section 9.3.2), which nothing else on a port for TLS begins
    /// with.
    pub(super) fn is_plain_request(first: [u8; 6]) -> bool {
        first[0] == PduKind::AssociateRequest as u8 && first[1] == 0
    }
}

impl PduFault {
    /// The A-ABORT that answers it.
    pub(crate) fn abort(self) -> Abort {
        match self {
            PduFault::Foreign(_) | PduFault::UnknownType(_) => Abort::UNRECOGNISED_PDU,
            PduFault::Unexpected { .. } => Abort::UNEXPECTED_PDU,
            PduFault::TooLong { .. } | PduFault::TooShort { .. } | PduFault::Malformed { .. } => {
                Abort::INVALID_PARAMETER
            }
        }
    }
}

/// Why an association ended before both sides released it.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// The peer broke the protocol.
    Pdu(#[from] PduFault),
    /// A command set that cannot be read or has no place.
    Message(&'static str),
    /// The peer sent A-ABORT.
    Aborted(Abort),
    /// The peer closed the connection.
    Closed,
    /// Nothing came within the time allowed.
    TimedOut(Phase),
    /// The peer was slower than the minimum rate.
    TooSlow {
        /// Bytes in the last window.
        bytes: u64,
        /// Length of the window.
        seconds: u64,
    },
    /// TLS could not be agreed, or was broken.
    Tls(rustls::Error),
    /// It was idle and made room for another association.
    GaveWay,
    /// This node is stopping.
    Stopping,
    /// The network or the operating system.
    Io(#[from] std::io::Error),
}

impl LinkFault {
    /// The fault of a read or write that failed.
    pub(crate) fn of(error: std::io::Error) -> LinkFault {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let inner = error.get_ref();
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return LinkFault::Tls(tls.clone());
        }
        match error.kind() {
            ConnectionReset | ConnectionAborted | BrokenPipe => LinkFault::Closed,
            _other => LinkFault::Io(error),
        }
    }

    /// The A-ABORT owed to the peer, if it may still be listening.
    pub(crate) fn abort(&self) -> Option<Abort> {
        match self {
            LinkFault::Pdu(fault) => Some(fault.abort()),
            LinkFault::Message(_) => Some(Abort::INVALID_PARAMETER),
            LinkFault::TimedOut(_) | LinkFault::TooSlow { .. } | LinkFault::Stopping => {
                Some(Abort::UNSPECIFIED)
            }
            LinkFault::Aborted(_)
            | LinkFault::Closed
            | LinkFault::GaveWay
            | LinkFault::Tls(_)
            | LinkFault::Io(_) => None,
        }
    }
}

impl Explain for Foreign {
    fn message(&self) -> Message {
        match self {
            Foreign::Tls => say!(
                "相手の装置が TLS（暗号化通信）で接続してきました。このポートは暗号化なしの DICOM 用です。送信側の TLS を無効にしてください",
                "the peer speaks TLS but this is the plain DICOM port; turn TLS off at the sender"
            ),
            Foreign::Plain => say!(
                "相手の装置が暗号化なしの DICOM で接続してきました。このポートは TLS 用です。送信側の TLS を有効にしてください",
                "the peer speaks plain DICOM but this is the port for TLS; turn TLS on at the sender"
            ),
            Foreign::Http => say!(
                "DICOM のポートに HTTP で接続してきました。ブラウザや DICOMweb は別のポートを使用してください",
                "the peer sent an HTTP request to the DICOM port; a browser or DICOMweb client needs another port"
            ),
            Foreign::Ssh => say!(
                "DICOM のポートに SSH で接続してきました。送信側のポート番号を確認してください",
                "the peer speaks SSH, not DICOM; check the port at the sender"
            ),
        }
    }
}

impl Explain for PduFault {
    fn message(&self) -> Message {
        match self {
            PduFault::Foreign(foreign) => foreign.message(),
            PduFault::UnknownType(kind) => say!(
                "DICOM にない種類のデータ（PDU {kind:#04x}）が届きました。相手は DICOM 装置ではない可能性があります",
                "PDU type {kind:#04x} does not exist in DICOM; the sender is probably not a DICOM device"
            ),
            PduFault::TooLong {
                kind,
                length,
                limit,
            } => say!(
                "相手の装置の {kind} が長すぎます（{length} バイト、上限 {limit}）",
                "{kind} announced {length} bytes, at most {limit} are taken"
            ),
            PduFault::TooShort {
                kind,
                length,
                least,
            } => say!(
                "相手の装置の {kind} が短すぎます（{length} バイト、最低 {least}）",
                "{kind} announced {length} bytes, it needs at least {least}"
            ),
            PduFault::Malformed { kind, what } => say!(
                "相手の装置の {kind} が DICOM の規則に反しています。装置の保守業者に伝えてください（{what}）",
                "{kind} is malformed: {what}"
            ),
            PduFault::Unexpected { kind, during } => say!(
                "相手の装置が順序に反して {kind} を送りました。装置の保守業者に伝えてください（{during}）",
                "{kind} came {during}, where it has no place"
            ),
        }
    }
}

impl Explain for Abort {
    fn message(&self) -> Message {
        match (self.source, self.reason) {
            (0, _) => say!("相手のプログラムが中止しました", "its application gave up"),
            (2, 0) => say!("理由は示されていません", "no reason given"),
            (2, 1) => say!(
                "知らない種類の PDU と判断されました",
                "it did not recognise a PDU"
            ),
            (2, 2) => say!(
                "順序に反した PDU と判断されました",
                "it did not expect a PDU"
            ),
            (2, 4) => say!(
                "知らないパラメータと判断されました",
                "it did not recognise a parameter"
            ),
            (2, 5) => say!(
                "不要なパラメータと判断されました",
                "it did not expect a parameter"
            ),
            (2, 6) => say!(
                "パラメータの値が不正と判断されました",
                "it found a parameter invalid"
            ),
            (source, reason) => say!(
                "発信元 {source}、理由 {reason}",
                "source {source}, reason {reason}"
            ),
        }
    }
}

impl Explain for LinkFault {
    fn message(&self) -> Message {
        match self {
            LinkFault::Pdu(fault) => fault.message(),
            LinkFault::Message(what) => say!(
                "相手の装置のメッセージが DICOM の規則に反しています。装置の保守業者に伝えてください（{what}）",
                "the peer sent a message that cannot be followed: {what}"
            ),
            LinkFault::Aborted(abort) => say!(
                "相手の装置が通信を中止しました（{why}）",
                "the peer aborted the association: {why}";
                why = abort.message()
            ),
            LinkFault::Closed => say!(
                "相手の装置が終了の手続きなしに接続を切りました",
                "the peer closed the connection without releasing the association"
            ),
            LinkFault::TimedOut(phase) => say!(
                "{what}を待っている間に時間切れになりました",
                "time-out while waiting for {what}";
                what = phase.message()
            ),
            LinkFault::TooSlow { bytes, seconds } => say!(
                "相手の装置の通信が遅すぎます（{seconds} 秒間に {bytes} バイト）。回線を確認してください",
                "the peer moved {bytes} bytes in {seconds} s, below the minimum rate; check the line"
            ),
            LinkFault::Tls(error) => error.message(),
            LinkFault::GaveWay => say!(
                "接続数が上限に達したため、使われていない接続を切りました",
                "it was idle and gave way to a new association, as the most allowed were open"
            ),
            LinkFault::Stopping => say!("このノードは停止中です", "this node is stopping"),
            LinkFault::Io(error) => say!(
                "通信に失敗しました（{why}）",
                "the connection failed: {why}";
                why = error.message()
            ),
        }
    }
}

displayed_in_english!(Foreign, PduFault, Abort, LinkFault);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_fault_is_told_in_both_languages() {
        let pdu = [
            PduFault::Foreign(Foreign::Tls),
            PduFault::Foreign(Foreign::Plain),
            PduFault::Foreign(Foreign::Http),
            PduFault::Foreign(Foreign::Ssh),
            PduFault::UnknownType(0x2a),
            PduFault::TooLong {
                kind: PduKind::Data,
                length: 9,
                limit: 8,
            },
            PduFault::TooShort {
                kind: PduKind::Data,
                length: 1,
                least: 2,
            },
            PduFault::Malformed {
                kind: PduKind::Data,
                what: "x",
            },
            PduFault::Unexpected {
                kind: PduKind::Data,
                during: "x",
            },
        ];
        let aborts = [
            (0, 0),
            (2, 0),
            (2, 1),
            (2, 2),
            (2, 4),
            (2, 5),
            (2, 6),
            (1, 9),
        ]
        .map(|(source, reason)| Abort { source, reason });
        let phases = [
            Phase::Connection,
            Phase::Negotiation,
            Phase::Message,
            Phase::Response,
            Phase::Release,
        ];
        let others = [
            LinkFault::Message("x"),
            LinkFault::Closed,
            LinkFault::TooSlow {
                bytes: 1,
                seconds: 30,
            },
            LinkFault::Tls(rustls::Error::NoCertificatesPresented),
            LinkFault::GaveWay,
            LinkFault::Stopping,
            LinkFault::Io(std::io::ErrorKind::ConnectionReset.into()),
        ];
        let faults: Vec<LinkFault> = (pdu.into_iter().map(LinkFault::Pdu))
            .chain(aborts.into_iter().map(LinkFault::Aborted))
            .chain(phases.into_iter().map(LinkFault::TimedOut))
            .chain(others)
            .collect();
        assert_explained(faults.iter().map(|fault| fault as &dyn Explain));
    }
}
