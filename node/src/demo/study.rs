//! The demonstration's study: a small CT series with a licence, or files of the user's own; sent as
//! a modality sends it.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::demo::site::DicomAddress;
use crate::dicom::part10::scan_file;
use crate::dicom::pdu::AeTitleError;
use crate::dicom::scu::{self, Destination, Outgoing, Timeouts};
use crate::language::{Explain as _, Failure};
use crate::parcels::ObjectHead;
use crate::say;
use crate::site::unusable;

/// Three slices of an abdominal CT (BSD-3-Clause; see the notice beside the files).
const SERIES: [&[u8]; 3] = [
    include_bytes!("../../../tests/fixtures/ct-3slice/01.dcm"),
    include_bytes!("../../../tests/fixtures/ct-3slice/02.dcm"),
    include_bytes!("../../../tests/fixtures/ct-3slice/03.dcm"),
];

/// The scanner's AE title.
pub(super) const SCANNER: &str = "CT_SCANNER";

enum Source {
    Built(&'static [u8]),
    File(PathBuf),
}

/// An image to send.
pub(super) struct Image {
    head: ObjectHead,
    study: String,
    data_set_offset: u64,
    source: Source,
}

/// The images to send: the built-in series, or every DICOM file below a path. Of several studies, the
/// one with most images.
///
/// # Errors
/// When the path cannot be read, or holds no DICOM image.
pub(super) fn images(path: Option<&Path>) -> Result<Vec<Image>, Failure> {
    let Some(path) = path else {
        return Ok(SERIES
            .into_iter()
            .filter_map(|bytes| image(bytes, Source::Built(bytes)))
            .collect());
    };
    let mut files = Vec::new();
    collect(path, &mut files).map_err(|error| unusable(path, &error))?;
    files.sort();
    let mut images: Vec<Image> = files
        .into_iter()
        .filter_map(|file| image(File::open(&file).ok()?, Source::File(file)))
        .collect();
    let most = images
        .iter()
        .map(|candidate| {
            (
                images
                    .iter()
                    .filter(|image| image.study == candidate.study)
                    .count(),
                candidate.study.clone(),
            )
        })
        .max();
    let Some((_, study)) = most else {
        let path = path.display();
        return Err(Failure::new(
            "demo-study",
            say!(
                "{path} に DICOM 画像がありません。別のフォルダを指定してください。",
                "There is no DICOM image in {path}. Name another folder."
            ),
        ));
    };
    images.retain(|image| image.study == study);
    Ok(images)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

fn image(bytes: impl Read, source: Source) -> Option<Image> {
    let scanned = scan_file(bytes, None).ok()?;
    let header = &scanned.header;
    let head = ObjectHead {
        sop_class: header.sop_class().as_str().to_owned(),
        sop_instance: header.sop_instance().as_str().to_owned(),
        transfer_syntax: header.transfer_syntax().uid().as_str().to_owned(),
    };
    Some(Image {
        head,
        study: header.study().as_str().to_owned(),
        data_set_offset: scanned.data_set_offset,
        source,
    })
}

impl Image {
    /// Study Instance UID.
    pub(super) fn study(&self) -> &str {
        &self.study
    }
}

impl Outgoing for &Image {
    fn sop_class(&self) -> &str {
        &self.head.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.head.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        &self.head.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match &self.source {
            Source::Built(bytes) => Box::new(Cursor::new(
                bytes
                    .get(self.data_set_offset as usize..)
                    .unwrap_or_default(),
            )),
            Source::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(self.data_set_offset))?;
                Box::new(file)
            }
        })
    }
}

/// Sends the images as a modality does. Returns how many were taken.
///
/// # Errors
/// When the node refuses one.
pub(super) fn send(images: &[Image], to: &DicomAddress) -> Result<u64, Failure> {
    let title = |text: &str| {
        text.parse()
            .map_err(|error: AeTitleError| Failure::new("demo-send", error.message().sentence()))
    };
    let destination = Destination {
        host: to.host.clone(),
        port: to.port,
        called_ae: title(&to.ae_title)?,
        calling_ae: title(SCANNER)?,
        timeouts: Timeouts::default(),
        tls: None,
        breaker: None,
        transcoding: None,
    };
    let mut refused = None;
    let objects = images
        .iter()
        .map(|image| Box::new(image) as Box<dyn Outgoing>);
    let summary = scu::store(&destination, objects, &mut |outcome| {
        if !outcome.delivery.is_stored() && refused.is_none() {
            refused = Some(outcome.delivery.message());
        }
        ControlFlow::Continue(())
    });
    match refused {
        None => Ok(summary.stored),
        Some(why) => Err(Failure::new(
            "demo-send",
            say!(
                "診療所のノードが画像を受け取りません: {why}。",
                "The clinic's node does not take an image: {why}.";
                why = why
            ),
        )),
    }
}
