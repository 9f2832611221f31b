//! The viewer in the browser: the files of OHIF below `/viewer/`, each domain's own page and configuration below
//! `/viewer/d/{token}/`, and the addresses that open a study.
//!
//! OHIF asks for priors by Patient ID alone. Its page therefore belongs to one domain: what it asks for lies below
//! `/dicom-web/d/{token}`, where a Patient ID is one person's.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, VARY,
};
use http::uri::PathAndQuery;
use http::{Method, Response, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::access::{LOG_IN, Visitor};
use super::answer::{Answer, Refusal, plain, set};
use super::body::{Body, Pipe};
use super::domains::domain_token;
use super::opening;
use super::origin::Base;
use super::page::{language, leads_to};
use super::piped::piped_body;
use super::query::Query;
use super::turns::{blocking, with_turn};
use super::{Web, route};
use crate::entities::Domain;
use crate::say;
use crate::viewer::{APP_CONFIG, Installed, StoredFile};

/// Where the viewer lies.
pub(super) const ROOT: &str = "/viewer";
/// OHIF's page.
const PAGE: &str = "index.html";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Bytes of OHIF's page, which is put together for each domain; it has 7 KB.
const PAGE_BYTES: u64 = 1 << 20;
/// Bytes that are copied at a time.
const COPIED: usize = 64 * 1024;
/// How long a browser keeps a file whose name changes with its content. Not for ever: what this program changes in it
/// may.
const KEPT: &str = "private, max-age=2592000, immutable";

/// One request for the viewer.
pub(super) struct Call<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    pub base: &'a Base,
    pub visitor: Option<Visitor>,
    /// From where it comes.
    pub peer: IpAddr,
}

