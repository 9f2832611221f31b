//! What stands in the head of a request: its path, its query, what it accepts (`dicomweb/route`, `query`, `search`,
//! `media`).

use dokuei_node::dicomweb::media::{MediaType, accepted};
use dokuei_node::dicomweb::query::Query;
use dokuei_node::dicomweb::route::{Resource, What};
use dokuei_node::dicomweb::search::Search;

/// The bounds of `route`, `query` and `media`.
const FRAMES: usize = 4_096;
const PARAMETERS: usize = 256;
const RANGES: usize = 64;

/// Parsed within bounds, and the same however it was percent-encoded.
///
/// An input is a path, a query and an Accept, each on its line.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    path(line());
    query(line());
    accept(line());
}

fn path(path: &str) {
    let Ok(resource) = Resource::parse(path) else {
        return;
    };
    if let What::Frames(frames) | What::RenderedFrames(frames) = &resource.what {
        assert!((1..=FRAMES).contains(&frames.len()) && !frames.contains(&0));
    }
    let place = &resource.place;
    for uid in [&place.study, &place.series, &place.instance]
        .into_iter()
        .flatten()
    {
        assert!(path.len() >= uid.as_str().len());
    }
}

fn query(text: &str) {
    let Ok(query) = Query::parse(text) else {
        return;
    };
    let bytes = |(name, value): &(String, String)| name.len() + value.len();
    assert!(query.parameters().iter().map(bytes).sum::<usize>() <= text.len());
    assert!(query.parameters().len() <= PARAMETERS);
    let encoded: Vec<String> = query
        .parameters()
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let again = Query::parse(&encoded.join("&"));
    assert!(again.is_ok_and(|again| again == query), "encoded otherwise");
    if let Ok(search) = Search::read(&query) {
        assert!(search.keys.elements().len() <= PARAMETERS + 1);
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn accept(text: &str) {
    let ranges = accepted(text);
    assert!(ranges.len() <= RANGES);
    assert!(ranges.is_sorted_by(|one, next| one.quality >= next.quality));
    for range in &ranges {
        assert!(range.quality > 0 && range.takes(&range.essence));
    }
    if let Some(media) = MediaType::parse(text) {
        assert!(media.essence.contains('/'));
    }
}
