//! Pictures: brightness, colours, size, part.

use dokuei_node::pixels::{
    Codec, DecodeError, Format, Function, Image, Lut, Modality, Photometric, Rendering, SIDE_MAX,
    Viewport, Voi, Window,
};

use crate::object::Object;
use crate::{colour, decoders, digest, file, grey, table};

/// Width, height, samples and pixels of a PNG.
fn read(bytes: &[u8]) -> (u32, u32, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, info.color_type.samples(), pixels)
}

fn png() -> Rendering {
    Rendering {
        format: Format::Png,
        ..Rendering::whole()
    }
}

async fn shown(image: &Image, source: &[u8], rendering: Rendering) -> Vec<u8> {
    let picture = decoders().render(image, source, rendering).await.unwrap();
    assert_eq!(picture.media_type, "image/png");
    read(&picture.bytes).3
}

#[tokio::test]
async fn pictures_are_what_pydicom_makes_of_them() {
    for line in table("pictures.tsv") {
        let object = Object::open(&file(&line[0]));
        let image = object.image(0).unwrap();
        let source = object.source(&image, 0).unwrap();
        let pixels = shown(&image, &source, png()).await;
        assert_eq!(digest(&pixels), line[1], "{}", line[0]);
    }
}

#[tokio::test]
async fn windows_have_the_three_shapes_of_the_standard() {
    let image = Image {
        modality: Modality::Rescale(2.0, -100.0),
        ..grey(Codec::NativeLittle, 1, 5, 8)
    };
    let source = [0, 25, 50, 75, 100];
    // Values of the modality: -100, -50, 0, 50, 100.
    let with = |function| Rendering {
        window: Window::new(0.0, 101.0, function),
        ..png()
    };
    let linear = shown(&image, &source, with(Function::Linear)).await;
    assert_eq!(linear, [0, 1, 129, 255, 255]);
    let exact = shown(&image, &source, with(Function::LinearExact)).await;
    assert_eq!(exact, [0, 1, 128, 254, 255]);
    let sigmoid = shown(&image, &source, with(Function::Sigmoid)).await;
    assert_eq!(sigmoid, [5, 31, 128, 224, 250]);
}

#[tokio::test]
async fn tables_inversion_padding_and_signs_count() {
    let plain = grey(Codec::NativeLittle, 1, 4, 8);
    assert_eq!(
        shown(&plain, &[10, 20, 30, 60], png()).await,
        [0, 51, 102, 255]
    );
    let padded = Image {
        padding: Some((0, 9)),
        ..plain.clone()
    };
    assert_eq!(
        shown(&padded, &[5, 20, 30, 70], png()).await,
        [0, 0, 51, 255]
    );
    for (photometric, inverse) in [
        (Photometric::Monochrome1, false),
        (Photometric::Monochrome2, true),
    ] {
        let inverted = Image {
            photometric,
            inverse,
            ..plain.clone()
        };
        assert_eq!(
            shown(&inverted, &[10, 20, 30, 60], png()).await,
            [255, 204, 153, 0]
        );
    }
    let table = |first, entries: [u16; 3]| Lut {
        first,
        bits: 8,
        entries: entries.to_vec(),
    };
    let tabled = Image {
        modality: Modality::Table(table(10, [1, 2, 3])),
        voi: Voi::Table(table(1, [0, 200, 255])),
        ..plain.clone()
    };
    assert_eq!(
        shown(&tabled, &[0, 10, 11, 99], png()).await,
        [0, 0, 200, 255]
    );
    let signed = Image {
        signed: true,
        ..plain
    };
    assert_eq!(
        shown(&signed, &[0xFF, 0, 1, 4], png()).await,
        [0, 51, 102, 255]
    );
}

