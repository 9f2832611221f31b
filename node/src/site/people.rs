//! The people of a site who sign: each has an own key file under an own passphrase, and a delegation
//! from the site.

use std::path::PathBuf;

use dokuei_keys::delegation::{Delegation, PersonRole, Subject};
use dokuei_keys::error::Refused;
use dokuei_keys::id::{PersonId, SiteId};
use dokuei_keys::keyfile::{self, Cost, KeyFileError};
use dokuei_keys::secret::Secret32;
use dokuei_keys::signed::{Signed, recorded};
use dokuei_keys::signing::SigningKey;
use dokuei_keys::time::{UnixSeconds, Validity};
use rand_core::CryptoRng;

use crate::language::{Explain as _, Failure};
use crate::say;
use crate::site::keys::{SiteKeys, key_file};
use crate::site::{SiteFolder, unusable, write_private};

/// Seconds for which a person's key is certified.
const LIFE: u64 = 365 * 86_400;
/// Delegations start this many seconds early, for partners whose clocks are behind.
const BACKDATED: u64 = 2 * 86_400;

/// A person with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their key.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// What they do.
    pub role: PersonRole,
    /// Number of their licence, when they have one.
    pub licence: String,
    /// Until when the key is certified.
    pub until: UnixSeconds,
    /// The delegation, as signed by the site.
    pub delegation: Vec<u8>,
}

/// Who is to be given a key.
pub struct NewPerson<'a> {
    /// Their name.
    pub name: &'a str,
    /// What they do.
    pub role: PersonRole,
    /// Number of their licence, or empty.
    pub licence: &'a str,
}

/// Refuses whoever is not certified as a reader: only readers sign reports.
///
/// # Errors
/// Says who it is, and what to do.
pub fn must_read(name: &str, role: PersonRole) -> Result<(), Failure> {
    match role {
        PersonRole::Reader => Ok(()),
        PersonRole::AttendingDoctor | PersonRole::Technologist | PersonRole::Administrator => {
            Err(Failure::new(
                "not-a-reader",
                say!(
                    "{name} さんは読影医として登録されていないため、読影とレポートへの署名はできません。読影医であれば「dokuei person add --role reader」で登録してください。",
                    "{name} is not certified as a reader here, and only readers read and sign. If they are one, add them with 'dokuei person add --role reader'."
                ),
            ))
        }
    }
}

/// Makes a key for a person, seals it under their passphrase, and certifies it.
///
/// # Errors
/// When the fields do not fit a delegation, or a file cannot be written.
pub fn enrol(
    folder: &SiteFolder,
    keys: &SiteKeys,
    person: &NewPerson<'_>,
    passphrase: &[u8],
    now: UnixSeconds,
    rng: &mut impl CryptoRng,
) -> Result<Person, Failure> {
    let seed = Secret32::from_rng(rng);
    let id = PersonId::from(SigningKey::from_seed(seed.duplicate()).public());
    let site = keys.site_certificate()?.site;
    let delegation = Delegation {
        site,
        subject: Subject::Person {
            id,
            name: person.name.to_owned(),
            role: person.role,
            licence: person.licence.to_owned(),
            licence_until: None,
        },
        validity: Validity::starting(UnixSeconds(now.0.saturating_sub(BACKDATED)), LIFE),
        serial: now.0,
    };
    let signed = Signed::sign(delegation, &keys.site_key()).map_err(|refused| unfit(&refused))?;
    let path = folder.person(&id);
    let sealed = keyfile::seal_secrets(seed.expose(), passphrase, Cost::default(), rng)
        .map_err(|error| key_file(&path, &error))?;
    write_private(&path, &sealed).map_err(|error| unusable(&path, &error))?;
    let certificate = certificate_path(folder, &id);
    write_private(&certificate, signed.bytes()).map_err(|error| unusable(&certificate, &error))?;
    read(signed.bytes(), site).ok_or_else(|| damaged(&certificate))
}

fn unfit(refused: &Refused) -> Failure {
    Failure::new(
        "person-unfit",
        say!(
            "この氏名または免許番号では署名鍵を発行できません（{why}）。",
            "No key can be issued with this name or licence number ({why}).";
            why = refused.why().message()
        ),
    )
}

/// Certifies everybody's key for another year, with the site's present key. Nobody's passphrase is needed. Returns
/// how many.
///
/// # Errors
/// When a file cannot be read or written.
pub fn certify_again(
    folder: &SiteFolder,
    keys: &SiteKeys,
    now: UnixSeconds,
) -> Result<usize, Failure> {
    let people = all(folder, keys.site_certificate()?.site)?;
    for person in &people {
        let path = certificate_path(folder, &person.id);
        let old: Delegation = recorded(&person.delegation).map_err(|_| damaged(&path))?;
        let delegation = Delegation {
            validity: Validity::starting(UnixSeconds(now.0.saturating_sub(BACKDATED)), LIFE),
            serial: now.0.max(old.serial + 1),
            ..old
        };
        let signed =
            Signed::sign(delegation, &keys.site_key()).map_err(|refused| unfit(&refused))?;
        let new = path.with_extension("new");
        // What an interrupted attempt left behind.
        let _ = std::fs::remove_file(&new);
        write_private(&new, signed.bytes()).map_err(|error| unusable(&new, &error))?;
        std::fs::rename(&new, &path).map_err(|error| unusable(&path, &error))?;
    }
    Ok(people.len())
}

