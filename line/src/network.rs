//! All lines together: each site has one to a router that is faster than all of them.
//!
//! A packet goes up the line of the site that sends it and down that of the site it is for. What
//! comes out of one way at some moment enters the next at that moment.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use serde_json::{Map, Value, json};
use tun_rs::SyncDevice;

use crate::direction::Direction;
use crate::order::Order;
use crate::packet::Packet;
use crate::settings::Settings;
use crate::site::Site;

/// One site's end of everything.
pub(crate) struct Port {
    pub(crate) site: Site,
    pub(crate) device: SyncDevice,
    pub(crate) up: Mutex<Direction>,
    pub(crate) down: Mutex<Direction>,
    /// Wakes the thread of this port.
    pub(crate) bell: OwnedFd,
    /// Until when that thread sleeps, in nanoseconds from the start; the most while it is awake,
    /// so that what comes to it meanwhile rings.
    pub(crate) sleeps_until: AtomicU64,
}

/// All lines, and the clock they go by.
pub(crate) struct Network {
    pub(crate) ports: Vec<Port>,
    pub(crate) ended: AtomicBool,
    started: Instant,
    unroutable: AtomicU64,
}

impl Network {
    /// Lines that do nothing to packets yet.
    pub(crate) fn new(ends: Vec<(Site, SyncDevice)>, seed: u64) -> io::Result<Network> {
        let mut ports = Vec::new();
        for (number, (site, device)) in (0u64..).zip(ends) {
            let way = |way| Mutex::new(Direction::new(Settings::default(), seed, number * 2 + way));
            ports.push(Port {
                site,
                device,
                up: way(0),
                down: way(1),
                bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
                sleeps_until: AtomicU64::new(u64::MAX),
            });
        }
        Ok(Network {
            ports,
            ended: AtomicBool::new(false),
            started: Instant::now(),
            unroutable: AtomicU64::new(0),
        })
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Which port's thread hands out what goes down to a port: that of the site before it. Between
    /// two sites one thread has one direction whole, and never has to wake the other one.
    pub(crate) fn driver(&self, port: usize) -> usize {
        (port + self.ports.len() - 1) % self.ports.len()
    }

    /// Takes a packet that a site sends. What is for no other site goes nowhere, and not up the line
    /// either: what a kernel tells its neighbours by itself would meet the chance that is meant for
    /// what is measured.
    pub(crate) fn take(&self, from: usize, packet: Packet) {
        if self.target(from, &packet).is_some() {
            lock(&self.ports[from].up).offer(self.now(), packet);
        } else {
            self.unroutable.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The port that a packet is for.
    fn target(&self, from: usize, packet: &Packet) -> Option<usize> {
        let destination = packet.destination()?;
        let is_for = |port: &Port| port.site.is_at(destination);
        let found = self.ports.iter().position(is_for);
        found.filter(|to| *to != from)
    }

    /// A packet has come up from one port, and goes down to the one it is for.
    pub(crate) fn route(&self, from: usize, packet: Packet) {
        let Some(to) = self.target(from, &packet) else {
            return;
        };
        let now = self.now();
        let mut down = lock(&self.ports[to].down);
        down.offer(now, packet);
        let next = self.hand_out(to, &mut down, now);
        drop(down);
        let driver = self.driver(to);
        if driver != from
            && let Some(next) = next
            && nanoseconds(next) < self.ports[driver].sleeps_until.load(Ordering::SeqCst)
        {
            self.ring(driver);
        }
    }

    /// Writes into a port's device what has come down to it. Gives when more will have.
    pub(crate) fn hand_out(
        &self,
        port: usize,
        down: &mut Direction,
        now: Duration,
    ) -> Option<Duration> {
        let device = &self.ports[port].device;
        let mut refused = Vec::new();
        down.advance(now, |packet| {
            if device.send(packet.bytes()).is_err() {
                refused.push(packet);
            }
        });
        refused.iter().for_each(|packet| down.refused(packet));
        down.next()
    }

    /// Wakes the thread of a port.
    pub(crate) fn ring(&self, port: usize) {
        // It can only fail when it has been rung 2^64 times and not been heard.
        let _ = rustix::io::write(&self.ports[port].bell, &1u64.to_ne_bytes());
    }

    /// Ends the threads.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        (0..self.ports.len()).for_each(|port| self.ring(port));
    }

    /// Changes one line. False when there are too many outages.
    pub(crate) fn change(&self, order: &Order) -> bool {
        let Order::Change { site, ways } = order else {
            return true;
        };
        let port = &self.ports[*site];
        let mut done = true;
        for (way, change) in [&port.up, &port.down].into_iter().zip(ways) {
            if let Some(change) = change {
                done &= lock(way).change(self.now(), change.clone());
            }
        }
        self.ring(*site);
        self.ring(self.driver(*site));
        done
    }

    /// What has been counted.
    pub(crate) fn report(&self) -> Value {
        let way = |way: &Mutex<Direction>| {
            let way = lock(way);
            let mut counted = way.tally().json();
            counted["settings"] = way.settings().json();
            counted
        };
        let site = |port: &Port| {
            let ways = json!({ "up": way(&port.up), "down": way(&port.down) });
            (port.site.name.clone(), ways)
        };
        json!({
            "seconds": self.now().as_secs_f64(),
            "sites": Value::Object(Map::from_iter(self.ports.iter().map(site))),
            "unroutable_packets": self.unroutable.load(Ordering::Relaxed),
        })
    }
}

/// A way is a value that is good after every call: a thread that broke off leaves it usable.
pub(crate) fn lock(way: &Mutex<Direction>) -> MutexGuard<'_, Direction> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A time as a number that can be compared across threads.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
