//! What became of the objects, and what ended a sending.

use std::io;
use std::sync::Arc;

use super::Untranscoded;
use crate::dicom::dimse::StatusMeaning;
use crate::dicom::dimse::status::{code, is_for_now};
use crate::dicom::pdu::{LinkFault, Rejection};
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// A destination could not be used: blame lies there, or on the line between.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScuFault {
    /// The host name leads nowhere.
    NoSuchHost {
        /// Host as configured.
        host: String,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// It was not even tried: the last attempts did not reach it.
    Dead {
        /// Attempts in a row that failed.
        failed: u32,
        /// Seconds until it is tried again.
        seconds: u64,
    },
    /// No TCP connection.
    Unreachable {
        /// Host as configured.
        host: String,
        /// Port.
        port: u16,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A-ASSOCIATE-RJ.
    Rejected(Rejection),
    /// The association broke.
    Link(Arc<LinkFault>),
    /// The destination does not accept the Verification SOP class.
    EchoNotOffered,
    /// C-ECHO was answered with a failure.
    EchoFailed(u16),
    /// The destination does not accept the SOP class of the service that was asked for.
    NotOffered,
    /// A query, a retrieval or a request for commitment was answered with this status.
    Failed(u16),
}

impl ScuFault {
    /// Whether another attempt may come off without anybody's doing: not where the destination answered that it does not
    /// know us, or is not who it should be.
    pub fn may_pass(&self) -> bool {
        match self {
            ScuFault::Dead { .. } => true,
            ScuFault::NoSuchHost { .. } | ScuFault::Unreachable { .. } => true,
            ScuFault::Rejected(rejection) => rejection.is_transient,
            ScuFault::Link(fault) => !matches!(**fault, LinkFault::Tls(_)),
            ScuFault::EchoNotOffered | ScuFault::EchoFailed(_) | ScuFault::NotOffered => false,
            // Out of resources, or a failure of the moment.
            ScuFault::Failed(status) => is_for_now(*status),
        }
    }
}

impl From<LinkFault> for ScuFault {
    fn from(fault: LinkFault) -> Self {
        ScuFault::Link(Arc::new(fault))
    }
}

/// What became of one object.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Stored.
    Stored,
    /// Stored, with a warning status to record.
    StoredWithWarning {
        /// Status (0000,0900).
        status: u16,
    },
    /// Refused.
    Refused {
        /// Status (0000,0900).
        status: u16,
        /// Whether the same object may be accepted later.
        for_now: bool,
    },
    /// The destination does not take this SOP class in this transfer syntax; nothing was sent.
    NotAccepted {
        /// SOP Class UID.
        sop_class: String,
        /// Transfer Syntax UID.
        transfer_syntax: String,
    },
    /// It does not take this transfer syntax, and the object could not be brought into one that it takes.
    NotTranscoded {
        /// The Transfer Syntax UID in which the object is kept.
        transfer_syntax: String,
        /// Why.
        why: Untranscoded,
    },
    /// The object could not be read here.
    Unreadable(Arc<io::Error>),
    /// The association broke while it was under way: the destination may or may not have it.
    Interrupted(Arc<LinkFault>),
    /// The sending ended before its turn.
    NotAttempted,
}

impl Delivery {
    /// Whether the destination says that it has it.
    pub fn is_stored(&self) -> bool {
        matches!(self, Delivery::Stored | Delivery::StoredWithWarning { .. })
    }

    /// Whether sending the same object again may help.
    pub fn may_retry(&self) -> bool {
        match self {
            Delivery::Refused { for_now, .. } => *for_now,
            Delivery::NotTranscoded { why, .. } => why.for_now,
            Delivery::Interrupted(_) | Delivery::NotAttempted => true,
            Delivery::Stored
            | Delivery::StoredWithWarning { .. }
            | Delivery::NotAccepted { .. }
            | Delivery::Unreadable(_) => false,
        }
    }
}

