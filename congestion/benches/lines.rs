//! What the controller does on many simulated lines, for whoever tunes it. Nothing is asserted here.
//!
//! `cargo bench -p dokuei-congestion` prints two tables: one transfer alone, and several together. Each line is run
//! with five seeds; a row shows the median one, and the goodput or the least shares of the others beside it. Of the
//! ping of another program the half and the nineteen of twenty are given, in ms.
//! `cargo bench -p dokuei-congestion -- WORD` prints only the rows whose name contains the word;
//! `-- course MBIT MS LATER PERCENT` prints two transfers, tenth of a second by tenth.

#[path = "../tests/line/mod.rs"]
mod line;

use line::{Line, World, percentile};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
/// Megabytes that no run comes to the end of.
const ENDLESS: f64 = 1e5;

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    if words.first().is_some_and(|word| word == "course") {
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let [rate, rtt, later, percent] = [1, 2, 3, 4].map(|at| number(at).unwrap_or(0.0));
        return course(Line::new(rate, rtt).losing(percent), later);
    }
    let wanted = |name: &str| words.first().is_none_or(|word| name.contains(word));
    println!("| line | used | MB/s (least) | ping idle | p50 | p95 | most | lost | overflowed |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (name, line, megabytes) in lines() {
        if wanted(&name) {
            alone(&name, line, megabytes);
        }
    }
    println!("\n| line, of 10 s together | MB/s each | Jain | least share % by seed | p50 | p95 |");
    println!("|---|---|--:|--:|--:|--:|");
    for (name, line) in shared() {
        for later in [0.0, 0.7, 2.0, 5.0] {
            let name = format!("{name}, the second {later} s later");
            if wanted(&name) {
                let fill = |world: &mut World| {
                    world.ours(ENDLESS, 0.0);
                    world.ours(ENDLESS, later);
                };
                together(&name, line, (later, later + 10.0), fill);
            }
        }
    }
    for (name, fill, from, to) in crowds() {
        if wanted(&name) {
            together(&name, usual().losing(0.1), (from, to), fill);
        }
    }
    for (name, line, ours, theirs) in beside_tcp() {
        if wanted(&name) {
            let fill = |world: &mut World| {
                world.ours(ENDLESS, ours);
                world.cubic(ENDLESS, theirs);
            };
            together(&name, line, (3.0, 33.0), fill);
        }
    }
}

fn usual() -> Line {
    Line::new(100.0, 30.0)
}

/// Lines with one transfer: their names and the megabytes.
fn lines() -> Vec<(String, Line, f64)> {
    let mut lines = Vec::new();
    for percent in [0.0, 0.1, 0.5, 2.0, 5.0] {
        lines.push((
            format!("100/30 {percent} %"),
            usual().losing(percent),
            100.0,
        ));
    }
    for (rate, rtt, megabytes) in [
        (100.0, 300.0, 100.0),
        (100.0, 600.0, 200.0),
        (100.0, 100.0, 100.0),
        (100.0, 1.0, 100.0),
        (1000.0, 1.0, 500.0),
        (1000.0, 30.0, 300.0),
        (20.0, 5.0, 30.0),
        (20.0, 30.0, 30.0),
        (20.0, 300.0, 30.0),
        (5.0, 60.0, 10.0),
        (2.0, 30.0, 5.0),
        (2.0, 600.0, 5.0),
    ] {
        for percent in [0.1, 1.0] {
            let name = format!("{rate}/{rtt} {percent} %");
            lines.push((name, Line::new(rate, rtt).losing(percent), megabytes));
        }
    }
    lines.extend(odd_lines());
    lines
}

