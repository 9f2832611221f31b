//! A registered caller: who it is, and what it may do.

use std::net::IpAddr;

use ipnet::IpNet;
use minicbor::{Decode, Encode};

use super::permission::Permission;
use super::scope::Scope;
use crate::dicom::pdu::AeTitle;
use crate::language::Failure;
use crate::say;

/// Networks of one caller: a device has one or two addresses, a hospital a dozen networks.
pub const NETWORKS: usize = 16;
/// Longest name, in bytes.
pub(super) const NAME_BYTES: usize = 64;

/// A registered caller, as its row is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Caller {
    /// What people here call it; one caller has it.
    #[n(0)]
    pub name: String,
    /// Its AE title.
    #[n(1)]
    pub ae_title: String,
    /// From where it calls: networks such as `192.0.2.0/24`, each address one of its own; one at least.
    #[n(2)]
    pub networks: Vec<String>,
    /// Fingerprint (SHA-256) of its certificate; with one, it must come over TLS and show it.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Option<[u8; 32]>,
    /// Whether it may send images.
    #[n(4)]
    pub may_store: bool,
    /// Whether it may search and retrieve.
    #[n(5)]
    pub may_query: bool,
    /// Which patients it may see.
    #[n(6)]
    pub scope: Scope,
}

impl Caller {
    /// Checks what was typed, and writes titles and networks as they are compared.
    ///
    /// # Errors
    /// One sentence: what is wrong with which field.
    pub fn checked(mut self) -> Result<Caller, Failure> {
        self.name = name(&self.name)?;
        self.ae_title = title(&self.ae_title)?.as_str().to_owned();
        let networks = self.networks.iter().map(|text| network(text));
        let networks: Vec<IpNet> = networks.collect::<Result<_, _>>()?;
        if !(1..=NETWORKS).contains(&networks.len()) {
            return Err(invalid(say!(
                "アドレスを 1～{NETWORKS} 個指定してください。",
                "Give 1 to {NETWORKS} addresses."
            )));
        }
        let is_anywhere = networks.iter().any(|network| network.prefix_len() == 0);
        if is_anywhere && self.certificate.is_none() {
            return Err(invalid(say!(
                "すべてのアドレスを許可するには、装置の証明書の指紋（--certificate）が必要です。AE タイトルだけでは装置を確かめられません。",
                "Every address is too many without the fingerprint of the device's certificate (--certificate): an AE title proves nothing."
            )));
        }
        if !self.may_store && !self.may_query {
            return Err(invalid(say!(
                "装置に許可する操作（store・query）を一つ以上指定してください。",
                "Say what it may do: store, query, or both."
            )));
        }
        self.networks = networks.iter().map(ToString::to_string).collect();
        Ok(self)
    }

    /// Whether it calls from this address.
    pub(super) fn calls_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.nets().any(|network| network.contains(&address))
    }

    /// Whether one who calls could be either.
    pub(super) fn overlaps(&self, other: &Caller) -> bool {
        let near =
            |one: IpNet, two: IpNet| one.contains(&two.network()) || two.contains(&one.network());
        self.ae_title == other.ae_title
            && self.certificate == other.certificate
            && self
                .nets()
                .any(|one| other.nets().any(|two| near(one, two)))
    }

    /// What it may do.
    pub fn permission(&self) -> Permission {
        Permission {
            caller: Some(self.name.clone()),
            may_store: self.may_store,
            may_query: self.may_query,
            scope: self.scope.clone(),
        }
    }

    fn nets(&self) -> impl Iterator<Item = IpNet> {
        self.networks.iter().filter_map(|text| text.parse().ok())
    }
}

/// An address or network, without the bits beyond its prefix; an IPv4 address in IPv6 form is one of IPv4.
fn network(text: &str) -> Result<IpNet, Failure> {
    let text = text.trim();
    let address = |text: &str| Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
    let found = text.parse::<IpNet>().ok().or_else(|| address(text));
    found.map(|network| network.trunc()).ok_or_else(|| {
        invalid(say!(
            "「{text}」は IP アドレス（192.0.2.10）でもネットワーク（192.0.2.0/24）でもありません。",
            "'{text}' is neither an IP address (192.0.2.10) nor a network (192.0.2.0/24)."
        ))
    })
}

