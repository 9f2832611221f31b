//! What is missing, by what the images themselves say of how many there are.

use std::collections::{BTreeMap, BTreeSet};

use dokuei_protocol::case::check::Concern;

use crate::checks::{Observed, Whole};
use crate::say;
use crate::studies::seen::Seen;

pub(super) fn look(all: &[Whole<'_>], observed: &mut Observed) {
    let here: usize = all.iter().map(|whole| whole.objects.len()).sum();
    let whole_study = || all.iter().flat_map(seen);
    let declared = whole_study().filter_map(|seen| seen.in_study).max();
    if let Some(declared) = declared.filter(|declared| *declared as usize > here) {
        observed.found(Concern::MissingImages, declared as usize - here);
        observed.remark(
            Concern::MissingImages,
            None,
            say!(
                "検査全体で {declared} 枚のうち {here} 枚",
                "{here} of the study's {declared} images"
            ),
        );
    }
    let declared = whole_study().filter_map(|seen| seen.series_in_study).max();
    if let Some(declared) = declared.filter(|declared| *declared as usize > all.len()) {
        let here = all.len();
        observed.found(Concern::MissingSeries, declared as usize - here);
        observed.remark(
            Concern::MissingSeries,
            None,
            say!(
                "{declared} シリーズのうち {here} シリーズ",
                "{here} of the study's {declared} series"
            ),
        );
    }
    let acquired = acquired(all);
    for whole in all {
        look_at_series(whole, &acquired, observed);
        look_at_numbers(whole, observed);
    }
}

/// Images of each acquisition in the whole study: equipment may file one acquisition as several series.
fn acquired(all: &[Whole<'_>]) -> BTreeMap<(i32, u32), u32> {
    let mut acquired = BTreeMap::new();
    for seen in all.iter().flat_map(seen) {
        if let (Some(acquisition), Some(declared)) = (seen.acquisition, seen.in_acquisition) {
            *acquired.entry((acquisition, declared)).or_default() += 1;
        }
    }
    acquired
}

fn look_at_series(
    whole: &Whole<'_>,
    acquired: &BTreeMap<(i32, u32), u32>,
    observed: &mut Observed,
) {
    let here = whole.objects.len() as u32;
    let in_series = seen(whole).filter_map(|seen| seen.in_series).max();
    let of_acquisitions = || {
        let keys = seen(whole).filter_map(|seen| Some((seen.acquisition?, seen.in_acquisition?)));
        let keys: BTreeSet<(i32, u32)> = keys.collect();
        let short = keys.into_iter().filter_map(|key| {
            let here = acquired.get(&key).copied().unwrap_or_default();
            key.1.checked_sub(here).filter(|missing| *missing > 0)
        });
        short.fold(0, u32::saturating_add)
    };
    let missing = match in_series {
        Some(declared) => declared.saturating_sub(here),
        None => of_acquisitions(),
    };
    if missing > 0 {
        let declared = here.saturating_add(missing);
        observed.found(Concern::MissingImages, missing as usize);
        observed.remark(
            Concern::MissingImages,
            whole.series.number,
            say!(
                "{declared} 枚のうち {here} 枚",
                "{here} of {declared} images"
            ),
        );
    }
}

/// Numbers that are left out between the first and the last. Where more are left out than used, they are no count.
fn look_at_numbers(whole: &Whole<'_>, observed: &mut Observed) {
    let numbers: BTreeSet<i64> = whole
        .objects
        .iter()
        .filter_map(|object| object.number.map(i64::from))
        .collect();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return;
    };
    let skipped = (last - first + 1) as usize - numbers.len();
    if skipped == 0 || skipped > numbers.len() {
        return;
    }
    observed.found(Concern::NumbersSkipped, skipped);
    let after = numbers.iter().zip(numbers.iter().skip(1));
    let after = after
        .into_iter()
        .find(|(one, next)| *next - *one > 1)
        .map_or(*first, |(one, _)| *one);
    observed.remark(
        Concern::NumbersSkipped,
        whole.series.number,
        say!(
            "番号 {after} の次から {skipped} 個の抜け",
            "{skipped} numbers are left out, the first after {after}"
        ),
    );
}

fn seen<'a>(whole: &'a Whole<'_>) -> impl Iterator<Item = &'a Seen> {
    whole
        .objects
        .iter()
        .filter_map(|object| object.seen.as_ref())
}
