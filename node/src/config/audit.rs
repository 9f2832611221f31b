//! `[audit]`: where audit messages go, and how the collector is known.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Wrong, is_host_and_port, problems};
use crate::tls::read_fingerprint;

/// Where audit messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// The collector's host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// By what it is known.
    pub trust: Trust,
    /// Certificate and key of this node towards it, files in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// By what a server is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By who issued its certificate, to its name: a file in PEM.
    Authority(PathBuf),
    /// By the SHA-256 of its certificate.
    Fingerprint([u8; 32]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    syslog: String,
    ca: Option<PathBuf>,
    fingerprint: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

pub(super) fn checked(raw: RawAudit) -> Result<AuditConfig, Wrong> {
    let wrong_place = || ("audit.syslog", problems::host_and_port());
    if !is_host_and_port(&raw.syslog) {
        return Err(wrong_place());
    }
    let (host, port) = raw.syslog.rsplit_once(':').ok_or_else(wrong_place)?;
    let trust = match (raw.ca, raw.fingerprint) {
        (Some(file), None) => Trust::Authority(file),
        (None, Some(text)) => {
            let fingerprint = read_fingerprint(&text);
            Trust::Fingerprint(
                fingerprint.ok_or_else(|| ("audit.fingerprint", problems::fingerprint()))?,
            )
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(("audit.ca", problems::ca_or_fingerprint()));
        }
    };
    let identity = match (raw.certificate, raw.key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(("audit.certificate", problems::certificate_and_key()));
        }
    };
    Ok(AuditConfig {
        host: host.to_owned(),
        port: port.parse().map_err(|_| wrong_place())?,
        trust,
        identity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, template};
    use crate::language::assert_both;

    fn parse(audit: &str) -> Result<Option<AuditConfig>, crate::language::Failure> {
        let text = format!("{}\n[audit]\n{audit}\n", template("A"));
        Config::parse(&text, "x.toml").map(|config| config.audit)
    }

    #[test]
    fn a_collector_is_known_by_its_authority_or_its_certificate() {
        let audit = parse("syslog = \"logs.example:6514\"\nca = \"ca.pem\"")
            .unwrap()
            .unwrap();
        assert_eq!((audit.host.as_str(), audit.port), ("logs.example", 6514));
        assert_eq!(audit.trust, Trust::Authority("ca.pem".into()));
        let digits = ["AB"; 32].join(":");
        let audit = parse(&format!(
            "syslog = \"[::1]:6514\"\nfingerprint = \"{digits}\"\ncertificate = \"a\"\nkey = \"b\""
        ));
        let audit = audit.unwrap().unwrap();
        assert_eq!(audit.trust, Trust::Fingerprint([0xAB; 32]));
        assert!(audit.identity.is_some());
        assert_eq!(Config::parse(&template("A"), "x.toml").unwrap().audit, None);
    }

    #[test]
    fn each_mistake_is_named() {
        for (audit, key) in [
            ("syslog = \"logs.example\"\nca = \"a\"", "audit.syslog"),
            ("syslog = \"a:1\"", "audit.ca"),
            (
                "syslog = \"a:1\"\nca = \"a\"\nfingerprint = \"00\"",
                "audit.ca",
            ),
            (
                "syslog = \"a:1\"\nfingerprint = \"00\"",
                "audit.fingerprint",
            ),
            (
                "syslog = \"a:1\"\nca = \"a\"\nkey = \"b\"",
                "audit.certificate",
            ),
        ] {
            let failure = parse(audit).unwrap_err();
            assert!(
                failure.message.en.contains(key),
                "{key}: {}",
                failure.message.en
            );
            assert_both(&failure.message);
        }
    }
}
