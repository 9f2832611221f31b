//! Requests about cases that are carried on a medium.

use std::path::Path;

use dokuei_protocol::input::Command;
use serde_json::{Value, json};

use crate::audit::event::{Event, Kind, Place, Subject, Who};
use crate::control::answers::{cannot_do, command, find_case, short, stopping};
use crate::control::caller::record;
use crate::language::{Explain as _, Failure};
use crate::media::CaseFile;
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::unusable;

/// Writes a case that is on its way into a new folder, at the command of `by`.
pub(super) async fn export(node: &Hands, case: &str, to: &str, by: Who) -> Result<Value, Failure> {
    let case = find_case(node, case).await?.case;
    let cargo = node.desk.ask(move |service| service.cargo(case));
    let cargo = cargo.await.map_err(|_| stopping())?;
    let cargo = cargo.map_err(|cannot| cannot_do(&cannot))?;
    let file = CaseFile {
        case,
        requester: node.ports.site,
        reader: cargo.reader,
        parcel: cargo.manifest.parcel,
        documents: cargo.documents.into_iter().map(Into::into).collect(),
    };
    let folder = Path::new(to);
    let written = tokio::task::block_in_place(|| file.write(node.ports.register.parcels(), folder));
    let objects = written.map_err(|error| unusable(folder, &error))?;
    record(&by, "a sealed case was written to a medium");
    if let Some(subject) = node.ports.register.look(&file.parcel, Subject::of) {
        node.audit.note(Event::now(Kind::Exported {
            to: Place::Media(format!("file://{}", folder.display())),
            by: Some(by),
            subject,
        }));
    }
    Ok(json!({ "case": case.to_string(), "short": short(case), "objects": objects, "place": to }))
}

/// Takes in a folder with a case; none when it is no such folder.
pub(super) async fn take(node: &Hands, folder: &Path) -> Result<Option<Value>, Failure> {
    let read = tokio::task::block_in_place(|| CaseFile::read(folder));
    let Some(file) = read.map_err(|error| unusable(folder, &error))? else {
        return Ok(None);
    };
    if file.reader != node.ports.site {
        return Err(Failure::new(
            "other-site",
            say!(
                "このメディアの症例は別の施設に宛てたものです。",
                "The case on this medium is for another site."
            ),
        ));
    }
    if !node.ports.room.is_left() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        return Err(Failure::new("disk-full", full.message().sentence()));
    }
    let parcels = node.ports.register.parcels();
    let brought = tokio::task::block_in_place(|| file.bring(parcels, folder));
    let documents = file.documents.iter().map(|bytes| bytes.to_vec()).collect();
    let taken = match brought.map_err(|error| unusable(folder, &error)) {
        Ok(()) => {
            let take = Command::TakeCargo {
                from: file.requester,
                case: file.case,
                documents,
            };
            command(node, take).await.map(drop)
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = taken {
        // A leftover costs room and nothing else: no transfer looks there without a case.
        let _ = tokio::task::block_in_place(|| parcels.remove_carried(&file.parcel));
        return Err(failure);
    }
    Ok(Some(
        json!({ "case": file.case.to_string(), "short": short(file.case) }),
    ))
}
