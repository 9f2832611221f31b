//! The syslog message around an audit message: RFC 5424, framed for TLS by RFC 5425 §4.3.1.

use jiff::Timestamp;

use super::event::Outcome;

/// Facility 10, security/authorization (PS3.15 §A.6).
const FACILITY: u8 = 10;
/// Severity 5, notice: what most messages are.
const NOTICE: u8 = 5;
/// Severity 4, warning: of failures.
const WARNING: u8 = 4;
const MSGID: &str = "DICOM+RFC3881";
/// Says that the message is UTF-8 (RFC 5424 §6.4).
const BOM: &str = "\u{FEFF}";

/// Longest message that is sent: what every collector of audit messages takes (PS3.15 §A.6).
pub(super) const MESSAGE_BYTES: usize = 32_768;

/// The syslog message that carries `document`. `number` counts up from one message to the next (RFC 5424 §7.3.1): who
/// gets a message twice sees it by this, and who misses one too.
pub(super) fn message(
    host: &str,
    at: u64,
    outcome: Outcome,
    number: u64,
    document: &str,
) -> String {
    let severity = match outcome {
        Outcome::Success => NOTICE,
        Outcome::Minor | Outcome::Serious | Outcome::Major => WARNING,
    };
    let priority = FACILITY * 8 + severity;
    let at = Timestamp::from_millisecond(i64::try_from(at).unwrap_or_default()).unwrap_or_default();
    let (host, process) = (printable(host), std::process::id());
    // From 1 to 2147483647, and then from 1 again.
    let number = number % 0x7FFF_FFFF + 1;
    format!(
        "<{priority}>1 {at} {host} dokuei {process} {MSGID} [meta sequenceId=\"{number}\"] {BOM}{document}"
    )
}

/// A message with its length before it, in octets.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend_from_slice(message);
    frame
}

/// A host name as the header may have it: up to 255 printable ASCII characters, or none.
fn printable(host: &str) -> String {
    let host: String = host
        .chars()
        .filter(char::is_ascii_graphic)
        .take(255)
        .collect();
    match host.is_empty() {
        true => "-".to_owned(),
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_frame_are_as_the_standards_have_them() {
        let process = std::process::id();
        let text = message(
            "pacs 1.example",
            1_800_000_000_123,
            Outcome::Success,
            0,
            "<A/>",
        );
        assert_eq!(
            text,
            format!(
                "<85>1 2027-01-15T08:00:00.123Z pacs1.example dokuei {process} DICOM+RFC3881 [meta sequenceId=\"1\"] \u{FEFF}<A/>"
            )
        );
        let text = message("\n", 0, Outcome::Minor, 0x7FFF_FFFF, "山");
        assert!(text.starts_with("<84>1 1970-01-01T00:00:00Z - dokuei "));
        assert!(text.contains("sequenceId=\"1\""));
        assert_eq!(framed("山".as_bytes()), "3 山".as_bytes());
    }
}
