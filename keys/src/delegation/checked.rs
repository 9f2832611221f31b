//! Identities that were checked down from the root. There is no other way to make one.

use super::{Delegation, PersonRole, Revocation, SiteCertificate, Subject};
use crate::error::{Refused, Why};
use crate::id::{DocumentId, NodeId, PersonId, SiteId};
use crate::signed::{Document, Signed, peek};
use crate::signing::PublicKey;
use crate::time::{UnixSeconds, Validity};

/// A site whose certificate was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteIdentity {
    certificate: Signed<SiteCertificate>,
}

impl SiteIdentity {
    /// Checks a site certificate for the time `at`: signed by its own root, named after it, and in force.
    ///
    /// Who *is* this site – whether `site()` is the hospital one means – is decided when sites pair; here it only
    /// becomes certain that the root with that identifier says so.
    ///
    /// # Errors
    /// As [`Signed::verify`]; [`Why::OtherKey`] when not signed by the root it names; [`Why::NotYetValid`],
    /// [`Why::Expired`].
    pub fn check(bytes: &[u8], at: UnixSeconds) -> Result<Self, Refused> {
        let claimed = peek(bytes)?.key;
        let certificate = Signed::<SiteCertificate>::verify(bytes, &claimed)?;
        if certificate.content().root != claimed {
            return Err(Why::OtherKey.into());
        }
        certificate.content().validity.check_contains(at)?;
        Ok(Self { certificate })
    }

    /// The certificate, with its exact bytes.
    #[must_use]
    pub fn certificate(&self) -> &Signed<SiteCertificate> {
        &self.certificate
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.certificate.content().site
    }

    /// The institution's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.certificate.content().name
    }

    /// The site key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.certificate.content().key
    }

    /// The root key.
    #[must_use]
    pub fn root(&self) -> &PublicKey {
        &self.certificate.content().root
    }

    /// When the site key may sign.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.certificate.content().validity
    }

    /// Verifies a document that this site signed with its site key.
    ///
    /// # Errors
    /// As [`Signed::verify`].
    pub fn verify<T: Document>(&self, bytes: &[u8]) -> Result<Signed<T>, Refused> {
        Signed::verify(bytes, self.key())
    }

    /// Checks a delegation to a node for the time `at`.
    ///
    /// # Errors
    /// As [`Signed::verify`]; [`Why::OtherSite`], [`Why::OtherSubject`], [`Why::NotYetValid`], [`Why::Expired`].
    pub fn node(&self, delegation: &[u8], at: UnixSeconds) -> Result<CheckedNode, Refused> {
        let (document, delegation) = self.delegation(delegation, at)?;
        match delegation.subject {
            Subject::Node(id) => Ok(CheckedNode {
                document,
                site: delegation.site,
                id,
                validity: delegation.validity,
            }),
            Subject::Person { .. } | Subject::Log(_) => Err(Why::OtherSubject.into()),
        }
    }

    /// Checks a delegation to a person for the time `at`.
    ///
    /// # Errors
    /// As [`Self::node`], and [`Why::LicenceExpired`].
    pub fn person(&self, delegation: &[u8], at: UnixSeconds) -> Result<CheckedPerson, Refused> {
        let (document, delegation) = self.delegation(delegation, at)?;
        match delegation.subject {
            Subject::Person {
                id,
                name,
                role,
                licence,
                licence_until,
            } => {
                if licence_until.is_some_and(|until| at >= until) {
                    return Err(Why::LicenceExpired.into());
                }
                Ok(CheckedPerson {
                    document,
                    site: delegation.site,
                    id,
                    name,
                    role,
                    licence,
                    licence_until,
                    validity: delegation.validity,
                })
            }
            Subject::Node(_) | Subject::Log(_) => Err(Why::OtherSubject.into()),
        }
    }

    /// Checks a delegation to a log key for the time `at`.
    ///
    /// # Errors
    /// As [`Self::node`].
    pub fn log(&self, delegation: &[u8], at: UnixSeconds) -> Result<CheckedLog, Refused> {
        let (document, delegation) = self.delegation(delegation, at)?;
        match delegation.subject {
            Subject::Log(key) => Ok(CheckedLog {
                document,
                site: delegation.site,
                key,
                validity: delegation.validity,
            }),
            Subject::Node(_) | Subject::Person { .. } => Err(Why::OtherSubject.into()),
        }
    }

    /// Checks a revocation by this site's root or site key.
    ///
    /// # Errors
    /// As [`Revocation::verify`].
    pub fn revocation(&self, bytes: &[u8]) -> Result<Signed<Revocation>, Refused> {
        Revocation::verify(bytes, self.root(), &[*self.key()])
    }

    fn delegation(
        &self,
        bytes: &[u8],
        at: UnixSeconds,
    ) -> Result<(DocumentId, Delegation), Refused> {
        let delegation = self.verify::<Delegation>(bytes)?;
        if delegation.content().site != self.site() {
            return Err(Why::OtherSite.into());
        }
        delegation.content().validity.check_contains(at)?;
        Ok((delegation.id(), delegation.into_content()))
    }
}

/// A node whose delegation was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedNode {
    /// The delegation's identifier.
    pub document: DocumentId,
    /// The site it belongs to.
    pub site: SiteId,
    /// The node.
    pub id: NodeId,
    /// When it may act.
    pub validity: Validity,
}

/// A person whose delegation was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedPerson {
    /// The delegation's identifier.
    pub document: DocumentId,
    /// The site that vouches.
    pub site: SiteId,
    /// The person.
    pub id: PersonId,
    /// The name as people read it.
    pub name: String,
    /// What the person does at this site.
    pub role: PersonRole,
    /// Licence and board certification.
    pub licence: String,
    /// When the licence runs out, if it does.
    pub licence_until: Option<UnixSeconds>,
    /// When the person may sign.
    pub validity: Validity,
}

/// A log key whose delegation was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedLog {
    /// The delegation's identifier.
    pub document: DocumentId,
    /// The site whose log it is.
    pub site: SiteId,
    /// The key that signs checkpoints.
    pub key: PublicKey,
    /// When it may sign.
    pub validity: Validity,
}
