//! The certificate and key that this node shows: made, and read from PEM files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::language::Failure;
use crate::say;
use crate::site::{check_new, not_new, unusable, write_private};

/// Certificates in one file: a chain has two or three, the authorities of a hospital a dozen.
const CERTIFICATES: usize = 32;
/// Longest PEM file that is read: [`CERTIFICATES`] of the largest in use.
const PEM_BYTES: u64 = 256 * 1024;
/// Years for which a certificate is made: devices pin it, and each has to be told a new one by hand.
const YEARS: i16 = 10;

/// A certificate with its chain, and its key.
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate (its own first, then those that signed it) and its key.
    ///
    /// # Errors
    /// Which file is missing, holds none, or lets others than its owner read the key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Identity, Failure> {
        let chain = certificates(certificate)?;
        let file = key.display();
        let mode = std::fs::metadata(key)
            .map_err(|error| unusable(key, &error))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(Failure::new(
                "key-readable",
                say!(
                    "TLS の鍵 {file} をほかの利用者が読めます。「chmod 600 {file}」を実行してください。",
                    "Others than its owner may read the TLS key {file}. Run 'chmod 600 {file}'."
                ),
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|_| {
            Failure::new(
                "key-unreadable",
                say!(
                    "{file} に、暗号化されていない PEM 形式の秘密鍵がありません。",
                    "{file} holds no private key in PEM form without a passphrase."
                ),
            )
        })?;
        Ok(Identity { chain, key })
    }

    /// The fingerprint of its certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.chain
            .first()
            .map(super::fingerprint)
            .unwrap_or_default()
    }
}

/// The certificates of a PEM file, one at least.
///
/// # Errors
/// Which file is missing, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    authorities(&pem(path)?).ok_or_else(|| {
        let file = path.display();
        Failure::new(
            "certificate-unreadable",
            say!(
                "{file} に PEM 形式の証明書（1～{CERTIFICATES} 枚）がありません。",
                "{file} does not hold 1 to {CERTIFICATES} certificates in PEM form."
            ),
        )
    })
}

/// The certificates of a PEM text; none when there is not one, or one is broken, or there are too many.
pub fn authorities(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem).take(CERTIFICATES + 1);
    let found: Vec<_> = found.collect::<Result<_, _>>().ok()?;
    (1..=CERTIFICATES).contains(&found.len()).then_some(found)
}

fn pem(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(PEM_BYTES).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => not_there(path),
            _other => unusable(path, &error),
        })?;
    Ok(bytes)
}

fn not_there(path: &Path) -> Failure {
    let file = path.display();
    Failure::new(
        "no-certificate",
        say!(
            "TLS のファイル {file} がありません。場所を確認してください。このノードの証明書と鍵は「dokuei dicom certificate」で作れます。",
            "The file {file} for TLS is not there. Check the place; 'dokuei dicom certificate' makes this node's certificate and key."
        ),
    )
}

/// Makes a key and a certificate that it signs itself, for the hosts (names or addresses) by which devices call this
/// node, as two new files. Gives back the fingerprint.
///
/// # Errors
/// When a host is none, or a file is there already or cannot be written.
pub fn make_certificate(
    name: &str,
    hosts: &[String],
    certificate: &Path,
    key: &Path,
) -> Result<[u8; 32], Failure> {
    let failed = |_| {
        let hosts = hosts.join(", ");
        Failure::new(
            "certificate-unmade",
            say!(
                "「{hosts}」のための証明書を作れません。ホスト名か IP アドレスを指定してください。",
                "No certificate can be made for '{hosts}'. Give host names or IP addresses."
            ),
        )
    };
    let mut parameters = CertificateParams::new(hosts).map_err(failed)?;
    parameters
        .distinguished_name
        .push(DnType::CommonName, name.to_owned());
    parameters.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let today = jiff::Zoned::now().date();
    let midnight = |years: i16| {
        // Whole years of one day of each month exist.
        date_time_ymd(i32::from(today.year() + years), today.month() as u8, 1)
    };
    // From a year ago, for devices whose clocks are behind.
    (parameters.not_before, parameters.not_after) = (midnight(-1), midnight(YEARS));
    let pair = KeyPair::generate().map_err(failed)?;
    let signed = parameters.self_signed(&pair).map_err(failed)?;
    check_new(certificate)?;
    write_private(key, pair.serialize_pem().as_bytes()).map_err(|error| not_new(key, &error))?;
    write_private(certificate, signed.pem().as_bytes())
        .map_err(|error| not_new(certificate, &error))?;
    Ok(super::fingerprint(signed.der()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;

    #[test]
    fn what_was_made_is_read_and_only_its_owner_may_read_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let hosts = ["node.example".to_owned(), "192.0.2.1".to_owned()];
        let made = make_certificate("架空診療所", &hosts, &certificate, &key).unwrap();
        let identity = Identity::read(&certificate, &key).unwrap();
        assert_eq!(identity.fingerprint(), made);
        let again = make_certificate("架空診療所", &hosts, &certificate, &key).unwrap_err();
        assert_eq!(again.code, "file-exists");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = Identity::read(&certificate, &key).err().unwrap();
        assert!(open.code == "key-readable" && open.message.en.contains("chmod 600"));
        assert_both(&open.message);
    }

    #[test]
    fn files_without_what_they_should_hold_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        let none = Identity::read(&path, &path).err().unwrap();
        assert_eq!(none.code, "no-certificate");
        let key = KeyPair::generate().unwrap().serialize_pem();
        write_private(&path, key.as_bytes()).unwrap();
        let no_certificate = Identity::read(&path, &path).err().unwrap();
        assert_eq!(no_certificate.code, "certificate-unreadable");
        let parameters = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let signed = parameters
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap();
        let other = folder.path().join("y.pem");
        write_private(&other, signed.pem().as_bytes()).unwrap();
        let no_key = Identity::read(&other, &other).err().unwrap();
        assert_eq!(no_key.code, "key-unreadable");
        for failure in [none, no_certificate, no_key] {
            assert_both(&failure.message);
        }
        assert!(authorities(signed.pem().repeat(CERTIFICATES + 1).as_bytes()).is_none());
        assert!(authorities(b"-----BEGIN CERTIFICATE-----\n%\n").is_none());
    }
}
