//! ActiveParticipant: who took part in an event (PS3.15 §A.5.2, §A.5.2.1 to §A.5.2.4).

use super::Source;
use super::codes::{Code, DESTINATION_MEDIA, SOURCE_MEDIA, URI_MEDIA, coded};
use super::event::{Place, Who};
use super::xml::Element;

/// NetworkAccessPointTypeCode of an IP address, of a machine's name, and of a URI.
const ADDRESS: &str = "2";
const MACHINE: &str = "1";
const URI: &str = "5";

/// Somebody, with the part they had. `asks`: the event happened because they asked for it.
pub(super) fn participant(who: &Who, source: &Source, asks: bool, roles: &[Code]) -> Element {
    let (id, also, name, place) = match who {
        Who::ThisNode => (
            source.process.clone(),
            Some(format!("AETITLES={}", source.ae_title)),
            source.site_name.clone(),
            Some((MACHINE, source.host.clone())),
        ),
        Who::Entity { title, host } => (
            title.clone(),
            Some(format!("AETITLES={title}")),
            String::new(),
            host_place(host),
        ),
        Who::Partner { site, name } => (
            site.clone(),
            None,
            name.clone(),
            Some((URI, site_uri(site))),
        ),
        Who::Person { id, name, address } => (
            id.clone(),
            None,
            name.clone(),
            address.map(|address| (ADDRESS, address.to_string())),
        ),
    };
    let mut element = Element::new("ActiveParticipant").with("UserID", &id);
    if let Some(also) = also {
        element = element.with("AlternativeUserID", &also);
    }
    if !name.is_empty() {
        element = element.with("UserName", &name);
    }
    element = element.with("UserIsRequestor", if asks { "true" } else { "false" });
    if let Some((kind, place)) = place {
        element = element
            .with("NetworkAccessPointID", &place)
            .with("NetworkAccessPointTypeCode", kind);
    }
    element.children(roles.iter().map(|role| coded("RoleIDCode", *role)))
}

/// The medium of an export (`out`) or import: a disc or folder, or the line to a partner.
pub(super) fn medium(place: &Place, out: bool) -> Element {
    let role = if out { DESTINATION_MEDIA } else { SOURCE_MEDIA };
    match place {
        Place::Media(uri) => Element::new("ActiveParticipant")
            .with("UserID", uri)
            .with("UserIsRequestor", "false")
            .child(coded("RoleIDCode", role))
            .child(Element::new("MediaIdentifier").child(coded("MediaType", URI_MEDIA))),
        Place::Partner { site, .. } => Element::new("ActiveParticipant")
            .with("UserID", &site_uri(site))
            .with("UserIsRequestor", "false")
            .with("NetworkAccessPointID", &site_uri(site))
            .with("NetworkAccessPointTypeCode", URI)
            .child(coded("RoleIDCode", role)),
    }
}

fn host_place(host: &str) -> Option<(&'static str, String)> {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let kind = if is_address { ADDRESS } else { MACHINE };
    (!host.is_empty()).then(|| (kind, host.to_owned()))
}

fn site_uri(site: &str) -> String {
    format!("dokuei:site:{site}")
}
