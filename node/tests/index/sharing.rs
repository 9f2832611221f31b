//! Where objects may lie that a partner sends: only where it knows of them.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Waker};

use dokuei_keys::id::{ParcelId, SiteId};
use dokuei_node::studies::study::{Series, Study};
use dokuei_node::transfer::known::Known;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::effect::Shared;

use crate::site::{FIRST, site};

const PARTNER: SiteId = SiteId::from_bytes([1; 32]);
const ANOTHER: SiteId = SiteId::from_bytes([2; 32]);
const GRANTED: ParcelId = ParcelId::from_bytes([4; 32]);

fn may(parcels: &[ParcelId], earlier: Option<CaseId>) -> Shared {
    Shared {
        parcels: BTreeSet::from_iter(parcels.iter().copied()),
        earlier,
    }
}

fn is_found(known: &Known) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(known.found()).poll(&mut context).is_ready()
}

#[test]
fn a_partner_is_looked_for_where_it_gave_or_was_given_and_nowhere_else() {
    let site = site();
    site.take(&FIRST);
    let own = site.register.parcels_of(FIRST.study)[0];
    site.register.close(&own).unwrap();
    let mut granted = Study::begun(GRANTED, "1.2.9", 0);
    granted.series.push(Series {
        uid: "1.2.9.1".to_owned(),
        modality: "CT".to_owned(),
        number: None,
        description: Vec::new().into(),
        objects: 1,
    });
    let case = CaseId::from_bytes([3; 32]);
    let kept = site.granted.keep(case, PARTNER, granted);
    assert!(kept.is_ok());

    let looked = |from, shared, uid| {
        let known = site.holdings.shared(from, shared).unwrap();
        known.came(uid);
        is_found(&known)
    };
    // What this site gave, and what it was given.
    assert!(looked(PARTNER, may(&[own], None), FIRST.study));
    assert!(looked(PARTNER, may(&[GRANTED], None), "1.2.9"));
    // Other studies, those that the partner knows nothing of, and those that another gave.
    assert!(!looked(PARTNER, may(&[own, GRANTED], None), "1.2.8"));
    assert!(!looked(PARTNER, may(&[GRANTED], None), FIRST.study));
    assert!(!looked(ANOTHER, may(&[own, GRANTED], None), "1.2.9"));
    assert!(site.holdings.shared(PARTNER, Shared::default()).is_none());

    // The earlier case says which study it is.
    let known = |earlier| site.holdings.shared(PARTNER, may(&[GRANTED], earlier));
    assert!(is_found(&known(Some(case)).unwrap()));
    assert!(!is_found(&known(None).unwrap()));
    let unknown = CaseId::from_bytes([9; 32]);
    assert!(!is_found(&known(Some(unknown)).unwrap()));
}
