//! What a retrieval hands over, told to the holdings when it begins and when it has ended, however it did: whose images
//! went where is on record.

use std::collections::BTreeMap;

use super::Caller;
use super::holdings::{Counted, Holdings, Recipient, Selected};

/// Objects that are being handed over; dropped, they have been.
pub(super) struct Handing<'h> {
    holdings: Option<&'h dyn Holdings>,
    caller: &'h Caller,
    to: Recipient,
    /// Every study and class there is among them.
    kinds: Vec<Kind>,
    /// Which of these each object is, in the order of the selection; none of one whose study is not known, or that has
    /// arrived.
    objects: Vec<Option<usize>>,
}

/// Objects of one study and class.
struct Kind {
    study: String,
    sop_class: String,
    selected: u32,
    arrived: u32,
}

impl<'h> Handing<'h> {
    pub(super) fn begin(
        holdings: Option<&'h dyn Holdings>,
        caller: &'h Caller,
        to: Recipient,
        selected: &[Selected],
    ) -> Handing<'h> {
        let mut kinds: Vec<Kind> = Vec::new();
        let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut objects = Vec::with_capacity(selected.len());
        for object in selected {
            let kind = object.study().map(|study| {
                let sop_class = object.sop_class();
                let at = *known.entry((study, sop_class)).or_insert(kinds.len());
                if at == kinds.len() {
                    kinds.push(Kind {
                        study: study.to_owned(),
                        sop_class: sop_class.to_owned(),
                        selected: 0,
                        arrived: 0,
                    });
                }
                kinds[at].selected += 1;
                at
            });
            objects.push(kind);
        }
        let handing = Handing {
            holdings,
            caller,
            to,
            kinds,
            objects,
        };
        if let Some(holdings) = holdings {
            holdings.begins(caller, &handing.to, &handing.counted(|kind| kind.selected));
        }
        handing
    }

    /// The object at this place has arrived.
    pub(super) fn arrived(&mut self, index: usize) {
        let kind = self.objects.get_mut(index).and_then(Option::take);
        if let Some(kind) = kind.and_then(|at| self.kinds.get_mut(at)) {
            kind.arrived += 1;
        }
    }

    fn counted(&self, count: impl Fn(&Kind) -> u32) -> Counted {
        let mut counted = Counted::new();
        for kind in self.kinds.iter().filter(|kind| count(kind) > 0) {
            let classes = counted.entry(kind.study.clone()).or_default();
            classes.insert(kind.sop_class.clone(), count(kind));
        }
        counted
    }
}

impl Drop for Handing<'_> {
    fn drop(&mut self) {
        if let Some(holdings) = self.holdings {
            let selected = self.counted(|kind| kind.selected);
            let arrived = self.counted(|kind| kind.arrived);
            holdings.ended(self.caller, &self.to, &selected, &arrived);
        }
    }
}
