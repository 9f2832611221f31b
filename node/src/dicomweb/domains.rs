//! Domains in addresses: `/dicom-web/d/{token}/…` is DICOMweb limited to one institution and issuer, for viewers that ask
//! by Patient ID alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use dokuei_keys::id::SiteId;

use crate::entities::{Domain, Scope};
use crate::index::holdings::Holdings;

/// Domains whose tokens are remembered; a site deals with some dozens.
const REMEMBERED: usize = 1_024;

/// The name of a domain in addresses: stable, and opaque to whoever does not know the domain.
pub fn domain_token(domain: &Domain) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("dokuei 2026 domain token in web addresses");
    hasher.update(domain.institution.as_bytes());
    hasher.update(domain.issuer.as_bytes());
    let digest = hasher.finalize();
    let bytes = digest.as_bytes().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Where DICOMweb begins that answers with exactly this study: an institution's, by its UID. That is below `root` while it
/// can mean no other there: this site's own studies come first, and whoever sees one domain sees no other. Else it is
/// below the study's domain.
pub fn root_of(
    root: &str,
    holdings: &Holdings,
    (scope, own): (&Scope, SiteId),
    (institution, uid): (SiteId, &str),
) -> String {
    if matches!(scope, Scope::Domain(_)) {
        return root.to_owned();
    }
    let known = holdings.with_uid(scope, uid);
    let is_told_apart = institution != own || known.len() > 1;
    let mut named = known.iter();
    let entry = named.find(|entry| entry.key.institution == institution);
    match entry.filter(|_| is_told_apart) {
        Some(entry) => format!("{root}/d/{}", domain_token(&entry.domain())),
        None => root.to_owned(),
    }
}

/// Whether a text looks like the name of a domain: 32 hexadecimal digits, as [`domain_token`] writes them.
fn is_token(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 32 && text.bytes().all(is_digit)
}

/// The tokens that were resolved.
#[derive(Default)]
pub(super) struct Domains(Mutex<BTreeMap<String, Domain>>);

impl Domains {
    /// What may be seen below the root of this token: nothing when it names no domain of a study here, or one that the
    /// scope does not hold. Looks through every study the first time.
    pub(super) fn narrow(
        &self,
        holdings: &Holdings,
        own: SiteId,
        scope: &Scope,
        token: &str,
    ) -> Option<Scope> {
        if !is_token(token) {
            return None;
        }
        let known = self.lock().get(token).cloned();
        let domain = known.or_else(|| self.look(holdings, token))?;
        scope
            .contains(&domain, own)
            .then_some(Scope::Domain(domain))
    }

    /// Looks through every study for the domain of a token, and remembers every domain that it sees.
    fn look(&self, holdings: &Holdings, token: &str) -> Option<Domain> {
        let mut seen = BTreeSet::new();
        let all = holdings.studies(&Scope::All, usize::MAX, |_| true);
        seen.extend(all.iter().map(|entry| entry.domain()));
        let mut known = self.lock();
        let mut found = None;
        for domain in seen {
            let name = domain_token(&domain);
            if name == token {
                found = Some(domain.clone());
            }
            if known.len() < REMEMBERED {
                known.insert(name, domain);
            }
        }
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Domain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_token_and_it_says_nothing() {
        let domain = |byte, issuer: &str| Domain {
            institution: SiteId::from_bytes([byte; 32]),
            issuer: issuer.to_owned(),
        };
        let known = domain_token(&domain(1, "HOSPITAL"));
        assert_eq!(known, domain_token(&domain(1, "HOSPITAL")));
        assert!(is_token(&known));
        for other in [
            "",
            "abc",
            &known.to_uppercase(),
            &known.replace(&known[..1], "/"),
        ] {
            assert!(!is_token(other), "{other}");
        }
        for other in [domain(1, ""), domain(2, "HOSPITAL"), domain(1, "HOSPITAL2")] {
            assert_ne!(known, domain_token(&other));
        }
    }
}
