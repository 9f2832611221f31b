use super::*;
use crate::settings::Queue;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// A packet of UDP (or TCP) so long, with its number in the last bytes.
fn packet(number: u32, length: usize, protocol: u8) -> Packet {
    let mut bytes = vec![0; length];
    (bytes[0], bytes[9]) = (0x45, protocol);
    bytes[length - 4..].copy_from_slice(&number.to_be_bytes());
    Packet::new(&bytes)
}

fn udp(number: u32, length: usize) -> Packet {
    packet(number, length, 17)
}

fn number(packet: &Packet) -> u32 {
    let bytes = packet.bytes();
    u32::from_be_bytes(bytes[bytes.len() - 4..].try_into().unwrap())
}

fn way(settings: Settings) -> Direction {
    Direction::new(settings, 1, 0)
}

/// Everything that comes out from the start to `until`, with the times of waking as `next` says.
fn arrivals(way: &mut Direction, until: Duration) -> Vec<(Duration, u32)> {
    let mut found = Vec::new();
    while let Some(next) = way.next().filter(|next| *next <= until) {
        way.advance(next, |packet| found.push((next, number(&packet))));
    }
    found
}

fn numbers(found: &[(Duration, u32)]) -> Vec<u32> {
    found.iter().map(|(_, number)| *number).collect()
}

#[test]
fn a_way_without_settings_hands_out_at_once() {
    let mut way = way(Settings::default());
    way.offer(MS, udp(7, 100));
    assert_eq!(arrivals(&mut way, MS), [(MS, 7)]);
    assert_eq!(way.next(), None);
    assert_eq!(way.tally().of(Protocol::Udp).bytes, 100);
}

#[test]
fn the_rate_and_the_delay_are_exact() {
    let rate = Some(8_000_000);
    let delay = 15 * MS;
    let mut way = way(Settings {
        rate,
        delay,
        ..Settings::default()
    });
    for number in 0..10 {
        way.offer(Duration::ZERO, udp(number, 1000));
    }
    let wanted: Vec<_> = (0..10).map(|n| ((n + 1) * MS + delay, n)).collect();
    assert_eq!(arrivals(&mut way, Duration::from_secs(1)), wanted);
    assert_eq!(way.tally().waited.most(), 9 * MS);
}

#[test]
fn waking_late_does_not_slow_the_rate() {
    let rate = Some(8_000_000);
    let mut way = way(Settings {
        rate,
        ..Settings::default()
    });
    for number in 0..60 {
        way.offer(Duration::ZERO, udp(number, 1000));
    }
    let mut count = 0;
    way.advance(50 * MS, |_| count += 1);
    assert_eq!(count, 50);
    assert_eq!(way.tally().late.most(), 49 * MS);
    way.advance(60 * MS, |_| count += 1);
    assert_eq!(count, 60);
}

#[test]
fn a_full_queue_drops_what_comes_last() {
    let rate = Some(8_000_000);
    let queue = Queue::Time(3 * MS);
    let mut way = way(Settings {
        rate,
        queue,
        ..Settings::default()
    });
    for number in 0..5 {
        way.offer(Duration::ZERO, udp(number, 1000));
    }
    // Half of the first is sent; half a packet would fit, and a whole one when it is through.
    way.offer(MS / 2, udp(5, 1000));
    way.offer(MS, udp(6, 1000));
    let found = arrivals(&mut way, Duration::from_secs(1));
    assert_eq!(numbers(&found), [0, 1, 2, 6]);
    assert_eq!(way.tally().dropped(Drop::Queue).packets, 3);
    assert_eq!(way.tally().queued_most, 3000);
}

#[test]
fn a_packet_longer_than_the_queue_passes_an_idle_line() {
    let rate = Some(8_000_000);
    let queue = Queue::Bytes(500);
    let mut way = way(Settings {
        rate,
        queue,
        ..Settings::default()
    });
    way.offer(Duration::ZERO, udp(0, 1000));
    way.offer(Duration::ZERO, udp(1, 100));
    assert_eq!(numbers(&arrivals(&mut way, Duration::from_secs(1))), [0]);
}

#[test]
fn the_share_that_is_lost_is_the_one_that_was_set() {
    for loss in [0.001, 0.005, 0.05, 0.5] {
        let mut way = way(Settings {
            loss,
            ..Settings::default()
        });
        let count = 200_000;
        for number in 0..count {
            way.offer(Duration::ZERO, udp(number, 20));
            way.advance(Duration::ZERO, |_| ());
        }
        let lost = way.tally().dropped(Drop::Loss).packets as f64;
        let expected = f64::from(count) * loss;
        // Five standard deviations of a binomial draw; the seed is fixed.
        let spread = 5.0 * (expected * (1.0 - loss)).sqrt();
        assert!((lost - expected).abs() < spread, "{lost} of {expected}");
    }
}

#[test]
fn the_same_seed_loses_the_same_packets_whatever_the_jitter() {
    let lost = |seed, jitter| {
        let settings = Settings {
            loss: 0.2,
            jitter,
            delay: 20 * MS,
            ..Settings::default()
        };
        let mut way = Direction::new(settings, seed, 0);
        for number in 0..1000 {
            way.offer(MS * number, udp(number, 100));
        }
        numbers(&arrivals(&mut way, Duration::from_secs(10)))
    };
    assert_eq!(lost(1, Duration::ZERO), lost(1, 5 * MS));
    assert_ne!(lost(1, Duration::ZERO), lost(2, Duration::ZERO));
}

