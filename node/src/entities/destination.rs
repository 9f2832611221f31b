//! A place to send to: where it is, how it is recognised, how often it is tried.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::caller::{invalid, name, title};
use crate::dicom::pdu::AeTitle;
use crate::dicom::scu::{self, Timeouts};
use crate::language::Failure;
use crate::say;
use crate::tls::{self, Identity, Trust};

/// Most attempts at one sending: beyond, a person has to look.
pub const ATTEMPTS: u8 = 20;
/// Longest pause between two attempts, in seconds.
pub const PAUSE_SECONDS: u16 = 600;
/// Longest host name (RFC 1035 section 2.3.4).
const HOST_BYTES: usize = 253;

/// A place to send to, as its row is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Destination {
    /// What people here call it; one destination has it.
    #[n(0)]
    pub name: String,
    /// Host name or address.
    #[n(1)]
    pub host: String,
    /// Port.
    #[n(2)]
    pub port: u16,
    /// Its AE title; one destination has it.
    #[n(3)]
    pub ae_title: String,
    /// By what it is recognised over TLS; without, it is called without TLS.
    #[n(4)]
    pub tls: Option<Trust>,
    /// How often it is tried.
    #[n(5)]
    pub retry: Retry,
}

/// How often a destination is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Retry {
    /// Attempts in all.
    #[n(0)]
    pub attempts: u8,
    /// Seconds before the second attempt; twice as long before each further one, never more than
    /// [`PAUSE_SECONDS`].
    #[n(1)]
    pub pause: u16,
}

impl Default for Retry {
    /// Three attempts within half a minute: an archive that restarts is back by then.
    fn default() -> Retry {
        Retry {
            attempts: 3,
            pause: 5,
        }
    }
}

impl Retry {
    /// How long to wait after `failed` attempts; none when that was the last.
    pub(super) fn pause_after(self, failed: u8) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = u64::from(self.pause) << failed.saturating_sub(1).min(16);
        Some(Duration::from_secs(doubled.min(u64::from(PAUSE_SECONDS))))
    }
}

impl Destination {
    /// Checks what was typed.
    ///
    /// # Errors
    /// One sentence: what is wrong with which field.
    pub fn checked(mut self) -> Result<Destination, Failure> {
        self.name = name(&self.name)?;
        self.ae_title = title(&self.ae_title)?.as_str().to_owned();
        self.host = self.host.trim().to_owned();
        let is_host = |letter: char| letter.is_ascii_alphanumeric() || ".-_:".contains(letter);
        if !(1..=HOST_BYTES).contains(&self.host.len()) || !self.host.chars().all(is_host) {
            let host = &self.host;
            return Err(invalid(say!(
                "「{host}」はホスト名でも IP アドレスでもありません。",
                "'{host}' is neither a host name nor an IP address."
            )));
        }
        if self.port == 0 {
            return Err(invalid(say!(
                "ポートは 1～65535 で指定してください。",
                "A port is a number from 1 to 65535."
            )));
        }
        let Retry { attempts, pause } = self.retry;
        if !(1..=ATTEMPTS).contains(&attempts) || !(1..=PAUSE_SECONDS).contains(&pause) {
            return Err(invalid(say!(
                "試行回数は 1～{ATTEMPTS} 回、間隔は 1～{PAUSE_SECONDS} 秒で指定してください。",
                "Give 1 to {ATTEMPTS} attempts and a pause of 1 to {PAUSE_SECONDS} seconds."
            )));
        }
        if let Some(trust) = &self.tls {
            tls::client(trust, &self.host, None)?;
        }
        Ok(self)
    }

    /// How it is called. None when the row does not say so; only checked ones are kept.
    pub(super) fn called(
        &self,
        calling_ae: &AeTitle,
        identity: Option<&Identity>,
    ) -> Option<scu::Destination> {
        let tls = match &self.tls {
            Some(trust) => Some(tls::client(trust, &self.host, identity).ok()?),
            None => None,
        };
        Some(scu::Destination {
            host: self.host.clone(),
            port: self.port,
            called_ae: self.ae_title.parse().ok()?,
            calling_ae: calling_ae.clone(),
            timeouts: Timeouts::default(),
            tls,
            breaker: None,
            transcoding: None,
        })
    }
}
