//! What a path asks for (PS3.18 sections 8.2, 10.4, 10.6). No I/O.

use percent_encoding::percent_decode_str;

use crate::dicom::uid::Uid;

/// Under which every DICOMweb resource lies.
pub(super) const ROOT: &str = "/dicom-web";
/// Segments of a path; the longest resource has thirteen, nested bulk data some more.
const SEGMENTS: usize = 96;
/// Frames that one request names.
const FRAMES: usize = 4_096;

/// A resource of DICOMweb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The domain to which the answer is limited.
    pub domain: Option<String>,
    /// Study, series and instance, as far as they are named.
    pub place: Place,
    /// What of it.
    pub what: What,
}

/// Study, series and instance, as far as they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Study Instance UID.
    pub study: Option<Uid>,
    /// Series Instance UID.
    pub series: Option<Uid>,
    /// SOP Instance UID.
    pub instance: Option<Uid>,
}

/// The levels of what is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Studies.
    Study,
    /// Series.
    Series,
    /// Instances.
    Instance,
}

/// What of a place is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The objects themselves.
    Objects,
    /// The attributes of what is below.
    Search(Level),
    /// The attributes of the objects.
    Metadata,
    /// A picture of it.
    Rendered,
    /// A small picture of it.
    Thumbnail,
    /// These frames, from 1 on.
    Frames(Vec<u32>),
    /// A picture of these frames.
    RenderedFrames(Vec<u32>),
    /// A long value, by where it stands.
    Bulk(Vec<String>),
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// There is no such resource.
    Unknown,
    /// It is one, but a UID or frame in it is none.
    Malformed,
}

impl Resource {
    /// Reads a path as it stands in a request.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn parse(path: &str) -> Result<Resource, RouteError> {
        let rest = path.strip_prefix(ROOT).ok_or(RouteError::Unknown)?;
        let rest = rest.strip_prefix('/').ok_or(RouteError::Unknown)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            if segments.len() == SEGMENTS {
                return Err(RouteError::Unknown);
            }
            let decoded = percent_decode_str(segment).decode_utf8();
            segments.push(decoded.map_err(|_| RouteError::Malformed)?.into_owned());
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (domain, segments) = match segments.as_slice() {
            ["d", domain, rest @ ..] => (Some((*domain).to_owned()), rest),
            rest => (None, rest),
        };
        let (place, what) = below_root(segments)?;
        Ok(Resource {
            domain,
            place,
            what,
        })
    }
}

type Below = Result<(Place, What), RouteError>;

fn below_root(segments: &[&str]) -> Below {
    let place = Place::default();
    match segments {
        ["studies"] => Ok((place, What::Search(Level::Study))),
        ["series"] => Ok((place, What::Search(Level::Series))),
        ["instances"] => Ok((place, What::Search(Level::Instance))),
        ["studies", study, rest @ ..] => below_study(uid(study)?, rest),
        _ => Err(RouteError::Unknown),
    }
}

fn below_study(study: Uid, segments: &[&str]) -> Below {
    let place = Place {
        study: Some(study),
        ..Place::default()
    };
    match segments {
        ["series"] => Ok((place, What::Search(Level::Series))),
        ["instances"] => Ok((place, What::Search(Level::Instance))),
        ["series", series, rest @ ..] => {
            let series = Some(uid(series)?);
            below_series(Place { series, ..place }, rest)
        }
        rest => whole(place, rest),
    }
}

fn below_series(place: Place, segments: &[&str]) -> Below {
    match segments {
        ["instances"] => Ok((place, What::Search(Level::Instance))),
        ["instances", instance, rest @ ..] => {
            let instance = Some(uid(instance)?);
            below_instance(Place { instance, ..place }, rest)
        }
        rest => whole(place, rest),
    }
}

