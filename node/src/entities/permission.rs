//! What somebody who calls may do here, or why nothing.

use super::scope::Scope;
use crate::language::{Explain, Message, displayed_in_english};
use crate::say;

/// What an application entity that calls may do here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Under which name it is registered; none when it is let in by the open intake.
    pub caller: Option<String>,
    /// Whether it may send images, and ask whether they are kept (storage commitment) when it is registered.
    pub may_store: bool,
    /// Whether it may search and have studies sent to itself or to others.
    pub may_query: bool,
    /// Which patients it may see.
    pub scope: Scope,
}

impl Permission {
    /// What everybody may do where no caller is registered: send.
    pub fn to_send() -> Permission {
        Permission {
            caller: None,
            may_store: true,
            may_query: false,
            scope: Scope::Own,
        }
    }

    /// What somebody who is not let in may do.
    pub fn nothing() -> Permission {
        Permission {
            may_store: false,
            ..Permission::to_send()
        }
    }

    /// Whether it may have storage commitment: only who is registered, as the answer goes where the registration says.
    pub fn may_commit(&self) -> bool {
        self.may_store && self.caller.is_some()
    }
}

/// Why somebody who calls is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No caller is registered, and its address is not one of the house.
    NotOfTheHouse,
    /// No caller is registered, and the configuration lets nobody in unasked.
    IntakeClosed,
    /// No registered caller has this AE title.
    UnknownTitle,
    /// Callers with this AE title come from other addresses.
    WrongAddress,
    /// The caller has a certificate and came without: over the port without TLS, or it showed none.
    NoCertificate,
    /// It showed another certificate than the registered one.
    WrongCertificate {
        /// Fingerprint (SHA-256) of the one that it showed.
        shown: [u8; 32],
    },
}

impl Explain for Refusal {
    fn message(&self) -> Message {
        match self {
            Refusal::NotOfTheHouse => say!(
                "院外のアドレスです。自施設の装置であれば「dokuei dicom caller add」で登録してください",
                "its address is not one of the house; if it is yours, register it with 'dokuei dicom caller add'"
            ),
            Refusal::IntakeClosed => say!(
                "登録された装置がなく、dokuei.toml の dicom.open_intake が false です。「dokuei dicom caller add」で登録してください",
                "no caller is registered and dicom.open_intake is false in dokuei.toml; register it with 'dokuei dicom caller add'"
            ),
            Refusal::UnknownTitle => say!(
                "この AE タイトルの装置は登録されていません。自施設の装置であれば「dokuei dicom caller add」で登録してください",
                "no caller with this AE title is registered; if it is yours, register it with 'dokuei dicom caller add'"
            ),
            Refusal::WrongAddress => say!(
                "この AE タイトルは別のアドレスで登録されています。装置のアドレスが変わったのであれば「dokuei dicom caller」で登録し直してください",
                "this AE title is registered with other addresses; if the device has moved, register it again with 'dokuei dicom caller'"
            ),
            Refusal::NoCertificate => say!(
                "この装置は証明書とともに登録されていますが、証明書を示しませんでした。TLS のポートに、証明書付きで接続するよう設定してください",
                "it is registered with a certificate and showed none; have it call the TLS port, with its certificate"
            ),
            Refusal::WrongCertificate { shown } => say!(
                "登録されたものと違う証明書を示しました（指紋 {shown}）。装置の証明書を更新したのであれば、この指紋で登録し直してください",
                "it showed another certificate than the registered one (fingerprint {shown}); if the device's was renewed, register it again with this fingerprint";
                shown = Message::new(
                    crate::tls::fingerprint_text(shown),
                    crate::tls::fingerprint_text(shown)
                )
            ),
        }
    }
}

displayed_in_english!(Refusal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn every_refusal_is_told_in_both_languages() {
        let all = [
            Refusal::NotOfTheHouse,
            Refusal::IntakeClosed,
            Refusal::UnknownTitle,
            Refusal::WrongAddress,
            Refusal::NoCertificate,
            Refusal::WrongCertificate { shown: [7; 32] },
        ];
        assert_explained(all.iter().map(|refusal| refusal as &dyn Explain));
    }
}
