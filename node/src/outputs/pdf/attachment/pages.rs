//! The pages of the file in order, with what they inherit (ISO 32000-1 section 7.7.3).

use std::collections::BTreeSet;

use super::object::{Dictionary, Object};
use super::store::Store;
use super::{AttachmentError, MAX_PAGES};

/// Page tree nodes; balanced trees have far fewer than pages.
const MAX_NODES: usize = 10 * MAX_PAGES;
/// Streams of one page's content.
const MAX_CONTENTS: usize = 1_000;
/// Annotations looked at on one page.
const MAX_ANNOTATIONS: usize = 10_000;
/// Largest page side in points (ISO 32000-1 annex C has 14,400).
const MAX_SIDE: f64 = 14_400.0;
/// A4, for a page that does not say its size.
const USUAL_BOX: [f64; 4] = [0.0, 0.0, 595.28, 841.89];

/// One page to be copied.
pub(super) struct SourcePage {
    /// The visible box: left, bottom, right, top.
    pub(super) visible: [f64; 4],
    /// Clockwise turn: 0, 90, 180 or 270.
    pub(super) turn: i64,
    /// Resource dictionary.
    pub(super) resources: Dictionary,
    /// Object numbers of its content streams.
    pub(super) contents: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Inherited {
    media: Option<[f64; 4]>,
    crop: Option<[f64; 4]>,
    turn: i64,
    /// The node whose resources count.
    resources: Option<u32>,
}

/// All pages from the catalogue on.
pub(super) fn collect(
    store: &mut Store<'_>,
    catalogue: u32,
) -> Result<Vec<SourcePage>, AttachmentError> {
    let catalogue = store.dictionary(Object::Reference(catalogue))?;
    let tree = catalogue
        .reference(b"Pages")
        .ok_or(AttachmentError::damaged("its page tree"))?;
    let mut pages = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pending = vec![(tree, Inherited::default())];
    while let Some((number, above)) = pending.pop() {
        if !seen.insert(number) || seen.len() > MAX_NODES {
            return Err(AttachmentError::damaged("its page tree"));
        }
        let node = store.dictionary(Object::Reference(number))?;
        let here = inherit(store, &node, number, above)?;
        match node.value(b"Kids") {
            Some(kids) if node.name(b"Type") != Some(b"Page") => {
                let kids = numbers(store, kids, MAX_NODES)?;
                pending.extend(kids.into_iter().rev().map(|kid| (kid, here)));
            }
            Some(_) | None => {
                if pages.len() == MAX_PAGES {
                    return Err(AttachmentError::TooManyPages { limit: MAX_PAGES });
                }
                refuse_annotations(store, &node, pages.len() + 1)?;
                pages.push(page(store, &node, here)?);
            }
        }
    }
    if pages.is_empty() {
        return Err(AttachmentError::damaged("it has no pages"));
    }
    Ok(pages)
}

fn inherit(
    store: &mut Store<'_>,
    node: &Dictionary,
    number: u32,
    above: Inherited,
) -> Result<Inherited, AttachmentError> {
    let turn = match node.value(b"Rotate") {
        Some(value) => whole(store, value)?.unwrap_or(0),
        None => above.turn,
    };
    Ok(Inherited {
        media: rectangle(store, node, b"MediaBox")?.or(above.media),
        crop: rectangle(store, node, b"CropBox")?.or(above.crop),
        turn,
        resources: match node.value(b"Resources") {
            Some(_) => Some(number),
            None => above.resources,
        },
    })
}

fn page(
    store: &mut Store<'_>,
    node: &Dictionary,
    here: Inherited,
) -> Result<SourcePage, AttachmentError> {
    let media = here.media.unwrap_or(USUAL_BOX);
    let visible = match here.crop {
        Some(crop) => [
            crop[0].max(media[0]),
            crop[1].max(media[1]),
            crop[2].min(media[2]),
            crop[3].min(media[3]),
        ],
        None => media,
    };
    let sides = [visible[2] - visible[0], visible[3] - visible[1]];
    let far = visible.iter().any(|edge| edge.abs() > 100.0 * MAX_SIDE);
    if far || sides.iter().any(|side| !(1.0..=MAX_SIDE).contains(side)) {
        return Err(AttachmentError::damaged("the size of a page"));
    }
    let turn = here.turn.rem_euclid(360);
    let turn = if turn % 90 == 0 { turn } else { 0 };
    let mut resources = Dictionary::default();
    if let Some(owner) = here.resources {
        let owner = store.dictionary(Object::Reference(owner))?;
        if let Some((_, value)) = owner.0.into_iter().find(|(key, _)| key == b"Resources") {
            resources = store.dictionary(value)?;
        }
    }
    let contents = match node.value(b"Contents") {
        Some(contents) => numbers(store, contents, MAX_CONTENTS)?,
        None => Vec::new(),
    };
    Ok(SourcePage {
        visible,
        turn,
        resources,
        contents,
    })
}

/// A reference, an array of references, or a reference to such an array.
fn numbers(
    store: &mut Store<'_>,
    object: &Object,
    limit: usize,
) -> Result<Vec<u32>, AttachmentError> {
    let target = match object {
        Object::Reference(number) => {
            let loaded = store.load(*number)?;
            match loaded.object {
                array @ Object::Array(_) => Some(array),
                _ => return Ok(vec![*number]),
            }
        }
        _ => None,
    };
    let Object::Array(items) = target.as_ref().unwrap_or(object) else {
        return Ok(Vec::new());
    };
    if items.len() > limit {
        return Err(AttachmentError::Expands {
            what: "parts of one page",
        });
    }
    Ok(items
        .iter()
        .filter_map(|item| match item {
            Object::Reference(number) => Some(*number),
            _ => None,
        })
        .collect())
}

fn whole(store: &mut Store<'_>, object: &Object) -> Result<Option<i64>, AttachmentError> {
    let target = store.resolve(object)?;
    match target.as_ref().unwrap_or(object) {
        Object::Integer(number) => Ok(Some(*number)),
        _ => Ok(None),
    }
}

fn rectangle(
    store: &mut Store<'_>,
    node: &Dictionary,
    key: &[u8],
) -> Result<Option<[f64; 4]>, AttachmentError> {
    let Some(value) = node.value(key) else {
        return Ok(None);
    };
    let target = store.resolve(value)?;
    let Object::Array(items) = target.as_ref().unwrap_or(value) else {
        return Ok(None);
    };
    let mut edges = Vec::new();
    for item in items.iter().take(4) {
        let target = store.resolve(item)?;
        match target.as_ref().unwrap_or(item) {
            Object::Integer(number) => edges.push(*number as f64),
            Object::Real(number) => edges.push(*number),
            _ => return Ok(None),
        }
    }
    match edges[..] {
        [a, b, c, d] => Ok(Some([a.min(c), b.min(d), a.max(c), b.max(d)])),
        _ => Ok(None),
    }
}

/// Comments, stamps and form fields are drawn by viewers on top of the page content, which is all
/// that is copied: refuse rather than lose a word. Links and empty boxes draw nothing.
fn refuse_annotations(
    store: &mut Store<'_>,
    node: &Dictionary,
    page: usize,
) -> Result<(), AttachmentError> {
    let Some(value) = node.value(b"Annots") else {
        return Ok(());
    };
    let target = store.resolve(value)?;
    let Object::Array(items) = target.as_ref().unwrap_or(value) else {
        return Ok(());
    };
    if items.len() > MAX_ANNOTATIONS {
        return Err(AttachmentError::Annotations { page });
    }
    for item in items {
        let target = store.resolve(item)?;
        let Object::Dictionary(annotation) = target.as_ref().unwrap_or(item) else {
            continue;
        };
        let silent = matches!(annotation.name(b"Subtype"), Some(b"Link" | b"Popup"));
        let hidden = annotation.integer(b"F").is_some_and(|flags| flags & 2 != 0);
        let empty = rectangle(store, annotation, b"Rect")?
            .is_some_and(|r| r[2] - r[0] <= 0.0 || r[3] - r[1] <= 0.0);
        if !(silent || hidden || empty) {
            return Err(AttachmentError::Annotations { page });
        }
    }
    Ok(())
}