fn below_instance(place: Place, segments: &[&str]) -> Below {
    match segments {
        ["frames", list] => Ok((place, What::Frames(frames(list)?))),
        ["frames", list, "rendered"] => Ok((place, What::RenderedFrames(frames(list)?))),
        ["bulkdata", path @ ..] if !path.is_empty() => {
            let path = path.iter().map(|segment| (*segment).to_owned());
            Ok((place, What::Bulk(path.collect())))
        }
        rest => whole(place, rest),
    }
}

/// What every level has.
fn whole(place: Place, segments: &[&str]) -> Below {
    let what = match segments {
        [] => What::Objects,
        ["metadata"] => What::Metadata,
        ["rendered"] => What::Rendered,
        ["thumbnail"] => What::Thumbnail,
        _ => return Err(RouteError::Unknown),
    };
    Ok((place, what))
}

fn uid(text: &str) -> Result<Uid, RouteError> {
    // A UID in a path has no padding.
    Uid::parse_lenient(text.as_bytes())
        .ok()
        .filter(|uid| uid.as_str() == text)
        .ok_or(RouteError::Malformed)
}

fn frames(list: &str) -> Result<Vec<u32>, RouteError> {
    let numbers: Option<Vec<u32>> = list
        .split(',')
        .take(FRAMES + 1)
        .map(|number| number.trim().parse().ok().filter(|number| *number > 0))
        .collect();
    numbers
        .filter(|numbers| numbers.len() <= FRAMES)
        .ok_or(RouteError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &str) -> Result<What, RouteError> {
        Resource::parse(path).map(|resource| resource.what)
    }

    #[test]
    fn every_resource_is_found() {
        let instance = "/dicom-web/studies/1.2/series/1.3/instances/1.4";
        for (path, wanted) in [
            ("/dicom-web/studies".to_owned(), What::Search(Level::Study)),
            ("/dicom-web/series".to_owned(), What::Search(Level::Series)),
            ("/dicom-web/studies/1.2".to_owned(), What::Objects),
            ("/dicom-web/studies/1.2/".to_owned(), What::Objects),
            (
                "/dicom-web/studies/1.2/instances".to_owned(),
                What::Search(Level::Instance),
            ),
            ("/dicom-web/studies/1.2/metadata".to_owned(), What::Metadata),
            (
                "/dicom-web/studies/1.2/series/1.3/thumbnail".to_owned(),
                What::Thumbnail,
            ),
            (format!("{instance}/rendered"), What::Rendered),
            (format!("{instance}/frames/1%2C2"), What::Frames(vec![1, 2])),
            (
                format!("{instance}/frames/3/rendered"),
                What::RenderedFrames(vec![3]),
            ),
            (
                format!("{instance}/bulkdata/00420011"),
                What::Bulk(vec!["00420011".to_owned()]),
            ),
        ] {
            assert_eq!(what(&path), Ok(wanted), "{path}");
        }
        let resource = Resource::parse(&instance.replace("/studies", "/d/abc/studies")).unwrap();
        assert_eq!(resource.domain.as_deref(), Some("abc"));
        assert_eq!(resource.place.instance.unwrap().as_str(), "1.4");
    }

    #[test]
    fn what_is_no_resource_is_none() {
        for path in [
            "/",
            "/dicom-web",
            "/dicom-web/",
            "/dicom-webx/studies",
            "/dicom-web/studies/1.2/../../etc",
            "/dicom-web/studies//series",
            "/dicom-web/other",
            "/dicom-web/studies/1.2/series/1.3/instances/1.4/bulkdata",
        ] {
            assert!(what(path).is_err(), "{path}");
        }
        for path in [
            "/dicom-web/studies/..%2f..%2fetc",
            "/dicom-web/studies/1.2%00",
            "/dicom-web/studies/%ff",
            "/dicom-web/studies/1.2/series/1.3/instances/1.4/frames/0",
            "/dicom-web/studies/1.2/series/1.3/instances/1.4/frames/1,x",
        ] {
            assert_eq!(what(path), Err(RouteError::Malformed), "{path}");
        }
    }
}
