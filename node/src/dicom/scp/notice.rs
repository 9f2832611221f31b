//! One line for the operator about an association that did not go as it should.

use std::net::{IpAddr, SocketAddr};

use super::Caller;
use crate::dicom::dimse::{QueryFailure, StoreFailure, StoreStatus};
use crate::dicom::pdu::{AeTitle, LinkFault, Rejection, RejectionReason};
use crate::entities::Refusal;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// An operation that reads what lies here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// C-FIND
    Find,
    /// C-MOVE
    Move,
    /// C-GET
    Get,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Operation::Find => "C-FIND",
            Operation::Move => "C-MOVE",
            Operation::Get => "C-GET",
        })
    }
}

/// What happened. Holds titles, addresses, SOP classes, the UID of an object that was refused, and causes; never a value
/// of a data set.
#[derive(Debug)]
pub enum Notice<'a> {
    /// An association request was rejected.
    Rejected {
        /// Who asked.
        caller: &'a Caller,
        /// Why.
        why: Rejection,
    },
    /// Who called is not let in.
    NotLetIn {
        /// Who called.
        caller: &'a Caller,
        /// Why.
        why: &'a Refusal,
    },
    /// A sender speaks TLS on the plain port.
    SpeaksTls {
        /// The peer.
        address: SocketAddr,
        /// The port for TLS, if there is one.
        tls_port: Option<u16>,
    },
    /// A sender speaks plain DICOM on the port for TLS.
    SpeaksPlain {
        /// The peer.
        address: SocketAddr,
        /// The port for plain DICOM.
        plain_port: u16,
    },
    /// No presentation context of an association could be accepted.
    NothingAccepted {
        /// Who asked.
        caller: &'a Caller,
    },
    /// An association ended before it was released.
    Cut {
        /// The peer.
        address: SocketAddr,
        /// Its title, once it named one.
        calling_ae: Option<&'a AeTitle>,
        /// Whether an object was under way; it was not stored.
        in_object: bool,
        /// Why.
        why: &'a LinkFault,
    },
    /// An object was answered with a failure.
    ObjectRefused {
        /// Who sent it.
        caller: &'a Caller,
        /// Its SOP class, where it named one.
        sop_class: Option<&'a str>,
        /// Its SOP Instance UID, where it named one: the sender's list of images shows it.
        sop_instance: Option<&'a str>,
        /// Status and comment.
        failure: StoreFailure,
    },
    /// A query or retrieval was answered with a failure.
    QueryRefused {
        /// Who asked.
        caller: &'a Caller,
        /// For what.
        operation: Operation,
        /// Status and comment.
        failure: QueryFailure,
    },
    /// Objects of a retrieval could not be sent.
    NotForwarded {
        /// Who asked for them.
        caller: &'a Caller,
        /// Where they were to go.
        to: &'a AeTitle,
        /// How many could not.
        failed: usize,
        /// How many were asked for.
        of: usize,
        /// What kept the first.
        why: Message,
    },
    /// Objects of a retrieval were sent in another transfer syntax than they are kept in.
    Transcoded {
        /// Who asked for them.
        caller: &'a Caller,
        /// Where they went.
        to: &'a AeTitle,
        /// How many of them arrived so.
        transcoded: usize,
        /// How many were asked for.
        of: usize,
    },
    /// A connection was turned away because too many are open.
    Crowded {
        /// The peer.
        address: IpAddr,
        /// Whether the limit is the one of its address.
        per_address: bool,
    },
    /// Notices about connections that were not passed on, for their number.
    Suppressed {
        /// How many.
        count: u64,
    },
    /// Connections could not be accepted: the system is out of descriptors or threads.
    Exhausted {
        /// What the system said.
        why: &'a std::io::Error,
    },
}

