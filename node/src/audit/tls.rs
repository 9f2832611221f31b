//! How the collector is known, and this node to it.

use std::path::Path;

use crate::config::audit::{self, AuditConfig};
use crate::language::Failure;
use crate::say;
use crate::tls::{Client, Identity, Trust, certificates, client};

/// TLS towards the collector. Names of files that are not whole paths begin in `folder`.
///
/// # Errors
/// One sentence that names the file.
pub(super) fn towards(config: &AuditConfig, folder: &Path) -> Result<Client, Failure> {
    let trust = match &config.trust {
        audit::Trust::Fingerprint(fingerprint) => Trust::Fingerprint(*fingerprint),
        audit::Trust::Authority(file) => {
            let found = certificates(&folder.join(file)).map_err(unusable)?;
            Trust::Authority(found.iter().map(|one| one.to_vec().into()).collect())
        }
    };
    let identity = match &config.identity {
        Some((certificate, key)) => {
            let identity = Identity::read(&folder.join(certificate), &folder.join(key));
            Some(identity.map_err(unusable)?)
        }
        None => None,
    };
    let host = config.host.trim_start_matches('[').trim_end_matches(']');
    client(&trust, host, identity.as_ref()).map_err(unusable)
}

fn unusable(failure: Failure) -> Failure {
    Failure::new(
        failure.code,
        say!(
            "監査証跡の設定 [audit] を使えません。{why}",
            "The section [audit] of the configuration cannot be used. {why}";
            why = failure.message
        ),
    )
}
