//! One transfer on a line of its own. Megabytes a second of payload; 12.0 are all of 100 Mbit/s.

use crate::SEEDS;
use crate::line::{Line, World, percentile};

/// One transfer of so many megabytes, until it ends.
fn transfer(line: Line, seed: u64, megabytes: f64) -> World {
    let mut world = World::new(line, seed);
    world.ours(megabytes, 0.0);
    world.run(300.0);
    assert!(world.senders[0].ends.is_some(), "it did not end");
    world
}

fn usual() -> Line {
    Line::new(100.0, 30.0)
}

/// The ping of somebody else: half of them, and nineteen of twenty, are at most so long.
fn ping(world: &World) -> (f64, f64) {
    let pings = world.pings_in(0.0, world.now());
    (percentile(&pings, 50), percentile(&pings, 95))
}

#[test]
fn losses_by_chance_do_not_slow_it_and_others_hardly_wait() {
    for (percent, least) in [(0.0, 11.4), (0.5, 11.3), (2.0, 11.0), (5.0, 10.7)] {
        for seed in SEEDS {
            let world = transfer(usual().losing(percent), seed, 100.0);
            let (half, most) = ping(&world);
            assert!(
                world.goodput(0) > least,
                "{percent} %: {}",
                world.goodput(0)
            );
            assert!(half < 41.0 && most < 45.0, "{percent} %: {half} {most}");
        }
    }
}

#[test]
fn a_long_way_is_used() {
    for seed in SEEDS {
        let far = transfer(Line::new(100.0, 300.0).losing(0.1), seed, 100.0);
        assert!(far.goodput(0) > 8.7, "{}", far.goodput(0));
        let space = transfer(Line::new(20.0, 600.0).losing(0.1), seed, 30.0);
        assert!(space.goodput(0) > 1.6, "{}", space.goodput(0));
    }
}

#[test]
fn a_clinics_line_is_used() {
    for seed in SEEDS {
        let world = transfer(Line::new(20.0, 30.0).losing(0.1), seed, 30.0);
        assert!(world.goodput(0) > 2.32, "{}", world.goodput(0));
    }
}

#[test]
fn it_finds_its_way_on_any_line() {
    for (rate, rtt, megabytes) in [
        (2.0, 30.0, 3.0),
        (5.0, 60.0, 6.0),
        (20.0, 5.0, 20.0),
        (100.0, 1.0, 60.0),
        (100.0, 100.0, 100.0),
        (1000.0, 1.0, 300.0),
        (1000.0, 30.0, 300.0),
    ] {
        let line = Line::new(rate, rtt);
        let world = transfer(line, 1, megabytes);
        let part = world.goodput(0) * 1e6 / line.best();
        assert!(part > 0.88, "{rate} Mbit/s, {rtt} ms: {part}");
        // Eighteen packets may wait, or 25 ms.
        let packets = 18.0 * 1480.0 * 8e-3 / rate;
        let waits = ping(&world).0 - rtt;
        assert!(waits < packets.max(25.0), "{rate} Mbit/s: {waits} ms");
    }
}

#[test]
fn a_short_queue_is_not_overrun() {
    for percent in [0.0, 0.5] {
        for seed in SEEDS {
            let mut line = usual().losing(percent);
            line.queue = 64e3;
            let world = transfer(line, seed, 60.0);
            let lost = world.senders[0].dropped_part();
            assert!(world.goodput(0) > 10.9, "{}", world.goodput(0));
            assert!(lost < 0.025, "{lost}");
        }
    }
    let mut line = Line::new(20.0, 40.0).losing(1.0);
    line.queue = 25e3;
    let world = transfer(line, 1, 30.0);
    assert!(world.goodput(0) > 2.2, "{}", world.goodput(0));
}

#[test]
fn a_long_queue_is_not_filled() {
    let mut line = usual();
    line.queue = 2.5e6;
    let world = transfer(line, 1, 60.0);
    assert!(world.goodput(0) > 11.2 && ping(&world).1 < 45.0);
    let mut line = Line::new(5.0, 40.0);
    line.queue = 625e3;
    let world = transfer(line, 1, 10.0);
    assert!(world.goodput(0) > 0.55 && ping(&world).1 < 100.0);
}

