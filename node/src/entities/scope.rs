//! What a caller may see.

use dokuei_keys::id::SiteId;
use minicbor::{Decode, Encode};

/// The studies a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Every study that lies here.
    #[n(0)]
    All,
    /// The studies of this site's own modalities.
    #[n(1)]
    Own,
    /// The studies of one institution's patients.
    #[n(2)]
    Domain(#[n(0)] Domain),
}

/// Where a Patient ID means one person: what an institution and one of its issuers gave out. The same ID in
/// another domain is somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Domain {
    /// The site that the studies are of.
    #[n(0)]
    pub institution: SiteId,
    /// Issuer of Patient ID (0010,0021) as people read it; empty where the objects name none.
    #[n(1)]
    pub issuer: String,
}

impl Scope {
    /// Whether studies of this domain are in it; `own` is this site.
    pub fn admits(&self, own: SiteId, domain: &Domain) -> bool {
        match self {
            Scope::All => true,
            Scope::Own => domain.institution == own,
            Scope::Domain(only) => only == domain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_admits_what_it_names_and_nothing_else() {
        let site = |byte| SiteId::from_bytes([byte; 32]);
        let domain = |byte, issuer: &str| Domain {
            institution: site(byte),
            issuer: issuer.to_owned(),
        };
        let (own, other) = (domain(1, ""), domain(2, "A"));
        assert!(Scope::All.admits(site(1), &own) && Scope::All.admits(site(1), &other));
        assert!(Scope::Own.admits(site(1), &own) && !Scope::Own.admits(site(1), &other));
        let only = Scope::Domain(domain(2, "A"));
        assert!(only.admits(site(1), &other));
        for elsewhere in [domain(2, "B"), domain(2, ""), domain(3, "A")] {
            assert!(!only.admits(site(1), &elsewhere));
        }
    }
}
