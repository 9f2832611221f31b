//! Sites and their lines while they live.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::network::Network;
use crate::order::Order;
use crate::site::Site;
use crate::{carrier, device};

/// What a lab is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its sites.
    pub sites: Vec<Site>,
    /// What is said of their lines from the start on.
    pub orders: Vec<Order>,
    /// What chance follows from.
    pub seed: u64,
    /// The largest packet that the sites' devices send, in bytes.
    pub mtu: u16,
    /// Settings of the kernel in each namespace, such as
    /// (`net.ipv4.tcp_congestion_control`, `cubic`).
    pub sysctls: Vec<(String, String)>,
}

/// Sites and their lines. They are gone when this is.
pub struct Lab {
    network: Arc<Network>,
    namespaces: Vec<Namespace>,
    carriers: Vec<JoinHandle<io::Result<()>>>,
    is_realtime: bool,
}

impl Lab {
    /// Makes the namespaces, their devices and lines, and begins to carry.
    ///
    /// # Errors
    /// When the system does not permit it, or lacks TUN or `ip`.
    pub fn start(plan: &Plan) -> io::Result<Lab> {
        let mut namespaces = Vec::new();
        let mut ends = Vec::new();
        for site in &plan.sites {
            let (namespace, device) = Namespace::make(|| {
                let device = device::make(site, plan.mtu)?;
                plan.sysctls
                    .iter()
                    .try_for_each(|(key, value)| sysctl(key, value))?;
                Ok(device)
            })?;
            namespaces.push(namespace);
            ends.push((site.clone(), device));
        }
        let network = Arc::new(Network::new(ends, plan.seed)?);
        for order in &plan.orders {
            if !network.change(order) {
                return Err(io::Error::other("too many outages"));
            }
        }
        let mut carriers = Vec::new();
        // One answer from each thread.
        let (told, hurried) = sync_channel(plan.sites.len());
        for number in 0..plan.sites.len() {
            let (network, told) = (network.clone(), told.clone());
            let carrier = thread::Builder::new().name(format!("carrier-{number}"));
            carriers.push(carrier.spawn(move || {
                // Nobody listens only when the lab was given up meanwhile.
                let _ = told.send(carrier::hurry());
                drop(told);
                carrier::carry(&network, number)
            })?);
        }
        drop(told);
        let is_realtime = hurried.iter().all(|hurried| hurried);
        Ok(Lab {
            network,
            namespaces,
            carriers,
            is_realtime,
        })
    }

    /// The sites, in their order.
    pub fn sites(&self) -> impl Iterator<Item = (&Site, &Namespace)> {
        let sites = self.network.ports.iter().map(|port| &port.site);
        sites.zip(&self.namespaces)
    }

    /// Does what an order says, and gives the answer to it.
    pub fn obey(&self, order: &Order) -> Value {
        match order {
            Order::Report => self.report(),
            Order::Where => self.place(),
            Order::Stop => json!({ "ok": true }),
            Order::Change { .. } if self.network.change(order) => json!({ "ok": true }),
            Order::Change { .. } => json!({ "error": "too many outages are still to come" }),
        }
    }

    /// What has been counted.
    pub fn report(&self) -> Value {
        let mut report = self.network.report();
        for (site, namespace) in self.sites() {
            let unread = namespace.within(|| Ok(device::unread())).ok().flatten();
            report["sites"][&site.name]["unread_packets"] = json!(unread);
        }
        report["realtime"] = json!(self.is_realtime);
        report["cpu_seconds"] = json!(processor_time());
        let broken = self.carriers.iter().any(JoinHandle::is_finished);
        report["broken"] = json!(broken);
        report
    }

    /// Where the sites are.
    pub fn place(&self) -> Value {
        let site = |(site, namespace): (&Site, &Namespace)| {
            json!({
                "name": site.name,
                "address": site.address.to_string(),
                "address6": site.address6.to_string(),
                "namespace": namespace.path(),
            })
        };
        json!({
            "pid": std::process::id(),
            "realtime": self.is_realtime,
            "sites": self.sites().map(site).collect::<Vec<_>>(),
        })
    }

    /// Ends the processes that are left at the sites, then the lines. Gives how many processes there
    /// were.
    pub fn end(mut self) -> usize {
        let left = self.namespaces.iter().map(Namespace::clear).sum();
        self.stop();
        left
    }

    fn stop(&mut self) {
        self.network.end();
        for carrier in self.carriers.drain(..) {
            // What went wrong in it is in the report; here everything ends.
            let _ = carrier.join();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The processor time of this process in seconds, its children not counted.
fn processor_time() -> Option<f64> {
    let counted = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may have anything in it; times in user and system are the 12th and 13th
    // word behind it, in hundredths of a second whatever the kernel's own clock.
    let (_, words) = counted.rsplit_once(')')?;
    let times = words.split_whitespace().skip(11).take(2);
    let times = times.map(|time| time.parse::<f64>().ok());
    Some(times.sum::<Option<f64>>()? / 100.0)
}

/// Sets a setting of the kernel in the namespace of this thread.
fn sysctl(key: &str, value: &str) -> io::Result<()> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if !key.starts_with("net.") || !key.bytes().all(is_plain) || key.contains("..") {
        return Err(io::Error::other(format!(
            "`{key}` is no setting of a network"
        )));
    }
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    std::fs::write(path, value)
        .map_err(|error| io::Error::new(error.kind(), format!("{key}={value}: {error}")))
}
