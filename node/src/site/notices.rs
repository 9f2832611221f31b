//! What this site says of its keys, as files: made with the recovery sheet, told to partners by the running node, and
//! carried to those that it does not reach.

use std::path::PathBuf;

use dokuei_keys::delegation::Revocation;
use dokuei_keys::id::{DocumentId, SiteId};
use dokuei_keys::signed::Signed;
use dokuei_keys::signing::{PublicKey, SigningKey};
use dokuei_keys::time::UnixSeconds;
use dokuei_protocol::partner::notice::{Notice, Renewal};

use crate::language::Failure;
use crate::say;
use crate::site::keys::SiteKeys;
use crate::site::{SiteFolder, unusable, write_private};

/// How the files are called, after a name of their own.
const EXTENSION: &str = "notice";
/// Most files that are read at start: as many as a site may have revocations and renewals in its life.
const MOST: usize = 512;
/// Longest file that is read.
pub const BYTES: u64 = 128 * 1024;

/// A notice of one revocation, signed by the root.
///
/// # Errors
/// When it cannot be signed.
pub fn revocation(
    root: &SigningKey,
    revoked: PublicKey,
    since: UnixSeconds,
) -> Result<Notice, Failure> {
    let site = SiteId::of(&root.public());
    let revocation = Revocation {
        site,
        revoked,
        since,
    };
    let signed = Signed::sign(revocation, root).map_err(|_| {
        Failure::new(
            "cannot-revoke",
            say!("この鍵は失効できません。", "This key cannot be revoked."),
        )
    })?;
    Ok(Notice {
        site,
        renewal: None,
        revocations: vec![signed.bytes().to_vec().into()],
    })
}

/// A notice of a renewed certificate, with everything that was revoked before it: who gets the file needs no other.
///
/// # Errors
/// When the folder cannot be read.
pub fn renewal(folder: &SiteFolder, site: SiteId, renewal: Renewal) -> Result<Notice, Failure> {
    let mut revocations: Vec<_> = all(folder)?
        .into_iter()
        .filter(|notice| notice.site == site)
        .flat_map(|notice| notice.revocations)
        .collect();
    revocations.sort_by(|a, b| a.as_slice().cmp(b.as_slice()));
    revocations.dedup();
    Ok(Notice {
        site,
        renewal: Some(renewal),
        revocations,
    })
}

/// Keeps a notice in the data folder. Returns where.
///
/// # Errors
/// When it cannot be written.
pub fn keep(folder: &SiteFolder, notice: &Notice) -> Result<PathBuf, Failure> {
    let place = folder.notices();
    std::fs::create_dir_all(&place).map_err(|error| unusable(&place, &error))?;
    let file = notice.file();
    let name = DocumentId::of(&file).to_string();
    let path = place.join(format!("{}.{EXTENSION}", &name[..16]));
    if !path.exists() {
        write_private(&path, &file).map_err(|error| unusable(&path, &error))?;
    }
    Ok(path)
}

/// Whether the site key or the node's key of these keys was revoked, as far as the data folder says.
///
/// # Errors
/// When a notice or the certificate cannot be read.
pub fn is_revoked(folder: &SiteFolder, keys: &SiteKeys) -> Result<bool, Failure> {
    let own = keys.site_certificate()?;
    let revocations = all(folder)?
        .into_iter()
        .filter(|notice| notice.site == own.site)
        .flat_map(|notice| notice.revocations);
    let node = keys.node_id();
    let is_of_these = |revocation: &Revocation| {
        revocation.revoked == own.key || revocation.revoked.as_bytes() == node.as_bytes()
    };
    Ok(revocations
        .filter_map(|bytes| Signed::<Revocation>::verify(&bytes, &own.root).ok())
        .any(|signed| is_of_these(signed.content())))
}

/// Every notice in the data folder.
///
/// # Errors
/// When one cannot be read, or is none.
pub fn all(folder: &SiteFolder) -> Result<Vec<Notice>, Failure> {
    let place = folder.notices();
    if !place.exists() {
        return Ok(Vec::new());
    }
    let mut notices = Vec::new();
    let entries = std::fs::read_dir(&place).map_err(|error| unusable(&place, &error))?;
    for entry in entries.take(MOST) {
        let path = entry.map_err(|error| unusable(&place, &error))?.path();
        if path.extension().is_some_and(|found| found == EXTENSION) {
            notices.push(read(&path)?);
        }
    }
    Ok(notices)
}

/// Reads the file of a notice; nothing in it is verified yet.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(path: &std::path::Path) -> Result<Notice, Failure> {
    let length = std::fs::metadata(path)
        .map_err(|error| unusable(path, &error))?
        .len();
    let none = || {
        let file = path.display();
        Failure::new(
            "no-notice",
            say!(
                "{file} は鍵の通知ファイルではありません。送り主に「dokuei revoke」または「dokuei renew」が作ったファイルをもらってください。",
                "{file} is no notice of keys. Ask its sender for the file that 'dokuei revoke' or 'dokuei renew' made."
            ),
        )
    };
    if length > BYTES {
        return Err(none());
    }
    let bytes = std::fs::read(path).map_err(|error| unusable(path, &error))?;
    Notice::read(&bytes).ok_or_else(none)
}
