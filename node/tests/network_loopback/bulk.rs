//! Parcels: whole, resumed, slow, refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dokuei_node::network::{
    BulkPort, Cap, FetchError, Fetched, NetworkConfig, Part, RangeOutcome, RangeRequest, Refusal,
};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::objects::{BROKEN, Checked, FORBIDDEN, Objects, PARCEL, until_still};
use crate::site::{DEADLINE, Site, config, pair_of_sites, restart, until};

const MIB: u64 = 1024 * 1024;

/// Bytes that one stream may have under way: credit, blocks of both sides, what the transport holds besides.
const UNDER_WAY: u64 = 6 * MIB;

struct Bulk {
    clinic: Site,
    hospital: Site,
    served: Arc<AtomicU64>,
    sink: Arc<Checked>,
}

fn serving(seed: u8, quic: bool, size: u64, served: &Arc<AtomicU64>) -> NetworkConfig {
    let objects = Objects {
        size,
        served: served.clone(),
    };
    NetworkConfig {
        quic,
        // Bulk data goes through the connection of libp2p here; its own connections are tried in `ways`.
        bulk_port: BulkPort::Off,
        parcels: Some(Arc::new(objects)),
        ..config(seed)
    }
}

/// The hospital fetches from the clinic, which it dials.
async fn bulk(seed: u8, quic: bool, size: u64) -> Bulk {
    let served = Arc::new(AtomicU64::new(0));
    let (hospital, clinic) = pair_of_sites(
        NetworkConfig {
            quic,
            bulk_port: BulkPort::Off,
            ..config(seed)
        },
        serving(seed + 1, quic, size, &served),
    )
    .await;
    Bulk {
        clinic,
        hospital,
        served,
        sink: Arc::default(),
    }
}

fn whole(slot: u32, length: u64) -> RangeRequest {
    RangeRequest {
        parcel: PARCEL,
        part: Part::Object(slot),
        offset: 0,
        length,
    }
}

#[tokio::test]
async fn large_objects_come_whole_over_both_transports() {
    for (seed, quic) in [(100, true), (102, false)] {
        let bulk = bulk(seed, quic, 50 * MIB).await;
        let ranges: Vec<_> = (0..4)
            .flat_map(|slot| whole(slot, 50 * MIB).pieces(4 * MIB))
            .collect();
        let count = ranges.len();
        let fetch = bulk
            .hospital
            .network
            .fetch(bulk.clinic.node(), ranges, 4, bulk.sink.clone());
        let fetched = timeout(DEADLINE, fetch).await.unwrap();
        let expected = Fetched {
            ranges: count as u64,
            bytes: 200 * MIB,
        };
        assert_eq!(fetched, Ok(expected));
        assert_eq!(
            (bulk.sink.bytes(), bulk.sink.outcomes().len()),
            (200 * MIB, count)
        );
        assert_eq!(bulk.served.load(Ordering::Relaxed), 200 * MIB);
        let status = bulk.clinic.status_of(bulk.hospital.node()).unwrap();
        assert!(status.bulk_sent > 200 * MIB, "{}", status.bulk_sent);
    }
}

#[tokio::test]
async fn many_small_objects_need_few_round_trips() {
    let bulk = bulk(104, true, 25_000).await;
    let (more, ranges) = mpsc::channel(16);
    let asking = tokio::spawn(async move {
        for slot in 0..3000 {
            more.send(whole(slot, 1 << 40)).await.unwrap();
        }
    });
    let fetch = bulk
        .hospital
        .network
        .fetch(bulk.clinic.node(), ranges, 4, bulk.sink.clone());
    let fetched = timeout(DEADLINE, fetch).await.unwrap().unwrap();
    asking.await.unwrap();
    assert_eq!((fetched.ranges, fetched.bytes), (3000, 3000 * 25_000));
    let complete = RangeOutcome::Complete { length: 25_000 };
    assert!(
        bulk.sink
            .outcomes()
            .values()
            .all(|outcome| *outcome == complete)
    );
}