impl Delivery {
    /// Of an object that is kept in `transfer_syntax` and could not be read, as it is or in another one.
    pub(in crate::dicom) fn unread(transfer_syntax: &str, error: io::Error) -> Delivery {
        let inside = error.get_ref();
        match inside.and_then(|inside| inside.downcast_ref::<Untranscoded>()) {
            Some(why) => Delivery::NotTranscoded {
                transfer_syntax: transfer_syntax.to_owned(),
                why: why.clone(),
            },
            None => Delivery::Unreadable(Arc::new(error)),
        }
    }
}

impl From<StatusMeaning> for Delivery {
    fn from(meaning: StatusMeaning) -> Self {
        match meaning {
            StatusMeaning::Stored => Delivery::Stored,
            StatusMeaning::StoredWithWarning(status) => Delivery::StoredWithWarning { status },
            StatusMeaning::RefusedForNow(status) => Delivery::Refused {
                status,
                for_now: true,
            },
            StatusMeaning::RefusedForGood(status) => Delivery::Refused {
                status,
                for_now: false,
            },
        }
    }
}

impl Explain for ScuFault {
    fn message(&self) -> Message {
        match self {
            ScuFault::NoSuchHost { host, source } => say!(
                "ホスト名 {host} のアドレスが分かりません（{why}）。名前を確認するか、IP アドレスを指定してください",
                "the host name {host} has no address ({why}); check the name, or give the IP address";
                why = source.message()
            ),
            ScuFault::Dead { failed, seconds } => say!(
                "送り先に {failed} 回続けて届かなかったため、あと {seconds} 秒は試みません",
                "the destination was not reached {failed} times in a row and is left alone for {seconds} more seconds"
            ),
            ScuFault::Unreachable { host, port, source } => say!(
                "{host} のポート {port} に接続できません（{why}）。アドレス、ポート、ファイアウォールを確認してください",
                "cannot connect to {host} port {port} ({why}); check address, port and firewall";
                why = source.message()
            ),
            ScuFault::Rejected(rejection) => say!(
                "送り先が接続を拒否しました（{why}）",
                "the destination rejected the association: {why}";
                why = rejection.message()
            ),
            ScuFault::Link(fault) => fault.message(),
            ScuFault::EchoNotOffered => say!(
                "送り先が接続確認（C-ECHO）に対応していません",
                "the destination does not offer C-ECHO"
            ),
            ScuFault::NotOffered => say!(
                "相手がこの機能（検索・取得・保管確認）に対応していないか、このノードに許可していません",
                "the destination does not offer this service, or not to this node"
            ),
            ScuFault::Failed(code::UNKNOWN_DESTINATION) => say!(
                "相手に、送り先としてこのノードが登録されていません（DICOM 状態 A801）。相手の装置に AE タイトル、アドレス、ポートを登録してください",
                "the destination does not know where to send (DICOM status A801); register this node's AE title, address and port there"
            ),
            ScuFault::Failed(status) => say!(
                "相手が要求に応じませんでした（DICOM 状態 {status:04X}）",
                "the destination answered the request with status {status:04X}"
            ),
            ScuFault::EchoFailed(status) => say!(
                "送り先の接続確認（C-ECHO）が失敗しました（DICOM 状態 {status:04X}）",
                "the destination answered C-ECHO with status {status:04X}"
            ),
        }
    }
}

impl Explain for Delivery {
    fn message(&self) -> Message {
        match self {
            Delivery::Stored => say!("保管されました", "stored"),
            Delivery::StoredWithWarning { status } => say!(
                "警告つきで保管されました（DICOM 状態 {status:04X}）",
                "stored, with warning status {status:04X}"
            ),
            Delivery::Refused {
                status,
                for_now: true,
            } => say!(
                "送り先が今は受け取れないと答えました（DICOM 状態 {status:04X}）。後で再試行できます",
                "the destination refused it with status {status:04X}; try again later"
            ),
            Delivery::Refused {
                status,
                for_now: false,
            } => say!(
                "送り先が受け取りを拒否しました（DICOM 状態 {status:04X}）。再送しても受け取られません",
                "the destination refused it with status {status:04X}; it will refuse it again"
            ),
            Delivery::NotAccepted {
                sop_class,
                transfer_syntax,
            } => say!(
                "送り先がこの種類の画像（SOP Class {sop_class}、転送構文 {transfer_syntax}）を受け取る設定になっていません",
                "the destination does not accept {sop_class} in {transfer_syntax}"
            ),
            Delivery::NotTranscoded {
                transfer_syntax,
                why,
            } => say!(
                "送り先が転送構文 {transfer_syntax} を受け取らず、受け取れる転送構文にも変換できません（{why}）",
                "the destination does not accept {transfer_syntax}, and it could not be brought into what it accepts: {why}";
                why = why.message()
            ),
            Delivery::Unreadable(why) => say!(
                "このノードでデータを読めません（{why}）",
                "it could not be read here: {why}";
                why = why.message()
            ),
            Delivery::Interrupted(why) => say!(
                "送信が中断しました（{why}）",
                "interrupted: {why}";
                why = why.message()
            ),
            Delivery::NotAttempted => say!("まだ送信していません", "not attempted"),
        }
    }
}

