//! The control socket: where it lies, how it is taken over from a node that was killed, and who may
//! be at its other end.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Bytes of a path that fit a socket's address beside the closing zero (unix(7)).
const ADDRESS_BYTES: usize = 107;
/// Name of the socket in the data folder.
pub const NAME: &str = "control.sock";
/// Its name until it is ready for callers.
const NEW: &str = "control.new";
/// The user who may do everything anyway.
const ROOT: u32 = 0;

/// Why the command line cannot speak to a node.
#[derive(Debug, thiserror::Error)]
pub enum NoNode {
    /// Nobody listens.
    #[error("no node is running")]
    NotRunning,
    /// The folder is another user's.
    #[error("this user may not speak to the node")]
    NotPermitted,
    /// Somebody else listens.
    #[error("what listens there belongs to user {0}, not to the owner of the data folder")]
    NotOurs(u32),
    /// The system refuses.
    #[error(transparent)]
    Io(io::Error),
}

/// A place in a folder as the socket calls take it.
struct Place {
    path: PathBuf,
    _folder: Option<File>,
}

impl Place {
    /// `name` in `folder`. A path that is too long for an address is reached through an open
    /// descriptor of the folder, which lives as long as the place.
    fn at(folder: &Path, name: &str) -> io::Result<Place> {
        let path = folder.join(name);
        if path.as_os_str().len() <= ADDRESS_BYTES {
            return Ok(Place {
                path,
                _folder: None,
            });
        }
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        let folder = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(folder)?;
        Ok(Place {
            path: PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name),
            _folder: Some(folder),
        })
    }
}

/// Listens in a data folder. The folder is closed to other users; the socket appears whole, under its
/// name, with mode 0600. One that a killed node left behind is replaced, one that answers is not:
/// nothing for it then. The caller holds the folder's lock.
///
/// # Errors
/// `AddrInUse` when somebody listens there; else as the system says.
pub fn listen(folder: &Path) -> io::Result<UnixListener> {
    close_to_others(folder)?;
    match UnixStream::connect(Place::at(folder, NAME)?.path) {
        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        Err(why) if is_nobody(&why) => {}
        Err(why) => return Err(why),
    }
    let new = folder.join(NEW);
    // Of a node that was killed just here.
    match std::fs::remove_file(&new) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        Ok(()) | Err(_) => {}
    }
    let place = Place::at(folder, NEW)?;
    let listener = UnixListener::bind(&place.path)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, folder.join(NAME))?;
    Ok(listener)
}

/// Connects to the node of a data folder and makes sure that it is the node's own user who listens.
///
/// # Errors
/// Why there is nobody to speak to.
pub fn connect(folder: &Path) -> Result<UnixStream, NoNode> {
    let failed = |why: io::Error| match why.kind() {
        io::ErrorKind::PermissionDenied => NoNode::NotPermitted,
        _ if is_nobody(&why) => NoNode::NotRunning,
        _ => NoNode::Io(why),
    };
    let place = Place::at(folder, NAME).map_err(failed)?;
    let stream = UnixStream::connect(&place.path).map_err(failed)?;
    let owner = std::fs::metadata(folder).map_err(failed)?.st_uid();
    let peer = rustix::net::sockopt::socket_peercred(&stream)
        .map_err(|why| NoNode::Io(why.into()))?
        .uid
        .as_raw();
    if is_node(peer, own_user(), owner) {
        Ok(stream)
    } else {
        Err(NoNode::NotOurs(peer))
    }
}

/// Whether a caller of this user may command the node: the node's own user, or root.
pub(super) fn may_command(caller: u32) -> bool {
    caller == own_user() || caller == ROOT
}

/// Whether what listens is the node: run by root or by this user; for root, by the owner of the
/// folder. Anybody else who listens there is not to hear a passphrase.
fn is_node(peer: u32, own: u32, owner: u32) -> bool {
    peer == ROOT || peer == own || (own == ROOT && peer == owner)
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// No socket, no folder, or a socket without a listener.
fn is_nobody(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused
    )
}

/// A folder that was copied back may have lost its mode.
fn close_to_others(folder: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(target: "dokuei::control", "the data folder was open to other users; it is closed to them now (mode 700)");
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder whose path alone is longer than an address.
    fn deep(place: &Path) -> PathBuf {
        let folder = place.join("d".repeat(120)).join("e".repeat(120));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn callers_reach_the_listener_in_short_and_in_deep_folders() {
        let temporary = tempfile::tempdir().unwrap();
        for folder in [temporary.path().to_owned(), deep(temporary.path())] {
            assert!(matches!(connect(&folder), Err(NoNode::NotRunning)));
            let listener = listen(&folder).unwrap();
            connect(&folder).unwrap();
            listener.accept().unwrap();
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder.join(NAME)), 0o600);
            assert_eq!(mode(&folder), 0o700);
            assert!(!folder.join(NEW).exists());
        }
    }

    #[test]
    fn a_socket_is_taken_over_only_when_nobody_listens() {
        let temporary = tempfile::tempdir().unwrap();
        for folder in [temporary.path().to_owned(), deep(temporary.path())] {
            let first = listen(&folder).unwrap();
            assert_eq!(
                listen(&folder).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
            // As after a kill: the file stays, nobody listens; another may have died before its
            // socket had its name.
            drop(first);
            std::fs::write(folder.join(NEW), "").unwrap();
            assert!(folder.join(NAME).exists());
            assert!(matches!(connect(&folder), Err(NoNode::NotRunning)));
            let second = listen(&folder).unwrap();
            connect(&folder).unwrap();
            second.accept().unwrap();
        }
    }

    #[test]
    fn no_folder_is_no_node() {
        let temporary = tempfile::tempdir().unwrap();
        let nowhere = temporary.path().join("n".repeat(150));
        assert!(matches!(connect(&nowhere), Err(NoNode::NotRunning)));
        let file = temporary.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(connect(&file), Err(NoNode::NotRunning)));
    }

    #[test]
    fn only_the_owner_and_root_are_at_either_end() {
        assert!(may_command(own_user()));
        assert!(may_command(ROOT));
        assert!(!may_command(own_user() + 1));
        let (user, other) = (1000, 1001);
        assert!(is_node(user, user, user));
        assert!(is_node(ROOT, user, user));
        assert!(is_node(user, ROOT, user));
        assert!(!is_node(other, user, user));
        assert!(!is_node(other, ROOT, user));
        // In a folder of theirs, somebody else is still not our node.
        assert!(!is_node(other, user, other));
    }
}
