//! Who is connected with whom, and by what.

use std::time::Duration;

use dokuei_node::network::{
    Network, NetworkConfig, PairError, SendError, StartError, SyncError, Transport,
};
use tokio::time::Instant;

use crate::site::{DEADLINE, Site, config, pair_of_sites, restart};

#[tokio::test]
async fn tcp_comes_first_on_the_same_machine() {
    let (clinic, hospital) = pair_of_sites(config(1), config(2)).await;
    let path = clinic.seen(|seen| seen.connected[0].1);
    assert_eq!(
        (path.transport, path.direct, path.remote),
        (Transport::Tcp, true, hospital.address)
    );
    let status = clinic.status_of(hospital.node()).unwrap();
    assert_eq!(status.connected.unwrap().0, path);
    clinic
        .until_status(hospital.node(), "a round trip is measured", |status| {
            status.round_trip.is_some()
        })
        .await;
}

#[tokio::test]
async fn quic_serves_where_tcp_does_not_answer() {
    let without_tcp = NetworkConfig {
        tcp: false,
        ..config(20)
    };
    let (clinic, _hospital) = pair_of_sites(config(21), without_tcp).await;
    assert_eq!(
        clinic.seen(|seen| seen.connected[0].1.transport),
        Transport::Quic
    );
}

#[tokio::test]
async fn tcp_serves_where_quic_does_not_answer() {
    let without_udp = NetworkConfig {
        quic: false,
        ..config(3)
    };
    let (clinic, hospital) = pair_of_sites(config(4), without_udp).await;
    assert_eq!(
        clinic.seen(|seen| seen.connected[0].1.transport),
        Transport::Tcp
    );
    assert_eq!(
        hospital.seen(|seen| seen.connected[0].1.transport),
        Transport::Tcp
    );
    let answer = clinic.network.sync(hospital.node(), b"abc").await;
    assert_eq!(answer.unwrap(), b"cba");
}

#[tokio::test]
async fn a_stranger_is_refused_before_any_protocol() {
    for (seed, quic) in [(5, true), (8, false)] {
        let only = |seed| NetworkConfig {
            quic,
            ..config(seed)
        };
        let hospital = Site::start(only(seed)).await;
        let stranger = Site::start(only(seed + 1)).await;
        let member = Site::start(only(seed + 2)).await;
        hospital.network.set_members(vec![member.caller()]).await;
        stranger.network.set_members(vec![hospital.member()]).await;
        stranger
            .until_status(hospital.node(), "turned away", |status| {
                status.trouble.is_some() && status.next_dial.is_some()
            })
            .await;
        member.network.set_members(vec![hospital.member()]).await;
        member.until_connected(&hospital).await;
        hospital.until_connected(&member).await;
        assert!(stranger.seen(|seen| seen.connected.is_empty()));
        assert!(hospital.seen(|seen| {
            seen.connected
                .iter()
                .all(|(node, _)| *node == member.node())
        }));
        assert!(hospital.seen(|seen| seen.pairings.is_empty()));
        let refused = stranger
            .network
            .send_document(hospital.node(), [1; 32], vec![1])
            .await;
        assert_eq!(refused, Err(SendError::NotConnected));
        assert_eq!(
            stranger.network.sync(member.node(), b"?").await,
            Err(SyncError::NotAMember)
        );
    }
}

#[tokio::test]
async fn a_removed_member_is_cut_at_once() {
    let (clinic, hospital) = pair_of_sites(config(11), config(12)).await;
    hospital.network.set_members(Vec::new()).await;
    hospital
        .until("cut", |seen| {
            seen.disconnected
                .iter()
                .any(|(_, why)| why == "no longer a member")
        })
        .await;
    clinic
        .until("lost", |seen| !seen.disconnected.is_empty())
        .await;
    let refused = hospital
        .network
        .send_document(clinic.node(), [1; 32], vec![1])
        .await;
    assert_eq!(refused, Err(SendError::NotAMember));
    clinic
        .until_status(hospital.node(), "turned away", |status| {
            status.next_dial.is_some()
        })
        .await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.network.nudge(hospital.node()).await;
    clinic.until_connected_again(&hospital, 2).await;
}

#[tokio::test]
async fn a_revoked_node_is_cut_at_once_and_refused_before_any_protocol() {
    for (seed, quic) in [(60, true), (62, false)] {
        let only = |seed| NetworkConfig {
            quic,
            ..config(seed)
        };
        let (clinic, hospital) = pair_of_sites(only(seed), only(seed + 1)).await;
        let questions = hospital.seen(|seen| seen.questions.len());
        hospital.network.bar(vec![clinic.node()]).await;
        hospital
            .until("cut", |seen| {
                seen.disconnected
                    .iter()
                    .any(|(_, why)| why == "its key was revoked")
            })
            .await;
        clinic
            .until("lost", |seen| !seen.disconnected.is_empty())
            .await;
        // Still on the list of members, with the door open for strangers: it gets in as neither.
        let soon = Instant::now() + Duration::from_secs(60);
        hospital.network.open_pairing(soon).await;
        clinic.network.nudge(hospital.node()).await;
        clinic
            .until_status(hospital.node(), "turned away", |status| {
                status.connected.is_none() && status.trouble.is_some()
            })
            .await;
        let refused = match clinic.network.pair(&[hospital.address.into()]).await {
            Ok(mut conversation) => conversation.exchange(b"let me in").await.err(),
            Err(error) => Some(error),
        };
        assert_eq!(refused, Some(PairError::Refused));
        assert_eq!(hospital.seen(|seen| seen.connected.len()), 1);
        assert_eq!(hospital.seen(|seen| seen.questions.len()), questions);
        assert!(hospital.seen(|seen| seen.pairings.is_empty() && seen.documents.is_empty()));
        // Nor does this node call it.
        hospital.network.set_members(vec![clinic.member()]).await;
        hospital
            .until_status(clinic.node(), "not called", |status| {
                status.connected.is_none() && status.trouble.is_some()
            })
            .await;
        // Whoever is not revoked is served as before.
        let other = Site::start(only(seed + 4)).await;
        hospital.network.set_members(vec![other.caller()]).await;
        other.network.set_members(vec![hospital.member()]).await;
        other.until_connected(&hospital).await;
    }
}

