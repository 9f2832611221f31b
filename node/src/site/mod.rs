//! The data folder of one site: where things lie, the keys at rest, the people.

pub mod keys;
pub mod notices;
pub mod passphrase;
pub mod people;
pub mod prekeys;
pub mod recovery;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::language::{Explain as _, Failure};
use crate::say;

/// The data folder and the places in it.
#[derive(Clone, Debug)]
pub struct SiteFolder(PathBuf);

impl SiteFolder {
    /// The folder at this path.
    pub fn new(path: impl Into<PathBuf>) -> SiteFolder {
        SiteFolder(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join(crate::config::FILE)
    }

    /// The sealed key file.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys").join("site.keys")
    }

    /// The key file of a person.
    pub fn person(&self, id: &dokuei_keys::id::PersonId) -> PathBuf {
        self.0.join("keys").join(format!("person-{id}.keys"))
    }

    /// The folder of the key files.
    pub fn keys_folder(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The passphrase for unattended starts, unless it is kept elsewhere.
    pub fn passphrase(&self) -> PathBuf {
        self.0.join("passphrase")
    }

    /// What this site says of its keys, as files to carry to partners.
    pub fn notices(&self) -> PathBuf {
        self.0.join("notices")
    }

    /// The recovery sheet, to be printed and removed.
    pub fn recovery_sheet(&self) -> PathBuf {
        self.0.join("RECOVERY-print-and-remove.txt")
    }

    /// What the prekeys in the database are sealed under. Not for backups: see [`prekeys`].
    pub fn prekeys(&self) -> PathBuf {
        self.0.join("prekeys.key")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("store").join("dokuei.redb")
    }

    /// The sealed parcels.
    pub fn parcels(&self) -> PathBuf {
        self.0.join("parcels")
    }

    /// The socket on which the running node takes commands.
    pub fn control(&self) -> PathBuf {
        self.0.join(crate::control::socket::NAME)
    }

    /// Makes sure that this is the folder of a site, and that this user may look into it.
    ///
    /// # Errors
    /// When it is none, or another user's.
    pub fn must_be_site(&self) -> Result<(), Failure> {
        let folder = self.0.display();
        match self.keys().try_exists() {
            Ok(true) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Failure::new(
                    "not-permitted",
                    say!(
                        "{folder} を読むアクセス権がありません。ノードと同じ利用者で実行してください（例: sudo -u dokuei dokuei …）。",
                        "Permission to read {folder} is denied. Run the command as the node's own user (sudo -u dokuei dokuei …)."
                    ),
                ))
            }
            Ok(false) | Err(_) => Err(Failure::new(
                "not-a-site",
                say!(
                    "{folder} は dokuei のデータフォルダではありません。先に「dokuei init」を実行してください。",
                    "{folder} is not a data folder of dokuei. Run 'dokuei init' first."
                ),
            )),
        }
    }

    /// Takes the folder for this process, until the returned file is dropped.
    ///
    /// # Errors
    /// When it is no site's folder, another user's, or another node runs on it.
    pub fn lock(&self) -> Result<File, Failure> {
        self.must_be_site()?;
        let open = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.join("lock"));
        let file = open.map_err(|error| unusable(&self.0, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(self.already_running()),
            Err(std::fs::TryLockError::Error(error)) => Err(unusable(&self.0, &error)),
        }
    }

    /// Says that another node runs on this folder.
    pub fn already_running(&self) -> Failure {
        let folder = self.0.display();
        Failure::new(
            "already-running",
            say!(
                "{folder} では既に別のノードが動いています。「dokuei status {folder}」で確認してください。",
                "Another node is already running on {folder}. See 'dokuei status {folder}'."
            ),
        )
    }
}

/// A folder or file that cannot be used.
pub fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::new(
        "folder-unusable",
        say!(
            "{path} を使用できません（{why}）。場所、アクセス権、空き容量を確認してください。",
            "{path} cannot be used ({why}). Check the place, its permissions and the free space.";
            why = error.message()
        ),
    )
}

/// Makes sure that a new file can be made at a place, for what must not fail at its end. Nothing stays there.
///
/// # Errors
/// When something is there already, or nothing can be made there.
pub fn check_new(path: &Path) -> Result<(), Failure> {
    write_private(path, b"")
        .and_then(|()| std::fs::remove_file(path))
        .map_err(|error| not_new(path, &error))
}

/// A file that cannot be made anew.
pub fn not_new(path: &Path, error: &std::io::Error) -> Failure {
    if error.kind() != std::io::ErrorKind::AlreadyExists {
        return unusable(path, error);
    }
    let path = path.display();
    Failure::new(
        "file-exists",
        say!(
            "{path} は既にあります。上書きしませんでした。別の名前を指定してください。",
            "{path} exists already and was not overwritten. Give another name."
        ),
    )
}

/// Writes a new file that only its owner may read, durably; an existing one is not touched.
///
/// # Errors
/// As the file system says.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match folder_of(path) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The folder in which a path lies: for a bare name, the one this process works in.
pub fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| match folder.as_os_str() {
        name if name.is_empty() => Path::new("."),
        _ => folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_present_folder() {
        assert_eq!(folder_of(Path::new("n2")), Some(Path::new(".")));
        assert_eq!(folder_of(Path::new("a/n2")), Some(Path::new("a")));
        assert_eq!(folder_of(Path::new("/n2")), Some(Path::new("/")));
    }

    #[test]
    fn a_place_is_tried_before_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.notice");
        check_new(&path).unwrap();
        assert!(!path.exists());
        write_private(&path, b"kept").unwrap();
        assert_eq!(check_new(&path).unwrap_err().code, "file-exists");
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        let nowhere = folder.path().join("none").join("new.notice");
        assert_eq!(check_new(&nowhere).unwrap_err().code, "folder-unusable");
    }
}