#[tokio::test]
async fn refusals_and_ends_are_told_range_by_range() {
    let bulk = bulk(106, false, 1000).await;
    let past_end = RangeRequest {
        offset: 1001,
        ..whole(1, 5)
    };
    let at_end = RangeRequest {
        offset: 1000,
        ..whole(2, 5)
    };
    let short = RangeRequest {
        offset: 990,
        ..whole(3, 50)
    };
    let stranger = RangeRequest {
        parcel: [0; 32],
        ..whole(4, 5)
    };
    let nothing = whole(5, 0);
    let ranges = vec![
        past_end,
        at_end,
        short,
        stranger,
        nothing,
        whole(FORBIDDEN, 5),
    ];
    let fetch = bulk
        .hospital
        .network
        .fetch(bulk.clinic.node(), ranges, 2, bulk.sink.clone());
    assert_eq!(timeout(DEADLINE, fetch).await.unwrap().unwrap().ranges, 6);
    let outcomes = bulk.sink.outcomes();
    assert_eq!(outcomes[&past_end], RangeOutcome::Refused(Refusal::Missing));
    assert_eq!(outcomes[&at_end], RangeOutcome::Complete { length: 0 });
    assert_eq!(outcomes[&short], RangeOutcome::Complete { length: 10 });
    assert_eq!(outcomes[&stranger], RangeOutcome::Refused(Refusal::Missing));
    assert_eq!(outcomes[&nothing], RangeOutcome::Complete { length: 0 });
    assert_eq!(
        outcomes[&whole(FORBIDDEN, 5)],
        RangeOutcome::Refused(Refusal::Refused)
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_good_range() {
    let bulk = bulk(108, true, MIB).await;
    let ranges = vec![whole(0, MIB), whole(BROKEN, MIB)];
    let fetch = bulk
        .hospital
        .network
        .fetch(bulk.clinic.node(), ranges, 1, bulk.sink.clone());
    assert_eq!(
        timeout(DEADLINE, fetch).await.unwrap(),
        Err(FetchError::Interrupted)
    );
    assert_eq!(bulk.sink.outcomes().len(), 1);
    let nobody = bulk.clinic.network.fetch(
        bulk.hospital.node(),
        vec![whole(0, 5)],
        1,
        bulk.sink.clone(),
    );
    assert_eq!(
        timeout(DEADLINE, nobody).await.unwrap(),
        Err(FetchError::Busy)
    );
}

#[tokio::test]
async fn a_killed_sender_costs_nothing_that_had_come() {
    for (seed, quic) in [(110, true), (112, false)] {
        let mut bulk = bulk(seed, quic, 20 * MIB).await;
        let (served, sink) = (bulk.served.clone(), bulk.sink.clone());
        let wanted: Vec<_> = (0..10)
            .flat_map(|slot| whole(slot, 20 * MIB).pieces(4 * MIB))
            .collect();
        let (node, address) = (bulk.clinic.node(), bulk.clinic.address);
        let network = bulk.hospital.network.clone();
        let fetch = tokio::spawn({
            let (wanted, sink) = (wanted.clone(), sink.clone());
            async move { network.fetch(node, wanted, 4, sink).await }
        });
        until("a third has come", || sink.bytes() >= 60 * MIB).await;
        bulk.clinic.kill();
        let interrupted = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert!(
            matches!(
                interrupted,
                Err(FetchError::Interrupted | FetchError::Stalled)
            ),
            "{interrupted:?}"
        );
        let before = sink.bytes();
        let missing = sink.missing(&wanted);
        assert_eq!(
            missing.iter().map(|range| range.length).sum::<u64>(),
            200 * MIB - before
        );
        let mut again = serving(seed + 1, quic, 20 * MIB, &served);
        again.listen = vec![address];
        let clinic = restart(again).await;
        clinic
            .network
            .set_members(vec![bulk.hospital.caller()])
            .await;
        bulk.hospital.until_connected_again(&clinic, 2).await;
        let fetch = bulk.hospital.network.fetch(node, missing, 4, sink.clone());
        let fetched = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert_eq!(before + fetched.bytes, 200 * MIB);
    }
}

#[tokio::test]
async fn a_frozen_partner_is_left_and_found_again() {
    for (seed, quic) in [(120, true), (122, false)] {
        let bulk = bulk(seed, quic, 20 * MIB).await;
        let (node, sink) = (bulk.clinic.node(), bulk.sink.clone());
        let wanted: Vec<_> = (0..20).map(|slot| whole(slot, 20 * MIB)).collect();
        let network = bulk.hospital.network.clone();
        let fetch = tokio::spawn(async move { network.fetch(node, wanted, 4, sink).await });
        until("some has come", || bulk.sink.bytes() >= 20 * MIB).await;
        let frozen = bulk.hospital.freeze().await;
        // The clinic's buffers are full of what the hospital does not take: its goodbye cannot be sent.
        bulk.clinic
            .until("noticed", |seen| !seen.disconnected.is_empty())
            .await;
        let lost = bulk.clinic.status_of(bulk.hospital.node()).unwrap();
        assert!(lost.connected.is_none(), "{lost:?}");
        drop(frozen);
        let interrupted = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert!(interrupted.is_err(), "{interrupted:?}");
        bulk.clinic.until_connected_again(&bulk.hospital, 2).await;
        bulk.hospital.until_connected_again(&bulk.clinic, 2).await;
        let small =
            bulk.hospital
                .network
                .fetch(node, vec![whole(99, 5)], 1, Arc::new(Checked::default()));
        assert_eq!(timeout(DEADLINE, small).await.unwrap().unwrap().bytes, 5);
    }
}

#[tokio::test]
async fn a_slow_sink_slows_the_sender() {
    for (seed, quic) in [(114, true), (116, false)] {
        let bulk = bulk(seed, quic, 100 * MIB).await;
        bulk.sink.hold(true);
        let ranges: Vec<_> = whole(0, 100 * MIB).pieces(4 * MIB).collect();
        let network = bulk.hospital.network.clone();
        let (node, sink) = (bulk.clinic.node(), bulk.sink.clone());
        let fetch = tokio::spawn(async move { network.fetch(node, ranges, 2, sink).await });
        until("some is served", || {
            bulk.served.load(Ordering::Relaxed) >= MIB
        })
        .await;
        let ahead = until_still(|| bulk.served.load(Ordering::Relaxed)).await;
        assert!(
            ahead <= 2 * UNDER_WAY,
            "{ahead} bytes were served to a sink that took none"
        );
        // Longer than the stall limit: a slow sink is no dead sender, and the sender must see that somebody is there.
        sleep(Duration::from_secs(4)).await;
        assert!(!fetch.is_finished());
        bulk.sink.hold(false);
        let fetched = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert_eq!(fetched.unwrap().bytes, 100 * MIB);
    }
}

#[tokio::test]
async fn what_leaves_at_a_capped_pace_is_whole() {
    let served = Arc::default();
    for (seed, quic) in [(120, true), (122, false)] {
        let capped = NetworkConfig {
            caps: vec![Cap {
                from: 0,
                until: 0,
                bytes_per_second: 4_000_000,
            }],
            ..serving(seed + 1, quic, MIB, &served)
        };
        let (hospital, clinic) = pair_of_sites(
            NetworkConfig {
                quic,
                bulk_port: BulkPort::Off,
                ..config(seed)
            },
            capped,
        )
        .await;
        let sink = Arc::new(Checked::default());
        let ranges: Vec<_> = (0..3).map(|slot| whole(slot, MIB)).collect();
        let fetch = hospital
            .network
            .fetch(clinic.node(), ranges, 3, sink.clone());
        let fetched = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert_eq!(fetched.bytes, 3 * MIB);
        assert_eq!(sink.outcomes().len(), 3);
    }
}

#[tokio::test]
async fn a_partner_is_served_no_more_streams_than_its_share() {
    let bulk = bulk(118, true, MIB).await;
    bulk.sink.hold(true);
    let node = bulk.clinic.node();
    let mut first = Vec::new();
    for part in 0..4 {
        let (keep, ranges) = mpsc::channel(4);
        let (network, sink) = (bulk.hospital.network.clone(), bulk.sink.clone());
        let fetch = tokio::spawn(async move { network.fetch(node, ranges, 8, sink).await });
        for slot in 0..8 {
            keep.send(whole(8 * part + slot, 1000)).await.unwrap();
        }
        first.push((keep, fetch));
    }
    until("all are served", || {
        bulk.served.load(Ordering::Relaxed) == 32_000
    })
    .await;
    let other = Arc::new(Checked::default());
    let second = bulk
        .hospital
        .network
        .fetch(node, vec![whole(99, 5)], 1, other.clone());
    assert_eq!(
        timeout(DEADLINE, second).await.unwrap(),
        Err(FetchError::Busy)
    );
    bulk.sink.hold(false);
    for (keep, fetch) in first {
        drop(keep);
        let fetched = timeout(DEADLINE, fetch).await.unwrap().unwrap();
        assert_eq!(fetched.unwrap().bytes, 8000);
    }
    // The seats are free when the clinic has noticed that the first fetch ended.
    let third = timeout(DEADLINE, async {
        loop {
            let fetch = bulk
                .hospital
                .network
                .fetch(node, vec![whole(9, 5)], 1, other.clone());
            match fetch.await {
                Err(FetchError::Busy) => sleep(Duration::from_millis(5)).await,
                ended => break ended,
            }
        }
    });
    assert_eq!(third.await.unwrap().unwrap().bytes, 5);
}