/// Lines that are unlike what is usual in one thing.
fn odd_lines() -> Vec<(String, Line, f64)> {
    let mut lines = Vec::new();
    let mut odd = |name: &str, line: Line, megabytes: f64, change: &dyn Fn(&mut Line)| {
        let mut line = line;
        change(&mut line);
        lines.push((name.to_owned(), line, megabytes));
    };
    let lossy = usual().losing(0.5);
    odd("queue of 64 kB", usual(), 60.0, &|line| line.queue = 64e3);
    odd("queue of 64 kB, 0.5 %", lossy, 60.0, &|line| {
        line.queue = 64e3;
    });
    odd("queue of 2.5 MB", usual(), 60.0, &|line| line.queue = 2.5e6);
    odd("5/40, queue of 1 s", Line::new(5.0, 40.0), 10.0, &|line| {
        line.queue = 625e3;
    });
    odd("jitter ±5 ms, 0.5 %", lossy, 60.0, &|line| {
        line.jitter = 5.0;
    });
    for together in [2.0, 5.0, 10.0] {
        let name = format!("arriving together every {together} ms, 0.5 %");
        odd(&name, lossy, 60.0, &|line| line.bunches = together);
    }
    let clinics = Line::new(20.0, 30.0).losing(0.1);
    odd(
        "20/30, arriving together every 10 ms",
        clinics,
        30.0,
        &|line| {
            line.bunches = 10.0;
        },
    );
    odd("20/30, policed with 64 kB", clinics, 30.0, &|line| {
        line.policed = true;
    });
    odd("policed with 256 kB", usual(), 60.0, &|line| {
        line.policed = true;
        line.queue = 256e3;
    });
    odd("outage of 3 s, 0.1 %", usual().losing(0.1), 80.0, &|line| {
        line.outage = (4.0, 7.0);
    });
    odd("way back +40 ms from 3 s", usual(), 200.0, &|line| {
        line.back = (3.0, 60.0, 40.0);
    });
    odd("way back +200 ms from 3 s", usual(), 200.0, &|line| {
        line.back = (3.0, 60.0, 200.0);
    });
    odd("20 Mbit/s from 3 s", usual(), 80.0, &|line| {
        line.change = (3.0, 20.0);
    });
    lines
}

/// Lines with two transfers.
fn shared() -> Vec<(String, Line)> {
    let some = usual().losing(0.1);
    let mut lines: Vec<(String, Line)> = [0.0, 0.1, 2.0, 5.0]
        .into_iter()
        .map(|percent| (format!("100/30 {percent} %"), usual().losing(percent)))
        .collect();
    for (rate, rtt) in [
        (20.0, 30.0),
        (5.0, 40.0),
        (100.0, 5.0),
        (100.0, 150.0),
        (1000.0, 5.0),
    ] {
        lines.push((
            format!("{rate}/{rtt} 0.1 %"),
            Line::new(rate, rtt).losing(0.1),
        ));
    }
    let with = |change: &dyn Fn(&mut Line)| {
        let mut line = some;
        change(&mut line);
        line
    };
    lines.push(("queue of 64 kB".to_owned(), with(&|line| line.queue = 64e3)));
    lines.push((
        "queue of 2.5 MB".to_owned(),
        with(&|line| line.queue = 2.5e6),
    ));
    lines.push(("jitter ±5 ms".to_owned(), with(&|line| line.jitter = 5.0)));
    lines
}

type Fill = Box<dyn Fn(&mut World)>;

/// More than two transfers, or unlike ones: a name, who they are, and the seconds that are counted.
fn crowds() -> Vec<(String, Fill, f64, f64)> {
    let mut crowds: Vec<(String, Fill, f64, f64)> = Vec::new();
    for count in [3, 4, 8] {
        let fill = move |world: &mut World| {
            for which in 0..count {
                world.ours(ENDLESS, f64::from(which) * 0.9);
            }
        };
        let last = f64::from(count) * 0.9;
        let name = format!("100/30, {count}, each 0.9 s later");
        crowds.push((name, Box::new(fill), last + 5.0, last + 15.0));
    }
    let apart = |world: &mut World| {
        world.ours(ENDLESS, 0.0);
        world.ours_further(ENDLESS, 1.0, 70.0);
    };
    let name = "30 ms and 100 ms".to_owned();
    crowds.push((name, Box::new(apart), 1.0, 31.0));
    let theirs = |world: &mut World| {
        world.cubic(ENDLESS, 0.0);
        world.cubic(ENDLESS, 0.0);
    };
    crowds.push(("CUBIC twice".to_owned(), Box::new(theirs), 3.0, 33.0));
    crowds
}