/// Everybody with a key, in order of name.
///
/// # Errors
/// When the folder cannot be read, or a delegation is damaged.
pub fn all(folder: &SiteFolder, site: SiteId) -> Result<Vec<Person>, Failure> {
    let keys = folder.keys_folder();
    let mut people = Vec::new();
    for entry in std::fs::read_dir(&keys).map_err(|error| unusable(&keys, &error))? {
        let path = entry.map_err(|error| unusable(&keys, &error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "person")
        {
            let bytes = std::fs::read(&path).map_err(|error| unusable(&path, &error))?;
            people.push(read(&bytes, site).ok_or_else(|| damaged(&path))?);
        }
    }
    people.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(people)
}

/// Why somebody signs no more at this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// They left; what they signed stays valid.
    Removed,
    /// Their key was revoked.
    Revoked,
}

impl Gone {
    const ALL: [Gone; 2] = [Gone::Removed, Gone::Revoked];

    /// How the file of their delegation ends then.
    fn extension(self) -> &'static str {
        match self {
            Gone::Removed => "retired",
            Gone::Revoked => "revoked",
        }
    }
}

/// Who signed at this site once and signs no more. A file that cannot be read any more names nobody.
///
/// # Errors
/// When the folder cannot be read.
pub fn gone(folder: &SiteFolder, site: SiteId) -> Result<Vec<(Person, Gone)>, Failure> {
    let keys = folder.keys_folder();
    let mut people = Vec::new();
    for entry in std::fs::read_dir(&keys).map_err(|error| unusable(&keys, &error))? {
        let path = entry.map_err(|error| unusable(&keys, &error))?.path();
        let why = Gone::ALL.into_iter().find(|why| {
            path.extension()
                .is_some_and(|extension| extension == why.extension())
        });
        let bytes = why.and_then(|why| Some((why, std::fs::read(&path).ok()?)));
        people.extend(bytes.and_then(|(why, bytes)| Some((read(&bytes, site)?, why))));
    }
    Ok(people)
}

/// Takes a person's key away: the key file is removed, so that nobody signs with it here any more; the
/// delegation is put aside, as the record of who could. Reports carry their author's delegation and
/// stay valid.
///
/// # Errors
/// When the folder cannot be written.
pub fn retire(folder: &SiteFolder, id: &PersonId, why: Gone) -> Result<(), Failure> {
    let certificate = certificate_path(folder, id);
    // First the delegation: whoever is not listed does not sign, even if the rest fails.
    std::fs::rename(&certificate, certificate.with_extension(why.extension()))
        .map_err(|error| unusable(&certificate, &error))?;
    let key = folder.person(id);
    match std::fs::remove_file(&key) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unusable(&key, &error));
        }
        Ok(()) | Err(_) => {}
    }
    let keys = folder.keys_folder();
    std::fs::File::open(&keys)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| unusable(&keys, &error))
}

/// Opens a person's key.
///
/// # Errors
/// When the passphrase is wrong or the file damaged.
pub fn unlock(
    folder: &SiteFolder,
    id: &PersonId,
    passphrase: &[u8],
) -> Result<SigningKey, Failure> {
    let path = folder.person(id);
    let sealed = std::fs::read(&path).map_err(|error| unusable(&path, &error))?;
    let plain = keyfile::open_secrets(&sealed, passphrase).map_err(|error| match error {
        KeyFileError::WrongPassphrase => Failure::new(
            "wrong-passphrase",
            say!(
                "署名者の合言葉が違います。もう一度入力するか、--passphrase-file のファイルを確認してください。",
                "The signer's passphrase is wrong. Type it again, or check the file given as --passphrase-file."
            ),
        ),
        other => key_file(&path, &other),
    })?;
    let seed: [u8; 32] = plain.as_slice().try_into().map_err(|_| damaged(&path))?;
    Ok(SigningKey::from_seed(Secret32::from_bytes(seed)))
}

fn certificate_path(folder: &SiteFolder, id: &PersonId) -> PathBuf {
    folder.keys_folder().join(format!("{id}.person"))
}

fn read(bytes: &[u8], site: SiteId) -> Option<Person> {
    let delegation: Delegation = recorded(bytes).ok()?;
    match delegation.subject {
        Subject::Person {
            id,
            name,
            role,
            licence,
            ..
        } if delegation.site == site => Some(Person {
            id,
            name,
            role,
            licence,
            until: delegation.validity.until,
            delegation: bytes.to_vec(),
        }),
        Subject::Person { .. } | Subject::Node(_) | Subject::Log(_) => None,
    }
}

fn damaged(path: &std::path::Path) -> Failure {
    let file = path.display();
    Failure::new(
        "person-damaged",
        say!(
            "{file} は壊れています。バックアップから復元してください。",
            "{file} is damaged. Restore it from a backup."
        ),
    )
}
