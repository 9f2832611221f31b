//! Where the passphrase of the key file comes from. Never from the command line or the environment:
//! both can be seen by others.

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::language::Failure;
use crate::say;
use crate::site::{SiteFolder, unusable, write_private};

/// Longest passphrase file that is read: a line of text, not a book.
const BYTES: u64 = 4096;

/// Fewest characters of a passphrase, of a site's and of a person's.
pub const CHARACTERS: usize = 8;

/// The passphrase for unattended starts: from the given file, from systemd's credentials
/// (`LoadCredential=dokuei-passphrase:…`), or from the data folder.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn find(folder: &SiteFolder, given: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(path) = given {
        return read(path);
    }
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
        .map(|folder| PathBuf::from(folder).join("dokuei-passphrase"));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return read(&path);
    }
    let path = folder.passphrase();
    if path.exists() {
        return read(&path);
    }
    let file = path.display();
    Err(Failure::new(
        "no-passphrase",
        say!(
            "鍵ファイルの合言葉がありません。{file} に置くか、--passphrase-file で指定してください。",
            "There is no passphrase for the key file. Put it into {file} or name its file as --passphrase-file."
        ),
    ))
}

/// Makes a passphrase and keeps it in the data folder.
///
/// # Errors
/// When it cannot be written.
pub fn create(
    folder: &SiteFolder,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new([0u8; 16]);
    rng.fill_bytes(&mut bytes[..]);
    let mut text = Zeroizing::new(String::with_capacity(40));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    let path = folder.passphrase();
    write_private(&path, format!("{}\n", text.as_str()).as_bytes())
        .map_err(|error| unusable(&path, &error))?;
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

/// Reads the passphrase file of a new site.
///
/// # Errors
/// When it cannot be read, or the passphrase is shorter than [`CHARACTERS`].
pub fn read_new(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let passphrase = read(path)?;
    if String::from_utf8_lossy(&passphrase).chars().count() >= CHARACTERS {
        return Ok(passphrase);
    }
    let file = path.display();
    Err(Failure::new(
        "short-passphrase",
        say!(
            "{file} の合言葉が短すぎます。{CHARACTERS} 文字以上にしてください。",
            "The passphrase in {file} is too short: it needs at least {CHARACTERS} characters."
        ),
    ))
}

/// Reads a passphrase file; white space around it does not count.
///
/// # Errors
/// When it cannot be read or is empty.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let length = std::fs::metadata(path)
        .map_err(|error| unusable(path, &error))?
        .len();
    let text = if length > BYTES {
        Zeroizing::new(Vec::new())
    } else {
        Zeroizing::new(std::fs::read(path).map_err(|error| unusable(path, &error))?)
    };
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        let file = path.display();
        return Err(Failure::new(
            "no-passphrase",
            say!(
                "{file} に合言葉がありません（空か {BYTES} バイト超）。",
                "{file} holds no passphrase (it is empty or longer than {BYTES} bytes)."
            ),
        ));
    }
    Ok(Zeroizing::new(trimmed.to_vec()))
}
