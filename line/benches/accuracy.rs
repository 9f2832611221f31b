//! How true the emulated line is on this machine: what was set beside what is measured, as a table.
//!
//! `cargo bench -p dokuei-line --bench accuracy [-- RUNS]`

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::fs;
use std::process::Command;

use serde_json::Value;

const LINE: &str = env!("CARGO_BIN_EXE_line");
/// Runs of each row, unless told otherwise.
const RUNS: usize = 5;
/// What of an IP packet of 1500 bytes is TCP's payload: 20 bytes of IP, 32 of TCP with time stamps.
const PAYLOAD: f64 = 1448.0 / 1500.0;

/// What a whole queue and the delay hold at 1 Gbit/s is 11 MB; kernels begin with less for TCP. Words
/// are parted by blanks here, so that the three values of each are parted by tabs.
const BUFFERS: &str = "--sysctl net.ipv4.tcp_wmem=4096\t131072\t67108864 \
                       --sysctl net.ipv4.tcp_rmem=4096\t131072\t67108864";

/// What is set, how it is measured, and what should be found.
struct Row {
    set: String,
    lines: String,
    measurement: String,
    found: Found,
    expected: f64,
    unit: &'static str,
}

/// Where in the answer of a measurement the number is.
#[derive(Clone, Copy)]
enum Found {
    Goodput,
    Arrivals,
    Median,
    /// In percent, as counted by the line.
    Lost,
}

fn main() {
    let arguments = env::args().skip(1);
    let runs = arguments.filter_map(|word| word.parse().ok()).next();
    let runs: usize = runs.unwrap_or(RUNS).max(1);
    let report = env::temp_dir().join(format!("line-accuracy-{}.json", std::process::id()));
    println!("Median (least–most) of {runs} runs. CPU: of the line, in processors.\n");
    println!("| set | expected | measured | off by | late p95 ms | CPU |");
    println!("|---|--:|--:|--:|--:|--:|");
    for row in rows() {
        let mut found = Vec::new();
        let mut late = Vec::new();
        let mut cpu = Vec::new();
        for _ in 0..runs {
            let (answer, counted) = measured(&row, report.to_str().unwrap());
            let ways = &counted["sites"]["clinic"];
            found.push(number(row.found, &answer, ways));
            late.push(ways["up"]["late_ms"]["p95"].as_f64().unwrap());
            let seconds = counted["seconds"].as_f64().unwrap();
            cpu.push(counted["cpu_seconds"].as_f64().unwrap() / seconds);
        }
        let middle = median(&mut found);
        println!(
            "| {} | {:.2} | {middle:.2} ({:.2}–{:.2}) {} | {:+.1} % | {:.2} | {:.2} |",
            row.set,
            row.expected,
            found[0],
            found[runs - 1],
            row.unit,
            (middle / row.expected - 1.0) * 100.0,
            median(&mut late),
            median(&mut cpu),
        );
    }
    // Only the last run's report is left.
    let _ = fs::remove_file(report);
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for mbit in [20.0, 100.0, 500.0, 1000.0] {
        let lines = format!("--rate {mbit}mbit --delay 15ms --queue 60ms {BUFFERS}");
        for way in ["send", "take"] {
            rows.push(Row {
                set: format!("{mbit} Mbit/s, TCP CUBIC ({way})"),
                lines: lines.clone(),
                measurement: format!("{way} {{hospital}} --seconds 7 --skip 4 --congestion cubic"),
                found: Found::Goodput,
                expected: mbit * PAYLOAD,
                unit: "Mbit/s",
            });
        }
        // Faster than that, two processors show how evenly the sender gets to send, and little else.
        if mbit > 100.0 {
            continue;
        }
        rows.push(Row {
            set: format!("{mbit} Mbit/s, 120 % of it offered as UDP"),
            lines: format!("--rate {mbit}mbit --delay 15ms"),
            measurement: format!("flood {{hospital}} --seconds 4 --rate {}mbit", mbit * 1.2),
            found: Found::Arrivals,
            expected: mbit,
            unit: "Mbit/s",
        });
    }
    for (set, lines, expected) in [
        ("15 ms each way", "--delay 15ms", 30.0),
        (
            "15 ms up, 40 ms down, jitter 3 ms",
            "--delay 15ms/40ms --jitter 3ms",
            55.0,
        ),
        ("150 ms each way", "--delay 150ms", 300.0),
    ] {
        rows.push(Row {
            set: format!("{set}, round trip"),
            lines: lines.to_owned(),
            measurement: "ping {hospital} --count 300 --interval 10ms".to_owned(),
            found: Found::Median,
            expected,
            unit: "ms",
        });
    }
    for percent in [0.1, 0.5, 5.0] {
        rows.push(Row {
            set: format!("{percent} % lost, 80 Mbit/s of UDP"),
            lines: format!("--rate 100mbit --delay 15ms --loss {percent}%"),
            measurement: "flood {hospital} --seconds 8 --rate 80mbit".to_owned(),
            found: Found::Lost,
            expected: percent,
            unit: "%",
        });
    }
    rows
}

fn measured(row: &Row, report: &str) -> (Value, Value) {
    let done = Command::new(LINE)
        .args(["run", "--report", report])
        .args(row.lines.split(' '))
        .args(["--", "clinic:", LINE, "measure"])
        .args(row.measurement.split(' '))
        .args(["--", "hospital:", LINE, "measure", "serve"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", row.set);
    let answer = serde_json::from_slice(&done.stdout).unwrap();
    (
        answer,
        serde_json::from_slice(&fs::read(report).unwrap()).unwrap(),
    )
}

fn number(found: Found, answer: &Value, ways: &Value) -> f64 {
    match found {
        Found::Goodput => answer["mbit"].as_f64().unwrap(),
        Found::Arrivals => answer["ip_mbit"].as_f64().unwrap(),
        Found::Median => answer["p50_ms"].as_f64().unwrap(),
        Found::Lost => {
            let up = &ways["up"];
            let lost = up["dropped"]["loss"]["packets"].as_f64().unwrap();
            // What a sender that was kept waiting sends at once may be too much for the queue; chance
            // meets the rest.
            let queue = up["dropped"]["queue"]["packets"].as_f64().unwrap();
            100.0 * lost / (up["offered"]["packets"].as_f64().unwrap() - queue)
        }
    }
}

/// The middle one; they are in order then.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
