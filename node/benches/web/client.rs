//! A client that does nothing but count: HTTP/1.1 over a connection that stays open.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One connection.
pub(crate) struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: Option<&str>) -> Client {
        Client {
            address,
            stream: connect(address),
            token: token.map(str::to_owned),
        }
    }

    /// Asks for `path`; how many bytes the body of the answer had.
    pub(crate) fn get(&mut self, path: &str, accept: &str) -> usize {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n",
            self.address
        );
        if let Some(token) = &self.token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        request += "\r\n";
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let status = self.line();
        assert!(
            status.contains(" 200") || status.contains(" 206"),
            "{path}: {status}"
        );
        let (mut length, mut chunked, mut close) = (None, false, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().ok();
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
            close |= line.starts_with("connection:") && line.contains("close");
        }
        let bytes = match (chunked, length) {
            (true, _) => self.chunks(),
            (false, Some(length)) => self.skip(length),
            (false, None) => {
                std::io::copy(&mut self.stream, &mut std::io::sink()).unwrap() as usize
            }
        };
        if close {
            self.stream = connect(self.address);
        }
        bytes
    }

    fn chunks(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            let line = self.line();
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).unwrap();
            bytes += self.skip(size);
            self.line();
            if size == 0 {
                return bytes;
            }
        }
    }

    fn skip(&mut self, length: usize) -> usize {
        let mut body = (&mut self.stream).take(length as u64);
        std::io::copy(&mut body, &mut std::io::sink()).unwrap() as usize
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::with_capacity(256 * 1024, stream)
}
