//! Pictures that are made black where their device writes, and nowhere else.

use super::*;
use crate::deidentify::Regions;

const US: &str = "1.2.840.10008.5.1.4.1.1.6.1";
const ROWS: usize = 4;
const COLUMNS: usize = 6;
/// Left, top, width, height: columns 1 to 3 of the last two rows.
const RULE: &str = r#"
version = 1
[[rule]]
modality = "US"
manufacturer = "ACME"
model = "ECHO"
rows = 4
columns = 6
blank = [[1, 2, 3, 2], [0, 0, 1, 1]]
"#;

fn rules() -> Regions {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("regions.toml");
    std::fs::write(&file, RULE).unwrap();
    Regions::read(&file).unwrap()
}

fn is_blank(row: usize, column: usize) -> bool {
    row >= 2 && (1..4).contains(&column) || (row, column) == (0, 0)
}

/// What an image says of its pixels.
struct Form {
    photometric: &'static str,
    samples: u16,
    bits: u16,
    signed: bool,
    planar: bool,
    frames: usize,
}

const PLAIN: Form = Form {
    photometric: "MONOCHROME2",
    samples: 1,
    bits: 8,
    signed: false,
    planar: false,
    frames: 1,
};

impl Form {
    fn pixels(&self) -> Vec<u8> {
        let bytes = usize::from(self.bits / 8) * usize::from(self.samples);
        let count = ROWS * COLUMNS * bytes * self.frames;
        // Nothing that is black, white or the middle.
        (0..count).map(|at| 1 + (at % 100) as u8).collect()
    }

    fn object(&self, pixels: &[u8]) -> Vec<u8> {
        let mut set = planted(US, NAMES[2]);
        set.put_text(tags::MODALITY, VR::CS, "US");
        set.put_text(tags::MANUFACTURER, VR::LO, "Acme");
        set.put_text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Echo");
        set.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
        set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, self.photometric);
        set.put_text(tags::NUMBER_OF_FRAMES, VR::IS, &self.frames.to_string());
        for (tag, value) in [
            (tags::ROWS, ROWS as u16),
            (tags::COLUMNS, COLUMNS as u16),
            (tags::SAMPLES_PER_PIXEL, self.samples),
            (tags::BITS_ALLOCATED, self.bits),
            (tags::BITS_STORED, self.bits),
            (tags::HIGH_BIT, self.bits - 1),
            (tags::PIXEL_REPRESENTATION, self.signed.into()),
            (tags::PLANAR_CONFIGURATION, self.planar.into()),
        ] {
            set.put_short(tag, value);
        }
        set.put_bytes(tags::PIXEL_DATA, VR::OW, pixels);
        write(&set, Encoding::ExplicitLittle)
    }

    /// The object made anew, and its pixels.
    fn made(&self) -> (DataSet, Vec<u8>) {
        let options = Options {
            clean_pixels: true,
            ..Options::default()
        };
        let input = self.object(&self.pixels());
        let made = made_with(&input, &EXPLICIT_VR_LITTLE_ENDIAN, &options, &rules());
        let (out, syntax) = made.ok().unwrap();
        assert_eq!(syntax, EXPLICIT_VR_LITTLE_ENDIAN.as_str());
        for mark in MARKS.iter().chain([&NAMES[2].1]) {
            assert!(!found(&out, mark), "{}", String::from_utf8_lossy(mark));
        }
        let set = tree(&out, Encoding::ExplicitLittle);
        let pixels = set.bytes(tags::PIXEL_DATA).unwrap().to_vec();
        (set, pixels)
    }

    /// Holds what comes out against what went in: `black` is one black pixel.
    fn holds(&self, black: &[u8]) {
        let (set, out) = self.made();
        assert_eq!(set.code(tags::BURNED_IN_ANNOTATION), "NO");
        let codes = set.items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
        let codes: Vec<&str> = codes
            .iter()
            .map(|code| code.code(tags::CODE_VALUE))
            .collect();
        assert_eq!(codes, ["113100", "113101"]);
        let before = self.pixels();
        assert_eq!(out.len(), before.len());
        let (sample, samples) = (usize::from(self.bits / 8), usize::from(self.samples));
        for at in 0..before.len() / sample {
            let (frame, inside) = (
                at / (ROWS * COLUMNS * samples),
                at % (ROWS * COLUMNS * samples),
            );
            let (pixel, colour) = match self.planar {
                true => (inside % (ROWS * COLUMNS), inside / (ROWS * COLUMNS)),
                false => (inside / samples, inside % samples),
            };
            let bytes = at * sample..(at + 1) * sample;
            let expected = match is_blank(pixel / COLUMNS, pixel % COLUMNS) {
                true => &black[colour * sample..(colour + 1) * sample],
                false => &before[bytes.clone()],
            };
            assert_eq!(&out[bytes], expected, "frame {frame}, pixel {pixel}");
        }
    }
}

