//! Pairing by a short code: two sites that do not know each other prove that they share it.
//!
//! The inviter's code carries its addresses and a 100-bit secret. The accepter calls, introduces
//! itself under a tag of the secret; the inviter answers with its own introduction, a tag that also
//! covers the accepter's, and a proposed agreement. Each introduction names the node that TLS has
//! authenticated, so somebody in the middle would need the secret.

use dokuei_keys::cbor;
use dokuei_keys::error::{Refused, Why};
use dokuei_keys::id::NodeId;
use dokuei_keys::pairing::{PairingRole, PairingSecret, check_pairing_tag, pairing_tag};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::partner::introduction::{Acquaintance, Introduction};
use crate::time::Timestamp;

/// Largest pairing frame.
pub const FRAME_BYTES: usize = 16 * 1024;

/// The accepter's first words.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PairingCall {
    /// Who calls.
    #[n(0)]
    pub introduction: Introduction,
    /// Tag over the introduction.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub tag: [u8; 32],
}

/// The inviter's answer.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PairingAnswer {
    /// Who answers.
    #[n(0)]
    pub introduction: Introduction,
    /// The agreement that the inviter proposes, signed by it.
    #[n(1)]
    pub agreement: ByteVec,
    /// Tag over both introductions and the agreement.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub tag: [u8; 32],
}

impl PairingCall {
    /// The call of a site with this introduction.
    pub fn new(secret: &PairingSecret, introduction: Introduction) -> PairingCall {
        let tag = pairing_tag(secret, PairingRole::Accepter, &cbor::encode(&introduction));
        PairingCall { introduction, tag }
    }

    /// Verifies a call that arrived from `node`.
    ///
    /// # Errors
    /// [`Refused`] when the secret, the introduction or the node differ.
    pub fn check(
        &self,
        secret: &PairingSecret,
        node: NodeId,
        now: Timestamp,
    ) -> Result<Acquaintance, Refused> {
        check_pairing_tag(
            secret,
            PairingRole::Accepter,
            &cbor::encode(&self.introduction),
            &self.tag,
        )?;
        from_node(&self.introduction, node, now)
    }
}

impl PairingAnswer {
    /// The answer to `call`.
    pub fn new(
        secret: &PairingSecret,
        call: &PairingCall,
        introduction: Introduction,
        agreement: Vec<u8>,
    ) -> PairingAnswer {
        let tag = pairing_tag(
            secret,
            PairingRole::Inviter,
            &transcript(call, &introduction, &agreement),
        );
        PairingAnswer {
            introduction,
            agreement: agreement.into(),
            tag,
        }
    }

    /// Verifies an answer that arrived from `node`.
    ///
    /// # Errors
    /// [`Refused`] when the secret, the introduction or the node differ.
    pub fn check(
        &self,
        secret: &PairingSecret,
        call: &PairingCall,
        node: NodeId,
        now: Timestamp,
    ) -> Result<Acquaintance, Refused> {
        check_pairing_tag(
            secret,
            PairingRole::Inviter,
            &transcript(call, &self.introduction, &self.agreement),
            &self.tag,
        )?;
        from_node(&self.introduction, node, now)
    }
}

fn transcript(call: &PairingCall, introduction: &Introduction, agreement: &[u8]) -> Vec<u8> {
    cbor::encode(&(call, introduction, ByteVec::from(agreement.to_vec())))
}

fn from_node(
    introduction: &Introduction,
    node: NodeId,
    now: Timestamp,
) -> Result<Acquaintance, Refused> {
    let acquaintance = introduction.check(now)?;
    if acquaintance.node == node {
        Ok(acquaintance)
    } else {
        Err(Why::OtherKind.into())
    }
}
