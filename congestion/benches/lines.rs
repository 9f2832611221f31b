//! Prints what the controller does on many lines: `cargo bench -p dokuei-congestion`.

#[path = "../tests/line/mod.rs"]
mod line;

use line::{Line, World, percentile};

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    if filter == "pair" {
        let arg = |at: usize| {
            std::env::args()
                .nth(at)
                .and_then(|word| word.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let mut line = Line::new(arg(2), arg(3)).losing(arg(5));
        if arg(6) > 0.0 {
            line.queue = arg(6);
        }
        line.jitter = arg(7);
        let mut world = World::new(line, 3);
        world.ours(1e5, 0.0);
        if arg(4) >= 0.0 {
            world.ours(1e5, arg(4));
        }
        for at in 1..120 {
            world.run(f64::from(at) / 10.0);
            let from = f64::from(at - 1) / 10.0;
            print!("{:.1}", f64::from(at) / 10.0);
            for sender in &world.senders {
                print!(" | {:.2}", sender.goodput_in(from, from + 0.1) / 1e6);
            }
            let pings = world.pings_in(from, from + 0.1);
            println!(" | ping {:.1}", percentile(&pings, 50));
        }
        return;
    }
    println!("| line | of the line | MB/s | ping idle | p50 | p95 | max | lost | dropped |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (name, line, size) in alone() {
        if name.contains(&filter) || filter.starts_with('-') {
            one(&name, line, size);
        }
    }
    println!("\n| shares | each MB/s | Jain | of the line | ping p50 | p95 |");
    println!("|---|---|--:|--:|--:|--:|");
    together();
}

fn alone() -> Vec<(String, Line, f64)> {
    let mut lines = Vec::new();
    let usual = Line::new(100.0, 30.0);
    for loss in [0.0, 0.5, 2.0, 5.0] {
        lines.push((format!("100/30 {loss} %"), usual.losing(loss), 100.0));
    }
    lines.push((
        "100/300 0.1 %".into(),
        Line::new(100.0, 300.0).losing(0.1),
        100.0,
    ));
    lines.push((
        "20/30 0.1 %".into(),
        Line::new(20.0, 30.0).losing(0.1),
        30.0,
    ));
    for (rate, rtt, size) in [
        (1000.0, 1.0, 500.0),
        (1000.0, 30.0, 300.0),
        (100.0, 1.0, 100.0),
        (100.0, 100.0, 100.0),
        (20.0, 5.0, 30.0),
        (20.0, 300.0, 30.0),
        (5.0, 60.0, 10.0),
        (2.0, 30.0, 5.0),
        (2.0, 600.0, 5.0),
        (100.0, 600.0, 200.0),
    ] {
        lines.push((format!("{rate}/{rtt}"), Line::new(rate, rtt), size));
        lines.push((
            format!("{rate}/{rtt} 1 %"),
            Line::new(rate, rtt).losing(1.0),
            size,
        ));
    }
    lines.push((
        "shallow 64 kB 0.5 %".into(),
        Line {
            queue: 64e3,
            ..usual.losing(0.5)
        },
        40.0,
    ));
    lines.push((
        "shallow 64 kB 0 %".into(),
        Line {
            queue: 64e3,
            ..usual
        },
        40.0,
    ));
    lines.push((
        "deep 2.5 MB".into(),
        Line {
            queue: 2.5e6,
            ..usual
        },
        40.0,
    ));
    lines.push((
        "1 s queue 5/40".into(),
        Line {
            queue: 625e3,
            ..Line::new(5.0, 40.0)
        },
        10.0,
    ));
    lines.push((
        "10 ms queue 20/40 1 %".into(),
        Line {
            queue: 25e3,
            ..Line::new(20.0, 40.0).losing(1.0)
        },
        20.0,
    ));
    lines.push((
        "jitter 5 0.5 %".into(),
        Line {
            jitter: 5.0,
            ..usual.losing(0.5)
        },
        40.0,
    ));
    lines.push((
        "jitter 5 20/30".into(),
        Line {
            jitter: 5.0,
            ..Line::new(20.0, 30.0).losing(0.5)
        },
        20.0,
    ));
    lines.push((
        "outage 3 s at 4".into(),
        Line {
            outage: (4.0, 7.0),
            ..usual.losing(0.1)
        },
        80.0,
    ));
    lines.push((
        "way back +40 from 3".into(),
        Line {
            back: (3.0, 60.0, 40.0),
            ..usual
        },
        200.0,
    ));
    lines.push((
        "way back +200 from 3".into(),
        Line {
            back: (3.0, 60.0, 200.0),
            ..usual
        },
        200.0,
    ));
    lines.push((
        "20 Mbit/s from 3".into(),
        Line {
            change: (3.0, 20.0),
            ..usual
        },
        80.0,
    ));
    lines.push((
        "20 to 100 from 3".into(),
        Line {
            change: (3.0, 100.0),
            ..Line::new(20.0, 30.0)
        },
        80.0,
    ));
    lines
}

fn one(name: &str, line: Line, size: f64) {
    let mut worlds = seeds(line, 300.0, |world| {
        world.ours(size, 0.0);
    });
    worlds.sort_by(|one, other| one.goodput(0).total_cmp(&other.goodput(0)));
    let world = &worlds[worlds.len() / 2];
    let least = worlds[0].goodput(0);
    let goodput = world.goodput(0);
    let pings = world.pings_in(0.5, world.now());
    let sender = &world.senders[0];
    println!(
        "| {name} | {:.1} % | {goodput:.2} ({least:.2}) | {:.0} | {:.1} | {:.1} | {:.0} | {:.2} % | {:.2} % |",
        100.0 * goodput * 1e6 / line.best(),
        2.0 * line.delay,
        percentile(&pings, 50),
        percentile(&pings, 95),
        percentile(&pings, 100),
        100.0 * sender.loss(),
        100.0 * sender.dropped as f64 / sender.packets as f64,
    );
}

fn together() {
    let usual = Line::new(100.0, 30.0).losing(0.1);
    for (line, name) in [
        (usual, "100/30"),
        (Line::new(100.0, 30.0), "100/30 0 %"),
        (Line::new(20.0, 30.0), "20/30"),
        (Line::new(100.0, 5.0), "100/5"),
        (Line::new(100.0, 150.0), "100/150"),
        (Line::new(5.0, 40.0), "5/40"),
        (Line::new(1000.0, 5.0), "1000/5"),
        (usual.losing(2.0), "100/30 2 %"),
        (usual.losing(5.0), "100/30 5 %"),
        (
            Line {
                queue: 64e3,
                ..usual
            },
            "shallow",
        ),
        (
            Line {
                queue: 2.5e6,
                ..usual
            },
            "deep",
        ),
        (
            Line {
                jitter: 5.0,
                ..usual
            },
            "jitter",
        ),
    ] {
        for later in [0.0, 0.7, 2.0, 5.0] {
            let worlds = seeds(line, later + 10.0, |world| {
                world.ours(1e5, 0.0);
                world.ours(1e5, later);
            });
            report(
                &format!("{name}, two, second after {later} s, 10 s"),
                &worlds,
                later,
                later + 10.0,
            );
        }
    }
    for count in [3, 4, 8] {
        let from = f64::from(count) * 0.9;
        let worlds = seeds(usual, from + 20.0, |world| {
            for which in 0..count {
                world.ours(1e5, f64::from(which) * 0.9);
            }
        });
        report(
            &format!("{count}, each 0.9 s later, 20 s"),
            &worlds,
            from,
            from + 20.0,
        );
        report(
            &format!("{count}, each 0.9 s later, last 10 s"),
            &worlds,
            from + 10.0,
            from + 20.0,
        );
    }
    let worlds = seeds(usual, 31.0, |world| {
        world.ours(1e5, 0.0);
        world.ours_further(1e5, 1.0, 70.0);
    });
    report("30 ms and 100 ms", &worlds, 1.0, 31.0);
    for (loss, queue) in [(0.0, 625e3), (0.1, 625e3), (0.0, 2.5e6), (0.0, 64e3)] {
        for (first, second) in [(0.0, 0.0), (0.0, 3.0), (3.0, 0.0)] {
            let worlds = seeds(
                Line {
                    queue,
                    ..usual.losing(loss)
                },
                33.0,
                |world| {
                    world.ours(1e5, first);
                    world.cubic(1e5, second);
                },
            );
            report(
                &format!("ours from {first}, CUBIC from {second}, {loss} %, queue {queue}"),
                &worlds,
                3.0,
                33.0,
            );
        }
    }
    let worlds = seeds(usual.losing(0.0), 33.0, |world| {
        world.cubic(1e5, 0.0);
        world.cubic(1e5, 0.0);
    });
    report("CUBIC and CUBIC", &worlds, 3.0, 33.0);
}

fn seeds(line: Line, until: f64, fill: impl Fn(&mut World)) -> Vec<World> {
    let seeds = [1, 2, 3, 4, 5].into_iter();
    seeds
        .map(|seed| {
            let mut world = World::new(line, seed);
            fill(&mut world);
            world.run(until);
            world
        })
        .collect()
}

fn report(name: &str, worlds: &[World], from: f64, to: f64) {
    let least = |world: &World| {
        let each: Vec<f64> = world
            .senders
            .iter()
            .map(|sender| sender.goodput_in(from, to) / 1e6)
            .collect();
        100.0
            * each
                .iter()
                .fold(f64::INFINITY, |least, share| least.min(*share))
            / each.iter().sum::<f64>()
    };
    let mut worlds: Vec<&World> = worlds.iter().collect();
    worlds.sort_by(|one, other| least(one).total_cmp(&least(other)));
    let leasts: Vec<String> = worlds
        .iter()
        .map(|world| format!("{:.0}", least(world)))
        .collect();
    let world = worlds[worlds.len() / 2];
    let each: Vec<f64> = world
        .senders
        .iter()
        .map(|sender| sender.goodput_in(from, to) / 1e6)
        .collect();
    let sum: f64 = each.iter().sum();
    let squares: f64 = each.iter().map(|share| share * share).sum();
    let pings = world.pings_in(from, to);
    let list: Vec<String> = each.iter().map(|share| format!("{share:.2}")).collect();
    println!(
        "| {name} | {} | {:.3} | {sum:.2} (least {}) | {:.1} | {:.1} |",
        list.join(" / "),
        sum * sum / squares / each.len() as f64,
        leasts.join(" "),
        percentile(&pings, 50),
        percentile(&pings, 95),
    );
}
