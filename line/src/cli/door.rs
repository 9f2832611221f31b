//! How a lab with a name is spoken to: a Unix socket in the abstract namespace, which leaves no file
//! behind, however the lab ends.

use std::io::{self, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use dokuei_line::site::{NAME_RULE, is_name};
use serde_json::Value;

use super::events::{Event, ask, read_order};

/// How long the other side may take to say its order, or to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers orders for a lab of this name, one after the other.
pub(super) fn open(name: &str, into: &SyncSender<Event>) -> io::Result<()> {
    let listener = UnixListener::bind_addr(&address(name)?).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            io::Error::other(format!("there is a lab `{name}` already"))
        } else {
            error
        }
    })?;
    let into = into.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // One that breaks off concerns nobody else.
            let _ = stream.and_then(|stream| answer(stream, &into));
        }
    });
    Ok(())
}

fn answer(mut stream: UnixStream, into: &SyncSender<Event>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = rustix::net::sockopt::socket_peercred(&stream)?.uid;
    // Sockets without a file have no rights: who made the lab may, and root.
    if peer != rustix::process::getuid() && !peer.is_root() {
        return writeln!(stream, r#"{{"error":"this lab is somebody else's"}}"#);
    }
    let order = read_order(&mut BufReader::new(&stream))?;
    let answered = order.and_then(|order| ask(into, order));
    answered.map_or(Ok(()), |answer| writeln!(stream, "{answer}"))
}

/// Gives an order to a lab.
pub(super) fn tell(name: &str, order: &str) -> io::Result<Value> {
    let mut stream = UnixStream::connect_addr(&address(name)?).map_err(|error| {
        io::Error::new(error.kind(), format!("there is no lab `{name}`: {error}"))
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{order}")?;
    let answer = io::read_to_string(stream)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Where a site of a lab is: the process that holds it, and its namespace.
pub(super) fn whereabouts(name: &str, site: &str) -> io::Result<(u32, PathBuf)> {
    let place = tell(name, "where")?;
    let sites = place["sites"].as_array();
    let found = sites
        .into_iter()
        .flatten()
        .find(|found| found["name"] == site);
    let network = found.and_then(|found| found["namespace"].as_str());
    let holder = place["pid"]
        .as_u64()
        .and_then(|pid| u32::try_from(pid).ok());
    match (holder, network) {
        (Some(holder), Some(network)) => Ok((holder, network.into())),
        _ => Err(io::Error::other(format!(
            "lab `{name}` has no site `{site}`"
        ))),
    }
}

fn address(name: &str) -> io::Result<SocketAddr> {
    if !is_name(name) {
        return Err(io::Error::other(format!(
            "`{name}` is no name: {NAME_RULE}"
        )));
    }
    SocketAddr::from_abstract_name(format!("dokuei-line/{name}"))
}