/// A name as it is kept.
pub(super) fn name(text: &str) -> Result<String, Failure> {
    let name = text.trim();
    if (1..=NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(invalid(say!(
        "名前は 1～{NAME_BYTES} バイトで、改行などを含めずに指定してください。",
        "A name has 1 to {NAME_BYTES} bytes without control characters."
    )))
}

/// An AE title, as it was typed.
///
/// # Errors
/// That it is none.
pub(crate) fn title(text: &str) -> Result<AeTitle, Failure> {
    text.parse().map_err(|_| {
        invalid(say!(
            "「{text}」は AE タイトルとして使えません。半角英数字と記号 1～16 文字で指定してください。",
            "'{text}' is no AE title: 1 to 16 ASCII letters, digits and signs."
        ))
    })
}

/// A field that is wrong.
pub(crate) fn invalid(message: crate::language::Message) -> Failure {
    Failure::new("entity-invalid", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;

    pub(in crate::entities) fn caller(name: &str, ae_title: &str, networks: &[&str]) -> Caller {
        Caller {
            name: name.to_owned(),
            ae_title: ae_title.to_owned(),
            networks: networks.iter().map(|text| (*text).to_owned()).collect(),
            certificate: None,
            may_store: true,
            may_query: false,
            scope: Scope::All,
        }
    }

    #[test]
    fn addresses_and_networks_are_written_alike() {
        let networks = ["192.0.2.7", "10.1.2.3/8", "::ffff:192.0.2.9", "fd00::1/64"];
        let checked = caller("CT", " CT1 ", &networks).checked().unwrap();
        assert_eq!(checked.ae_title, "CT1");
        assert_eq!(
            checked.networks,
            ["192.0.2.7/32", "10.0.0.0/8", "192.0.2.9/32", "fd00::/64"]
        );
        for inside in ["192.0.2.7", "10.200.0.1", "::ffff:10.9.9.9", "fd00::99"] {
            assert!(checked.calls_from(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.2.8", "11.0.0.1", "fd01::1", "::1"] {
            assert!(!checked.calls_from(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn what_names_nobody_is_refused_in_both_languages() {
        let mut idle = caller("CT", "CT1", &["192.0.2.7"]);
        idle.may_store = false;
        let many: Vec<String> = (0..=NETWORKS).map(|at| format!("192.0.2.{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for wrong in [
            caller("", "CT1", &["192.0.2.7"]),
            caller("CT\n1", "CT1", &["192.0.2.7"]),
            caller(&"長".repeat(22), "CT1", &["192.0.2.7"]),
            caller("CT", "CT\\1", &["192.0.2.7"]),
            caller("CT", "CT1", &[]),
            caller("CT", "CT1", &["ct.example"]),
            caller("CT", "CT1", &["192.0.2.7/33"]),
            caller("CT", "CT1", &["0.0.0.0/0"]),
            caller("CT", "CT1", &many),
            idle,
        ] {
            let failure = wrong.checked().unwrap_err();
            assert_eq!(failure.code, "entity-invalid");
            assert_both(&failure.message);
        }
        let mut anywhere = caller("CT", "CT1", &["0.0.0.0/0"]);
        anywhere.certificate = Some([1; 32]);
        assert!(anywhere.checked().is_ok());
    }

    #[test]
    fn two_that_could_be_taken_for_each_other_are_noticed() {
        let one = caller("A", "CT1", &["192.0.2.0/24"]);
        assert!(one.overlaps(&caller("B", "CT1", &["198.51.100.1/32", "192.0.2.9/32"])));
        assert!(!one.overlaps(&caller("B", "CT2", &["192.0.2.9/32"])));
        assert!(!one.overlaps(&caller("B", "CT1", &["192.0.3.9/32"])));
        let mut pinned = caller("B", "CT1", &["192.0.2.9/32"]);
        pinned.certificate = Some([1; 32]);
        assert!(!one.overlaps(&pinned));
    }
}
