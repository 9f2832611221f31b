//! Studies that are read under a pseudonym: what is sent is a sealed copy, and the way back stays here.

use dokuei_keys::id::{ParcelId, SiteId};

use crate::control::deidentify::{pseudonyms, regions};
use crate::deidentify::sealed::{CopyError, Copying};
use crate::deidentify::{Dates, Method, Options};
use crate::language::{Explain as _, Failure};
use crate::pixels::{Decoders, Plan};
use crate::runtime::hands::Hands;
use crate::say;

/// What a reader needs: when, who it could be by sex and age, with which device, and what was asked.
const READING: Options = Options {
    dates: Dates::Keep,
    keep_uids: false,
    keep_characteristics: true,
    keep_device: true,
    keep_institution: false,
    keep_safe_private: true,
    clean_descriptors: true,
    clean_structured: true,
    clean_pixels: true,
    pixels_seen: false,
};

/// Makes copies of parts of studies for these readers, and gives the Study Instance UIDs of the copies. The same
/// readers get the same pseudonyms, so that they find earlier studies of a patient again.
pub(super) fn copies(
    node: &Hands,
    parts: &[(&str, ParcelId)],
    to: &[SiteId],
    pixels_seen: bool,
) -> Result<Vec<String>, Failure> {
    let pseudonyms = pseudonyms(node);
    let mut readers: Vec<String> = to.iter().map(ToString::to_string).collect();
    readers.sort_unstable();
    let purpose = format!("reading by {}", readers.join(", "));
    let options = Options {
        pixels_seen,
        ..READING
    };
    tokio::task::block_in_place(|| {
        let secret = pseudonyms.secret(&purpose)?;
        let (regions, decoders) = (regions(node)?, Decoders::new(Plan::this_program()));
        let mut made = Vec::new();
        for (uid, parcel) in parts {
            let said = node.ports.persons.said_of(uid);
            let method = Method {
                options: &options,
                secret: &secret,
                site: node.ports.site,
                said: said.as_ref(),
                regions: &regions,
                decoders: &decoders,
            };
            let register = &node.ports.register;
            let copying = Copying::begin(register, parcel, &purpose, method)
                .map_err(|error| not_copied(&error))?;
            let Some(copying) = copying else {
                continue;
            };
            let mut original = copying.original.clone();
            let pseudonymous = method.study(uid);
            let earlier = pseudonyms.original(&pseudonymous)?;
            let known = earlier.map_or_else(Vec::new, |earlier| earlier.instances);
            let new = std::mem::replace(&mut original.instances, known);
            let new = new
                .into_iter()
                .filter(|instance| !original.instances.contains(instance))
                .collect::<Vec<_>>();
            new.iter().for_each(|instance| original.note(instance));
            pseudonyms.keep(&pseudonymous, &original)?;
            // Before its first object is here: the originals are what this site looks at.
            node.ports.holdings.hide(&pseudonymous);
            copying
                .seal(&node.intake)
                .map_err(|error| not_copied(&error))?;
            if !made.contains(&pseudonymous) {
                made.push(pseudonymous);
            }
        }
        Ok(made)
    })
}

fn not_copied(error: &CopyError) -> Failure {
    Failure::new(
        "not-pseudonymous",
        say!(
            "仮名での送信ができないため、何も送りませんでした: {why}。",
            "Nothing was sent under a pseudonym: {why}.";
            why = error.message()
        ),
    )
}
