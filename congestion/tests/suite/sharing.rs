//! Several transfers on one line, and other programs beside them.

use crate::SEEDS;
use crate::line::{Line, World, percentile};

/// The least of all shares between two seconds, and of all that is transferred the part.
fn least(world: &World, from: f64, to: f64) -> f64 {
    let shares: Vec<f64> = world
        .senders
        .iter()
        .map(|sender| sender.goodput_in(from, to))
        .collect();
    let all: f64 = shares.iter().sum();
    shares
        .iter()
        .fold(f64::INFINITY, |one, other| one.min(*other))
        / all
}

/// Two transfers without end, the second so many seconds later; what the one with less has of 10 s
/// together.
fn second_after(line: Line, seed: u64, later: f64) -> f64 {
    let mut world = World::new(line, seed);
    world.ours(1e5, 0.0);
    world.ours(1e5, later);
    world.run(later + 10.0);
    least(&world, later, later + 10.0)
}

#[test]
fn two_have_about_the_same_whenever_the_second_begins() {
    let usual = Line::new(100.0, 30.0);
    for line in [
        usual,
        usual.losing(0.1),
        usual.losing(2.0),
        usual.losing(5.0),
        Line::new(20.0, 30.0).losing(0.1),
    ] {
        for (later, seed) in [(0.0, 1), (0.7, 2), (2.0, 3), (5.0, 1)] {
            let least = second_after(line, seed, later);
            assert!(least > 0.42, "{} Mbit/s, {later} s: {least}", line.rate);
        }
    }
}

#[test]
fn two_share_odd_lines() {
    let usual = Line::new(100.0, 30.0).losing(0.1);
    let mut shallow = usual;
    shallow.queue = 64e3;
    let mut deep = usual;
    deep.queue = 2.5e6;
    let mut varying = usual;
    varying.jitter = 5.0;
    let near = Line::new(1000.0, 5.0);
    let slow = Line::new(5.0, 40.0);
    for (line, enough) in [
        (shallow, 0.33),
        (deep, 0.42),
        (varying, 0.33),
        (near, 0.38),
        (slow, 0.3),
    ] {
        for (later, seed) in [(0.0, 1), (2.0, 2), (5.0, 3)] {
            let least = second_after(line, seed, later);
            assert!(least > enough, "{} B, {later} s: {least}", line.queue);
        }
    }
}

#[test]
fn four_share_a_line_and_others_hardly_wait() {
    for seed in SEEDS {
        let mut world = World::new(Line::new(100.0, 30.0).losing(0.1), seed);
        for which in 0..4 {
            world.ours(1e5, f64::from(which) * 0.9);
        }
        world.run(24.0);
        let least = least(&world, 14.0, 24.0);
        let pings = world.pings_in(14.0, 24.0);
        assert!(least > 0.19, "{least}");
        assert!(percentile(&pings, 50) < 50.0 && percentile(&pings, 95) < 60.0);
    }
}

#[test]
fn a_partner_further_away_has_as_much() {
    for seed in SEEDS {
        let mut world = World::new(Line::new(100.0, 30.0).losing(0.1), seed);
        world.ours(1e5, 0.0);
        world.ours_further(1e5, 1.0, 70.0);
        world.run(21.0);
        let least = least(&world, 1.0, 21.0);
        assert!(least > 0.38, "{least}");
    }
}

#[test]
fn the_one_that_stays_takes_what_becomes_free() {
    let mut world = World::new(Line::new(100.0, 30.0), 1);
    world.ours(1e5, 0.0);
    world.ours(30.0, 0.0);
    world.run(12.0);
    let ends = world.senders[1].ends.unwrap() as f64 / 1e9;
    let goodput = world.senders[0].goodput_in(ends + 1.0, ends + 4.0);
    assert!(goodput > 11e6, "{goodput}");
}

#[test]
fn it_does_not_push_tcp_off_a_clean_line_nor_stop_beside_it() {
    for (ours, theirs) in [(0.0, 0.0), (0.0, 3.0), (3.0, 0.0)] {
        let mut world = World::new(Line::new(100.0, 30.0), 1);
        world.ours(1e5, ours);
        world.cubic(1e5, theirs);
        world.run(33.0);
        let ours = world.senders[0].goodput_in(3.0, 33.0);
        let theirs = world.senders[1].goodput_in(3.0, 33.0);
        assert!(theirs > 6e6, "{theirs}");
        assert!(ours > 1.4e6, "{ours}");
    }
}

#[test]
fn tcp_in_a_short_queue_is_left_room() {
    let mut line = Line::new(100.0, 30.0);
    line.queue = 64e3;
    let mut world = World::new(line, 1);
    world.ours(1e5, 0.0);
    world.cubic(1e5, 3.0);
    world.run(33.0);
    let theirs = world.senders[1].goodput_in(6.0, 33.0);
    assert!(theirs > 1.2e6, "{theirs}");
}

#[test]
fn tcp_that_cannot_use_a_lossy_line_keeps_most_of_what_it_had_alone() {
    let line = Line::new(100.0, 30.0).losing(0.1);
    let alone = {
        let mut world = World::new(line, 1);
        world.cubic(1e5, 0.0);
        world.run(30.0);
        world.senders[0].goodput_in(3.0, 30.0)
    };
    let mut world = World::new(line, 1);
    world.cubic(1e5, 0.0);
    world.ours(1e5, 0.0);
    world.run(30.0);
    let beside = world.senders[0].goodput_in(3.0, 30.0);
    assert!(beside > 0.5 * alone, "{beside} of {alone}");
}
