//! dcmtk's command line tools as the outside world.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No tool may take longer.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Ran {
    pub(crate) success: bool,
    /// Standard output and standard error.
    pub(crate) output: String,
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

fn spawned(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|why| {
        let name = command.get_program().to_string_lossy().into_owned();
        panic!("dcmtk's {name} cannot be run ({why}): install dcmtk, as tests/run does");
    })
}

/// Run a tool to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Ran {
    let mut command = tool(name);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawned(&mut command);
    let streams: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    let readers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                stream.read_to_end(&mut text).unwrap();
                String::from_utf8_lossy(&text).into_owned()
            })
        })
        .collect();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{name} did not end within {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let output = readers.into_iter().map(|r| r.join().unwrap()).collect();
    Ran {
        success: status.success(),
        output,
    }
}

/// Send a folder with `storescu` and further `options`.
pub(crate) fn storescu(to: SocketAddr, options: &[&str], folder: &Path) -> Ran {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let mut arguments = options.to_vec();
    arguments.extend(["+sd", &host, &port, folder.to_str().unwrap()]);
    run("storescu", &arguments)
}

/// A running `storescp`, ended when dropped.
pub(crate) struct StoreScp {
    child: Child,
    pub(crate) port: u16,
}

impl StoreScp {
    /// Start it with `options`, writing into `folder`, and wait until it listens.
    pub(crate) fn start(options: &[&str], folder: &Path) -> Self {
        // A free port; another program could take it in between, which would fail the test.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = tool("storescp");
        command
            .args(options)
            .arg("-od")
            .arg(folder)
            .arg(port.to_string());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawned(&mut command);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "storescp does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        StoreScp { child, port }
    }
}

impl Drop for StoreScp {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
