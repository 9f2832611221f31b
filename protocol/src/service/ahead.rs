//! Studies that are on their way before anybody has asked to have them read: sealed, and of no use without a grant.

use dokuei_keys::id::{NodeId, SiteId};

use crate::partner::agreement::Naming;
use crate::service::Service;

impl Service {
    /// The partner of this name to whose node sealed packs may go ahead of a case; none when there is not exactly one, it is
    /// not connected, it may not be offered studies as they are, or this node's data is in question.
    pub fn goes_ahead_to(&self, name: &str) -> Option<(SiteId, NodeId)> {
        let mut named = self.state.partners.iter();
        let (site, _) = named.find(|(_, partner)| partner.name == name)?;
        let is_only = named.all(|(_, partner)| partner.name != name);
        let may = is_only && self.halt().is_none() && self.told.contains(site);
        let node = self.is_connected(*site).filter(|_| may)?;
        self.agrees(*site).then_some((*site, node))
    }

    /// The partner whose node this is, when packs of studies are taken from it ahead of a case.
    pub fn takes_ahead_of(&self, node: NodeId) -> Option<SiteId> {
        let site = self.site_of(node)?;
        self.partner_in_force(site)?;
        let takes = self.halt().is_none() && self.has_room_for_case_of(site);
        (takes && self.agrees(site)).then_some(site)
    }

    /// Whether studies go as they are between this site and another. A copy under a pseudonym is another study.
    fn agrees(&self, site: SiteId) -> bool {
        let partner = self.state.partners.get(&site);
        let agreement = partner.and_then(|partner| partner.agreement(self.now));
        agreement.is_some_and(|(_, agreement)| agreement.allows(Naming::Identified))
    }
}