/// Lines with one of ours and somebody else's TCP, and when each begins.
fn beside_tcp() -> Vec<(String, Line, f64, f64)> {
    let mut lines = Vec::new();
    for (percent, queue) in [(0.0, 625e3), (0.1, 625e3), (0.0, 2.5e6), (0.0, 64e3)] {
        for (ours, theirs) in [(0.0, 0.0), (0.0, 3.0), (3.0, 0.0)] {
            let mut line = usual().losing(percent);
            line.queue = queue;
            let kilobytes = queue / 1e3;
            let name =
                format!("CUBIC, {percent} %, {kilobytes} kB, ours {ours} s, CUBIC {theirs} s");
            lines.push((name, line, ours, theirs));
        }
    }
    lines
}

/// Each seed's run.
fn runs(line: Line, until: f64, fill: &dyn Fn(&mut World)) -> Vec<World> {
    let run = |seed| {
        let mut world = World::new(line, seed);
        fill(&mut world);
        world.run(until);
        world
    };
    SEEDS.into_iter().map(run).collect()
}

fn alone(name: &str, line: Line, megabytes: f64) {
    let fill = |world: &mut World| {
        world.ours(megabytes, 0.0);
    };
    let mut worlds = runs(line, 600.0, &fill);
    worlds.sort_by(|one, other| one.goodput(0).total_cmp(&other.goodput(0)));
    let (least, world) = (worlds[0].goodput(0), &worlds[SEEDS.len() / 2]);
    let pings = world.pings_in(0.5, world.now());
    let [half, most, longest] = [50, 95, 100].map(|percent| percentile(&pings, percent));
    let goodput = world.goodput(0);
    let used = 100.0 * goodput * 1e6 / line.best();
    let (lost, dropped) = (
        world.senders[0].lost_part() * 100.0,
        world.senders[0].dropped_part() * 100.0,
    );
    let idle = 2.0 * line.delay;
    println!(
        "| {name} | {used:.1} % | {goodput:.2} ({least:.2}) | {idle:.0} | {half:.1} | {most:.1} | {longest:.0} | {lost:.2} % | {dropped:.2} % |"
    );
}

fn together(name: &str, line: Line, (from, to): (f64, f64), fill: impl Fn(&mut World)) {
    let mut worlds: Vec<(f64, Vec<f64>, World)> = runs(line, to, &fill)
        .into_iter()
        .map(|world| {
            let of = |sender: &line::Sender| sender.goodput_in(from, to) / 1e6;
            let each: Vec<f64> = world.senders.iter().map(of).collect();
            let least = each
                .iter()
                .fold(f64::INFINITY, |one, other| one.min(*other));
            (100.0 * least / each.iter().sum::<f64>(), each, world)
        })
        .collect();
    worlds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let leasts: Vec<String> = worlds
        .iter()
        .map(|(least, ..)| format!("{least:.0}"))
        .collect();
    let (_, each, world) = &worlds[SEEDS.len() / 2];
    let sum: f64 = each.iter().sum();
    let squares: f64 = each.iter().map(|share| share * share).sum();
    let jain = sum * sum / squares / each.len() as f64;
    let shares: Vec<String> = each.iter().map(|share| format!("{share:.2}")).collect();
    let pings = world.pings_in(from, to);
    let [half, most] = [50, 95].map(|percent| percentile(&pings, percent));
    let (shares, leasts) = (shares.join(" / "), leasts.join(" "));
    println!("| {name} | {shares} | {jain:.3} | {leasts} | {half:.1} | {most:.1} |");
}

fn course(line: Line, later: f64) {
    let mut world = World::new(line, SEEDS[0]);
    world.ours(ENDLESS, 0.0);
    world.ours(ENDLESS, later);
    println!("| s | MB/s | MB/s | ping ms |\n|--:|--:|--:|--:|");
    for tenth in 0..150 {
        let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
        world.run(to);
        let [one, other] =
            [0, 1].map(|which: usize| world.senders[which].goodput_in(from, to) / 1e6);
        let ping = percentile(&world.pings_in(from, to), 50);
        println!("| {to:.1} | {one:.2} | {other:.2} | {ping:.1} |");
    }
}
