//! Documents and sync.

use std::time::Duration;

use dokuei_node::network::limits::{DOCUMENTS_IN_FLIGHT, DOCUMENTS_WAITING, MESSAGE_MAX};
use dokuei_node::network::{Answer, NetworkConfig, SendError, SyncError};
use tokio::time::timeout;

use crate::site::{DEADLINE, Manners, Seen, Site, Word, config, pair_of_sites, restart};

fn id(number: usize) -> [u8; 32] {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn numbers(site: &Site) -> Vec<usize> {
    let number = |bytes: &[u8]| usize::from_be_bytes(bytes[..8].try_into().unwrap());
    site.seen(|seen| {
        seen.documents
            .iter()
            .map(|(_, bytes)| number(bytes))
            .collect()
    })
}

#[tokio::test]
async fn documents_arrive_whole_and_in_order_both_ways() {
    for (seed, quic) in [(60, true), (62, false)] {
        let only = |seed| NetworkConfig {
            quic,
            ..config(seed)
        };
        let (clinic, hospital) = pair_of_sites(only(seed), only(seed + 1)).await;
        for (from, to) in [(&clinic, &hospital), (&hospital, &clinic)] {
            let sizes = [8, 9, 1000, 40_000, MESSAGE_MAX];
            let sent: Vec<_> = (0..30usize)
                .map(|number| {
                    let mut bytes = number.to_be_bytes().to_vec();
                    bytes.resize(sizes[number % sizes.len()], number as u8);
                    bytes
                })
                .collect();
            let posted = sent.iter().enumerate().map(|(number, bytes)| {
                from.network
                    .send_document(to.node(), id(number), bytes.clone())
            });
            let answers = futures::future::join_all(posted.collect::<Vec<_>>()).await;
            assert!(
                answers.iter().all(|answer| *answer == Ok(Answer::Accepted)),
                "{answers:?}"
            );
            let arrived = to.seen(|seen| {
                seen.documents
                    .iter()
                    .map(|(_, bytes)| bytes.clone())
                    .collect::<Vec<_>>()
            });
            assert!(arrived == sent, "{:?}", numbers(to));
        }
    }
}

#[tokio::test]
async fn answers_find_their_questions() {
    let manners = Manners {
        documents: |bytes| match bytes[0] {
            0 => Word::Say(Answer::Accepted),
            1 => Word::Say(Answer::Later { seconds: 77 }),
            2 => Word::Say(Answer::Refused),
            _ => Word::Drop,
        },
        ..Manners::default()
    };
    let clinic = Site::start(config(64)).await;
    let hospital = Site::with_manners(config(65), manners).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected(&hospital).await;
    let send = |kind: u8| {
        clinic
            .network
            .send_document(hospital.node(), [kind; 32], vec![kind])
    };
    let (a, b, c, d) = tokio::join!(send(2), send(0), send(1), send(3));
    assert_eq!(
        (a, b, c, d),
        (
            Ok(Answer::Refused),
            Ok(Answer::Accepted),
            Ok(Answer::Later { seconds: 77 }),
            Ok(Answer::Later { seconds: 5 })
        )
    );
    let long = vec![0; MESSAGE_MAX + 1];
    let refused = clinic
        .network
        .send_document(hospital.node(), [9; 32], long)
        .await;
    assert_eq!(refused, Err(SendError::TooLarge));
}

#[tokio::test]
async fn documents_survive_the_receivers_restart_in_order() {
    // All may have arrived when it is killed; most of them are not answered then.
    let manners = Manners {
        documents: |bytes| match bytes[7] {
            0..10 => Word::Say(Answer::Accepted),
            _ => Word::Hold,
        },
        ..Manners::default()
    };
    let clinic = Site::start(config(66)).await;
    let mut first = Site::with_manners(config(67), manners).await;
    first.network.set_members(vec![clinic.caller()]).await;
    clinic.network.set_members(vec![first.member()]).await;
    clinic.until_connected(&first).await;
    let node = first.node();
    let post = |number: usize| {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.resize(60_000, 1);
        clinic.network.send_document(node, id(number), bytes)
    };
    let before: Vec<_> = (0..30).map(post).collect();
    let before = tokio::spawn(futures::future::join_all(before));
    first
        .until("some arrived", |seen| seen.documents.len() >= 3)
        .await;
    first.kill();
    let mut again = config(67);
    again.listen = vec![first.address];
    let hospital = restart(again).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    let answers = timeout(DEADLINE, before).await.unwrap().unwrap();
    assert!(
        answers.iter().all(|answer| *answer == Ok(Answer::Accepted)),
        "{answers:?}"
    );
    let arrived_before = numbers(&first);
    let arrived_after = numbers(&hospital);
    let in_order = |numbers: &[usize]| numbers.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(
        in_order(&arrived_before) && in_order(&arrived_after),
        "{arrived_before:?} {arrived_after:?}"
    );
    assert_eq!(arrived_after.last(), Some(&29));
    let next = arrived_before.last().map_or(0, |last| last + 1);
    assert!(
        arrived_after[0] <= next,
        "{arrived_before:?} {arrived_after:?}"
    );
}

#[tokio::test]
async fn a_full_queue_hands_the_document_back() {
    let manners = Manners {
        documents: |_| Word::Hold,
        ..Manners::default()
    };
    let clinic = Site::start(config(68)).await;
    let hospital = Site::with_manners(config(69), manners).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected(&hospital).await;
    let post = |number| {
        clinic
            .network
            .send_document(hospital.node(), id(number), vec![1; 8])
    };
    let flying: Vec<_> = (0..DOCUMENTS_IN_FLIGHT).map(post).collect();
    let in_flight = |seen: &Seen| seen.documents.len() == DOCUMENTS_IN_FLIGHT;
    hospital.until("all in flight", in_flight).await;
    let waiting: Vec<_> = (100..100 + DOCUMENTS_WAITING).map(post).collect();
    for number in 200..208 {
        assert_eq!(post(number).await, Err(SendError::Busy));
    }
    assert!(hospital.seen(in_flight));
    for kind in [flying, waiting] {
        let answers = tokio::spawn(futures::future::join_all(kind));
        hospital
            .until("held", |seen| seen.held.len() == DOCUMENTS_IN_FLIGHT)
            .await;
        hospital.release(Answer::Accepted);
        let answers = timeout(DEADLINE, answers).await.unwrap().unwrap();
        assert!(
            answers.iter().all(|answer| *answer == Ok(Answer::Accepted)),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn what_nobody_answers_is_given_up() {
    let mut hasty = config(70);
    hasty.limits.document_patience = Duration::from_millis(300);
    let (clinic, hospital) = pair_of_sites(hasty, config(71)).await;
    let _frozen = hospital.freeze().await;
    let unanswered = clinic
        .network
        .send_document(hospital.node(), [1; 32], vec![1])
        .await;
    assert_eq!(unanswered, Err(SendError::Unanswered));
}

#[tokio::test]
async fn a_question_gets_its_answer() {
    let manners = Manners {
        questions: |question| match question.len() {
            0 => None,
            1 => Some(vec![1; MESSAGE_MAX + 1]),
            _ => Some(question.iter().rev().copied().collect()),
        },
        ..Manners::default()
    };
    let clinic = Site::start(config(72)).await;
    let hospital = Site::with_manners(config(73), manners).await;
    hospital.network.set_members(vec![clinic.caller()]).await;
    clinic.network.set_members(vec![hospital.member()]).await;
    clinic.until_connected(&hospital).await;
    let ask = async |question: &[u8]| clinic.network.sync(hospital.node(), question).await;
    let long: Vec<u8> = (0..MESSAGE_MAX).map(|i| i as u8).collect();
    let reversed: Vec<u8> = long.iter().rev().copied().collect();
    assert!(ask(&long).await == Ok(reversed));
    assert_eq!(ask(&[]).await, Err(SyncError::Refused));
    assert_eq!(ask(&[1]).await, Err(SyncError::Refused));
    assert_eq!(
        ask(&vec![0; MESSAGE_MAX + 1]).await,
        Err(SyncError::TooLarge)
    );
    hospital.until_connected(&clinic).await;
    assert_eq!(
        hospital.network.sync(clinic.node(), b"ab").await.unwrap(),
        b"ba"
    );
}