#[test]
fn an_outage_takes_what_enters_and_what_waits_and_spares_what_is_under_way() {
    let settings = Settings {
        rate: Some(8_000_000),
        delay: 20 * MS,
        ..Settings::default()
    };
    let mut way = way(settings);
    way.change(
        Duration::ZERO,
        Change::Outage {
            after: 2 * MS,
            lasts: 3 * MS,
        },
    );
    for number in 0..4 {
        way.offer(Duration::ZERO, udp(number, 1000));
    }
    way.offer(4 * MS + MS / 2, udp(4, 1000));
    way.offer(5 * MS, udp(5, 1000));
    let found = arrivals(&mut way, Duration::from_secs(1));
    // Those sent after 2, 3 and 4 ms were sent into it; the one that came at 4.5 ms did not enter.
    assert_eq!(numbers(&found), [0, 5]);
    assert_eq!(way.tally().dropped(Drop::Outage).packets, 4);
}

#[test]
fn udp_and_long_packets_can_be_kept_out() {
    let mut way = way(Settings {
        udp: false,
        longest: Some(1400),
        ..Settings::default()
    });
    way.offer(Duration::ZERO, udp(0, 100));
    way.offer(Duration::ZERO, packet(1, 1500, 6));
    way.offer(Duration::ZERO, packet(2, 1400, 6));
    assert_eq!(numbers(&arrivals(&mut way, MS)), [2]);
    assert_eq!(way.tally().dropped(Drop::Udp).packets, 1);
    assert_eq!(way.tally().dropped(Drop::Longer).packets, 1);
    way.change(MS, Change::Udp(true));
    way.offer(MS, udp(3, 100));
    assert_eq!(numbers(&arrivals(&mut way, MS)), [3]);
}

#[test]
fn a_new_rate_counts_for_what_is_being_sent() {
    let mut way = way(Settings {
        rate: Some(8_000_000),
        ..Settings::default()
    });
    way.offer(Duration::ZERO, udp(0, 1000));
    way.offer(Duration::ZERO, udp(1, 1000));
    // Half of the first at 1 ms a packet, the other half at 2 ms a packet.
    way.change(MS / 2, Change::Rate(Some(4_000_000)));
    let wanted = [(MS + MS / 2, 0), (3 * MS + MS / 2, 1)];
    assert_eq!(arrivals(&mut way, Duration::from_secs(1)), wanted);

    way.change(10 * MS, Change::Rate(Some(8)));
    way.offer(10 * MS, udp(2, 1000));
    way.change(11 * MS, Change::Rate(None));
    assert_eq!(arrivals(&mut way, 11 * MS), [(11 * MS, 2)]);
}

#[test]
fn too_many_outages_are_refused() {
    let mut way = way(Settings::default());
    let outage = || Change::Outage {
        after: MS,
        lasts: MS,
    };
    for _ in 0..OUTAGES_MOST {
        assert!(way.change(Duration::ZERO, outage()));
    }
    assert!(!way.change(Duration::ZERO, outage()));
    assert!(way.change(2 * MS, outage()));
}

proptest! {
    #[test]
    fn order_is_kept_and_nothing_vanishes_without_being_counted(
        rate in prop::option::of(1_000_000u64..1_000_000_000),
        delay in 0u64..50, jitter in 0u64..80, loss in 0.0..0.3f64, queue in 0u64..100_000,
        packets in prop::collection::vec((0u64..2_000, 30usize..1500), 1..200),
        changes in prop::collection::vec((0u64..200_000, 0u8..5, 1u64..100), 0..6),
    ) {
        let mut way = way(Settings {
            rate, delay: MS * delay as u32, jitter: MS * jitter as u32, loss,
            queue: Queue::Bytes(queue), ..Settings::default()
        });
        let mut found = Vec::new();
        let mut changes = changes;
        changes.sort_unstable();
        let mut changes = changes.into_iter().peekable();
        let mut now = Duration::ZERO;
        let count = packets.len() as u64;
        for (number, (gap, length)) in packets.into_iter().enumerate() {
            now += Duration::from_micros(gap);
            while let Some((_, kind, value)) = changes.next_if(|(at, ..)| Duration::from_micros(*at) <= now) {
                let time = MS * value as u32;
                let change = match kind {
                    0 => Change::Rate(Some(value * 1_000_000)),
                    1 => Change::Rate(None),
                    2 => Change::Delay(time),
                    3 => Change::Jitter(time),
                    _ => Change::Outage { after: time, lasts: time },
                };
                prop_assert!(way.change(now, change));
            }
            way.offer(now, udp(number as u32, length));
            if number % 3 == 0 {
                way.advance(now, |packet| found.push(super::tests::number(&packet)));
            }
        }
        found.extend(numbers(&arrivals(&mut way, Duration::from_secs(100_000))));
        prop_assert!(found.is_sorted());
        prop_assert_eq!(way.next(), None);
        let tally = way.tally();
        let reasons = [Drop::Loss, Drop::Queue, Drop::Outage];
        let dropped: u64 = reasons.iter().map(|reason| tally.dropped(*reason).packets).sum();
        prop_assert_eq!(tally.delivered.packets, found.len() as u64);
        prop_assert_eq!(tally.delivered.packets + dropped, count);
    }
}