#[test]
fn what_is_outside_stays_and_what_is_inside_is_black() {
    PLAIN.holds(&[0]);
    Form { frames: 3, ..PLAIN }.holds(&[0]);
    Form {
        photometric: "MONOCHROME1",
        ..PLAIN
    }
    .holds(&[255]);
    Form { bits: 16, ..PLAIN }.holds(&[0, 0]);
    Form {
        bits: 16,
        signed: true,
        ..PLAIN
    }
    .holds(&[0x00, 0x80]);
    let colour = Form {
        photometric: "RGB",
        samples: 3,
        frames: 2,
        ..PLAIN
    };
    colour.holds(&[0, 0, 0]);
    Form {
        planar: true,
        ..colour
    }
    .holds(&[0, 0, 0]);
    let chrominance = Form {
        photometric: "YBR_FULL",
        samples: 3,
        ..PLAIN
    };
    chrominance.holds(&[0, 128, 128]);
    Form {
        planar: true,
        ..chrominance
    }
    .holds(&[0, 128, 128]);
}

#[test]
fn overlays_curves_and_private_elements_go_at_every_depth() {
    let (set, _) = PLAIN.made();
    let mut levels = vec![&set];
    let mut count = 0;
    while let Some(level) = levels.pop() {
        for element in level.elements() {
            let group = element.tag.group();
            assert!(group % 2 == 0 && !matches!(group & 0xFF00, 0x5000 | 0x6000));
            count += 1;
            if let Value::Items(items) = &element.value {
                levels.extend(items);
            }
        }
    }
    assert!(count > 100);
}

#[test]
fn what_no_rule_is_for_stays_here() {
    let pixels = PLAIN.pixels();
    let with = |change: &dyn Fn(&mut DataSet), options: &Options| {
        let mut set = tree(&PLAIN.object(&pixels), Encoding::ExplicitLittle);
        set.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "");
        change(&mut set);
        let input = write(&set, Encoding::ExplicitLittle);
        made_with(&input, &EXPLICIT_VR_LITTLE_ENDIAN, options, &rules()).err()
    };
    let options = Options {
        clean_pixels: true,
        ..Options::default()
    };
    assert!(with(&|_| {}, &options).is_none());
    let not_asked = with(&|_| {}, &Options::default());
    assert!(matches!(not_asked, Some(Refusal::PixelsUnseen)));
    let other = |set: &mut DataSet| set.put_text(tags::MANUFACTURER, VR::LO, "OTHER");
    assert!(matches!(
        with(&other, &options),
        Some(Refusal::NoRegions(modality, 4, 6)) if modality == "US"
    ));
    let burned = |set: &mut DataSet| {
        other(set);
        set.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    };
    assert!(matches!(with(&burned, &options), Some(Refusal::BurnedIn)));
    // Pixels that are not all there, or no whole bytes.
    let cut = |set: &mut DataSet| set.put_text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    assert!(matches!(
        with(&cut, &options),
        Some(Refusal::Undecodable(_))
    ));
    let bits = |set: &mut DataSet| {
        set.put_short(tags::BITS_ALLOCATED, 1);
        set.put_short(tags::BITS_STORED, 1);
        set.put_short(tags::HIGH_BIT, 0);
        set.put_bytes(tags::PIXEL_DATA, VR::OW, [0; 4]);
    };
    assert!(matches!(
        with(&bits, &options),
        Some(Refusal::Undecodable(_))
    ));
}

#[test]
fn a_tile_of_a_slide_names_nobody_and_its_label_stays_here() {
    const SLIDE: &str = "1.2.840.10008.5.1.4.1.1.77.1.6";
    let slide = |flavour: &str| {
        let mut set = planted(SLIDE, NAMES[2]);
        let image_type = format!("ORIGINAL\\PRIMARY\\{flavour}\\NONE");
        set.put_text(tags::IMAGE_TYPE, VR::CS, &image_type);
        set.put_text(tags::SPECIMEN_LABEL_IN_IMAGE, VR::CS, "NO");
        let input = bytes(&set, Encoding::ExplicitLittle);
        made(&input, &EXPLICIT_VR_LITTLE_ENDIAN, &Options::default())
    };
    let (out, _) = slide("VOLUME").ok().unwrap();
    for mark in MARKS.iter().chain([&NAMES[2].1]) {
        assert!(!found(&out, mark), "{}", String::from_utf8_lossy(mark));
    }
    let set = tree(&out, Encoding::ExplicitLittle);
    assert_eq!(set.bytes(tags::PIXEL_DATA), Some(&super::PIXELS[..]));
    for flavour in ["LABEL", "OVERVIEW", "THUMBNAIL"] {
        assert!(matches!(slide(flavour), Err(Refusal::SlideLabel)));
    }
}
