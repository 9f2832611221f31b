//! The image viewer that an operator brought: OHIF's published package, prepared for `/viewer/`. It is an ordinary folder
//! of files beside the site's data, none of which is a patient's.

mod install;
mod package;
mod rewrite;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use install::{install, remove};
pub use package::{Take, unpack};
pub use rewrite::APP_CONFIG;

use crate::language::{Explain as _, Failure};
use crate::say;

/// The version that is tested.
pub const TESTED: &str = "3.13.2";
/// The folder of the viewer in the data folder.
const FOLDER: &str = "viewer";
/// What lies in it.
const INDEX: &str = "installed.json";
/// Of [`Installed`], raised with every change that an older program cannot read.
const FORMAT: u32 = 1;
/// Bytes of the index: a package has some hundred files, each with some 200 bytes.
const INDEX_BYTES: u64 = 4 << 20;

/// A viewer that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// [`FORMAT`].
    format: u32,
    /// The name of the package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its licence, as the package names it.
    pub licence: String,
    /// The text of the licence.
    pub licence_text: String,
    /// When it was installed, in milliseconds since 1970.
    pub installed_at: u64,
    /// The folder in [`FOLDER`] that has its files, each named by its hash.
    folder: String,
    /// SHA-256 of each script that stands in its page, in Base64, as a Content-Security-Policy names it.
    pub scripts: Vec<String>,
    /// Its files, by the path below `/viewer/`.
    pub files: BTreeMap<String, StoredFile>,
}

/// One file of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// BLAKE3 of what is stored, 64 hexadecimal digits.
    pub hash: String,
    /// Its media type.
    pub kind: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its length as gzip, when that is stored too.
    pub gzip: Option<u64>,
    /// Whether it is the script of a worker, which has its own policy.
    pub worker: bool,
}

/// The viewer of a node: whichever is installed now. Clones share what is known of it.
#[derive(Clone)]
pub struct Viewer(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    known: Mutex<Option<(Stamp, Arc<Installed>)>>,
}

/// Tells one index from the next: inode, length and time of change.
type Stamp = (u64, u64, i64, i64);

impl Viewer {
    /// The viewer in this data folder.
    pub fn of(data: &Path) -> Viewer {
        Viewer(Arc::new(Shared {
            folder: data.join(FOLDER),
            known: Mutex::default(),
        }))
    }

    /// What is installed; none when nothing is. Looks at the disk, so that an installation counts at once.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn installed(&self) -> Result<Option<Arc<Installed>>, Failure> {
        let path = self.0.folder.join(INDEX);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&error)),
        };
        let about = file.metadata().map_err(|error| unusable(&error))?;
        let stamp = (about.ino(), about.len(), about.mtime(), about.mtime_nsec());
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, installed)) = &*known
            && *at == stamp
        {
            return Ok(Some(Arc::clone(installed)));
        }
        let mut text = Vec::new();
        let read = file.take(INDEX_BYTES + 1).read_to_end(&mut text);
        read.map_err(|error| unusable(&error))?;
        let installed = serde_json::from_slice(&text).ok().filter(is_sound);
        let installed = Arc::new(installed.ok_or_else(damaged)?);
        *known = Some((stamp, Arc::clone(&installed)));
        Ok(Some(installed))
    }

    /// Opens a file of it, as it is or as gzip.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(&self, installed: &Installed, file: &StoredFile, gzip: bool) -> io::Result<File> {
        let name = stored_name(&file.hash, gzip);
        File::open(self.0.folder.join(&installed.folder).join(name))
    }
}

/// The name under which a file of this hash lies.
fn stored_name(hash: &str, gzip: bool) -> String {
    let ending = if gzip { ".gz" } else { "" };
    format!("{hash}{ending}")
}

/// Whether an index is one of this program, and leads nowhere else.
fn is_sound(installed: &Installed) -> bool {
    let is_plain = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    installed.format == FORMAT
        && is_plain(&installed.folder)
        && installed.files.values().all(|file| is_plain(&file.hash))
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new(
        "viewer-unusable",
        say!(
            "ビューアのフォルダを使えません（{why}）。アクセス権と空き容量を確認してください。",
            "The folder of the viewer cannot be used ({why}). Check its permissions and the room on the disk.";
            why = error.message()
        ),
    )
}

fn damaged() -> Failure {
    Failure::new(
        "viewer-damaged",
        say!(
            "ビューアの目録が壊れています。「dokuei viewer install」でもう一度設置してください。",
            "The list of the viewer's files is damaged. Install it again with 'dokuei viewer install'."
        ),
    )
}
