//! Each site's log is one unbroken chain of entries.

use std::collections::BTreeMap;

use dokuei_keys::id::SiteId;
use dokuei_protocol::log::entry::Head;

use super::Violation;

/// Where each log ends.
#[derive(Default)]
pub(crate) struct Logs(BTreeMap<SiteId, Head>);

impl Logs {
    /// Takes the next committed entry of a site.
    ///
    /// # Errors
    /// When it does not follow from the one before.
    pub(crate) fn entry(&mut self, site: SiteId, entry: &[u8]) -> Result<(), Violation> {
        let head = self.0.entry(site).or_default();
        head.take(entry)
            .map(drop)
            .map_err(|broken| Violation::new("log", format!("{site:?}: {broken}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dokuei_protocol::record::Record;
    use dokuei_protocol::time::Timestamp;

    #[test]
    fn a_missing_doubled_or_changed_entry_is_noticed() {
        let site = SiteId::from_bytes([1; 32]);
        let mut head = Head::default();
        let entries: Vec<_> = (0..3)
            .map(|at| head.append(Timestamp(at), Record::PartnerRemoved(site)).1)
            .collect();
        let told = |entries: &[&Vec<u8>]| {
            let mut logs = Logs::default();
            entries.iter().try_for_each(|entry| logs.entry(site, entry))
        };
        let [one, two, three] = &entries[..] else {
            panic!("three entries");
        };
        assert!(told(&[one, two, three]).is_ok());
        assert!(told(&[one, three]).is_err());
        assert!(told(&[one, one]).is_err());
        let mut changed = one.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(told(&[&changed, two]).is_err());
    }
}