displayed_in_english!(ScuFault, Delivery);

/// What became of one object, as reported while the sending goes on. Has no `Debug`: the instance
/// UID leads to a patient.
#[derive(Clone)]
pub struct Outcome {
    /// Its place in the source, from 0.
    pub index: u64,
    /// Its SOP Instance UID.
    pub sop_instance: String,
    /// What became of it.
    pub delivery: Delivery,
    /// The transfer syntax it was brought into for this destination; none when it went as it is kept, or not at all.
    pub brought_into: Option<&'static str>,
}

/// How a sending ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// Every object of the source had its turn.
    Complete,
    /// The caller asked to stop.
    Cancelled,
    /// The destination could not be used any further.
    GaveUp(ScuFault),
}

/// A sending in figures.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Objects the destination says it has.
    pub stored: u64,
    /// Of these, how many were brought into another transfer syntax.
    pub transcoded: u64,
    /// Objects taken from the source that it does not have.
    pub not_stored: u64,
    /// Associations opened.
    pub associations: u64,
    /// How it ended.
    pub ended: Ended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::pdu::RejectionReason;
    use crate::language::assert_explained;

    #[test]
    fn every_outcome_is_told_in_both_languages() {
        let reasons = [
            RejectionReason::ApplicationContext,
            RejectionReason::CallingAeTitle,
            RejectionReason::CalledAeTitle,
            RejectionReason::ProtocolVersion,
            RejectionReason::TemporaryCongestion,
            RejectionReason::LocalLimit,
            RejectionReason::Other(1, 1),
            RejectionReason::Other(7, 7),
        ];
        let rejected = reasons.map(|reason| ScuFault::Rejected(Rejection::permanent(reason)));
        let faults = [
            ScuFault::Dead {
                failed: 3,
                seconds: 30,
            },
            ScuFault::NoSuchHost {
                host: "pacs.example".to_owned(),
                source: Arc::new(io::ErrorKind::NotFound.into()),
            },
            ScuFault::Unreachable {
                host: "192.0.2.1".to_owned(),
                port: 104,
                source: Arc::new(io::ErrorKind::ConnectionRefused.into()),
            },
            ScuFault::from(LinkFault::Closed),
            ScuFault::EchoNotOffered,
            ScuFault::EchoFailed(0x0122),
            ScuFault::NotOffered,
            ScuFault::Failed(0xA801),
            ScuFault::Failed(0xC000),
        ];
        assert_explained((faults.iter().chain(&rejected)).map(|fault| fault as &dyn Explain));
        let refused = |for_now| Delivery::Refused {
            status: 0xA700,
            for_now,
        };
        let deliveries = [
            Delivery::Stored,
            Delivery::StoredWithWarning { status: 0xB000 },
            refused(true),
            refused(false),
            Delivery::NotAccepted {
                sop_class: "1.2".to_owned(),
                transfer_syntax: "1.3".to_owned(),
            },
            Delivery::unread(
                "1.3",
                io::Error::other(Untranscoded {
                    why: Message::new("壊れている", "it is damaged"),
                    for_now: false,
                }),
            ),
            Delivery::unread("1.3", io::ErrorKind::NotFound.into()),
            Delivery::Interrupted(Arc::new(LinkFault::Closed)),
            Delivery::NotAttempted,
        ];
        assert_explained(deliveries.iter().map(|delivery| delivery as &dyn Explain));
    }
}
