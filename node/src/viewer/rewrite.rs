//! What of OHIF's build is changed so that it works below `/viewer/` instead of `/`, and what is left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use sha2::{Digest as _, Sha256};

/// Where the page of the viewer names its configuration. The node puts one for each domain in its place.
pub const APP_CONFIG: &str = "/viewer/app-config.js";
/// The page.
pub(super) const PAGE: &str = "index.html";

/// What stands in the page of a build for `/`, and what for `/viewer/`.
const IN_PAGE: [(&str, &str); 5] = [
    ("href=\"/", "href=\"/viewer/"),
    ("src=\"/", "src=\"/viewer/"),
    ("content=\"/", "content=\"/viewer/"),
    ("window.PUBLIC_URL=\"/\"", "window.PUBLIC_URL=\"/viewer/\""),
    // Without it the browser asks for this one file without the cookie of the session.
    (
        "<link rel=\"manifest\"",
        "<link rel=\"manifest\" crossorigin=\"use-credentials\"",
    ),
];
/// Where scripts and workers load their parts from.
const IN_SCRIPTS: (&str, &str) = (
    "__webpack_require__.p = \"/\"",
    "__webpack_require__.p = \"/viewer/\"",
);
const IN_STYLES: (&str, &str) = ("url(/", "url(/viewer/");
const IN_MANIFEST: (&str, &str) = ("\"/assets/", "\"/viewer/assets/");

/// Folders that are left out: `ort` is a runtime for segmentation by a model, 136 MB that no reading needs.
const LEFT_OUT_FOLDERS: [&str; 1] = ["ort/"];
/// Files that are left out: what the node answers itself, what sets up other web servers, and log-ins of others.
const LEFT_OUT: [&str; 9] = [
    "_headers",
    "_redirects",
    "app-config.js",
    "google.js",
    "init-service-worker.js",
    "oidc-client.min.js",
    "serve.json",
    "silent-refresh.html",
    "sw.js",
];

/// Whether a file of the build is not installed.
pub(super) fn is_left_out(name: &str) -> bool {
    name.ends_with(".map")
        || LEFT_OUT.contains(&name)
        || LEFT_OUT_FOLDERS
            .iter()
            .any(|folder| name.starts_with(folder))
}

/// A file as it is served, and whether something in it was changed.
pub(super) fn rewritten(name: &str, mut content: Vec<u8>) -> (Vec<u8>, bool) {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let changes: &[(&str, &str)] = match (name, ending) {
        (PAGE, _) => &IN_PAGE,
        ("manifest.json", _) => &[IN_MANIFEST],
        (_, "js") => &[IN_SCRIPTS],
        (_, "css") => &[IN_STYLES],
        _ => &[],
    };
    let mut changed = 0;
    for (old, new) in changes {
        let replaced = replace(&content, old.as_bytes(), new.as_bytes());
        if let Some(replaced) = replaced {
            content = replaced;
            changed += 1;
        }
    }
    (content, !changes.is_empty() && changed == changes.len())
}

fn replace(content: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut places = memmem::find_iter(content, old).peekable();
    places.peek()?;
    let mut replaced = Vec::with_capacity(content.len() + new.len());
    let mut from = 0;
    for at in places {
        replaced.extend_from_slice(&content[from..at]);
        replaced.extend_from_slice(new);
        from = at + old.len();
    }
    replaced.extend_from_slice(&content[from..]);
    Some(replaced)
}

/// The SHA-256 of each script that stands in a page itself, in Base64 (Content Security Policy level 3, section 8.3).
pub(super) fn scripts(page: &str) -> Vec<String> {
    let rest = page.split("<script>").skip(1);
    rest.filter_map(|rest| rest.split_once("</script>"))
        .map(|(script, _)| STANDARD.encode(Sha256::digest(script.as_bytes())))
        .collect()
}

/// The media type of a file.
pub(super) fn kind(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "css" => "text/css; charset=utf-8",
        "gif" => "image/gif",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "jpg" | "jpeg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "ttf" => "font/ttf",
        "txt" | "md" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

/// Whether files of this type shrink.
pub(super) fn shrinks(kind: &str) -> bool {
    let (kind, _) = kind.split_once(';').unwrap_or((kind, ""));
    kind.starts_with("text/")
        || matches!(
            kind,
            "application/json" | "application/wasm" | "application/xml" | "image/svg+xml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_OF_A_BUILD: &str = "<meta content=\"/assets/x.png\"><script>window.PUBLIC_URL=\"/\"</script><link rel=\"manifest\" href=\"/manifest.json\"><script src=\"/app-config.js\"></script><script>f();window.PUBLIC_URL=\"/\"</script>";

    #[test]
    fn a_build_for_the_root_moves_below_viewer() {
        let (page, changed) = rewritten(PAGE, PAGE_OF_A_BUILD.as_bytes().to_vec());
        let page = String::from_utf8(page).unwrap();
        assert!(
            changed && !page.contains("=\"/\"") && !page.contains("\"/a") && !page.contains("\"/m")
        );
        assert_eq!(page.matches("window.PUBLIC_URL=\"/viewer/\"").count(), 2);
        assert!(page.contains(&format!("src=\"{APP_CONFIG}\"")));
        for (name, old, new) in [
            ("app.js", IN_SCRIPTS.0, IN_SCRIPTS.1),
            (
                "a.css",
                "x url(/f.woff2) url(data:x)",
                "x url(/viewer/f.woff2) url(data:x)",
            ),
            (
                "manifest.json",
                "[\"/assets/a.png\"]",
                "[\"/viewer/assets/a.png\"]",
            ),
        ] {
            let (content, changed) = rewritten(name, old.as_bytes().to_vec());
            assert!(changed);
            assert_eq!(String::from_utf8(content).unwrap(), new);
        }
        let other = "window.PUBLIC_URL=\"/ohif/\"".as_bytes().to_vec();
        assert!(!rewritten(PAGE, other).1);
        assert_eq!(
            rewritten("a.png", b"url(/".to_vec()),
            (b"url(/".to_vec(), false)
        );
    }

    #[test]
    fn scripts_in_the_page_are_known_by_their_hash() {
        assert_eq!(scripts(PAGE_OF_A_BUILD).len(), 2);
        // The example of the specification.
        assert_eq!(
            scripts("<script>alert('Hello, world.');</script>"),
            ["qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="]
        );
    }

    #[test]
    fn what_no_reading_needs_is_left_out() {
        for name in ["ort/ort.wasm", "app.js.map", "sw.js", "app-config.js"] {
            assert!(is_left_out(name), "{name}");
        }
        for name in ["index.html", "portal.js", "assets/sw.js.png"] {
            assert!(!is_left_out(name), "{name}");
        }
    }
}
