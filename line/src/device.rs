//! The device through which a site's packets come and go.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use tun_rs::{DeviceBuilder, SyncDevice};

use crate::site::Site;

/// What the device is called in each namespace.
pub(crate) const DEVICE: &str = "line0";
/// Packets that may wait in the device until they are read: so many that packets are dropped only
/// where the line says so, and few enough (15 MB) to be no queue of their own.
const DEVICE_QUEUE: u32 = 10_000;

/// Makes the device in the namespace of this thread, with the site's addresses, and takes the
/// loopback up. Needs `ip` of iproute2.
///
/// # Errors
/// When the kernel has no TUN or does not let this process use it, or `ip` fails.
pub(crate) fn make(site: &Site, mtu: u16) -> io::Result<SyncDevice> {
    let told = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("/dev/net/tun cannot be used: {error}"),
        )
    };
    let device = DeviceBuilder::new()
        .name(DEVICE)
        .build_sync()
        .map_err(told)?;
    device.set_nonblocking(true)?;
    ip(&format!(
        "link set lo up\n\
         link set {DEVICE} mtu {mtu} txqueuelen {DEVICE_QUEUE} up\n\
         address add {}/24 dev {DEVICE}\n\
         route add default dev {DEVICE}\n",
        site.address,
    ))?;
    // Absent where the kernel has no IPv6.
    let disabled = std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    if disabled.is_ok_and(|disabled| disabled.trim() == "0") {
        // `nodad`: the address is good at once.
        ip(&format!(
            "address add {}/64 dev {DEVICE} nodad\n",
            site.address6
        ))?;
    }
    Ok(device)
}

/// Packets that the device of this thread's namespace dropped because nobody read them in time.
pub(crate) fn unread() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    let line = counts
        .lines()
        .find_map(|line| line.trim().strip_prefix(DEVICE))?;
    // After the colon eight counters of receiving, then bytes, packets, errors and drops of sending.
    line.strip_prefix(':')?
        .split_whitespace()
        .nth(11)?
        .parse()
        .ok()
}

fn ip(batch: &str) -> io::Result<()> {
    // It lies where users who are not root do not look.
    let path = std::env::var("PATH").unwrap_or_default();
    let mut ip = Command::new("ip")
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("ip (iproute2): {error}")))?;
    if let Some(mut input) = ip.stdin.take() {
        input.write_all(batch.as_bytes())?;
    }
    let done = ip.wait_with_output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("ip: {}", said.trim())))
}
