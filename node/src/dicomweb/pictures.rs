//! `/rendered` and `/thumbnail`: which frame is shown, how, and as what (PS3.18 sections 8.3.5 and 10.4.1.1.3). The picture
//! itself is made by a decoder.

use std::collections::BTreeMap;

use super::Asked;
use super::answer::Refusal;
use super::media::MediaType;
use super::query::Query;
use super::retrieve::made_tag;
use super::route::What;
use crate::dicom::dataset::DataSet;
use crate::index::holdings::Instance;
use crate::pixels::{Format, Function, QUALITY, Rendering, Viewport, Window};
use crate::say;
use crate::transcoding::ranges;

/// Objects of which the first with an image stands for a study or series: studies have a few series without one.
const TRIED: usize = 16;

/// The objects that may stand for what was asked: the one that was named, or the one in the middle of each series.
pub(super) fn candidates(objects: Vec<Instance>, one: bool) -> Vec<Instance> {
    if one {
        return objects;
    }
    let mut order = Vec::new();
    let mut series: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
    for object in objects {
        let known = series.entry(object.series.clone()).or_default();
        if known.is_empty() {
            order.push(object.series.clone());
        }
        known.push(object);
    }
    let middle = |uid: &String| {
        let mut of_series = series.remove(uid)?;
        Some(of_series.swap_remove(of_series.len() / 2))
    };
    order.iter().filter_map(middle).take(TRIED).collect()
}

/// The frames that are shown, from 1 on: those named; else the first, or in a thumbnail the one in the middle.
pub(super) fn numbers(what: &What, header: &DataSet) -> Vec<u32> {
    match what {
        What::RenderedFrames(numbers) => numbers.clone(),
        What::Thumbnail => vec![ranges::frame_count(header) / 2 + 1],
        _ => vec![1],
    }
}

/// How a picture is wanted.
pub(super) struct Wanted {
    pub rendering: Rendering,
    pub multipart: bool,
    /// What of it is not done.
    pub warning: Option<String>,
}

impl Wanted {
    /// Reads what a request says of `count` pictures.
    ///
    /// # Errors
    /// When it cannot be read, or nothing that is made here is taken.
    pub(super) fn read(asked: &Asked, count: usize) -> Result<Wanted, Refusal> {
        let query = &asked.query;
        let base = match asked.resource.what {
            What::Thumbnail => Rendering::thumbnail(),
            _ => Rendering::whole(),
        };
        let viewport = query.value("viewport").map(|words| {
            let viewport = Viewport::parse(words);
            viewport.ok_or_else(|| Refusal::bad_request(bad_viewport()))
        });
        let window = query
            .value("window")
            .map(|words| window(words).ok_or_else(|| Refusal::bad_request(bad_window())));
        let quality = query.value("quality").map(|word| {
            let quality = word.trim().parse().ok();
            let quality = quality.filter(|quality| (1..=100).contains(quality));
            quality.ok_or_else(|| Refusal::bad_request(bad_quality()))
        });
        let quality = quality.transpose()?.unwrap_or(QUALITY);
        let form = form(&asked.accepts(), quality, count == 1);
        let (format, multipart) = form.ok_or_else(|| Refusal::not_acceptable(wrong_form()))?;
        Ok(Wanted {
            rendering: Rendering {
                format,
                window: window.transpose()?,
                viewport: viewport.transpose()?.or(base.viewport),
            },
            multipart,
            warning: annotation(query),
        })
    }

    /// What changes when the picture would.
    pub(super) fn tag(&self, object: &Instance, numbers: &[u32]) -> String {
        let Rendering {
            format,
            window,
            viewport,
        } = self.rendering;
        // Commas would end a tag in a list of them.
        let frames = (numbers.iter().take(8).map(u32::to_string)).collect::<Vec<_>>();
        let mut form = format!(
            "{}-{}",
            if self.multipart { 'm' } else { 's' },
            frames.join(".")
        );
        form += &match format {
            Format::Jpeg(quality) => format!("-j{quality}"),
            Format::Png => "-p".to_owned(),
        };
        if let Some(Window {
            center,
            width,
            function,
        }) = window
        {
            form += &format!("-w{center}_{width}_{function:?}");
        }
        if let Some(Viewport {
            width,
            height,
            region,
        }) = viewport
        {
            form += &format!("-v{width}x{height}");
            if let Some(region) = region {
                let side =
                    |side: Option<i32>| side.map_or_else(String::new, |side| side.to_string());
                let (wide, high) = (side(region.width), side(region.height));
                form += &format!("_{}_{}_{wide}_{high}", region.x, region.y);
            }
        }
        made_tag(object, &form)
    }
}

