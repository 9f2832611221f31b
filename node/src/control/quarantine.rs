//! Requests about objects that are set aside.

use dokuei_keys::id::ParcelId;
use serde_json::{Value, json};

use crate::audit::event::{Access, Event, Kind, Subject, Who};
use crate::control::answers::{both, register_failure};
use crate::control::caller::record;
use crate::control::whose::whose;
use crate::language::{Explain as _, Failure};
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::study::Study;

/// Characters of a name that people must give at least, as for cases.
const SHORTEST: usize = 4;

pub(super) fn list(node: &Hands) -> Value {
    let register = &node.ports.register;
    let all = register.quarantine().all().into_iter();
    all.map(|(name, kept)| {
        let parcel = register.parcels_of(&kept.study).pop();
        let study = parcel.and_then(|parcel| register.look(&parcel, whose));
        json!({
            "name": name.to_string(),
            "study": kept.study,
            "sop_instance": kept.sop_instance,
            "content": kept.content.to_string(),
            "at": kept.at,
            "why": both(&kept.why.message()),
            "other_study": kept.other_study,
            "whose": study,
        })
    })
    .collect()
}

pub(super) fn discard(node: &Hands, name: &str, by: Who) -> Result<Value, Failure> {
    let quarantine = node.ports.register.quarantine();
    let given = name.trim().to_ascii_lowercase();
    let all = quarantine.all();
    let found: Vec<ParcelId> = all
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| given.len() >= SHORTEST && name.to_string().starts_with(&given))
        .collect();
    let [one] = found[..] else {
        return Err(Failure::new(
            "no-quarantined",
            say!(
                "隔離中の画像「{given}」は見つからないか、一枚に決まりません。「dokuei study quarantine list」で確認してください。",
                "No image, or more than one, is set aside as '{given}'. See 'dokuei study quarantine list'."
            ),
        ));
    };
    tokio::task::block_in_place(|| quarantine.discard(&one))
        .map_err(|error| register_failure(&error))?;
    if let Some((_, kept)) = all.iter().find(|(name, _)| *name == one) {
        record(&by, "an image that was set aside was discarded");
        note(node, &kept.study, by);
    }
    Ok(json!({ "name": one.to_string() }))
}

/// Tells auditors who deleted an image under the UIDs of a study.
fn note(node: &Hands, study: &str, by: Who) {
    let register = &node.ports.register;
    let parcel = register.parcels_of(study).pop();
    let known = |study: &Study| Subject::named(&study.attributes, &study.uid);
    let subject = parcel.and_then(|parcel| register.look(&parcel, known));
    node.audit.note(Event::now(Kind::Accessed {
        by,
        how: Access::Delete,
        subject: subject.unwrap_or_else(|| Subject {
            study: study.to_owned(),
            ..Subject::default()
        }),
    }));
}
