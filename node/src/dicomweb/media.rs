//! Media types as they stand in Accept and Content-Type (RFC 9110 section 8.3 and 12.5.1), with the parameters of
//! PS3.18. No I/O.

/// Media ranges of one Accept; browsers send some ten.
const RANGES: usize = 64;
/// Parameters of one media type.
const PARAMETERS: usize = 16;

/// One media type or range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case; either may be `*`.
    pub essence: String,
    /// Parameters but `q`, names in lower case, values as they came.
    parameters: Vec<(String, String)>,
    /// How much it is wanted, in thousandths.
    pub quality: u16,
}

impl MediaType {
    /// Reads one media type.
    pub fn parse(text: &str) -> Option<MediaType> {
        let mut parts = split_outside_quotes(text, ';');
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        let is_token = |token: &str| !token.is_empty() && token.bytes().all(is_token_byte);
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut media = MediaType {
            essence,
            parameters: Vec::new(),
            quality: 1000,
        };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let (name, value) = (name.trim().to_ascii_lowercase(), unquoted(value.trim()));
            if name == "q" {
                media.quality = quality(&value)?;
            } else if media.parameters.len() < PARAMETERS {
                media.parameters.push((name, value));
            } else {
                return None;
            }
        }
        Some(media)
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether this range takes a media type without parameters.
    pub fn takes(&self, essence: &str) -> bool {
        let kind = essence.split('/').next().unwrap_or_default();
        self.essence == "*/*"
            || self.essence == essence
            || self
                .essence
                .strip_suffix("/*")
                .is_some_and(|range| range == kind)
    }
}

/// The ranges of an Accept, the most wanted first; those that came first are first among equals. Ranges of no quality,
/// and what is no media range, are left out.
pub fn accepted(text: &str) -> Vec<MediaType> {
    let mut ranges: Vec<MediaType> = split_outside_quotes(text, ',')
        .take(RANGES)
        .filter_map(MediaType::parse)
        .filter(|range| range.quality > 0)
        .collect();
    ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
    ranges
}

/// Types of documents that browsers show without running anything of them in the name of this node.
const HARMLESS: [&str; 17] = [
    "application/pdf",
    "image/bmp",
    "image/gif",
    "image/jp2",
    "image/jpeg",
    "image/jpx",
    "image/png",
    "image/tiff",
    "image/webp",
    "model/mtl",
    "model/obj",
    "model/stl",
    "video/mp4",
    "video/mpeg",
    "video/mpeg2",
    "video/quicktime",
    "video/webm",
];

/// As what a document of an object is sent. Whoever makes an object chooses its type: a page or a drawing with scripts would
/// run as one of this node's own (PS3.18 names no type that may not be sent).
pub fn shown_as(media_type: &str) -> &'static str {
    let known = HARMLESS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(media_type));
    known.copied().unwrap_or("application/octet-stream")
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn quality(text: &str) -> Option<u16> {
    let value: f32 = text.parse().ok()?;
    (0.0..=1.0)
        .contains(&value)
        .then_some((value * 1000.0).round() as u16)
}

/// A value without its quotes and the backslashes in them.
fn unquoted(text: &str) -> String {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut value = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next()),
            letter => value.push(letter),
        }
    }
    value
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        let separates = letter == separator && !quoted;
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_real_clients_are_read() {
        for (text, kind, syntax) in [
            (
                "multipart/related; type=application/octet-stream; transfer-syntax=*",
                "application/octet-stream",
                Some("*"),
            ),
            (
                "multipart/related;type=\"application/dicom\";transfer-syntax=1.2.840.10008.1.2.1",
                "application/dicom",
                Some("1.2.840.10008.1.2.1"),
            ),
            ("Multipart/Related; TYPE=\"image/jpeg\"", "image/jpeg", None),
        ] {
            let ranges = accepted(text);
            assert_eq!(ranges.len(), 1, "{text}");
            assert_eq!(ranges[0].essence, "multipart/related");
            assert_eq!(ranges[0].parameter("type"), Some(kind));
            assert_eq!(ranges[0].parameter("transfer-syntax"), syntax);
        }
    }

    #[test]
    fn the_most_wanted_comes_first() {
        let essences = |text: &str| -> Vec<String> {
            let ranges = accepted(text).into_iter();
            ranges.map(|range| range.essence).collect()
        };
        assert_eq!(
            essences("text/html,application/xml;q=0.9,image/webp,*/*;q=0.8,image/png;q=0"),
            ["text/html", "image/webp", "application/xml", "*/*"]
        );
        assert_eq!(essences("a/b;x=\"1,2;3\\\"\", c/d"), ["a/b", "c/d"]);
        assert!(essences("").is_empty() && essences("no, /x, a/;q=2").is_empty());
    }

    #[test]
    fn what_may_hold_scripts_is_sent_as_bytes() {
        assert_eq!(shown_as("Application/PDF"), "application/pdf");
        assert_eq!(shown_as("model/stl"), "model/stl");
        for kind in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "image/*",
        ] {
            assert_eq!(shown_as(kind), "application/octet-stream", "{kind}");
        }
    }

    #[test]
    fn ranges_take_what_they_name() {
        let takes = |range: &str, essence: &str| MediaType::parse(range).unwrap().takes(essence);
        assert!(takes("*/*", "image/png") && takes("image/*", "image/png"));
        assert!(takes("image/png", "image/png"));
        assert!(!takes("image/*", "application/dicom") && !takes("image/png", "image/jpeg"));
    }
}