/// Whether a path is the viewer's.
pub(super) fn is_its(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What an address below `/viewer` means.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// The page of ours that lists studies.
    Studies,
    /// The licence of the viewer.
    Licence,
    /// Opens a study of whatever domain it is of, as OHIF's own links name it.
    Somewhere,
    /// Opens a study of a domain, with its newest prior.
    Open(&'a str),
    /// OHIF's page, for a domain.
    Page(&'a str),
    /// OHIF's configuration, for a domain.
    Config(&'a str),
    /// What stands in for OHIF's service worker: nothing.
    NoWorker,
    /// A file of OHIF.
    File(&'a str),
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Place<'a>> {
        let rest = path.strip_prefix(ROOT)?;
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if let Some(below) = rest.strip_prefix("d/") {
            let (token, below) = below.split_once('/')?;
            return match below {
                "" => Some(Place::Studies),
                "open" => Some(Place::Open(token)),
                "app-config.js" => Some(Place::Config(token)),
                _ if has_ending(below) => None,
                _ => Some(Place::Page(token)),
            };
        }
        match rest {
            "" => Some(Place::Studies),
            "licence.txt" => Some(Place::Licence),
            // OHIF's would load its part from another company's server.
            "init-service-worker.js" => Some(Place::NoWorker),
            PAGE => None,
            _ if has_ending(rest) => Some(Place::File(rest)),
            _ => Some(Place::Somewhere),
        }
    }

    /// Whether people see it, who can log in; else a page's part.
    fn is_page(&self) -> bool {
        matches!(
            self,
            Place::Studies | Place::Somewhere | Place::Open(_) | Place::Page(_)
        )
    }
}

fn has_ending(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.contains('.'))
}

/// The path that opens a study of a domain in the viewer, with its newest prior.
pub fn viewer_path(domain: &Domain, study: &str) -> String {
    let token = domain_token(domain);
    format!("{ROOT}/d/{token}/open?study={study}")
}

impl Web {
    /// Answers what is asked below `/viewer`.
    pub(super) async fn viewer(&self, call: Call<'_>) -> Result<Answer, Refusal> {
        if *call.method != Method::GET {
            return Err(Refusal::method("GET, HEAD"));
        }
        let place = Place::of(call.uri.path()).ok_or_else(Refusal::not_found)?;
        let Some(visitor) = &call.visitor else {
            let shows_token = call.headers.contains_key(AUTHORIZATION);
            return match place.is_page() && !shows_token {
                true => Ok(to_log_in(&call)),
                false => Err(Refusal::unauthorized()),
            };
        };
        let scope = match place {
            Place::Open(token) | Place::Page(token) | Place::Config(token) => {
                self.narrowed(&visitor.scope, token)?
            }
            _ => visitor.scope.clone(),
        };
        match place {
            Place::NoWorker => Ok(plain(StatusCode::OK, SCRIPT, Vec::new())),
            Place::Config(token) => Ok(config(call.base, token)),
            Place::File(name) => self.file(&call, &visitor.id(), name).await,
            Place::Page(token) => match compared(&call) {
                Some(beside) => Ok(leads_to(call.base, &beside)),
                None => self.page(token).await,
            },
            Place::Licence => {
                let installed = self.installed().await?.ok_or_else(no_viewer)?;
                let text = installed.licence_text.clone().into_bytes();
                Ok(plain(StatusCode::OK, "text/plain; charset=utf-8", text))
            }
            Place::Open(token) => {
                let study = call.query.value("study").unwrap_or_default();
                let found = tokio::task::block_in_place(|| {
                    opening::with_prior(&self.holdings, &scope, study)
                });
                let studies = found.ok_or_else(Refusal::not_found)?.join(",");
                let to = format!("{ROOT}/d/{token}/viewer?StudyInstanceUIDs={studies}");
                Ok(leads_to(call.base, &to))
            }
            Place::Somewhere => {
                let studies = call.query.value("StudyInstanceUIDs").unwrap_or_default();
                let first = studies.split(',').next().unwrap_or_default();
                let found = self.holdings.with_uid(&scope, first);
                let to = match (found.first(), call.uri.path().strip_prefix(ROOT)) {
                    (Some(entry), Some(rest)) => {
                        let token = domain_token(&entry.domain());
                        format!(
                            "{ROOT}/d/{token}{rest}?{}",
                            call.uri.query().unwrap_or_default()
                        )
                    }
                    _ => format!("{ROOT}/"),
                };
                Ok(leads_to(call.base, &to))
            }
            Place::Studies => {
                let installed = self.installed().await?;
                self.trail.listed(visitor, call.peer);
                let shown = opening::Studies {
                    language: language(call.query, call.headers),
                    prefix: &call.base.prefix,
                    installed: installed.as_deref(),
                    movements: &self.movements,
                };
                let page = || shown.page(&self.holdings, &scope);
                Ok(tokio::task::block_in_place(page))
            }
        }
    }

    async fn installed(&self) -> Result<Option<std::sync::Arc<Installed>>, Refusal> {
        let viewer = self.viewer.clone();
        blocking(move || {
            viewer.installed().map_err(|failure| {
                tracing::error!(target: "dokuei::web", "the viewer cannot be served: {}", failure.message.en);
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, failure.message)
            })
        })
        .await
    }

    /// OHIF's page with the configuration of a domain.
    async fn page(&self, token: &str) -> Result<Answer, Refusal> {
        let installed = self.installed().await?.ok_or_else(no_viewer)?;
        let (viewer, config) = (self.viewer.clone(), config_path(token));
        let policy = policy(&installed.scripts, false);
        let page = blocking(move || {
            let file = installed.files.get(PAGE).ok_or_else(no_viewer)?;
            let mut page = String::new();
            let opened = viewer.open(&installed, file, false);
            let read = opened.and_then(|file| file.take(PAGE_BYTES).read_to_string(&mut page));
            read.map_err(|error| lost(&error))?;
            Ok(page.replace(APP_CONFIG, &config))
        })
        .await?;
        let mut answer = plain(
            StatusCode::OK,
            "text/html; charset=utf-8",
            page.into_bytes(),
        );
        set(&mut answer, CONTENT_SECURITY_POLICY, &policy);
        Ok(answer)
    }

    /// A file of OHIF.
    async fn file(&self, call: &Call<'_>, visitor: &str, name: &str) -> Result<Answer, Refusal> {
        let installed = self.installed().await?.ok_or_else(no_viewer)?;
        let file = installed
            .files
            .get(name)
            .ok_or_else(Refusal::not_found)?
            .clone();
        let gzip = file.gzip.filter(|_| takes_gzip(call.headers));
        let mut answer = Response::new(Body::empty());
        describe(&mut answer, name, &file, gzip.is_some());
        let policy = policy(&installed.scripts, file.worker);
        set(&mut answer, CONTENT_SECURITY_POLICY, &policy);
        let known = call.headers.get(IF_NONE_MATCH);
        if known.is_some() && known == answer.headers().get(ETAG) {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(answer);
        }
        // Small, and read from the system's cache: whoever reads images does not wait for it, nor it for them.
        let turn = self.turns.to_serve(visitor).await?;
        let viewer = self.viewer.clone();
        let opened = move || {
            let opened = viewer.open(&installed, &file, gzip.is_some());
            opened.map_err(|error| lost(&error))
        };
        let (opened, turn) = with_turn(turn, opened).await?;
        let length = gzip.unwrap_or_else(|| length_of(&opened));
        set(&mut answer, CONTENT_LENGTH, &length.to_string());
        *answer.body_mut() = piped_body(turn, move |out| copy(opened, out));
        Ok(answer)
    }
}

fn length_of(file: &std::fs::File) -> u64 {
    file.metadata().map_or(0, |about| about.len())
}

fn copy(mut file: std::fs::File, pipe: &mut Pipe) -> io::Result<()> {
    let mut buffer = vec![0; COPIED];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        pipe.write_all(&buffer[..count])?;
    }
}

