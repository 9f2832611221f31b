//! How fast sealed objects move between two nodes on loopback, and what that costs. Prints a table; asserts nothing.
//!
//! Both nodes run in this process, so processor time and memory are those of both ends together. The source is a buffer
//! in memory and the sink only counts: what is measured is the transport and this room.
//!
//! Over a line of your own: `serve ADDRESS` at one end, `fetch ADDRESS MEGABYTES [shared]` at the other; `shared` leaves
//! the bulk connections out.

use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dokuei_node::network::{
    BulkPort, Member, Network, NetworkConfig, NetworkEvent, NodeId, ParcelSink, ParcelSource, Part,
    RangeBody, RangeOutcome, RangeRequest, Ranges, Refusal, Started,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

type Failed = Box<dyn Error + Send + Sync>;

const MB: u64 = 1_000_000;

/// Each cell is the median of so many runs.
const RUNS: usize = 3;

/// The kernel counts processor time in hundredths of a second (proc(5), `sysconf(_SC_CLK_TCK)` on Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// What one row moves.
struct Load {
    name: &'static str,
    object: u64,
    count: u64,
    range: u64,
}

const LOADS: [Load; 3] = [
    Load {
        name: "1 object of 1 GB, ranges of 4 MiB",
        object: 1000 * MB,
        count: 1,
        range: 4 << 20,
    },
    Load {
        name: "2000 CT images of 0.5 MB",
        object: 525_000,
        count: 2000,
        range: u64::MAX,
    },
    Load {
        name: "20000 MR images of 25 kB",
        object: 25_000,
        count: 20_000,
        range: u64::MAX,
    },
];

struct Pattern;

struct Repeated {
    bytes: &'static [u8],
    left: u64,
}

static BYTES: [u8; 1 << 20] = [0x5a; 1 << 20];

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer
            .len()
            .min(self.bytes.len())
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..length].copy_from_slice(&self.bytes[..length]);
        self.left -= length as u64;
        Ok(length)
    }
}

impl ParcelSource for Pattern {
    fn open(&self, _: NodeId, request: &RangeRequest) -> Result<RangeBody, Refusal> {
        // The slot's upper bits choose the load.
        let Part::Object(slot) = request.part else {
            return Err(Refusal::Missing);
        };
        let load = LOADS.get(slot as usize >> 24).ok_or(Refusal::Missing)?;
        let left = load
            .object
            .checked_sub(request.offset)
            .ok_or(Refusal::Missing)?;
        let length = left.min(request.length);
        Ok(RangeBody {
            length,
            bytes: Box::new(Repeated {
                bytes: &BYTES,
                left: length,
            }),
        })
    }
}

struct Counting;

impl ParcelSink for Counting {
    fn write(&self, _: &RangeRequest, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finished(&self, _: &RangeRequest, outcome: RangeOutcome) -> io::Result<()> {
        match outcome {
            RangeOutcome::Complete { .. } => Ok(()),
            RangeOutcome::Refused(_) => Err(io::Error::other("a range was refused")),
        }
    }
}

fn ranges(index: usize) -> Vec<RangeRequest> {
    let load = &LOADS[index];
    let whole = |number: u64| RangeRequest {
        parcel: [1; 32],
        part: Part::Object((index as u32) << 24 | number as u32),
        offset: 0,
        length: load.object,
    };
    (0..load.count)
        .flat_map(|number| whole(number).pieces(load.range))
        .collect()
}

/// How bulk data goes: its name, by QUIC, and on connections of its own.
const WAYS: [(&str, bool, bool); 4] = [
    ("QUIC, bulk", true, true),
    ("TCP, bulk", false, true),
    ("QUIC, libp2p", true, false),
    ("TCP, libp2p", false, false),
];

async fn node(
    seed: u8,
    quic: bool,
    bulk: bool,
) -> Result<(Network, SocketAddr, mpsc::Receiver<NetworkEvent>), Failed> {
    let mut config = NetworkConfig::new(Zeroizing::new([seed; 32]), vec!["127.0.0.1:0".parse()?]);
    (config.quic, config.tcp) = (quic, !quic);
    if !bulk {
        config.bulk_port = BulkPort::Off;
    }
    config.parcels = Some(Arc::new(Pattern));
    let Started {
        network,
        events,
        listening,
        ..
    } = Network::start(config)?;
    Ok((network, *listening.first().ok_or("no address")?, events))
}

async fn connected(quic: bool, bulk: bool) -> Result<(Network, Network), Failed> {
    let (serving, address, mut told) = node(1, quic, bulk).await?;
    let (fetching, _, mut events) = node(2, quic, bulk).await?;
    let member = |network: &Network, addresses: Vec<SocketAddr>| Member {
        node: network.local(),
        outbound: !addresses.is_empty(),
        addresses: addresses.into_iter().map(Into::into).collect(),
    };
    serving
        .set_members(vec![member(&fetching, Vec::new())])
        .await;
    fetching
        .set_members(vec![member(&serving, vec![address])])
        .await;
    for events in [&mut told, &mut events] {
        tokio::time::timeout(Duration::from_secs(10), events.recv())
            .await?
            .ok_or("not connected")?;
    }
    tokio::spawn(async move { while told.recv().await.is_some() {} });
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    Ok((serving, fetching))
}

/// Processor seconds of this process so far, user and system (proc(5), fields 14 and 15 of `stat`).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// The most memory this process ever held, in MB (proc(5), `VmHWM`).
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0 / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn row(
    serving: &Network,
    fetching: &Network,
    load: usize,
    streams: usize,
) -> Result<(f64, f64), Failed> {
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let list = Ranges::from(ranges(load));
        let (started, spent) = (Instant::now(), processor_seconds());
        let fetched = fetching
            .fetch(serving.local(), list, streams, Arc::new(Counting))
            .await?;
        let megabytes = fetched.bytes as f64 / MB as f64;
        rates.push(megabytes / started.elapsed().as_secs_f64());
        costs.push((processor_seconds() - spent) / megabytes * 1000.0);
    }
    Ok((median(rates), median(costs)))
}

