//! What goes wrong with TLS, in words.

use rustls::{AlertDescription, CertificateError, Error};

use super::fingerprint_text;
use crate::language::{Explain, Message};
use crate::say;

/// Whoever was called showed another certificate than the known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another certificate than the known one")]
pub struct WrongPin {
    /// The fingerprint of the one that it showed.
    pub shown: [u8; 32],
}

impl Explain for Error {
    fn message(&self) -> Message {
        match self {
            Error::InvalidCertificate(why) => certificate(why),
            Error::NoCertificatesPresented => say!(
                "相手の装置が証明書を示しませんでした。装置に、認証局が発行した証明書を設定してください",
                "the peer showed no certificate; give the device one that the authority issued"
            ),
            Error::PeerIncompatible(_) => say!(
                "TLS の版や暗号方式が合いません。相手の装置で TLS 1.2 以上（BCP 195 プロファイル）を有効にしてください",
                "no TLS version or cipher suite in common; switch on TLS 1.2 or later at the peer (a BCP 195 profile)"
            ),
            Error::AlertReceived(alert) => alerted(*alert),
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => say!(
                "TLS として読めないデータが届きました。相手の装置の設定を確認してください",
                "what came is not TLS; check the peer's settings"
            ),
            detail => say!("TLS 通信に失敗しました（{detail}）", "TLS failed: {detail}"),
        }
    }
}

fn certificate(why: &CertificateError) -> Message {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => say!(
            "相手の証明書の期限が切れています。装置の時計と証明書を確認してください",
            "the peer's certificate has expired; check the device's clock and certificate"
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => say!(
            "相手の証明書はまだ有効ではありません。両方の時計を確認してください",
            "the peer's certificate is not valid yet; check the clocks"
        ),
        CertificateError::UnknownIssuer => say!(
            "相手の証明書を発行した認証局を信頼していません。認証局の証明書か、証明書の指紋を登録してください",
            "the peer's certificate is of an authority that is not trusted here; register the authority or the certificate's fingerprint"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            say!(
                "相手の証明書は、接続先のホスト名のものではありません。ホスト名を直すか、証明書の指紋で登録してください",
                "the peer's certificate is for another host name; correct the host, or register the certificate's fingerprint"
            )
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<WrongPin>() {
            Some(WrongPin { shown }) => {
                let shown = fingerprint_text(shown);
                say!(
                    "登録されたものと違う証明書が示されました（指紋 {shown}）。相手の証明書が更新されたのであれば、相手に確かめてからこの指紋で登録し直してください",
                    "another certificate than the registered one was shown (fingerprint {shown}); if it was renewed, ask over there and register it again with this fingerprint"
                )
            }
            None => unusable(why),
        },
        _ => unusable(why),
    }
}

fn unusable(detail: &CertificateError) -> Message {
    say!(
        "相手の証明書を使えません（{detail}）",
        "the peer's certificate cannot be used ({detail})"
    )
}

/// What the peer said before it left.
fn alerted(alert: AlertDescription) -> Message {
    match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::DecryptError => say!(
            "相手の装置がこのノードの証明書を認めませんでした。このノードの証明書を装置に登録してください（{alert:?}）",
            "the peer does not accept this node's certificate ({alert:?}); register it over there"
        ),
        AlertDescription::CertificateRequired => say!(
            "相手の装置がこのノードの証明書を求めています。dokuei.toml の [dicom.tls] に証明書を設定し、相手に登録してください",
            "the peer asks for a certificate of this node; set one under [dicom.tls] in dokuei.toml and register it over there"
        ),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => say!(
            "相手の装置と TLS の版や暗号方式が合いません（{alert:?}）。TLS 1.2 以上（BCP 195 プロファイル）を有効にしてください",
            "the peer finds no TLS version or cipher suite in common ({alert:?}); switch on TLS 1.2 or later there (a BCP 195 profile)"
        ),
        detail => say!(
            "相手の装置が TLS 通信をやめました（{detail:?}）",
            "the peer ended TLS ({detail:?})"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::language::assert_explained;

    #[test]
    fn what_goes_wrong_is_told_in_both_languages() {
        let pin = rustls::OtherError(Arc::new(WrongPin { shown: [7; 32] }));
        let certificates = [
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::BadSignature,
            CertificateError::Other(pin),
        ];
        let alerts = [
            AlertDescription::UnknownCA,
            AlertDescription::CertificateRequired,
            AlertDescription::ProtocolVersion,
            AlertDescription::InternalError,
        ];
        let errors: Vec<Error> = (certificates.into_iter().map(Error::InvalidCertificate))
            .chain(alerts.into_iter().map(Error::AlertReceived))
            .chain([
                Error::NoCertificatesPresented,
                Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                Error::PeerIncompatible(rustls::PeerIncompatible::NoCipherSuitesInCommon),
                Error::DecryptError,
            ])
            .collect();
        assert_explained(errors.iter().map(|error| error as &dyn Explain));
    }
}
