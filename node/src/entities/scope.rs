//! Which patients somebody may see.

use dokuei_keys::id::SiteId;
use minicbor::{Decode, Encode};

/// Where patient IDs are one person's: the institution that holds the study, and the issuer that gave out its patient IDs.
/// The same ID in another domain is somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Domain {
    /// The institution.
    #[n(0)]
    pub institution: SiteId,
    /// Issuer of Patient ID (0010,0021), without padding; empty where the images name none.
    #[n(1)]
    pub issuer: String,
}

/// Which patients somebody may see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Everything at this node.
    #[default]
    #[n(0)]
    All,
    /// This institution's own studies, whoever issued the patient IDs; nothing of partners.
    #[n(1)]
    Own,
    /// One domain.
    #[n(2)]
    Domain(#[n(0)] Domain),
}

impl Scope {
    /// Whether a study of `domain` is within it, at the site `own`.
    pub fn contains(&self, domain: &Domain, own: SiteId) -> bool {
        self.holds(domain.institution, &domain.issuer, own)
    }

    /// The same of the institution and the issuer of a domain.
    pub fn holds(&self, institution: SiteId, issuer: &str, own: SiteId) -> bool {
        match self {
            Scope::All => true,
            Scope::Own => institution == own,
            Scope::Domain(only) => only.institution == institution && only.issuer == issuer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_ends_where_it_says() {
        let (own, other) = (SiteId::from_bytes([1; 32]), SiteId::from_bytes([2; 32]));
        let domain = |institution, issuer: &str| Domain {
            institution,
            issuer: issuer.to_owned(),
        };
        let all = [domain(own, ""), domain(own, "A"), domain(other, "A")];
        let within = |scope: &Scope| all.each_ref().map(|each| scope.contains(each, own));
        assert_eq!(within(&Scope::All), [true, true, true]);
        assert_eq!(within(&Scope::Own), [true, true, false]);
        assert_eq!(
            within(&Scope::Domain(domain(own, "A"))),
            [false, true, false]
        );
        assert_eq!(within(&Scope::Domain(domain(other, ""))), [false; 3]);
    }
}
