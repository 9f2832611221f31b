//! Bulk data on connections of its own: which way it goes, who dials, and what ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dokuei_node::network::{
    BulkPort, BulkWay, FetchError, Fetched, NetworkConfig, Part, RangeRequest,
};
use tokio::time::timeout;

use crate::objects::{Checked, Objects, PARCEL};
use crate::site::{DEADLINE, Site, config, pair_of_sites, restart, until};

const MIB: u64 = 1024 * 1024;

/// What moves in one fetch, and its pieces.
const SIZE: u64 = 20 * MIB;

fn wanted(objects: u32) -> Vec<RangeRequest> {
    let whole = |slot| RangeRequest {
        parcel: PARCEL,
        part: Part::Object(slot),
        offset: 0,
        length: SIZE,
    };
    (0..objects)
        .flat_map(|slot| whole(slot).pieces(MIB))
        .collect()
}

/// A site that takes this way first: every line is near, or none is.
fn first(way: BulkWay, config: NetworkConfig) -> NetworkConfig {
    let mut config = config;
    config.limits.near = match way {
        BulkWay::Tcp => Duration::MAX,
        BulkWay::Quic | BulkWay::Shared => Duration::ZERO,
    };
    config
}

fn serving(seed: u8) -> NetworkConfig {
    let objects = Objects {
        size: SIZE,
        served: Arc::new(AtomicU64::new(0)),
    };
    NetworkConfig {
        parcels: Some(Arc::new(objects)),
        ..config(seed)
    }
}

async fn fetch(hospital: &Site, clinic: &Site, objects: u32) -> Result<Fetched, FetchError> {
    let sink = Arc::new(Checked::default());
    let fetch = hospital
        .network
        .fetch(clinic.node(), wanted(objects), 8, sink);
    timeout(DEADLINE, fetch).await.unwrap()
}

fn way(site: &Site, other: &Site) -> Option<BulkWay> {
    let status = site.status_of(other.node()).unwrap();
    status.bulk.map(|bulk| bulk.way)
}

#[tokio::test]
async fn each_way_carries_what_is_fetched() {
    for (seed, chosen) in [(140, BulkWay::Quic), (142, BulkWay::Tcp)] {
        let (hospital, clinic) =
            pair_of_sites(first(chosen, config(seed)), serving(seed + 1)).await;
        assert_eq!(way(&hospital, &clinic), None);
        for _ in 0..2 {
            let fetched = fetch(&hospital, &clinic, 2).await.unwrap();
            assert_eq!((fetched.ranges, fetched.bytes), (40, 2 * SIZE));
        }
        assert_eq!(way(&hospital, &clinic), Some(chosen));
        assert_eq!(way(&clinic, &hospital), Some(chosen));
        let status = hospital.status_of(clinic.node()).unwrap();
        assert!(status.bulk_received > 4 * SIZE);
        assert!(status.bulk.unwrap().round_trip.is_some() || chosen == BulkWay::Tcp);
    }
}

/// The clinic can only call; what it has is fetched from it all the same.
#[tokio::test]
async fn who_cannot_be_dialed_brings_the_connection() {
    for (seed, chosen) in [(144, BulkWay::Quic), (146, BulkWay::Tcp)] {
        let hospital = Site::start(first(chosen, config(seed))).await;
        let clinic = Site::start(NetworkConfig {
            listen: Vec::new(),
            ..serving(seed + 1)
        })
        .await;
        assert_eq!(clinic.bulk, None);
        hospital.network.set_members(vec![clinic.caller()]).await;
        clinic.network.set_members(vec![hospital.member()]).await;
        hospital.until_connected(&clinic).await;
        for _ in 0..2 {
            assert_eq!(fetch(&hospital, &clinic, 2).await.unwrap().bytes, 2 * SIZE);
            assert_eq!(way(&hospital, &clinic), Some(chosen));
        }
    }
}

#[tokio::test]
async fn tcp_serves_where_udp_is_blocked_and_the_shared_connection_where_both_are() {
    let without_udp = NetworkConfig {
        quic: false,
        ..serving(149)
    };
    let quic_first = || first(BulkWay::Quic, config(148));
    let (hospital, clinic) = pair_of_sites(quic_first(), without_udp).await;
    assert_eq!(fetch(&hospital, &clinic, 1).await.unwrap().bytes, SIZE);
    assert_eq!(way(&hospital, &clinic), Some(BulkWay::Tcp));
    let without_port = NetworkConfig {
        bulk_port: BulkPort::Off,
        ..serving(150)
    };
    let (hospital, clinic) = pair_of_sites(quic_first(), without_port).await;
    for _ in 0..2 {
        assert_eq!(fetch(&hospital, &clinic, 1).await.unwrap().bytes, SIZE);
        assert_eq!(way(&hospital, &clinic), Some(BulkWay::Shared));
    }
}

/// Both fetch from each other at once: whatever connections that leads to, nothing is lost.
#[tokio::test]
async fn both_sides_fetch_at_once() {
    for (seed, chosen) in [(152, BulkWay::Quic), (154, BulkWay::Tcp)] {
        let both = |seed| first(chosen, serving(seed));
        let (one, other) = pair_of_sites(both(seed), both(seed + 1)).await;
        for _ in 0..3 {
            let fetched = tokio::join!(fetch(&one, &other, 1), fetch(&other, &one, 1));
            assert_eq!(fetched.0.unwrap().bytes, SIZE);
            assert_eq!(fetched.1.unwrap().bytes, SIZE);
        }
        assert_eq!(way(&one, &other), Some(chosen));
        assert_eq!(way(&other, &one), Some(chosen));
    }
}

