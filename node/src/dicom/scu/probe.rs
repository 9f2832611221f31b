//! Tries a destination step by step, so that whoever set it up sees which one fails, and what to do.

use std::time::{Duration, Instant};

use super::association::{Answer, Association, Pair};
use super::{Destination, IMPLICIT_VR_LITTLE_ENDIAN, ScuFault};
use crate::dicom::dimse::VERIFICATION;
use crate::dicom::pdu::watch::Watch;
use crate::dicom::pdu::{Foreign, LinkFault, PduFault, Phase, RejectionReason};
use crate::language::{Explain, Message};
use crate::say;

/// How long a destination that is only asked whether it is there may think: a person waits.
const RESPONSE: Duration = Duration::from_secs(30);

/// A step on the way to a destination, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The host's addresses.
    Lookup,
    /// The TCP connection.
    Connection,
    /// TLS, where it is spoken.
    Protection,
    /// The association.
    Association,
    /// C-ECHO.
    Echo,
}

impl Step {
    /// Its word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Step::Lookup => "lookup",
            Step::Connection => "connection",
            Step::Protection => "tls",
            Step::Association => "association",
            Step::Echo => "echo",
        }
    }
}

impl Explain for Step {
    fn message(&self) -> Message {
        match self {
            Step::Lookup => say!("名前の解決", "name lookup"),
            Step::Connection => say!("TCP 接続", "TCP connection"),
            Step::Protection => say!("TLS の確立", "TLS handshake"),
            Step::Association => say!("アソシエーションの開始", "association"),
            Step::Echo => say!("接続確認（C-ECHO）の応答", "C-ECHO"),
        }
    }
}

/// A step that was taken.
#[derive(Debug)]
pub struct Taken {
    /// Which.
    pub step: Step,
    /// How long it took.
    pub took: Duration,
    /// What was found, empty when there is nothing to say; or what went wrong.
    pub found: Result<String, ScuFault>,
}

/// Tries `destination`; the steps that were taken, of which only the last can have failed. Blocks, for as long as the
/// destination's waits add up to.
pub fn probe(destination: &Destination) -> Vec<Taken> {
    let mut destination = destination.clone();
    // A person wants to know now.
    destination.breaker = None;
    destination.timeouts.response = destination.timeouts.response.min(RESPONSE);
    let mut taken = Vec::new();
    // The fault is the last step's.
    let _failed = walk(&destination, &mut taken);
    taken
}

fn walk(destination: &Destination, taken: &mut Vec<Taken>) -> Option<()> {
    let addresses = step(taken, Step::Lookup, || {
        let addresses = destination.addresses()?;
        let shown: Vec<String> = addresses.iter().map(|at| at.ip().to_string()).collect();
        Ok((addresses, shown.join(", ")))
    })?;
    let mut link = step(taken, Step::Connection, || {
        Ok((destination.connect(&addresses)?, String::new()))
    })?;
    let mut watch = Watch::within(destination.timeouts.negotiation, Phase::Negotiation);
    if destination.tls.is_some() {
        step(taken, Step::Protection, || {
            destination.protect(&mut link, &mut watch)?;
            Ok(((), link.protection().unwrap_or_default()))
        })?;
    }
    let pair = Pair {
        sop_class: VERIFICATION.to_owned(),
        transfer_syntax: IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
    };
    let mut association = step(taken, Step::Association, || {
        let opened = Association::over(link, watch, destination, vec![pair.clone()])?;
        Ok((opened, String::new()))
    })?;
    let echoed = step(taken, Step::Echo, || {
        let Some(Answer::Accepted(context)) = association.answer(&pair) else {
            return Err(ScuFault::EchoNotOffered);
        };
        match association.echo(context)? {
            0 => Ok(((), String::new())),
            failure => Err(ScuFault::EchoFailed(failure)),
        }
    });
    if matches!(
        taken.last().map(|last| &last.found),
        Some(Err(ScuFault::Link(_)))
    ) {
        association.abort();
    } else {
        association.release();
    }
    echoed
}

/// Takes one step; nothing when it fails.
fn step<T>(
    taken: &mut Vec<Taken>,
    step: Step,
    walk: impl FnOnce() -> Result<(T, String), ScuFault>,
) -> Option<T> {
    let begun = Instant::now();
    let (reached, found) = match walk() {
        Ok((reached, found)) => (Some(reached), Ok(found)),
        Err(fault) => (None, Err(fault)),
    };
    taken.push(Taken {
        step,
        took: begun.elapsed(),
        found,
    });
    reached
}