#[tokio::test]
async fn dials_from_both_sides_settle_on_one_connection() {
    for round in 0..6 {
        let quic = round % 2 == 0;
        let only = |seed| NetworkConfig {
            quic,
            ..config(seed)
        };
        let (one, other) = (
            Site::start(only(20 + 2 * round)).await,
            Site::start(only(21 + 2 * round)).await,
        );
        tokio::join!(
            one.network.set_members(vec![other.member()]),
            other.network.set_members(vec![one.member()]),
        );
        // A question that is asked at once survives the connection that was surplus.
        let asked = async |here: &Site, there: &Site| {
            here.until_connected(there).await;
            here.network.sync(there.node(), b"abc").await
        };
        let answers = tokio::join!(asked(&one, &other), asked(&other, &one));
        assert_eq!(answers, (Ok(b"cba".to_vec()), Ok(b"cba".to_vec())));
        for (here, there) in [(&one, &other), (&other, &one)] {
            here.until_status(there.node(), "one connection", |status| {
                status.connections == 1 && status.connected.is_some()
            })
            .await;
            let answer = here
                .network
                .send_document(there.node(), [7; 32], b"after".to_vec())
                .await;
            assert!(answer.is_ok(), "{answer:?}");
        }
        for site in [&one, &other] {
            assert_eq!(
                site.seen(|seen| seen.disconnected.clone()),
                [],
                "QUIC: {quic}"
            );
        }
    }
}

#[tokio::test]
async fn a_node_that_was_killed_is_found_again_on_its_port() {
    let (clinic, mut hospital) = pair_of_sites(config(41), config(42)).await;
    let (address, node) = (hospital.address, hospital.node());
    hospital.kill();
    clinic
        .until("noticed", |seen| !seen.disconnected.is_empty())
        .await;
    let mut again = config(42);
    again.listen = vec![address];
    let hospital = restart(again).await;
    assert_eq!(hospital.node(), node);
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.until_connected_again(&hospital, 2).await;
}

/// The survivor never notices by itself that its partner died: only the partner's return tells. Both orders of their
/// ids, because the two sides choose differently among several connections.
#[tokio::test]
async fn a_node_killed_again_and_again_is_let_in_each_time() {
    for (survivor, killed) in [(48, 49), (49, 48)] {
        let patient = |seed| {
            let mut config = config(seed);
            config.limits.idle = 10 * DEADLINE;
            config
        };
        let (clinic, mut hospital) = pair_of_sites(patient(survivor), patient(killed)).await;
        let address = hospital.address;
        // More often than connections with one node are let in.
        for times in 2..8 {
            hospital.kill();
            let mut again = patient(killed);
            again.listen = vec![address];
            hospital = restart(again).await;
            hospital.network.set_members(vec![clinic.member()]).await;
            hospital.until_connected(&clinic).await;
            clinic.until_connected_again(&hospital, times).await;
            clinic
                .until_status(hospital.node(), "the dead connection is gone", |status| {
                    status.connections == 1
                })
                .await;
            let answer = clinic
                .network
                .send_document(hospital.node(), [times as u8; 32], vec![1]);
            assert!(answer.await.is_ok());
        }
    }
}

/// A node that nobody can call is the only one that can find the other again. Silence alone would take longer than this
/// test waits.
#[tokio::test]
async fn a_killed_node_that_cannot_call_is_found_by_its_unanswered_pings() {
    for quic in [true, false] {
        let patient = |seed| {
            let mut config = NetworkConfig {
                quic,
                ..config(seed)
            };
            config.limits.idle = 10 * DEADLINE;
            config
        };
        let (clinic, mut hospital) = pair_of_sites(patient(50), patient(51)).await;
        let address = hospital.address;
        hospital.kill();
        let mut again = patient(51);
        again.listen = vec![address];
        let hospital = restart(again).await;
        hospital.network.set_members(vec![clinic.caller()]).await;
        hospital.until_connected(&clinic).await;
        clinic.until_connected_again(&hospital, 2).await;
    }
}

#[tokio::test]
async fn after_a_stop_the_port_is_free() {
    let (clinic, hospital) = pair_of_sites(config(43), config(44)).await;
    let address = hospital.address;
    hospital.network.stop().await;
    clinic
        .until("told", |seen| !seen.disconnected.is_empty())
        .await;
    assert_eq!(
        hospital
            .network
            .send_document(clinic.node(), [1; 32], vec![1])
            .await,
        Err(SendError::Stopped)
    );
    let mut again = config(44);
    again.listen = vec![address];
    let hospital = Site::start(again).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.until_connected_again(&hospital, 2).await;
}

#[tokio::test]
async fn a_used_port_is_one_clear_error() {
    let hospital = Site::start(config(45)).await;
    let mut second = config(46);
    second.listen = vec![hospital.address];
    let Err(error) = Network::start(second) else {
        panic!("two nodes share a port");
    };
    assert!(matches!(error, StartError::PortUsed { address, .. } if address == hospital.address));
    let neither = NetworkConfig {
        quic: false,
        tcp: false,
        ..config(47)
    };
    assert!(matches!(
        Network::start(neither),
        Err(StartError::NoTransport)
    ));
}
