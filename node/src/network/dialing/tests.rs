use super::*;

#[test]
fn tcp_comes_first_where_it_is_near() {
    let now = Instant::now();
    for (addresses, first) in [
        (vec!["127.0.0.1:1"], Transport::Tcp),
        (vec!["10.1.2.3:1", "[fd00::1]:1"], Transport::Tcp),
        (vec!["[::ffff:192.168.1.1]:1"], Transport::Tcp),
        (vec!["10.1.2.3:1", "192.0.2.1:1"], Transport::Quic),
        (vec!["[2001:db8::1]:1"], Transport::Quic),
    ] {
        let mut dialing = dialing(now);
        dialing.due(now);
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let attempt = dialing.resolved(node(1), addresses).unwrap();
        assert_eq!((attempt.transport, attempt.left.len()), (first, 1));
    }
}

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn dialing(now: Instant) -> Dialing {
    let mut dialing = Dialing::new(vec![Transport::Quic, Transport::Tcp], &Limits::default());
    dialing.set(wanted(), |_| false, now);
    dialing
}

fn wanted() -> BTreeMap<NodeId, Vec<Address>> {
    [(node(1), vec![socket().into()]), (node(2), Vec::new())].into()
}

fn socket() -> SocketAddr {
    "192.0.2.1:7400".parse().unwrap()
}

fn id(n: usize) -> ConnectionId {
    ConnectionId::new_unchecked(n)
}

#[test]
fn quic_then_tcp_then_wait_ever_longer() {
    let mut now = Instant::now();
    let mut dialing = dialing(now);
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(dialing.due(now), [(node(1), vec![socket().into()])]);
        assert_eq!(dialing.next_due(), None);
        let first = dialing.resolved(node(1), vec![socket()]).unwrap();
        assert_eq!(first.transport, Transport::Quic);
        dialing.began(first, id(1));
        let second = dialing.dial_failed(node(1), id(1), now, u32::MAX).unwrap();
        assert_eq!(
            (second.transport, &second.addresses),
            (Transport::Tcp, &vec![socket()])
        );
        dialing.began(second, id(2));
        assert_eq!(dialing.dial_failed(node(1), id(1), now, u32::MAX), None);
        assert_eq!(dialing.dial_failed(node(1), id(2), now, u32::MAX), None);
        let next = dialing.next_due().unwrap();
        waits.push((next - now).as_secs_f64());
        now = next;
    }
    assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
}

/// Lets every dial fail until `end`; the waits, in seconds.
fn waits(dialing: &mut Dialing, mut now: Instant, end: Instant) -> Vec<f64> {
    let mut waits = Vec::new();
    while now < end {
        let next = dialing.next_due().unwrap();
        waits.push((next - now).as_secs_f64());
        now = next;
        dialing.due(now);
        dialing.unreachable(node(1), now, u32::MAX);
    }
    waits
}

#[test]
fn a_partner_lost_a_moment_ago_is_dialed_often_and_one_that_stays_away_is_not() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    dialing.due(now);
    dialing.connected(&node(1));
    dialing.lost(node(1), now, u32::MAX);
    let recent = waits(&mut dialing, now, now + RECENT);
    assert!(recent.iter().all(|wait| *wait <= 2.0), "{recent:?}");
    assert!(recent.len() <= 33, "{} dials", recent.len());
    let later = waits(&mut dialing, now + RECENT, now + 20 * RECENT);
    assert!(later[1..].iter().all(|wait| *wait == 60.0), "{later:?}");
}

#[test]
fn a_silent_partner_is_dialed_beside_its_connection_once_in_a_while() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    dialing.suspect(&node(1), now);
    assert_eq!(dialing.due(now).len(), 1, "it was due anyway");
    dialing.connected(&node(1));
    dialing.suspect(&node(1), now);
    assert_eq!(dialing.due(now).len(), 1);
    dialing.lost(node(1), now, u32::MAX);
    assert_eq!(dialing.next_due(), None, "the dial is under way");
    dialing.unreachable(node(1), now, u32::MAX);
    assert!(dialing.next_due() <= Some(now + BACKOFF_RECENT));
    dialing.connected(&node(1));
    dialing.suspect(&node(1), now + SUSPECT_EVERY / 2);
    assert_eq!(dialing.next_due(), None);
    dialing.suspect(&node(1), now + SUSPECT_EVERY);
    assert_eq!(dialing.next_due(), Some(now + SUSPECT_EVERY));
}

#[test]
fn a_call_brings_the_dial_forward_once() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    for _ in 0..9 {
        dialing.due(dialing.next_due().unwrap());
        dialing.unreachable(node(1), now, u32::MAX);
    }
    let late = now + Duration::from_secs(60);
    assert_eq!(dialing.waits_until(&node(1)), Some(late));
    dialing.called(&node(1), now);
    let soon = now + Duration::from_millis(500);
    assert_eq!(dialing.waits_until(&node(1)), Some(soon));
    dialing.due(soon);
    dialing.unreachable(node(1), soon, u32::MAX);
    dialing.called(&node(1), soon);
    let again = Duration::from_secs(60);
    assert_eq!(dialing.waits_until(&node(1)), Some(soon + again));
    dialing.due(soon + again);
    dialing.unreachable(node(1), soon + again, u32::MAX);
    dialing.called(&node(1), soon + again);
    let third = soon + again + Duration::from_millis(500);
    assert_eq!(dialing.waits_until(&node(1)), Some(third));
}

#[test]
fn chance_takes_up_to_half_of_the_wait() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    dialing.due(now);
    dialing.unreachable(node(1), now, 0);
    assert_eq!(
        dialing.waits_until(&node(1)),
        Some(now + Duration::from_millis(250))
    );
}

#[test]
fn a_nudge_ends_the_wait_and_forgets_the_failures() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    for _ in 0..4 {
        dialing.nudge(&node(1), now);
        dialing.due(now);
        dialing.unreachable(node(1), now, u32::MAX);
    }
    assert_eq!(
        dialing.waits_until(&node(1)),
        Some(now + Duration::from_millis(500))
    );
    dialing.nudge(&node(1), now);
    assert_eq!(dialing.due(now).len(), 1);
}

#[test]
fn a_connection_that_is_never_greeted_counts_as_a_failure() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    dialing.due(now);
    let attempt = dialing.resolved(node(1), vec![socket()]).unwrap();
    dialing.began(attempt, id(1));
    dialing.established(&node(1), id(1));
    dialing.unwelcome(node(1), id(9), now, u32::MAX);
    assert_eq!(dialing.next_due(), None);
    dialing.unwelcome(node(1), id(1), now, u32::MAX);
    assert!(dialing.next_due().is_some());
}

#[test]
fn a_connection_made_by_the_other_side_ends_the_dialing() {
    let now = Instant::now();
    let mut dialing = dialing(now);
    dialing.due(now);
    dialing.connected(&node(1));
    assert_eq!(dialing.resolved(node(1), vec![socket()]), None);
    dialing.lost(node(1), now, 0);
    assert!(dialing.next_due().is_some());
    dialing.set(BTreeMap::new(), |_| false, now);
    assert_eq!(dialing.next_due(), None);
}