/// The head of the answer with a file.
fn describe(answer: &mut Answer, name: &str, file: &StoredFile, gzip: bool) {
    set(answer, CONTENT_TYPE, &file.kind);
    let short = file.hash.get(..32).unwrap_or(&file.hash);
    let form = if gzip { "-gzip" } else { "" };
    set(answer, ETAG, &format!("\"{short}{form}\""));
    if file.gzip.is_some() {
        set(answer, VARY, "accept-encoding");
    }
    if gzip {
        set(answer, CONTENT_ENCODING, "gzip");
    }
    let keeping = if is_hashed(name) {
        KEPT
    } else {
        "private, no-cache"
    };
    set(answer, CACHE_CONTROL, keeping);
}

/// Whether a name has a hash of its content in it: sixteen hexadecimal digits between dots or at its ends.
fn is_hashed(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split('.').any(|part| {
        part.len() == 16
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// Whether the client takes gzip (RFC 9110 section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let codings = values.filter_map(|value| value.to_str().ok());
    codings
        .flat_map(|codings| codings.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            is_gzip
                && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
        })
}

/// What OHIF's page may do: run its own scripts and workers, and reach nothing but this node. A worker, which sees no
/// page, may also make functions of text: the decoders of JPEG, JPEG-LS and JPEG 2000 bind themselves that way.
fn policy(in_page: &[String], worker: bool) -> String {
    let scripts: String = match worker {
        true => " 'unsafe-eval'".to_owned(),
        false => in_page
            .iter()
            .map(|hash| format!(" 'sha256-{hash}'"))
            .collect(),
    };
    format!(
        "default-src 'self'; script-src 'self'{scripts} 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; object-src 'self' blob:; frame-src 'self' blob:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
}

fn config_path(token: &str) -> String {
    format!("{ROOT}/d/{token}/app-config.js")
}

/// OHIF's configuration: one data source, which is the domain's.
fn config(base: &Base, token: &str) -> Answer {
    let root = format!("{}{}/d/{token}", base.prefix, route::ROOT);
    let config = json!({
        "routerBasename": format!("{}{ROOT}/d/{token}", base.prefix),
        "extensions": [],
        "modes": [],
        // The tour lies over the image at the first visit.
        "customizationService": { "ohif.tours": { "$set": [] } },
        "showStudyList": false,
        // Whose images these are is always to be seen.
        "showPatientInfo": "visibleReadOnly",
        "maxNumberOfWebWorkers": 2,
        "showWarningMessageForCrossOrigin": false,
        "showCPUFallbackMessage": false,
        "investigationalUseDialog": { "option": "never" },
        "maxNumRequests": { "interaction": 20, "thumbnail": 4, "prefetch": 8 },
        "defaultDataSourceName": "node",
        "dataSources": [{
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "node",
            "configuration": {
                "friendlyName": "dokuei",
                "name": "node",
                "wadoUriRoot": root,
                "qidoRoot": root,
                "wadoRoot": root,
                "qidoSupportsIncludeField": true,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": true,
                "supportsFuzzyMatching": true,
                "supportsWildcard": true,
                "dicomUploadEnabled": false,
                "bulkDataURI": { "enabled": true, "relativeResolution": "studies" },
                "singlepart": "bulkdata,video,pdf",
                "omitQuotationForMultipartRequest": true,
            },
        }],
    });
    let script = format!("window.config = {config};\n");
    plain(StatusCode::OK, SCRIPT, script.into_bytes())
}

/// The address of a page that is asked to show several studies without being told how: OHIF would show one of them,
/// and not for certain the first. Its protocol for comparing shows the first at the left and the second at the right.
fn compared(call: &Call<'_>) -> Option<String> {
    let is_told = call.query.value("hangingProtocolId").is_some();
    let studies = call.query.value("StudyInstanceUIDs")?;
    let (path, asked) = (call.uri.path(), call.uri.query()?);
    let several = studies.contains(',') && !is_told;
    several.then(|| format!("{path}?{asked}&hangingProtocolId=@ohif/hpCompare"))
}

fn to_log_in(call: &Call<'_>) -> Answer {
    let wanted = call.uri.path_and_query().map_or(ROOT, PathAndQuery::as_str);
    let next = utf8_percent_encode(wanted, NON_ALPHANUMERIC);
    leads_to(call.base, &format!("{LOG_IN}?next={next}"))
}

/// A file that the index names is not there: an installation took its place just now, or the disk failed.
fn lost(error: &io::Error) -> Refusal {
    tracing::warn!(target: "dokuei::web", "a file of the viewer cannot be read: {error}");
    Refusal::not_found()
}

fn no_viewer() -> Refusal {
    let why = say!(
        "ビューアはまだ設置されていません。「dokuei viewer install」で設置できます。",
        "No viewer is installed here yet: 'dokuei viewer install' installs one."
    );
    Refusal::new(StatusCode::NOT_FOUND, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_one_thing() {
        for (path, place) in [
            ("/viewer", Some(Place::Studies)),
            ("/viewer/", Some(Place::Studies)),
            ("/viewer/viewer", Some(Place::Somewhere)),
            ("/viewer/licence.txt", Some(Place::Licence)),
            (
                "/viewer/app.bundle.css",
                Some(Place::File("app.bundle.css")),
            ),
            ("/viewer/assets/a.png", Some(Place::File("assets/a.png"))),
            ("/viewer/init-service-worker.js", Some(Place::NoWorker)),
            ("/viewer/index.html", None),
            ("/viewer/d/ab", None),
            ("/viewer/d/ab/", Some(Place::Studies)),
            ("/viewer/d/ab/open", Some(Place::Open("ab"))),
            ("/viewer/d/ab/viewer", Some(Place::Page("ab"))),
            ("/viewer/d/ab/viewer/dicomweb", Some(Place::Page("ab"))),
            ("/viewer/d/ab/app-config.js", Some(Place::Config("ab"))),
            ("/viewer/d/ab/app.bundle.css", None),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
    }

    #[test]
    fn names_with_a_hash_are_kept_and_others_asked_after() {
        for name in ["app.bundle.0f6159c501addfe9.js", "a34f9d1faa5f3315.woff2"] {
            assert!(is_hashed(name), "{name}");
        }
        for name in [
            "app.bundle.css",
            "assets/favicon-32x32.png",
            "0F6159C501ADDFE9.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn gzip_is_sent_to_whoever_takes_it() {
        for (value, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("gzip;q=x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