#[tokio::test]
async fn palettes_and_the_colours_of_television_become_red_green_and_blue() {
    let ramp = |bits, entries: [u16; 2]| Lut {
        first: 1,
        bits,
        entries: entries.to_vec(),
    };
    let image = Image {
        photometric: Photometric::Palette,
        palette: Some([
            ramp(16, [0xFF00, 0]),
            ramp(8, [7, 9]),
            ramp(16, [0, 0x8000]),
        ]),
        ..grey(Codec::NativeLittle, 1, 2, 8)
    };
    assert_eq!(shown(&image, &[0, 2], png()).await, [255, 7, 0, 0, 9, 128]);
    let full = Image {
        photometric: Photometric::YbrFull,
        ..colour(Codec::NativeLittle, 1, 2, 8)
    };
    // Red of full brightness, and grey.
    assert_eq!(
        shown(&full, &[76, 85, 255, 90, 128, 128], png()).await,
        [254, 0, 0, 90, 90, 90]
    );
    let partial = Image {
        photometric: Photometric::YbrPartial422,
        ..colour(Codec::NativeLittle, 1, 2, 8)
    };
    assert_eq!(
        shown(&partial, &[16, 235, 128, 128], png()).await,
        [0, 0, 0, 255, 255, 255]
    );
}

#[tokio::test]
async fn one_bit_a_pixel_is_black_and_white() {
    let image = Image {
        bits_allocated: 1,
        ..grey(Codec::NativeLittle, 2, 5, 1)
    };
    let pixels = shown(&image, &[0b0011_0001, 0b10], png()).await;
    assert_eq!(pixels, [255, 0, 0, 0, 255, 255, 0, 0, 0, 255]);
}

#[tokio::test]
async fn a_viewport_fits_crops_and_mirrors() {
    let image = grey(Codec::NativeLittle, 2, 4, 8);
    let source = [0, 10, 20, 30, 100, 110, 120, 255];
    let window = Window::new(127.5, 255.0, Function::LinearExact);
    let asked = |words: &str| Rendering {
        viewport: Some(Viewport::parse(words).unwrap()),
        window,
        ..png()
    };
    let decoders = decoders();
    let size = async |words: &str| {
        let picture = decoders
            .render(&image, &source, asked(words))
            .await
            .unwrap();
        let (width, height, _, pixels) = read(&picture.bytes);
        (width, height, pixels)
    };
    assert_eq!(size("4,2").await, (4, 2, source.to_vec()));
    let (width, height, _) = size("100,100").await;
    assert_eq!((width, height), (100, 50));
    assert_eq!(size("2,2").await, (2, 1, vec![55, 106]));
    assert_eq!(size("2,1,1,1,2,1").await, (2, 1, vec![110, 120]));
    assert_eq!(size("2,2,2,,-2,-2").await, (2, 2, vec![255, 120, 30, 20]));
    assert_eq!(size("1,9,0,0,1,").await, (1, 2, vec![0, 100]));
    let outside = decoders.render(&image, &source, asked("4,4,4,0,1,1")).await;
    assert_eq!(outside.err(), Some(DecodeError::TooLarge));
    let huge = format!("{},1", SIDE_MAX + 1);
    let huge = decoders.render(&image, &source, asked(&huge)).await;
    assert_eq!(huge.err(), Some(DecodeError::TooLarge));
    for wrong in [
        "",
        "1",
        "0,1",
        "1,2,3",
        "1,2,3,4,5",
        "1,2,0,0,0,1",
        "a,b",
        "1,2,3,4,5,6,7",
        "-1,5",
    ] {
        assert_eq!(Viewport::parse(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn a_thumbnail_is_a_small_jpeg() {
    let object = Object::open(&file("HTJ2KLossless_08_RGB.dcm"));
    let image = object.image(0).unwrap();
    let source = object.source(&image, 0).unwrap();
    let thumbnail = decoders()
        .render(&image, &source, Rendering::thumbnail())
        .await;
    let thumbnail = thumbnail.unwrap();
    assert_eq!(thumbnail.media_type, "image/jpeg");
    // The picture goes through our own decoder, too: 640 by 480 becomes 128 by 96.
    let again = Image {
        photometric: Photometric::YbrFull,
        ..colour(Codec::Jpeg, 96, 128, 8)
    };
    let pixels = shown(&again, &thumbnail.bytes, png()).await;
    assert_eq!(pixels.len(), 96 * 128 * 3);
    // A yellow sky is red rather than blue.
    assert!(pixels[0] > pixels[2] + 50, "{:?}", &pixels[..3]);
}