impl Notice<'_> {
    /// Writes it to the log.
    pub fn log(&self) {
        match self {
            // Nothing went wrong.
            Notice::Transcoded { .. } => {
                tracing::info!(target: "dokuei::dicom::scp", code = self.code(), "{self}");
            }
            _ => tracing::warn!(target: "dokuei::dicom::scp", code = self.code(), "{self}"),
        }
    }

    /// A stable name for logs. Never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Notice::Rejected { .. } => "association-rejected",
            Notice::NothingAccepted { .. } => "nothing-accepted",
            Notice::NotLetIn { .. } => "caller-refused",
            Notice::SpeaksTls { .. } => "tls-on-the-plain-port",
            Notice::SpeaksPlain { .. } => "plain-on-the-tls-port",
            Notice::Cut { .. } => "association-cut",
            Notice::ObjectRefused { .. } => "object-refused",
            Notice::QueryRefused { .. } => "query-refused",
            Notice::NotForwarded { .. } => "not-forwarded",
            Notice::Transcoded { .. } => "transcoded",
            Notice::Crowded { .. } => "too-many-connections",
            Notice::Suppressed { .. } => "notices-suppressed",
            Notice::Exhausted { .. } => "system-exhausted",
        }
    }
}

impl Explain for Notice<'_> {
    fn message(&self) -> Message {
        match self {
            Notice::Rejected { caller, why } => rejected(caller, *why),
            Notice::NotLetIn { caller, why } => {
                let (from, ip) = (&caller.calling_ae, caller.address.ip());
                say!(
                    "{from}（{ip}）からの接続を拒否しました: {why}",
                    "association from {from} at {ip} rejected: {why}";
                    why = why.message()
                )
            }
            Notice::SpeaksTls { address, tls_port } => speaks_tls(address.ip(), *tls_port),
            Notice::SpeaksPlain {
                address,
                plain_port,
            } => speaks_plain(address.ip(), *plain_port),
            Notice::NothingAccepted { caller } => {
                let (title, ip) = (&caller.calling_ae, caller.address.ip());
                say!(
                    "{title}（{ip}）が求める機能は、このノードにないか、この装置に許可されていません",
                    "association from {title} at {ip}: none of the services it asks for is offered to it here"
                )
            }
            Notice::Cut {
                address,
                calling_ae,
                in_object,
                why,
            } => cut(address.ip(), *calling_ae, *in_object, why.message()),
            Notice::ObjectRefused {
                caller,
                sop_class,
                sop_instance,
                failure,
            } => object_refused(caller, *sop_class, *sop_instance, failure),
            Notice::QueryRefused {
                caller,
                operation,
                failure,
            } => query_refused(caller, *operation, failure),
            Notice::NotForwarded {
                caller,
                to,
                failed,
                of,
                why,
            } => not_forwarded(caller, to, (*failed, *of), why),
            Notice::Transcoded {
                caller,
                to,
                transcoded,
                of,
            } => sent_uncompressed(caller, to, (*transcoded, *of)),
            Notice::Crowded {
                address,
                per_address,
            } => crowded(*address, *per_address),
            Notice::Suppressed { count } => say!(
                "この 1 分間に失敗した DICOM 接続がほかに {count} 件あります（表示を省略）",
                "{count} more DICOM connections went wrong in the last minute and are not listed"
            ),
            Notice::Exhausted { why } => say!(
                "DICOM 接続を受け付けられません（{why}）。同時に開けるファイル数とスレッド数の上限を増やしてください",
                "DICOM connections cannot be accepted: {why}; raise the limits on open files and threads";
                why = why.message()
            ),
        }
    }
}

