//! `line measure`: each measurement prints a line of JSON.

use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use dokuei_line::amount;
use dokuei_line::measure::{PORT, client, server};
use serde::Serialize;

/// Where the server is.
#[derive(Args)]
pub(super) struct Server {
    /// Its address.
    to: IpAddr,
    /// Its port.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

/// How TCP is measured.
#[derive(Args)]
pub(super) struct Tcp {
    #[command(flatten)]
    server: Server,
    /// How long is sent.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// The first seconds, which do not count.
    #[arg(long, default_value_t = 0.0)]
    skip: f64,
    /// The sender's congestion control: reno, cubic, bbr, or what the kernel has.
    #[arg(long)]
    congestion: Option<String>,
}

/// What can be measured.
#[derive(Subcommand)]
pub(super) enum What {
    /// Answer measurements, until stopped.
    Serve {
        /// The port, of TCP and of UDP.
        #[arg(long, default_value_t = PORT)]
        port: u16,
    },
    /// How fast TCP sends from here.
    Send(Tcp),
    /// How fast TCP sends to here.
    Take(Tcp),
    /// Round trips of single datagrams.
    Ping {
        #[command(flatten)]
        server: Server,
        /// How many.
        #[arg(long, default_value_t = 200)]
        count: u64,
        /// How often one is sent.
        #[arg(long, default_value = "25ms", value_parser = amount::time)]
        interval: Duration,
        /// Their payload in bytes.
        #[arg(long, default_value_t = 64)]
        size: usize,
        /// Print each one, too.
        #[arg(long)]
        each: bool,
    },
    /// How much of datagrams sent at a rate arrives.
    Flood {
        #[command(flatten)]
        server: Server,
        /// The rate of their IP packets.
        #[arg(long, value_parser = flood_rate)]
        rate: u64,
        /// How long is sent.
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// Their payload in bytes.
        #[arg(long, default_value_t = 1400)]
        size: usize,
    },
}

/// Measures, and prints what was found.
pub(super) fn measure(what: &What) -> io::Result<ExitCode> {
    match what {
        What::Serve { port } => server::serve(*port).map(|()| ExitCode::SUCCESS),
        What::Send(tcp) => told(client::send(
            tcp.server.to,
            tcp.server.port,
            tcp.seconds,
            tcp.skip,
            tcp.congestion.as_deref(),
        )?),
        What::Take(tcp) => told(client::take(
            tcp.server.to,
            tcp.server.port,
            tcp.seconds,
            tcp.skip,
            tcp.congestion.as_deref(),
        )?),
        What::Ping {
            server,
            count,
            interval,
            size,
            each,
        } => {
            let trips = client::ping(server.to, server.port, *count, *interval, *size)?;
            told(if *each { trips } else { trips.summed_up() })
        }
        What::Flood {
            server,
            rate,
            seconds,
            size,
        } => told(client::flood(
            server.to,
            server.port,
            *rate,
            *seconds,
            *size,
        )?),
    }
}

fn told(found: impl Serialize) -> io::Result<ExitCode> {
    println!("{}", serde_json::to_string(&found)?);
    Ok(ExitCode::SUCCESS)
}

fn flood_rate(text: &str) -> Result<u64, String> {
    let rate = amount::rate(text).map_err(|error| error.to_string())?;
    rate.ok_or_else(|| "a flood needs a rate".to_owned())
}