/// `centre,width,function`; without the last, `linear`.
fn window(words: &str) -> Option<Window> {
    let words: Vec<&str> = words.split(',').map(str::trim).collect();
    let (center, width, function) = match *words.as_slice() {
        [center, width] => (center, width, Function::Linear),
        [center, width, function] => (center, width, Function::named(function)?),
        _ => return None,
    };
    Window::new(center.parse().ok()?, width.parse().ok()?, function)
}

/// The most wanted form in which pictures are made, and whether in one multipart body.
pub(super) fn form(ranges: &[MediaType], quality: u8, one: bool) -> Option<(Format, bool)> {
    let formats = [Format::Jpeg(quality), Format::Png];
    ranges.iter().find_map(|range| {
        let many = !one && range.takes("multipart/related");
        let multipart = many || range.essence.starts_with("multipart/");
        let inner = match (multipart, range.parameter("type")) {
            (true, Some(inner)) => MediaType::parse(inner)?,
            (true, None) => MediaType::parse("*/*")?,
            (false, _) if one => range.clone(),
            (false, _) => return None,
        };
        if multipart && !range.takes("multipart/related") {
            return None;
        }
        let format = formats
            .into_iter()
            .find(|format| inner.takes(format.media_type()))?;
        Some((format, multipart))
    })
}

/// Nothing is written onto pictures, and a client that wants that is told (PS3.18 section 8.3.5.1.1).
fn annotation(query: &Query) -> Option<String> {
    let words = query.value("annotation")?;
    let named = |letter: &char| letter.is_ascii_alphanumeric() || *letter == ',';
    let words: String = words.chars().filter(named).take(64).collect();
    Some(format!(
        "The following annotation values are not supported: {words}"
    ))
}

fn bad_viewport() -> crate::language::Message {
    say!(
        "viewport を読めません。「幅,高さ」か「幅,高さ,x,y,幅,高さ」の形で指定してください。",
        "The viewport cannot be read. It is width,height or width,height,x,y,width,height."
    )
}

fn bad_window() -> crate::language::Message {
    say!(
        "window を読めません。「中心,幅,関数」の形で、関数は linear・linear-exact・sigmoid のどれかです。",
        "The window cannot be read. It is centre,width,function, the function one of linear, linear-exact and sigmoid."
    )
}

fn bad_quality() -> crate::language::Message {
    say!(
        "quality は 1 から 100 までの整数にしてください。",
        "The quality is a whole number from 1 to 100."
    )
}

fn wrong_form() -> crate::language::Message {
    say!(
        "この形式では返せません。画像は image/jpeg か image/png で返せます（複数フレームは multipart/related）。",
        "Pictures cannot be given in this form, but as image/jpeg or image/png (several frames as multipart/related)."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicomweb::media::accepted;

    #[test]
    fn what_browsers_accept_is_a_jpeg() {
        let jpeg = Format::Jpeg(90);
        let of = |accept: &str, one| form(&accepted(accept), 90, one);
        let images = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
        for (accept, one, wanted) in [
            (images, true, Some((jpeg, false))),
            (
                "text/html,application/xml;q=0.9,image/avif,*/*;q=0.8",
                true,
                Some((jpeg, false)),
            ),
            ("*/*", true, Some((jpeg, false))),
            ("image/png", true, Some((Format::Png, false))),
            (
                "image/png, image/jpeg;q=0.5",
                true,
                Some((Format::Png, false)),
            ),
            (
                "multipart/related; type=\"image/png\"",
                true,
                Some((Format::Png, true)),
            ),
            ("multipart/related", false, Some((jpeg, true))),
            ("*/*", false, Some((jpeg, true))),
            ("image/jpeg", false, None),
            ("multipart/form-data", false, None),
            ("image/gif", true, None),
            ("video/mp4", true, None),
            ("application/dicom+json", true, None),
        ] {
            assert_eq!(of(accept, one), wanted, "{accept}");
        }
    }

    #[test]
    fn windows_are_read_as_the_standard_writes_them() {
        let read =
            |words| window(words).map(|window| (window.center, window.width, window.function));
        assert_eq!(read("40,80,linear"), Some((40.0, 80.0, Function::Linear)));
        assert_eq!(
            read("-600.5, 1500"),
            Some((-600.5, 1500.0, Function::Linear))
        );
        assert_eq!(
            read("1,.5,linear-exact"),
            Some((1.0, 0.5, Function::LinearExact))
        );
        for wrong in [
            "",
            "40",
            "40,0,linear",
            "40,80,cubic",
            "x,80",
            "NaN,80",
            "1,2,linear,3",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
