//! The resources of the worklist (PS3.18 section 11.1). No I/O.

use percent_encoding::percent_decode_str;

use super::super::route::ROOT;
use crate::dicom::uid::Uid;

/// Segments of the longest path.
const SEGMENTS: usize = 8;

/// A resource of the worklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Path {
    /// The domain to which the answer is limited.
    pub domain: Option<String>,
    /// What of it.
    pub(super) target: Target,
}

/// What a path names. Subscribers are as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// All workitems.
    Workitems,
    /// One.
    Workitem(String),
    /// Its state.
    State(String),
    /// A request to cancel it.
    CancelRequest(String),
    /// Somebody's subscription to it.
    Subscription(String, String),
    /// The suspension of a subscription.
    Suspension(String, String),
    /// Somebody's events.
    Channel(String),
}

impl Path {
    /// Whether it is about events, and not about a workitem itself.
    pub(super) fn is_about_events(&self) -> bool {
        matches!(
            self.target,
            Target::Subscription(..) | Target::Suspension(..) | Target::Channel(_)
        )
    }

    /// Reads a path as it stands in a request; nothing when it is no resource of the worklist.
    pub(in super::super) fn parse(path: &str) -> Option<Path> {
        let rest = path.strip_prefix(ROOT)?.strip_prefix('/')?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            if segments.len() == SEGMENTS {
                return None;
            }
            segments.push(percent_decode_str(segment).decode_utf8().ok()?);
        }
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let (domain, segments) = match segments.as_slice() {
            ["d", domain, rest @ ..] => (Some((*domain).to_owned()), rest),
            rest => (None, rest),
        };
        let uid = |text: &str| {
            let uid = Uid::parse(text.as_bytes()).ok()?;
            Some(uid.as_str().to_owned())
        };
        let target = match segments {
            ["workitems"] => Target::Workitems,
            ["workitems", of] => Target::Workitem(uid(of)?),
            // Earlier editions of the standard name the requesting AE title at the end.
            ["workitems", of, "state"] | ["workitems", of, "state", _] => Target::State(uid(of)?),
            ["workitems", of, "cancelrequest"] | ["workitems", of, "cancelrequest", _] => {
                Target::CancelRequest(uid(of)?)
            }
            ["workitems", of, "subscribers", who] => {
                Target::Subscription(uid(of)?, (*who).to_owned())
            }
            ["workitems", of, "subscribers", who, "suspend"] => {
                Target::Suspension(uid(of)?, (*who).to_owned())
            }
            ["subscribers", who] => Target::Channel((*who).to_owned()),
            _ => return None,
        };
        Some(Path { domain, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<Target> {
        Path::parse(path).map(|path| path.target)
    }

    #[test]
    fn every_resource_is_found() {
        let uid = || "1.2".to_owned();
        let who = || "RIS".to_owned();
        for (path, wanted) in [
            ("/dicom-web/workitems", Target::Workitems),
            ("/dicom-web/workitems/1.2", Target::Workitem(uid())),
            ("/dicom-web/workitems/1.2/state", Target::State(uid())),
            ("/dicom-web/workitems/1.2/state/RIS", Target::State(uid())),
            (
                "/dicom-web/workitems/1.2/cancelrequest",
                Target::CancelRequest(uid()),
            ),
            (
                "/dicom-web/workitems/1.2/subscribers/RIS",
                Target::Subscription(uid(), who()),
            ),
            (
                "/dicom-web/workitems/1.2/subscribers/RIS/suspend",
                Target::Suspension(uid(), who()),
            ),
            ("/dicom-web/d/abc/subscribers/RIS", Target::Channel(who())),
        ] {
            assert_eq!(target(path), Some(wanted), "{path}");
        }
        let path = Path::parse("/dicom-web/d/abc/workitems").unwrap();
        assert_eq!(path.domain.as_deref(), Some("abc"));
    }

    #[test]
    fn what_is_no_resource_of_it_is_none() {
        for path in [
            "/workitems",
            "/dicom-web/studies",
            "/dicom-web/workitems/../x",
            "/dicom-web/workitems/1.2/other",
            "/dicom-web/workitems/1.2/subscribers",
            "/dicom-web/workitems/1.2/a/b/c/d/e/f/g",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
