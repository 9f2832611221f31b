//! How a site proves who it is to one that does not know it yet.

use dokuei_keys::delegation::{Delegation, SiteCertificate, SiteIdentity, Subject};
use dokuei_keys::error::{Refused, Why};
use dokuei_keys::id::{NodeId, SiteId};
use dokuei_keys::signed;
use dokuei_keys::signing::PublicKey;
use dokuei_keys::time::UnixSeconds;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::partner::announcement::Announcement;
use crate::time::Timestamp;

/// A site's certificate and its node's delegation, as signed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Introduction {
    /// The site certificate, signed by the site's root.
    #[n(0)]
    pub certificate: ByteVec,
    /// The node's delegation, signed by the site key.
    #[n(1)]
    pub node: ByteVec,
    /// The address record, signed by the site key.
    #[n(2)]
    pub address: ByteVec,
}

/// What a verified introduction says.
pub struct Acquaintance {
    /// The site.
    pub site: SiteId,
    /// Its name for itself.
    pub name: String,
    /// Its root, which vouches for all the rest.
    pub root: PublicKey,
    /// Its site key.
    pub key: PublicKey,
    /// The number of its certificate; the highest is the current one.
    pub serial: u64,
    /// Its node.
    pub node: NodeId,
    /// Until when certificate and delegation hold.
    pub valid_until: UnixSeconds,
}

impl Introduction {
    /// Verifies certificate, delegation and address record at `now`.
    ///
    /// # Errors
    /// [`Refused`] when a signature, a validity or the relation between the documents does not hold.
    pub fn check(&self, now: Timestamp) -> Result<Acquaintance, Refused> {
        let acquaintance = Acquaintance::check(&self.certificate, &self.node, now)?;
        Announcement::verify(&self.address, acquaintance.site, &acquaintance.key)?;
        Ok(acquaintance)
    }

    /// What an introduction from this site's own log says; it was verified before it was written.
    ///
    /// # Errors
    /// [`Refused`] when it is none.
    pub fn recorded(&self) -> Result<Acquaintance, Refused> {
        Acquaintance::recorded(&self.certificate, &self.node)
    }
}

impl Acquaintance {
    /// Verifies a site certificate and its node's delegation at `now`.
    ///
    /// # Errors
    /// [`Refused`] when a signature, a validity or the relation between the two does not hold.
    pub fn check(certificate: &[u8], node: &[u8], now: Timestamp) -> Result<Acquaintance, Refused> {
        let identity = SiteIdentity::check(certificate, now.seconds())?;
        identity.node(node, now.seconds())?;
        Self::recorded(certificate, node)
    }

    /// What a certificate and a delegation say that were verified before, or are this site's own.
    ///
    /// # Errors
    /// [`Refused`] when they are none.
    pub fn recorded(certificate: &[u8], node: &[u8]) -> Result<Acquaintance, Refused> {
        let certificate: SiteCertificate = signed::recorded(certificate)?;
        let delegation: Delegation = signed::recorded(node)?;
        let Subject::Node(node) = delegation.subject else {
            return Err(Why::OtherKind.into());
        };
        Ok(Acquaintance {
            site: certificate.site,
            name: certificate.name,
            root: certificate.root,
            key: certificate.key,
            serial: certificate.serial,
            node,
            valid_until: certificate.validity.until.min(delegation.validity.until),
        })
    }
}
