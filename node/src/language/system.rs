//! What the operating system says. Its own texts exist in one language only, and in the words of programmers.

use std::io::{self, ErrorKind};

use crate::language::{Explain, Message};
use crate::say;

impl Explain for io::Error {
    fn message(&self) -> Message {
        // TLS hands its faults on in an error of the system.
        let tls = self
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls {
            return tls.message();
        }
        known(self.kind()).unwrap_or_else(|| {
            // The system ends its texts with a number that says the same again.
            let text = self.to_string();
            let text = text.split(" (os error ").next().unwrap_or_default();
            let text = text.trim_end_matches('.');
            say!("システムのエラー「{text}」", "{text}")
        })
    }
}

fn known(kind: ErrorKind) -> Option<Message> {
    Some(match kind {
        ErrorKind::NotFound => say!("見つかりません", "no such file or folder"),
        ErrorKind::PermissionDenied => say!("アクセス権がありません", "permission denied"),
        ErrorKind::AlreadyExists => say!("既に存在します", "it exists already"),
        ErrorKind::IsADirectory => {
            say!("ファイルではなくフォルダです", "it is a folder, not a file")
        }
        ErrorKind::NotADirectory => {
            say!("フォルダではなくファイルです", "it is a file, not a folder")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            say!(
                "ディスクの空き容量がありません",
                "no space is left on the disk"
            )
        }
        ErrorKind::FileTooLarge => say!("ファイルが大きすぎます", "the file is too large"),
        ErrorKind::ReadOnlyFilesystem => {
            say!("書き込みが禁止されたディスクです", "the disk is read-only")
        }
        ErrorKind::InvalidData => say!(
            "内容が壊れているか、文字コードが UTF-8 ではありません",
            "the content is damaged or not UTF-8"
        ),
        ErrorKind::UnexpectedEof => say!("途中で終わっています", "it ends too early"),
        ErrorKind::OutOfMemory => say!("メモリが足りません", "out of memory"),
        ErrorKind::AddrInUse => say!(
            "ほかのプログラムが使用しています",
            "in use by another program"
        ),
        ErrorKind::AddrNotAvailable => say!(
            "このコンピュータのアドレスではありません",
            "not an address of this computer"
        ),
        ErrorKind::ConnectionRefused => say!(
            "接続先のプログラムが応答しません",
            "connection refused: nothing answers there"
        ),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            say!("通信の途中で接続が切れました", "the connection was cut")
        }
        ErrorKind::NotConnected => say!("接続されていません", "not connected"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            say!(
                "ネットワークが相手まで通じていません",
                "the network does not reach it"
            )
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            say!("時間内に応答がありません", "no answer in time")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn the_system_speaks_both_languages() {
        let kinds = [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::AlreadyExists,
            ErrorKind::IsADirectory,
            ErrorKind::NotADirectory,
            ErrorKind::StorageFull,
            ErrorKind::FileTooLarge,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::InvalidData,
            ErrorKind::UnexpectedEof,
            ErrorKind::OutOfMemory,
            ErrorKind::AddrInUse,
            ErrorKind::AddrNotAvailable,
            ErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset,
            ErrorKind::NotConnected,
            ErrorKind::HostUnreachable,
            ErrorKind::TimedOut,
            ErrorKind::Unsupported,
        ];
        let errors = kinds.map(io::Error::from);
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }

    #[test]
    fn a_number_of_the_system_is_left_out() {
        let many_files = io::Error::from_raw_os_error(24).message();
        assert!(!many_files.en.contains("os error"), "{many_files:?}");
        assert!(many_files.ja.contains(&many_files.en), "{many_files:?}");
    }
}
