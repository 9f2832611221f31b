//! What is said of the lines when they are made.

use std::io;

use clap::Args;
use dokuei_line::lab::{Lab, Plan};
use dokuei_line::namespace;
use dokuei_line::order::order;
use dokuei_line::site::sites;

/// Lines and sites.
#[derive(Args)]
pub(super) struct Lines {
    /// The sites: the first has 10.77.0.1 and fd77::1, and so on. What follows is about the line of
    /// the first one; those of the others do nothing to packets unless --set says so.
    #[arg(long, default_value = "clinic,hospital")]
    sites: String,
    /// Rate of IP packets with their headers: 20mbit, 20mbit/100mbit, none.
    #[arg(long, value_name = "X[/Y]")]
    rate: Option<String>,
    /// Delay one way, after the queue: 15ms makes a round trip of 30 ms.
    #[arg(long, value_name = "X[/Y]")]
    delay: Option<String>,
    /// The delay is spread evenly by so much to both sides; order is kept.
    #[arg(long, value_name = "X[/Y]")]
    jitter: Option<String>,
    /// Share of packets that is lost: 0.5%.
    #[arg(long, value_name = "X[/Y]")]
    loss: Option<String>,
    /// What waits in front of the rate: 50ms, 64kb, usual (50 ms, at least 64 kB).
    #[arg(long, value_name = "X[/Y]")]
    queue: Option<String>,
    /// Whether UDP gets through: on or off.
    #[arg(long, value_name = "X[/Y]")]
    udp: Option<String>,
    /// Longest packet that gets through, headers included: 1400b; longer ones vanish.
    #[arg(long, value_name = "X[/Y]")]
    longest: Option<String>,
    /// When nothing gets through: 10s+3s is three seconds, ten seconds from the start. Can be given
    /// more than once.
    #[arg(long, value_name = "AT+FOR")]
    outage: Vec<String>,
    /// Any of these for any site: `second: rate 50mbit/10mbit`. Can be given more than once.
    #[arg(long, value_name = "ORDER")]
    set: Vec<String>,
    /// The same seed and the same packets lose the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Largest packet of the sites' devices.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(1280..=65_000))]
    mtu: u16,
    /// A kernel setting at every site: net.ipv4.tcp_congestion_control=cubic. Can be given more than
    /// once.
    #[arg(long, value_name = "KEY=VALUE")]
    sysctl: Vec<String>,
    /// Work in a user namespace also as root.
    #[arg(long)]
    user_namespace: bool,
}

impl Lines {
    /// Makes the sites. Only before there are threads.
    pub(super) fn start(&self) -> io::Result<Lab> {
        let plan = self.plan().map_err(io::Error::other)?;
        if self.user_namespace || !rustix::process::geteuid().is_root() {
            namespace::become_root_of_own().map_err(|error| {
                said(&error, "neither root nor allowed to make a user namespace")
            })?;
        }
        Lab::start(&plan).map_err(|error| said(&error, "the sites cannot be made"))
    }

    fn plan(&self) -> Result<Plan, String> {
        let sites = sites(&self.sites)?;
        let given = [
            ("rate", &self.rate),
            ("delay", &self.delay),
            ("jitter", &self.jitter),
            ("loss", &self.loss),
            ("queue", &self.queue),
            ("udp", &self.udp),
            ("longest", &self.longest),
        ];
        let given = given
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        let outages = self.outage.iter().map(|outage| format!("outage {outage}"));
        let orders = given.chain(outages).chain(self.set.iter().cloned());
        let orders: Result<Vec<_>, String> = orders.map(|text| order(&text, &sites)).collect();
        let pair = |text: &String| {
            let pair = text
                .split_once('=')
                .ok_or_else(|| format!("`{text}` is not KEY=VALUE"));
            pair.map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        Ok(Plan {
            orders: orders?,
            sites,
            seed: self.seed,
            mtu: self.mtu,
            sysctls: self
                .sysctl
                .iter()
                .map(pair)
                .collect::<Result<_, String>>()?,
        })
    }
}

fn said(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
