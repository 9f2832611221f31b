//! A-ASSOCIATE-RJ (PS3.8 section 9.3.4).

use super::associate::whole;
use super::item::Cursor;
use super::{PduFault, PduKind};
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// Why an association was refused (PS3.8 table 9-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionReason {
    /// The application context is not DICOM's.
    ApplicationContext,
    /// The calling AE title is not known there.
    CallingAeTitle,
    /// The called AE title is not that of the other side.
    CalledAeTitle,
    /// The protocol version is not supported.
    ProtocolVersion,
    /// Too busy now.
    TemporaryCongestion,
    /// A local limit is reached.
    LocalLimit,
    /// No reason, or one the standard reserves: source and reason as they came.
    Other(u8, u8),
}

/// A-ASSOCIATE-RJ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Whether trying again later may help.
    pub is_transient: bool,
    /// Why.
    pub reason: RejectionReason,
}

impl Rejection {
    pub(crate) const fn permanent(reason: RejectionReason) -> Self {
        Rejection {
            is_transient: false,
            reason,
        }
    }

    pub(crate) const fn transient(reason: RejectionReason) -> Self {
        Rejection {
            is_transient: true,
            reason,
        }
    }

    /// Decode the body of an A-ASSOCIATE-RJ.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, PduFault> {
        let mut cursor = Cursor::new(body, PduKind::AssociateReject);
        let [_, result, source, reason] = *cursor.array::<4>()?;
        let reason = match (source, reason) {
            (1, 2) => RejectionReason::ApplicationContext,
            (1, 3) => RejectionReason::CallingAeTitle,
            (1, 7) => RejectionReason::CalledAeTitle,
            (2, 2) => RejectionReason::ProtocolVersion,
            (3, 1) => RejectionReason::TemporaryCongestion,
            (3, 2) => RejectionReason::LocalLimit,
            (source, reason) => RejectionReason::Other(source, reason),
        };
        Ok(Rejection {
            is_transient: result == 2,
            reason,
        })
    }

    /// The whole PDU.
    pub(crate) fn encode(self) -> Vec<u8> {
        let (source, reason) = match self.reason {
            RejectionReason::ApplicationContext => (1, 2),
            RejectionReason::CallingAeTitle => (1, 3),
            RejectionReason::CalledAeTitle => (1, 7),
            RejectionReason::ProtocolVersion => (2, 2),
            RejectionReason::TemporaryCongestion => (3, 1),
            RejectionReason::LocalLimit => (3, 2),
            RejectionReason::Other(source, reason) => (source, reason),
        };
        let result = 1 + u8::from(self.is_transient);
        whole(PduKind::AssociateReject, &[0, result, source, reason])
    }
}

impl Explain for Rejection {
    fn message(&self) -> Message {
        match self.reason {
            RejectionReason::ApplicationContext => say!(
                "アプリケーションコンテキストに対応していません",
                "the application context is not supported"
            ),
            RejectionReason::CallingAeTitle => say!(
                "送信側の AE タイトルが登録されていません",
                "the calling AE title is not registered"
            ),
            RejectionReason::CalledAeTitle => say!(
                "宛先の AE タイトルが違います",
                "the called AE title is wrong"
            ),
            RejectionReason::ProtocolVersion => say!(
                "プロトコルの版に対応していません",
                "the protocol version is not supported"
            ),
            RejectionReason::TemporaryCongestion => {
                say!("現在混み合っています", "too busy at the moment")
            }
            RejectionReason::LocalLimit => say!(
                "現在の接続数が上限に達しています",
                "too many associations at the moment"
            ),
            RejectionReason::Other(1 | 2, 1) => {
                say!("理由は示されていません", "no reason given")
            }
            RejectionReason::Other(source, reason) => say!(
                "発信元 {source}、理由 {reason}",
                "source {source}, reason {reason}"
            ),
        }
    }
}

displayed_in_english!(Rejection);
