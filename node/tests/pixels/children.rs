//! Children that die, hang, talk nonsense or want too much: each costs its own request.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dokuei_node::pixels::{Codec, DecodeError, Decoders, Plan, WAITING_PER_CHILD};

use crate::{grey, plan};

/// Decoders whose first child does something else; those after it are sound.
fn once(folder: &Path, first: &str) -> Decoders {
    let mark = folder.join("mark");
    let (mark, program) = (mark.display(), env!("CARGO_BIN_EXE_dokuei"));
    scripted(&format!(
        "if /bin/mkdir '{mark}'; then {first}; else exec '{program}' decode-child; fi"
    ))
}

fn scripted(script: &str) -> Decoders {
    Decoders::new(Plan {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        children: 1,
        ..plan()
    })
}

async fn small(decoders: &Decoders) -> Result<Vec<u8>, DecodeError> {
    let image = grey(Codec::NativeLittle, 1, 3, 8);
    let frame = decoders.frame(&image, &[1, 2, 3]).await;
    frame.map(|frame| frame.bytes)
}

#[tokio::test]
async fn a_child_that_ends_in_the_middle_costs_one_request() {
    for first in [
        "exit 0",
        "kill -9 $$",
        "/usr/bin/head -c 20 > /dev/null; kill -11 $$",
        // Half an answer.
        r"printf '\0\3\0'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let decoders = once(folder.path(), first);
        assert_eq!(small(&decoders).await, Err(DecodeError::Ended), "{first}");
        assert_eq!(small(&decoders).await, Ok(vec![1, 2, 3]), "{first}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_too_short_or_no_answer_is_not_taken() {
    for nonsense in [
        r"printf '\0\377\377\377\377\0\0\0\0'",
        r"printf '\0\4\0\0\0\0\0\0\0abcd'",
        r"printf '\0\2\0\0\0\0\0\0\0ab'",
        r"printf '\3\2\0\0\0\0\0\0\0ab'",
        r"printf '\372\0\0\0\0\0\0\0\0'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let decoders = once(folder.path(), &format!("{nonsense}; /bin/cat > /dev/null"));
        assert_eq!(
            small(&decoders).await,
            Err(DecodeError::Ended),
            "{nonsense}"
        );
    }
}

#[tokio::test]
async fn a_child_that_says_it_ends_is_not_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    // Code 3 of the last answer; it would hang if it were asked again.
    let decoders = once(
        folder.path(),
        r"printf '\203\0\0\0\0\0\0\0\0'; exec /bin/sleep 1000",
    );
    assert_eq!(small(&decoders).await, Err(DecodeError::Damaged));
    assert_eq!(small(&decoders).await, Ok(vec![1, 2, 3]));
}

#[tokio::test]
async fn a_child_that_hangs_is_ended_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let (mark, program) = (mark.display(), env!("CARGO_BIN_EXE_dokuei"));
    let pid = folder.path().join("pid");
    let script = format!(
        "if /bin/mkdir '{mark}'; then echo $$ > '{}'; exec /bin/sleep 1000; else exec '{program}' decode-child; fi",
        pid.display()
    );
    let decoders = Decoders::new(Plan {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script],
        children: 1,
        deadline: Duration::from_secs(2),
        ..plan()
    });
    assert_eq!(small(&decoders).await, Err(DecodeError::Late));
    let pid = std::fs::read_to_string(pid).unwrap();
    let process = Path::new("/proc").join(pid.trim()).join("cmdline");
    let until = Instant::now() + Duration::from_secs(20);
    // A dead process that nobody has asked about yet has no command line.
    while std::fs::read(&process).is_ok_and(|line| !line.is_empty()) {
        assert!(Instant::now() < until, "the child lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(small(&decoders).await, Ok(vec![1, 2, 3]));
}

#[tokio::test]
async fn memory_beyond_the_limit_costs_one_request() {
    let program = env!("CARGO_BIN_EXE_dokuei");
    // A limit below the program's own stays as it is: 300 MB.
    let decoders = scripted(&format!("ulimit -v 300000; exec '{program}' decode-child"));
    let image = grey(Codec::NativeLittle, 8192, 8192, 16);
    let large = vec![0; 1 << 27];
    let rendering = dokuei_node::pixels::Rendering::thumbnail();
    assert_eq!(small(&decoders).await, Ok(vec![1, 2, 3]));
    let answer = decoders.render(&image, &large, rendering).await.map(|_| ());
    assert_eq!(answer, Err(DecodeError::Ended));
    assert_eq!(small(&decoders).await, Ok(vec![1, 2, 3]));
}

#[tokio::test]
async fn as_many_wait_as_may_and_the_next_is_refused() {
    let decoders = Decoders::new(Plan {
        program: "/bin/sleep".into(),
        arguments: vec!["1000".to_owned()],
        children: 1,
        deadline: Duration::from_millis(20),
        patience: Duration::from_secs(60),
    });
    let all = (0..WAITING_PER_CHILD + 3).map(|_| small(&decoders));
    let all = futures::future::join_all(all).await;
    let count = |error| all.iter().filter(|answer| **answer == Err(error)).count();
    assert_eq!(count(DecodeError::Busy), 2);
    assert_eq!(count(DecodeError::Late), WAITING_PER_CHILD + 1);
    // Those who waited have gone: there is room again.
    assert_eq!(small(&decoders).await, Err(DecodeError::Late));
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let decoders = Decoders::new(Plan {
        program: "/bin/sleep".into(),
        arguments: vec!["1000".to_owned()],
        children: 1,
        deadline: Duration::from_secs(2),
        patience: Duration::from_millis(20),
    });
    let (first, second) = futures::join!(small(&decoders), small(&decoders));
    assert_eq!(
        (first, second),
        (Err(DecodeError::Late), Err(DecodeError::Busy))
    );
}

#[tokio::test]
async fn a_child_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let (started, program) = (started.display(), env!("CARGO_BIN_EXE_dokuei"));
    let decoders = scripted(&format!(
        "echo >> '{started}'; exec '{program}' decode-child"
    ));
    for _ in 0..20 {
        assert_eq!(small(&decoders).await, Ok(vec![1, 2, 3]));
    }
    let started = std::fs::read_to_string(folder.path().join("started")).unwrap();
    assert_eq!(started.lines().count(), 1);
}

#[test]
fn a_child_gives_up_files_and_bounds_its_memory() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dokuei"))
        .arg("decode-child")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let until = Instant::now() + Duration::from_secs(20);
    let wanted = [
        ("Max address space", "1073741824"),
        ("Max open files", "3"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ];
    let is_bound = |text: &str, (name, most): (&str, &str)| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let mut words = line[name.len()..].split_whitespace();
        words.next() == Some(most) && words.next() == Some(most)
    };
    loop {
        let text = std::fs::read_to_string(&limits).unwrap();
        if wanted.iter().all(|limit| is_bound(&text, *limit)) {
            break;
        }
        assert!(Instant::now() < until, "{text}");
        std::thread::sleep(Duration::from_millis(5));
    }
    // It ends when the node does.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