/// What to do about a fault, beyond what it says itself; empty when that is all.
pub fn advice(fault: &ScuFault, destination: &Destination) -> Message {
    let (ours, theirs) = (&destination.calling_ae, &destination.called_ae);
    match fault {
        // Who probes is not kept from it.
        ScuFault::Dead { .. } => Message::default(),
        ScuFault::Rejected(rejection) => match rejection.reason {
            RejectionReason::CallingAeTitle => say!(
                "送り先に、このノードの AE タイトル {ours} とアドレスを登録してもらってください。",
                "Have this node's AE title {ours} and its address registered over there."
            ),
            RejectionReason::CalledAeTitle => say!(
                "送り先の AE タイトルは {theirs} ではありません。正しい AE タイトルで登録し直してください。",
                "The destination's AE title is not {theirs}. Add it again with the right one."
            ),
            RejectionReason::ApplicationContext
            | RejectionReason::ProtocolVersion
            | RejectionReason::TemporaryCongestion
            | RejectionReason::LocalLimit
            | RejectionReason::Other(..) => say!(
                "送り先のログと、AE タイトル {ours}（このノード）・{theirs}（送り先）の登録を確認してください。",
                "See the destination's log, and whether it knows {ours} (this node) and {theirs} (itself)."
            ),
        },
        ScuFault::Link(fault) => match &**fault {
            LinkFault::Pdu(PduFault::Foreign(Foreign::Tls)) => say!(
                "送り先のこのポートは TLS 用です。--tls-fingerprint か --tls-ca を付けて登録し直してください。",
                "This port of the destination is for TLS. Add it again with --tls-fingerprint or --tls-ca."
            ),
            LinkFault::Tls(rustls::Error::InvalidMessage(_)) => say!(
                "送り先のこのポートは TLS 用ではないようです。TLS のポートを指定するか、TLS なしで登録し直してください。",
                "This port of the destination does not seem to be for TLS. Give the one that is, or add it again without TLS."
            ),
            LinkFault::Closed | LinkFault::TimedOut(_) => say!(
                "ポートが DICOM のものか、送り先が TLS を求めていないか、このノード（AE タイトル {ours}）が登録されているかを確認してください。",
                "Is the port the one for DICOM, does the destination want TLS, and does it know this node (AE title {ours})?"
            ),
            _other => Message::default(),
        },
        ScuFault::EchoNotOffered | ScuFault::EchoFailed(_) => say!(
            "接続はできています。画像の送信には影響しないことがあります。",
            "The connection itself is good; images may go all the same."
        ),
        // They say what to do; a probe asks for no other service than C-ECHO.
        ScuFault::NoSuchHost { .. }
        | ScuFault::Unreachable { .. }
        | ScuFault::NotOffered
        | ScuFault::Failed(_) => Message::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::pdu::Rejection;
    use crate::dicom::scu::Timeouts;
    use crate::language::{assert_both, assert_explained};

    fn nowhere(host: &str) -> Destination {
        Destination {
            host: host.to_owned(),
            port: 9,
            called_ae: "PACS".parse().unwrap(),
            calling_ae: "DOKUEI".parse().unwrap(),
            timeouts: Timeouts::default(),
            tls: None,
            breaker: None,
            transcoding: None,
        }
    }

    #[test]
    fn it_ends_at_the_step_that_fails() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut destination = nowhere("127.0.0.1");
        destination.port = closed.local_addr().unwrap().port();
        drop(closed);
        let taken = probe(&destination);
        let steps: Vec<Step> = taken.iter().map(|taken| taken.step).collect();
        assert_eq!(steps, [Step::Lookup, Step::Connection]);
        assert_eq!(taken[0].found.as_deref().ok(), Some("127.0.0.1"));
        assert!(matches!(taken[1].found, Err(ScuFault::Unreachable { .. })));
        let unnamed = probe(&nowhere("no host has blanks"));
        assert!(matches!(unnamed[0].found, Err(ScuFault::NoSuchHost { .. })));
    }

    #[test]
    fn every_step_and_all_advice_is_in_both_languages() {
        let steps = [
            Step::Lookup,
            Step::Connection,
            Step::Protection,
            Step::Association,
            Step::Echo,
        ];
        assert_explained(steps.iter().map(|step| step as &dyn Explain));
        let rejected = [
            RejectionReason::CallingAeTitle,
            RejectionReason::CalledAeTitle,
            RejectionReason::LocalLimit,
        ];
        let rejected = rejected.map(|reason| ScuFault::Rejected(Rejection::permanent(reason)));
        let links = [
            LinkFault::Pdu(PduFault::Foreign(Foreign::Tls)),
            LinkFault::Tls(rustls::Error::InvalidMessage(
                rustls::InvalidMessage::InvalidContentType,
            )),
            LinkFault::Closed,
        ];
        let links = links.map(ScuFault::from);
        let others = [ScuFault::EchoNotOffered];
        for fault in rejected.iter().chain(&links).chain(&others) {
            assert_both(&advice(fault, &nowhere("pacs.example")));
        }
    }
}