/// Which rows to run: all, or those whose transport's name contains the first argument and whose number of streams is
/// the second.
fn wanted(transport: &str, streams: usize) -> bool {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let named = arguments
        .next()
        .is_none_or(|name| transport.contains(&name));
    named
        && arguments
            .next()
            .is_none_or(|number| number == streams.to_string())
}

async fn table() -> Result<(), Failed> {
    println!(
        "{:<12} {:<36} {:>7} {:>8} {:>18} {:>13}",
        "", "", "streams", "MB/s", "CPU-s/GB, 2 ends", "peak RSS, MB"
    );
    for (transport, quic, bulk) in WAYS {
        let (serving, fetching) = connected(quic, bulk).await?;
        for (index, load) in LOADS.iter().enumerate() {
            for streams in [1, 4, 8] {
                if !wanted(transport, streams) {
                    continue;
                }
                let (rate, cost) = row(&serving, &fetching, index, streams).await?;
                let peak = peak_megabytes();
                println!(
                    "{transport:<12} {:<36} {streams:>7} {rate:>8.0} {cost:>18.2} {peak:>13.0}",
                    load.name
                );
            }
        }
        fetching.stop().await;
        serving.stop().await;
    }
    Ok(())
}

/// The node that a seed makes.
async fn node_of(seed: u8) -> Result<NodeId, Failed> {
    let mut config = NetworkConfig::new(Zeroizing::new([seed; 32]), Vec::new());
    config.bulk_port = BulkPort::Off;
    let started = Network::start(config)?;
    started.network.stop().await;
    Ok(started.network.local())
}

async fn serve(address: SocketAddr) -> Result<(), Failed> {
    let mut config = NetworkConfig::new(Zeroizing::new([1; 32]), vec![address]);
    config.parcels = Some(Arc::new(Pattern));
    let mut started = Network::start(config)?;
    let fetching = Member {
        node: node_of(2).await?,
        addresses: Vec::new(),
        outbound: false,
    };
    started.network.set_members(vec![fetching]).await;
    while started.events.recv().await.is_some() {}
    Ok(())
}

async fn fetch(address: SocketAddr, megabytes: u64, shared: bool) -> Result<(), Failed> {
    let mut config = NetworkConfig::new(Zeroizing::new([2; 32]), Vec::new());
    if shared {
        config.bulk_port = BulkPort::Off;
    }
    let mut started = Network::start(config)?;
    let serving = Member {
        node: node_of(1).await?,
        addresses: vec![address.into()],
        outbound: true,
    };
    let node = serving.node;
    started.network.set_members(vec![serving]).await;
    started.events.recv().await.ok_or("not connected")?;
    tokio::spawn(async move { while started.events.recv().await.is_some() {} });
    let list: Vec<_> = ranges(0)
        .into_iter()
        .take_while(|range| range.offset < megabytes * MB)
        .collect();
    let begun = Instant::now();
    let spent = processor_seconds();
    let fetched = started
        .network
        .fetch(node, list, 8, Arc::new(Counting))
        .await?;
    let (bytes, seconds) = (
        fetched.bytes as f64 / MB as f64,
        begun.elapsed().as_secs_f64(),
    );
    let cost = (processor_seconds() - spent) / bytes * 1000.0;
    let bulk = started
        .network
        .status()
        .first()
        .and_then(|status| status.bulk);
    println!(
        "{:.2} MB/s, {cost:.1} CPU-s/GB here, {bulk:?}",
        bytes / seconds
    );
    started.network.stop().await;
    Ok(())
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match words.as_slice() {
        ["serve", address, ..] => runtime.block_on(serve(address.parse()?)),
        ["fetch", address, megabytes, rest @ ..] => {
            let shared = rest.contains(&"shared");
            runtime.block_on(fetch(address.parse()?, megabytes.parse()?, shared))
        }
        _ => runtime.block_on(table()),
    }
}