#[test]
fn round_trips_that_vary_are_borne() {
    for seed in SEEDS {
        let mut line = Line::new(20.0, 30.0).losing(0.5);
        line.jitter = 5.0;
        let world = transfer(line, seed, 20.0);
        assert!(world.goodput(0) > 2.2, "{}", world.goodput(0));
        let mut line = usual().losing(0.5);
        line.jitter = 5.0;
        let world = transfer(line, seed, 60.0);
        assert!(world.goodput(0) > 6.0, "{}", world.goodput(0));
    }
}

#[test]
fn packets_that_arrive_together_are_borne() {
    for (together, least) in [(5.0, 10.3), (10.0, 10.0)] {
        let mut line = usual().losing(0.5);
        line.bunches = together;
        let world = transfer(line, 1, 60.0);
        assert!(world.goodput(0) > least, "{}", world.goodput(0));
    }
}

#[test]
fn what_drops_without_a_queue_is_not_pushed_against() {
    for (mut line, burst, least) in [
        (Line::new(20.0, 30.0), 64e3, 2.2),
        (usual().losing(0.1), 256e3, 11.0),
    ] {
        line.policed = true;
        line.queue = burst;
        let world = transfer(line, 1, 40.0);
        let dropped = world.senders[0].dropped_part();
        assert!(world.goodput(0) > least, "{}", world.goodput(0));
        assert!(dropped < 0.1, "{dropped}");
    }
}

#[test]
fn after_an_outage_it_is_soon_as_fast_as_before() {
    for seed in SEEDS {
        let mut line = usual().losing(0.1);
        line.outage = (4.0, 7.0);
        let world = transfer(line, seed, 80.0);
        // 6.7 s of sending, 3 s of silence, and a probe that is sent after up to as long again.
        assert!(world.now() < 12.0, "{}", world.now());
    }
}

#[test]
fn a_queue_on_the_way_back_does_not_stop_it() {
    let mut line = usual();
    line.back = (3.0, 60.0, 40.0);
    assert!(transfer(line, 1, 150.0).goodput(0) > 10.5);
    line.back = (3.0, 60.0, 200.0);
    assert!(transfer(line, 1, 150.0).goodput(0) > 7.0);
}

#[test]
fn a_line_that_changes_is_followed() {
    let mut line = usual();
    line.change = (3.0, 20.0);
    let world = transfer(line, 1, 60.0);
    let pings = world.pings_in(5.0, world.now());
    assert!(world.senders[0].goodput_in(5.0, 10.0) > 2.2e6);
    assert!(percentile(&pings, 50) < 55.0);
    let mut line = Line::new(20.0, 30.0);
    line.change = (3.0, 100.0);
    let world = transfer(line, 1, 80.0);
    assert!(world.senders[0].goodput_in(4.5, 8.0) > 10.5e6);
}

#[test]
fn a_cap_is_kept_and_taken_away_without_a_flood() {
    let mut world = World::new(usual(), 1);
    let which = world.ours(1e5, 0.0);
    world.cap(which, Some(6_000_000));
    world.run(4.0);
    let goodput = world.senders[which].goodput_in(1.0, 4.0);
    assert!((5.4e6..6e6).contains(&goodput), "{goodput}");
    world.cap(which, Some(1_000_000));
    world.run(8.0);
    let goodput = world.senders[which].goodput_in(4.5, 8.0);
    assert!((0.85e6..1e6).contains(&goodput), "{goodput}");
    world.cap(which, None);
    world.run(12.0);
    let pings = world.pings_in(8.0, 12.0);
    assert!(percentile(&pings, 95) < 50.0, "{pings:?}");
    assert!(world.senders[which].goodput_in(10.0, 12.0) > 11e6);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let once = transfer(usual().losing(2.0), 5, 10.0);
    let again = transfer(usual().losing(2.0), 5, 10.0);
    assert_eq!(once.now().to_bits(), again.now().to_bits());
    assert_eq!(once.pings, again.pings);
}
