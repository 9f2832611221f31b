//! Who may speak for a site: root → site key → nodes, persons and log.
//!
//! The root key stays off the node and signs only site certificates and revocations; the site key, valid for at most
//! a year, signs everything the institution says, and delegates. A [`SiteIdentity`] can only be made by checking a
//! certificate, and checked nodes, persons and logs only through a site identity – so holding one means that the
//! chain down from the root was verified for the time that was given. Revocations arrive later and apart: whoever
//! keeps them asks [`Revocation::covers`] besides.

mod certificate;
mod checked;
mod revocation;
mod subject;

pub use certificate::{SITE_KEY_LIFE, SiteCertificate};
pub use checked::{CheckedLog, CheckedNode, CheckedPerson, SiteIdentity};
pub use revocation::Revocation;
pub use subject::{DELEGATED_KEY_LIFE, Delegation, LOG_KEY_LIFE, PersonRole, Subject};

use crate::error::{Refused, Why};

/// Longest name of a site or person, in UTF-8 bytes: 42 Japanese characters, more than any hospital's legal name.
pub const MAX_NAME: usize = 128;
/// Longest licence text, in UTF-8 bytes.
pub const MAX_LICENCE: usize = 64;

/// A day in seconds.
const DAY: u64 = 24 * 60 * 60;

/// Refuses a text that is empty, too long, or holds characters that would make a display show something else:
/// control characters, and the marks that reorder text (Unicode Bidi_Control, UAX #9).
fn check_text(field: &'static str, text: &str, longest: usize) -> Result<(), Refused> {
    let deceives = |c: char| {
        c.is_control()
            || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.trim().is_empty() || text.len() > longest || text.chars().any(deceives) {
        return Err(Why::Text(field).into());
    }
    Ok(())
}
