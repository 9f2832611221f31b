//! Whatever a connection may tell the controller, in any order and with any numbers.

use std::time::Duration;

use dokuei_congestion::{Controller, Phase};
use proptest::prelude::*;

/// The most that it lets be in flight.
const MOST: u64 = 128 << 20;

#[derive(Clone, Debug)]
enum Call {
    Ack(u64, u64, u64, bool, u64),
    EndAcks(u64, u64),
    Congestion(u64, bool, u64),
    Mtu(u16),
    Cap(Option<u64>),
}

/// Small numbers often, all numbers sometimes.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_000u64, 0..10_000_000_000u64, any::<u64>()]
}

fn call() -> impl Strategy<Value = Call> {
    let ack = (number(), number(), number(), any::<bool>(), number());
    prop_oneof![
        6 => ack.prop_map(|(now, sent, bytes, limited, rtt)| Call::Ack(now, sent, bytes, limited, rtt)),
        6 => (number(), number()).prop_map(|(now, flying)| Call::EndAcks(now, flying)),
        2 => (number(), prop::bool::weighted(0.1), number())
            .prop_map(|(now, persistent, lost)| Call::Congestion(now, persistent, lost)),
        1 => any::<u16>().prop_map(Call::Mtu),
        1 => prop::option::of(number()).prop_map(Call::Cap),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn the_window_stays_within_its_bounds(calls in prop::collection::vec(call(), 0..200)) {
        let time = Duration::from_nanos;
        let mut controller = Controller::new(Duration::ZERO, 1200);
        let (mut mtu, mut cap, mut smoothed) = (1200u64, None, Duration::ZERO);
        for call in calls {
            match call {
                Call::Ack(now, sent, bytes, limited, rtt) => {
                    smoothed = time(rtt);
                    controller.on_ack(time(now), time(sent), bytes, limited, smoothed);
                }
                Call::EndAcks(now, flying) => controller.on_end_acks(time(now), flying),
                Call::Congestion(now, persistent, lost) => {
                    controller.on_congestion_event(time(now), persistent, lost);
                }
                Call::Mtu(size) => {
                    mtu = u64::from(size.max(1));
                    controller.on_mtu_update(size);
                }
                Call::Cap(bytes) => {
                    cap = bytes;
                    controller.set_cap(bytes);
                }
            }
            let window = controller.window();
            prop_assert!((2 * mtu..=MOST.max(2 * mtu)).contains(&window), "{}", window);
            if let Some(cap) = cap && smoothed > Duration::ZERO {
                let most = cap as f64 * smoothed.as_secs_f64() + mtu as f64;
                prop_assert!(window as f64 <= most.max(2.0 * mtu as f64), "{} {}", window, most);
            }
            let view = controller.view();
            prop_assert!(view.rate.is_finite() && view.rate >= 0.0);
            prop_assert!((0.0..=1.0).contains(&view.usual_loss));
            prop_assert_eq!(controller.clone().window(), window);
        }
    }

    /// After the beginning, no more than two full lines and ten packets, at the longest round trip.
    #[test]
    fn the_window_stays_below_two_lines(rtts in prop::collection::vec(1..200u64, 100..300)) {
        let mut controller = Controller::new(Duration::ZERO, 1200);
        let mut now = Duration::ZERO;
        let longest = Duration::from_millis(*rtts.iter().max().unwrap_or(&1));
        for rtt in rtts {
            let rtt = Duration::from_millis(rtt);
            let sent = now;
            now += rtt;
            for _ in 0..20 {
                controller.on_ack(now, sent, 1200, false, rtt);
            }
            controller.on_end_acks(now, 0);
            let view = controller.view();
            if view.phase != Phase::Start {
                let most = 2.0 * view.rate * longest.as_secs_f64() + 12_000.0;
                prop_assert!(view.window as f64 <= most + 1.0, "{} {}", view.window, most);
            }
        }
    }
}

#[test]
fn a_marked_packet_ends_the_beginning() {
    let mut controller = Controller::new(Duration::ZERO, 1200);
    assert_eq!(controller.view().phase, Phase::Start);
    controller.on_congestion_event(Duration::from_millis(30), false, 0);
    assert_eq!(controller.view().phase, Phase::Steady);
}

#[test]
fn a_sender_with_nothing_to_send_does_not_grow() {
    let mut controller = Controller::new(Duration::ZERO, 1200);
    let before = controller.window();
    for round in 1..50 {
        let now = Duration::from_millis(30 * round);
        let sent = Duration::from_millis(30 * (round - 1));
        controller.on_ack(now, sent, 1200, true, Duration::from_millis(30));
        controller.on_end_acks(now, 0);
    }
    assert!(controller.window() <= before);
}

#[test]
fn persistent_congestion_begins_anew_and_keeps_the_cap() {
    let mut controller = Controller::new(Duration::ZERO, 1200);
    controller.set_cap(Some(400_000));
    let ms = Duration::from_millis;
    controller.on_ack(ms(30), ms(0), 1200, false, ms(30));
    controller.on_congestion_event(ms(40), false, 0);
    controller.on_congestion_event(ms(5000), true, 24_000);
    assert_eq!(controller.view().phase, Phase::Start);
    assert_eq!(controller.window(), 13_200);
    controller.set_cap(None);
    assert_eq!(controller.window(), controller.initial_window());
}
