//! Network namespaces that live as long as somebody holds them: no name is left anywhere.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::process::{Pid, Signal, kill_process};

/// How long processes that are left in a namespace have to end before they are killed.
const ENDING: Duration = Duration::from_secs(2);

/// A network namespace, held open.
pub struct Namespace {
    file: File,
    inode: u64,
}

impl Namespace {
    /// Makes one, and does in it what is to be done first. It is done on a thread that then ends, as
    /// the namespace of a thread is its own.
    ///
    /// # Errors
    /// When the kernel refuses, or what was done in it failed.
    pub fn make<T: Send>(
        first: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<(Namespace, T)> {
        within_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let file = File::open("/proc/thread-self/ns/net")?;
            let inode = file.metadata()?.ino();
            Ok((Namespace { file, inode }, first()?))
        })
    }

    /// Does something in it, on a thread of its own.
    ///
    /// # Errors
    /// When it cannot be entered, or what was done failed.
    pub fn within<T: Send>(&self, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        within_thread(|| {
            setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET)?;
            what()
        })
    }

    /// Where others find it while this process lives: for `nsenter --net=…`.
    pub fn path(&self) -> PathBuf {
        let process = std::process::id();
        PathBuf::from(format!("/proc/{process}/fd/{}", self.file.as_raw_fd()))
    }

    /// Ends the processes that are in it. Gives how many there were.
    pub fn clear(&self) -> usize {
        let found = self.processes();
        for process in &found {
            // One that has ended meanwhile is what is wanted.
            let _ = kill_process(*process, Signal::TERM);
        }
        let deadline = Instant::now() + ENDING;
        while !self.processes().is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        for process in self.processes() {
            let _ = kill_process(process, Signal::KILL);
        }
        found.len()
    }

    fn processes(&self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let numbers = entries.filter_map(|entry| number(entry.ok()?));
        let is_in = |process: &i32| {
            let place = fs::metadata(format!("/proc/{process}/ns/net"));
            place.is_ok_and(|place| place.ino() == self.inode)
        };
        numbers.filter(is_in).filter_map(Pid::from_raw).collect()
    }
}

fn within_thread<T: Send>(what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| match scope.spawn(what).join() {
        Ok(result) => result,
        Err(_) => Err(io::Error::other("the thread in the namespace broke off")),
    })
}

/// Moves this process into a user namespace of its own, in which it may make network namespaces
/// without being root outside. Only before there are threads.
///
/// # Errors
/// When the system does not let its users do that.
pub fn become_root_of_own() -> io::Result<()> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Without this the kernel lets nobody map groups.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))
}

/// Moves this process into a network namespace that another process holds, and into the user
/// namespace of that process, where it is another one. Only before there are threads.
///
/// # Errors
/// When it has ended, or this one may not.
pub fn enter(holder: u32, network: &Path) -> io::Result<()> {
    let network = File::open(network)?;
    let user = File::open(format!("/proc/{holder}/ns/user"))?;
    if user.metadata()?.ino() != fs::metadata("/proc/self/ns/user")?.ino() {
        setns(user.as_fd(), CloneFlags::CLONE_NEWUSER)?;
    }
    Ok(setns(network.as_fd(), CloneFlags::CLONE_NEWNET)?)
}
