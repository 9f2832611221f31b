//! Real namespaces and devices. Where the system does not permit them, each test says so and is
//! skipped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

const LINE: &str = env!("CARGO_BIN_EXE_line");
/// How long anything may take that takes no time on a machine with nothing to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says past the harness, which keeps what passing tests print, that something is not tested.
#[allow(clippy::explicit_write)]
fn skipped(said: &str) {
    writeln!(
        std::io::stderr(),
        "SKIPPED, no emulated line here: {}",
        said.trim()
    )
    .unwrap();
}

/// Whether sites can be made here. Says why not.
fn permitted() -> bool {
    let tried = line(&["run", "--", "clinic:", "true"]);
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    let reasons = [
        "Permission denied",
        "not permitted",
        "No such file",
        "No space left",
    ];
    let lacks = !tried.status.success() && reasons.iter().any(|reason| said.contains(reason));
    if lacks {
        skipped(&said);
    }
    !lacks
}

fn line(arguments: &[&str]) -> Output {
    Command::new(LINE).args(arguments).output().unwrap()
}

fn json(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a measurement between clinic and hospital. Gives what it found and what was counted.
fn measured(lines: &[&str], measurement: &[&str]) -> (Value, Value) {
    let behind = ["--", "hospital:", LINE, "measure", "serve"];
    let before = ["--", "clinic:", LINE, "measure"];
    let words = [&["run"], lines, &before, measurement, &behind].concat();
    let done = line(&words);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
    let report = said.lines().find(|line| line.starts_with('{')).unwrap();
    (json(&done.stdout), json(report.as_bytes()))
}

/// A lab that is kept, with a name of its own.
struct Lab {
    process: Child,
    answers: BufReader<ChildStdout>,
    name: String,
    place: Value,
    servers: Vec<Child>,
}

impl Lab {
    fn new(arguments: &[&str]) -> Lab {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("test-{}-{number}", std::process::id());
        Lab::named(name, arguments)
    }

    fn named(name: String, arguments: &[&str]) -> Lab {
        let mut process = Command::new(LINE)
            .args(["lab", "--name", &name])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut lab = Lab {
            process,
            answers,
            name,
            place: Value::Null,
            servers: Vec::new(),
        };
        lab.place = lab.answer();
        lab
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        json(line.as_bytes())
    }

    fn order(&mut self, order: &str) -> Value {
        writeln!(self.process.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.answer()
    }

    fn at(&self, site: &str) -> Command {
        let mut command = Command::new(LINE);
        command.args(["enter", &self.name, site, "--"]);
        command
    }

    fn measure(&self, site: &str, arguments: &[&str]) -> Output {
        let mut command = self.at(site);
        command.args([LINE, "measure"]).args(arguments);
        command.output().unwrap()
    }

    fn serve(&mut self, site: &str) {
        let mut command = self.at(site);
        let server = command.args([LINE, "measure", "serve"]).spawn();
        self.servers.push(server.unwrap());
    }

    /// Ends standard input. Gives what was counted.
    fn end(mut self) -> Value {
        drop(self.process.stdin.take());
        let report = self.answer();
        assert!(self.process.wait().unwrap().success());
        for mut server in self.servers {
            server.wait().unwrap();
        }
        report
    }
}

#[test]
fn delay_and_rate_are_those_that_were_set() {
    if !permitted() {
        return;
    }
    let lines = ["--rate", "20mbit", "--delay", "15ms/10ms"];
    let (trips, _) = measured(&lines, &["ping", "{hospital}", "--count", "20"]);
    assert_eq!(trips["came_back"], 20);
    // A machine with much to do makes it longer, nothing makes it shorter.
    assert!(trips["least_ms"].as_f64().unwrap() >= 25.0);

    let flood = ["flood", "{hospital}", "--rate", "40mbit", "--seconds", "1"];
    let (_, report) = measured(&lines, &flood);
    let up = &report["sites"]["clinic"]["up"];
    let delivered = up["delivered"]["bytes"].as_f64().unwrap();
    let seconds = report["seconds"].as_f64().unwrap();
    assert!(delivered * 8.0 <= 20e6 * seconds);
    assert!(up["dropped"]["queue"]["packets"].as_u64().unwrap() > 0);
    assert!(up["queue_bytes_most"].as_u64().unwrap() <= 125_000);
    let udp = up["delivered_by_protocol"]["udp"]["bytes"]
        .as_f64()
        .unwrap();
    assert!(udp > 0.0 && udp <= delivered);
}

#[test]
fn the_same_seed_loses_the_same_pings() {
    if !permitted() {
        return;
    }
    let lost = |seed| {
        let mut lab = Lab::new(&["--loss", "20%/0%", "--seed", seed]);
        lab.serve("hospital");
        // Seen at the hospital itself, so that nothing goes over the line before the pings.
        until("the server answers", || {
            let here = ["ping", "127.0.0.1", "--count", "1"];
            json(&lab.measure("hospital", &here).stdout)["came_back"] == 1
        });
        let there = ["ping", "10.77.0.2", "--count", "100", "--interval", "2ms"];
        let trips = json(&lab.measure("clinic", &there).stdout);
        let report = lab.end();
        let up = &report["sites"]["clinic"]["up"];
        let lost = up["dropped"]["loss"]["packets"].as_u64().unwrap();
        assert_eq!(trips["came_back"].as_u64().unwrap(), 100 - lost);
        lost
    };
    let [first, again, other] = ["42", "42", "43"].map(lost);
    assert_eq!(first, again);
    assert!(first > 0 && other > 0);
}

#[test]
fn udp_is_kept_out_and_let_in_again_while_the_lab_runs() {
    if !permitted() {
        return;
    }
    let mut lab = Lab::new(&["--udp", "off"]);
    lab.serve("hospital");
    let to = "10.77.0.2";
    let sent = lab.measure("clinic", &["send", to, "--seconds", "0.2"]);
    assert!(json(&sent.stdout)["came"]["bytes"].as_u64().unwrap() > 0);
    let ping = ["ping", to, "--count", "3", "--interval", "1ms"];
    assert_eq!(json(&lab.measure("clinic", &ping).stdout)["came_back"], 0);
    assert_eq!(lab.order("udp on")["ok"], true);
    assert_eq!(json(&lab.measure("clinic", &ping).stdout)["came_back"], 3);
    assert!(lab.order("udp perhaps")["error"].is_string());
    let report = lab.end();
    let up = &report["sites"]["clinic"]["up"];
    assert_eq!(up["dropped"]["udp"]["packets"], 3);
}

#[test]
fn an_outage_takes_everything_while_it_lasts() {
    if !permitted() {
        return;
    }
    let mut lab = Lab::new(&[]);
    lab.serve("hospital");
    lab.order("outage 600s");
    let ping = ["ping", "10.77.0.2", "--count", "5", "--interval", "1ms"];
    assert_eq!(json(&lab.measure("clinic", &ping).stdout)["came_back"], 0);
    let report = lab.end();
    let up = &report["sites"]["clinic"]["up"];
    assert_eq!(up["dropped"]["outage"]["packets"], 5);
}

#[test]
fn three_sites_reach_each_other_over_both_versions_of_ip() {
    if !permitted() {
        return;
    }
    let sites = ["--sites", "clinic,hospital,second"];
    let far = ["--delay", "5ms", "--set", "second: delay 10ms"];
    let mut lab = Lab::new(&[&sites[..], &far[..]].concat());
    for site in ["clinic", "hospital", "second"] {
        lab.serve(site);
    }
    let disabled = fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    let six = disabled.is_ok_and(|disabled| disabled.trim() == "0");
    for (from, to, least) in [
        ("clinic", 2, 10.0),
        ("second", 1, 30.0),
        ("hospital", 3, 20.0),
    ] {
        let four = (true, format!("10.77.0.{to}"));
        for (_, address) in [four, (six, format!("fd77::{to}"))].iter().filter(|a| a.0) {
            until("the ping comes back", || {
                let ping = ["ping", address, "--count", "1"];
                let trips = json(&lab.measure(from, &ping).stdout);
                let time = trips["least_ms"].as_f64();
                assert!(
                    time.is_none_or(|time| time >= least),
                    "{from} {to} {time:?}"
                );
                time.is_some()
            });
        }
    }
    lab.end();
}

#[test]
fn what_is_left_at_a_site_ends_with_the_lab() {
    if !permitted() {
        return;
    }
    let lab = Lab::new(&[]);
    let mut left = lab.at("hospital").args(["sleep", "1000"]).spawn().unwrap();
    until("it is at the site", || {
        let place = fs::read_link(format!("/proc/{}/ns/net", left.id()));
        let own = fs::read_link("/proc/self/ns/net");
        place.is_ok_and(|place| place != own.unwrap())
    });
    assert_eq!(lab.end()["ended_processes"], 1);
    assert!(!left.wait().unwrap().success());
}

#[test]
fn a_lab_that_is_killed_leaves_nothing() {
    if !permitted() {
        return;
    }
    let mut lab = Lab::new(&[]);
    let second = line(&["lab", "--name", &lab.name]);
    assert!(String::from_utf8_lossy(&second.stderr).contains("already"));
    let network = lab.place["sites"][0]["namespace"].as_str().unwrap();
    let network = fs::read_link(network).unwrap();
    lab.process.kill().unwrap();
    lab.process.wait().unwrap();
    let again = Lab::named(lab.name.clone(), &[]);
    let everywhere = Command::new("lsns")
        .args(["-t", "net", "-n", "-o", "NS"])
        .output();
    let everywhere = everywhere.map(|found| String::from_utf8_lossy(&found.stdout).into_owned());
    let number = network.to_string_lossy();
    let number = number.trim_matches(|letter: char| !letter.is_ascii_digit());
    assert!(everywhere.is_ok_and(|found| !found.lines().any(|line| line.trim() == number)));
    again.end();
}

#[test]
fn commands_end_with_a_run_that_is_killed() {
    if !permitted() {
        return;
    }
    let say = "echo $$; exec sleep 1000";
    let mut run = Command::new(LINE)
        .args(["run", "--", "clinic:", "sh", "-c", say])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut number = String::new();
    let mut output = BufReader::new(run.stdout.take().unwrap());
    output.read_line(&mut number).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    let process = format!("/proc/{}/ns/net", number.trim());
    until("the command has ended", || fs::read_link(&process).is_err());
}

#[test]
fn the_first_command_gives_the_code() {
    if !permitted() {
        return;
    }
    let words = [
        "run",
        "--",
        "clinic:",
        "sh",
        "-c",
        "exit 7",
        "--",
        "hospital:",
        "sleep",
        "1000",
    ];
    assert_eq!(line(&words).status.code(), Some(7));
    let own = [
        "run",
        "--",
        "clinic:",
        "sh",
        "-c",
        "test $2 = --",
        "sh",
        "{hospital}",
        "--",
        "x",
    ];
    assert_eq!(line(&own).status.code(), Some(0));
    let unknown = line(&["run", "--", "nobody:", "true"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        !line(&["run", "--rate", "fast", "--", "clinic:", "true"])
            .status
            .success()
    );
}

#[test]
fn users_who_are_not_root_have_it_in_a_user_namespace() {
    if !permitted() {
        return;
    }
    let tried = line(&["run", "--user-namespace", "--", "clinic:", "true"]);
    let said = String::from_utf8_lossy(&tried.stderr);
    if said.contains("neither root nor allowed") {
        skipped(&said);
        return;
    }
    assert!(tried.status.success(), "{said}");
}
