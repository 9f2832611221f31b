//! Two nodes that do not know each other yet.

use std::time::Duration;

use dokuei_node::network::limits::{PAIRING_ATTEMPTS, PAIRING_FRAME_MAX};
use dokuei_node::network::{NetworkConfig, PairError, Transport};
use tokio::time::Instant;

use crate::site::{Manners, Site, config, pair_of_sites};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test]
async fn a_conversation_through_an_open_window() {
    for (seed, quic) in [(80, true), (82, false)] {
        let only = |seed| NetworkConfig {
            quic,
            ..config(seed)
        };
        let (clinic, hospital) = (
            Site::start(only(seed)).await,
            Site::start(only(seed + 1)).await,
        );
        hospital.network.open_pairing(soon()).await;
        let mut conversation = clinic
            .network
            .pair(&[hospital.address.into()])
            .await
            .unwrap();
        assert_eq!(conversation.node(), hospital.node());
        assert_eq!(conversation.path().transport == Transport::Quic, quic);
        for frame in [
            b"one".to_vec(),
            vec![2; PAIRING_FRAME_MAX - 4],
            b"three".to_vec(),
        ] {
            let reply = conversation.exchange(&frame).await.unwrap();
            assert!(reply == [b"re: ".as_slice(), &frame].concat());
        }
        assert_eq!(
            conversation.exchange(b"four").await,
            Err(PairError::TooLarge)
        );
        let heard = hospital.seen(|seen| {
            seen.pairings
                .iter()
                .map(|(from, turn, _)| (*from, *turn))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            heard,
            [(clinic.node(), 0), (clinic.node(), 1), (clinic.node(), 2)]
        );
        assert!(hospital.seen(|seen| seen.connected.is_empty()));
        drop(conversation);
        hospital.network.set_members(vec![clinic.caller()]).await;
        clinic.network.set_members(vec![hospital.member()]).await;
        clinic.until_connected(&hospital).await;
    }
}

#[tokio::test]
async fn without_a_window_nobody_gets_in() {
    let (clinic, hospital) = (Site::start(config(84)).await, Site::start(config(85)).await);
    assert_eq!(refused(&clinic, &hospital).await, PairError::Refused);
    hospital.network.open_pairing(soon()).await;
    let mut conversation = clinic
        .network
        .pair(&[hospital.address.into()])
        .await
        .unwrap();
    conversation.exchange(b"hello").await.unwrap();
    hospital.network.close_pairing().await;
    assert_eq!(
        conversation.exchange(b"still there?").await,
        Err(PairError::Refused)
    );
    assert_eq!(refused(&clinic, &hospital).await, PairError::Refused);
    hospital.network.open_pairing(Instant::now()).await;
    assert_eq!(refused(&clinic, &hospital).await, PairError::Refused);
    assert_eq!(hospital.seen(|seen| seen.pairings.len()), 1);
    let nobody = "127.0.0.1:1".parse().unwrap();
    assert_eq!(
        clinic.network.pair(&[nobody]).await.err(),
        Some(PairError::Unreachable)
    );
}

async fn refused(clinic: &Site, hospital: &Site) -> PairError {
    match clinic.network.pair(&[hospital.address.into()]).await {
        Ok(mut conversation) => conversation.exchange(b"hello").await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn one_at_a_time_and_ten_in_all() {
    let manners = Manners {
        pairing: |_, frame| (frame != b"wrong").then(|| b"right".to_vec()),
        ..Manners::default()
    };
    let hospital = Site::with_manners(config(87), manners).await;
    let (first, second) = (Site::start(config(86)).await, Site::start(config(88)).await);
    hospital.network.open_pairing(soon()).await;
    let mut conversation = first
        .network
        .pair(&[hospital.address.into()])
        .await
        .unwrap();
    conversation.exchange(b"hello").await.unwrap();
    assert_eq!(refused(&second, &hospital).await, PairError::Refused);
    drop(conversation);
    let mut heard = 1;
    // The seat is free when the hospital has noticed that the first hung up; every seat taken is an attempt.
    while heard < PAIRING_ATTEMPTS as usize {
        let Ok(mut conversation) = second.network.pair(&[hospital.address.into()]).await else {
            continue;
        };
        if conversation.exchange(b"wrong").await == Err(PairError::Refused) {
            heard = hospital.seen(|seen| seen.pairings.len());
        }
    }
    for _ in 0..3 {
        assert_eq!(refused(&first, &hospital).await, PairError::Refused);
    }
    assert_eq!(
        hospital.seen(|seen| seen.pairings.len()),
        PAIRING_ATTEMPTS as usize
    );
}

#[tokio::test]
async fn members_may_pair_anew() {
    let (clinic, hospital) = pair_of_sites(config(90), config(91)).await;
    hospital.network.open_pairing(soon()).await;
    clinic.network.set_members(Vec::new()).await;
    clinic
        .until("cut", |seen| !seen.disconnected.is_empty())
        .await;
    let mut conversation = clinic
        .network
        .pair(&[hospital.address.into()])
        .await
        .unwrap();
    assert_eq!(conversation.exchange(b"again").await.unwrap(), b"re: again");
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected_again(&hospital, 2).await;
}

#[tokio::test]
async fn a_node_that_believes_to_be_a_member_does_not_take_the_seat() {
    let hospital = Site::start(config(92)).await;
    let (former, clinic) = (Site::start(config(93)).await, Site::start(config(94)).await);
    hospital.network.open_pairing(soon()).await;
    former.network.set_members(vec![hospital.member()]).await;
    former
        .until_status(hospital.node(), "turned away", |status| {
            status.trouble.is_some() && status.next_dial.is_some()
        })
        .await;
    // It dials again and again; between two dials the seat is free, and its visits are no attempts.
    let mut conversation = None;
    while conversation.is_none() {
        conversation = clinic.network.pair(&[hospital.address.into()]).await.ok();
    }
    let reply = conversation.unwrap().exchange(b"hello").await;
    assert_eq!(reply.unwrap(), b"re: hello");
}