displayed_in_english!(Notice<'_>);

fn crowded(address: IpAddr, per_address: bool) -> Message {
    if per_address {
        say!(
            "{address} からの接続を断りました。同じアドレスからの同時接続数が上限に達しています",
            "connection from {address} turned away: its address has the most associations allowed"
        )
    } else {
        say!(
            "{address} からの接続を断りました。同時接続数が上限に達しています",
            "connection from {address} turned away: the most associations allowed are open"
        )
    }
}

fn object_refused(
    caller: &Caller,
    sop_class: Option<&str>,
    sop_instance: Option<&str>,
    failure: &StoreFailure,
) -> Message {
    let (title, ip) = (&caller.calling_ae, caller.address.ip());
    let (class, instance) = (sop_class.unwrap_or("?"), sop_instance.unwrap_or("?"));
    say!(
        "{title}（{ip}）からのオブジェクト {instance}（SOP Class {class}）を受け取りませんでした: {why}。{next}",
        "object {instance} of SOP class {class} from {title} at {ip} refused: {why}; {next}";
        why = failure.message(),
        next = after_refusal(failure.status())
    )
}

fn query_refused(caller: &Caller, operation: Operation, failure: &QueryFailure) -> Message {
    let (title, ip) = (&caller.calling_ae, caller.address.ip());
    say!(
        "{title}（{ip}）の {operation} に応じませんでした: {why}",
        "{operation} from {title} at {ip} refused: {why}";
        why = failure.message()
    )
}

fn not_forwarded(
    caller: &Caller,
    to: &AeTitle,
    (failed, of): (usize, usize),
    why: &Message,
) -> Message {
    let title = &caller.calling_ae;
    say!(
        "{title} が求めた {of} 件のうち {failed} 件を {to} に送れませんでした: {why}",
        "{failed} of {of} objects that {title} asked for could not be sent to {to}: {why}";
        why = why.clone()
    )
}

fn sent_uncompressed(caller: &Caller, to: &AeTitle, (transcoded, of): (usize, usize)) -> Message {
    let title = &caller.calling_ae;
    say!(
        "{title} が求めた {of} 件のうち {transcoded} 件は、{to} が保存時の転送構文を受け取らないため、非圧縮に変換して送りました",
        "{transcoded} of {of} objects that {title} asked for were sent to {to} uncompressed, since it does not accept the transfer syntax in which they are kept"
    )
}

fn speaks_plain(ip: IpAddr, plain_port: u16) -> Message {
    say!(
        "{ip} の装置が TLS のポートに暗号化なしの DICOM で接続してきました。送信側で TLS を有効にするか、宛先をポート {plain_port} にしてください",
        "the sender at {ip} speaks plain DICOM, but this port is for TLS: switch TLS on at the sender, or use port {plain_port}"
    )
}

fn speaks_tls(ip: IpAddr, tls_port: Option<u16>) -> Message {
    match tls_port {
        Some(port) => say!(
            "{ip} の装置が TLS（暗号化通信）で接続してきましたが、このポートは暗号化なしの DICOM 用です。宛先をポート {port} にするか、送信側の TLS を無効にしてください",
            "the sender at {ip} speaks TLS but this is the plain DICOM port: use port {port}, or turn TLS off at the sender"
        ),
        None => say!(
            "{ip} の装置が TLS（暗号化通信）で接続してきましたが、このポートは暗号化なしの DICOM 用です。送信側の TLS を無効にするか、dokuei.toml の [dicom.tls] で TLS のポートを設定してください",
            "the sender at {ip} speaks TLS but this is the plain DICOM port: turn TLS off at the sender, or set up a port for TLS under [dicom.tls] in dokuei.toml"
        ),
    }
}

fn cut(ip: IpAddr, title: Option<&AeTitle>, in_object: bool, why: Message) -> Message {
    let who = match title {
        Some(title) => say!("{title}（{ip}）", "from {title} at {ip}"),
        None => say!("{ip} ", "at {ip}"),
    };
    if in_object {
        say!(
            "{who}との通信がオブジェクトの途中で切れました（そのオブジェクトは保存していません）: {why}",
            "association {who} cut in the middle of an object, which was not stored: {why}";
            who = who, why = why
        )
    } else {
        say!(
            "{who}との通信が切れました: {why}",
            "association {who} cut: {why}";
            who = who, why = why
        )
    }
}

fn rejected(caller: &Caller, why: Rejection) -> Message {
    let (from, ip, to) = (&caller.calling_ae, caller.address.ip(), &caller.called_ae);
    let hint = match why.reason {
        RejectionReason::CalledAeTitle => say!(
            "。送信側で宛先の AE タイトルを直してください",
            "; correct the called AE title at the sender, or accept any here"
        ),
        RejectionReason::CallingAeTitle
        | RejectionReason::ApplicationContext
        | RejectionReason::ProtocolVersion
        | RejectionReason::TemporaryCongestion
        | RejectionReason::LocalLimit
        | RejectionReason::Other(..) => Message::new("", ""),
    };
    say!(
        "{from}（{ip}）から {to} への接続を拒否しました: {why}{hint}",
        "association from {from} at {ip} to {to} rejected: {why}{hint}";
        why = why.message(), hint = hint
    )
}

/// What to do about an object that was refused. Nothing of it is kept, so it must come again or not at all.
fn after_refusal(status: StoreStatus) -> Message {
    match status {
        StoreStatus::OutOfResources | StoreStatus::ProcessingFailure => say!(
            "解消した後、送信元からもう一度送ってください",
            "when that is mended, send it again from there"
        ),
        StoreStatus::DuplicateInstance => say!(
            "先に届いた方が残ります。どちらが正しいかを送信元で確かめてください",
            "the one that came first is kept: find out at the sender which is right"
        ),
        StoreStatus::NotAuthorised => say!(
            "送信元が正しければ「dokuei dicom caller」で許可してください",
            "if the sender is right, allow it with 'dokuei dicom caller'"
        ),
        StoreStatus::DataSetMismatch
        | StoreStatus::CannotUnderstand
        | StoreStatus::InvalidInstance
        | StoreStatus::SopClassNotSupported => say!(
            "もう一度送っても同じなら、送信元の機器の保守担当に伝えてください",
            "if it is refused again when sent again, tell those who maintain the sender"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dimse::{QueryStatus, StoreStatus};
    use crate::entities::Permission;
    use crate::language::assert_explained;

    fn scanner() -> Caller {
        Caller {
            calling_ae: "CT1".parse().unwrap(),
            called_ae: "DOKUEI".parse().unwrap(),
            address: ([192, 0, 2, 1], 1104).into(),
            permission: Permission::nothing(),
        }
    }

    #[test]
    fn every_notice_is_told_in_both_languages() {
        let caller = &scanner();
        let rejected = |reason| Notice::Rejected {
            caller,
            why: Rejection::permanent(reason),
        };
        let cut = |in_object: bool| Notice::Cut {
            address: caller.address,
            calling_ae: in_object.then_some(&caller.calling_ae),
            in_object,
            why: &LinkFault::Closed,
        };
        let crowded = |per_address| Notice::Crowded {
            address: caller.address.ip(),
            per_address,
        };
        let speaks_tls = |tls_port| Notice::SpeaksTls {
            address: caller.address,
            tls_port,
        };
        let full = std::io::Error::from_raw_os_error(24);
        let notices = [
            rejected(RejectionReason::CalledAeTitle),
            Notice::NotLetIn {
                caller,
                why: &Refusal::UnknownTitle,
            },
            speaks_tls(Some(2762)),
            speaks_tls(None),
            Notice::SpeaksPlain {
                address: caller.address,
                plain_port: 11112,
            },
            rejected(RejectionReason::LocalLimit),
            Notice::NothingAccepted { caller },
            cut(true),
            cut(false),
            Notice::ObjectRefused {
                caller,
                sop_class: None,
                sop_instance: Some("1.2.3"),
                failure: StoreFailure::new(StoreStatus::OutOfResources, "full", "満杯"),
            },
            Notice::QueryRefused {
                caller,
                operation: Operation::Move,
                failure: QueryFailure::new(QueryStatus::UnknownDestination, "unknown", "不明"),
            },
            Notice::NotForwarded {
                caller,
                to: &caller.called_ae,
                failed: 1,
                of: 2,
                why: Message::new("切断", "cut"),
            },
            Notice::Transcoded {
                caller,
                to: &caller.called_ae,
                transcoded: 1,
                of: 2,
            },
            crowded(true),
            crowded(false),
            Notice::Suppressed { count: 7 },
            Notice::Exhausted { why: &full },
        ];
        assert_explained(notices.iter().map(|notice| notice as &dyn Explain));
        let codes: std::collections::BTreeSet<_> = notices.iter().map(Notice::code).collect();
        assert_eq!(codes.len(), 13);
    }
}
