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

    /// Takes the folder for this process, until the returned file is dropped.
    ///
    /// # Errors
    /// When it is no site's folder, or another node runs on it.
    pub fn lock(&self) -> Result<File, Failure> {
        let folder = self.0.display();
        if !self.keys().exists() {
            return Err(Failure::new(
                "not-a-site",
                say!(
                    "{folder} は dokuei のデータフォルダではありません。先に「dokuei init」を実行してください。",
                    "{folder} is not a data folder of dokuei. Run 'dokuei init' first."
                ),
            ));
        }
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
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
