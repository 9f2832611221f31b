//! What cannot be done with what lets somebody in.

use super::NAME;
use crate::dicomweb::limits::CREDENTIALS;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;
use crate::store::StoreError;

/// Something cannot be done with a credential.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The name is empty, too long, or holds what no name may.
    Name,
    /// There is one of this name.
    Taken,
    /// There is none of this name.
    Unknown,
    /// There are as many as there may be.
    Full,
    /// A fingerprint is not 64 hexadecimal digits.
    Fingerprint,
    /// A row is damaged.
    Damaged,
    /// The store failed.
    Store(#[from] StoreError),
}

impl Explain for AccessError {
    fn message(&self) -> Message {
        match self {
            AccessError::Name => say!(
                "名前は制御文字を含まない 1～{NAME} 文字にしてください",
                "a name has 1 to {NAME} characters, none of them a control character"
            ),
            AccessError::Taken => say!("その名前は既にあります", "that name is taken"),
            AccessError::Unknown => {
                say!("その名前のものはありません", "there is none of that name")
            }
            AccessError::Full => say!(
                "トークン・証明書・アカウントは合わせて {CREDENTIALS} 個までです",
                "there are at most {CREDENTIALS} tokens, certificates and accounts together"
            ),
            AccessError::Fingerprint => say!(
                "指紋は証明書の SHA-256（16 進 64 桁）で指定してください",
                "a fingerprint is the SHA-256 of the certificate, 64 hexadecimal digits"
            ),
            AccessError::Damaged => say!(
                "アクセス権の記録が壊れています",
                "the record of who is let in is damaged"
            ),
            AccessError::Store(error) => error.message(),
        }
    }
}

displayed_in_english!(AccessError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn what_cannot_be_done_is_told_in_both_languages() {
        let errors = [
            AccessError::Name,
            AccessError::Taken,
            AccessError::Unknown,
            AccessError::Full,
            AccessError::Fingerprint,
            AccessError::Damaged,
        ];
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }
}