/// A fetch that goes on, and what it has brought so far.
struct Going {
    fetch: tokio::task::JoinHandle<Result<Fetched, FetchError>>,
    sink: Arc<Checked>,
}

async fn going(hospital: &Site, clinic: &Site) -> Going {
    let sink = Arc::new(Checked::default());
    let (network, node, to) = (hospital.network.clone(), clinic.node(), sink.clone());
    let fetch = tokio::spawn(async move { network.fetch(node, wanted(10), 8, to).await });
    until("some has come", || sink.bytes() >= 2 * SIZE).await;
    sink.hold(true);
    Going { fetch, sink }
}

#[tokio::test]
async fn a_partner_that_is_removed_or_barred_is_cut_off_at_once() {
    for (seed, chosen) in [(156, BulkWay::Quic), (160, BulkWay::Tcp)] {
        for barred in [false, true] {
            let seed = seed + 2 * u8::from(barred);
            let (hospital, clinic) =
                pair_of_sites(first(chosen, config(seed)), serving(seed + 1)).await;
            let Going { fetch, sink } = going(&hospital, &clinic).await;
            assert_eq!(way(&hospital, &clinic), Some(chosen));
            if barred {
                clinic.network.bar(vec![hospital.node()]).await;
            } else {
                clinic.network.set_members(Vec::new()).await;
            }
            sink.hold(false);
            let ended = timeout(DEADLINE, fetch).await.unwrap().unwrap();
            assert!(ended.is_err(), "{ended:?}");
            assert!(sink.bytes() < 10 * SIZE);
            let again =
                hospital
                    .network
                    .fetch(clinic.node(), wanted(1), 8, Arc::new(Checked::default()));
            assert!(timeout(DEADLINE, again).await.unwrap().is_err());
        }
    }
}

#[tokio::test]
async fn a_killed_sender_costs_nothing_that_had_come() {
    for (seed, chosen) in [(164, BulkWay::Quic), (166, BulkWay::Tcp)] {
        let (hospital, mut clinic) =
            pair_of_sites(first(chosen, config(seed)), serving(seed + 1)).await;
        let address = clinic.address;
        let Going { fetch, sink } = going(&hospital, &clinic).await;
        clinic.kill();
        sink.hold(false);
        let ended = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        let interrupted = [Err(FetchError::Interrupted), Err(FetchError::Stalled)];
        assert!(interrupted.contains(&ended), "{ended:?}");
        let before = sink.bytes();
        let missing = sink.missing(&wanted(10));
        let mut again = serving(seed + 1);
        again.listen = vec![address];
        let clinic = restart(again).await;
        clinic.network.set_members(vec![hospital.caller()]).await;
        hospital.until_connected_again(&clinic, 2).await;
        let rest = hospital
            .network
            .fetch(clinic.node(), missing, 8, sink.clone());
        let rest = timeout(DEADLINE, rest).await.unwrap().unwrap();
        assert_eq!(before + rest.bytes, 10 * SIZE);
        assert_eq!(way(&hospital, &clinic), Some(chosen));
    }
}

#[tokio::test]
async fn after_a_stop_the_bulk_port_is_free() {
    let (hospital, clinic) = pair_of_sites(first(BulkWay::Quic, config(168)), serving(169)).await;
    fetch(&hospital, &clinic, 1).await.unwrap();
    let port = clinic.bulk.unwrap();
    clinic.network.stop().await;
    let tcp = std::net::TcpListener::bind(port);
    let udp = std::net::UdpSocket::bind(port);
    assert!(tcp.is_ok() && udp.is_ok(), "{tcp:?}, {udp:?}");
}

#[tokio::test]
async fn a_used_bulk_port_is_one_clear_error() {
    let hospital = Site::start(config(170)).await;
    let taken = hospital.bulk.unwrap();
    let second = NetworkConfig {
        bulk_port: BulkPort::Number(taken.port()),
        ..config(171)
    };
    let Err(error) = dokuei_node::network::Network::start(second) else {
        panic!("two nodes share a port");
    };
    assert!(error.to_string().contains("network.bulk_port"), "{error}");
}

/// What is served is counted by who serves, whichever way it goes.
#[tokio::test]
async fn a_slow_sink_slows_the_sender() {
    for (seed, chosen) in [(172, BulkWay::Quic), (174, BulkWay::Tcp)] {
        let served = Arc::new(AtomicU64::new(0));
        let objects = Objects {
            size: SIZE,
            served: served.clone(),
        };
        let clinic = NetworkConfig {
            parcels: Some(Arc::new(objects)),
            ..config(seed + 1)
        };
        let (hospital, clinic) = pair_of_sites(first(chosen, config(seed)), clinic).await;
        let Going { fetch, sink } = going(&hospital, &clinic).await;
        let ahead = crate::objects::until_still(|| served.load(Ordering::Relaxed)).await;
        // For each of eight streams the credit, and the blocks of both sides.
        assert!(ahead - sink.bytes() <= 8 * 6 * MIB, "{ahead} bytes");
        sink.hold(false);
        let fetched = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert_eq!(fetched.unwrap().bytes, 10 * SIZE);
    }
}
