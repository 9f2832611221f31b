"""Pixels that are not what their headers say, through the packs of a real pair: what is taken arrives byte for byte, what is
refused is refused with a reason, and neither holds the other up."""

import contextlib
import json
import os
import struct
import zlib
from dataclasses import dataclass

import pytest
from conftest import two_sites
from line import Lab, needs_a_line
from modality import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Object, send
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from studies import Study, wire
from test_clinics_line import sites_on
from test_dicomweb import Web, add_web, data_set_bytes
from world import dokuei, hand_over, until

EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"
RLE = "1.2.840.10008.1.2.5"
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA, FLOAT, DOUBLE = 0x0010, 0x0008, 0x0009
PACK = 1 << 20


def element(number, vr, value, syntax, length=None):
    """An element of group 7FE0, with whatever length it claims to have."""
    order = ">" if syntax == EXPLICIT_BIG else "<"
    length = len(value) if length is None else length
    tag = struct.pack(f"{order}HH", 0x7FE0, number)
    if syntax == IMPLICIT_LITTLE:
        return tag + struct.pack("<I", length) + value
    return tag + vr + struct.pack(f"{order}HI", 0, length) + value


def item(value, length=None, number=0xE000):
    return struct.pack("<HHI", 0xFFFE, number, len(value) if length is None else length) + value


def fragments(*parts, offsets=b""):
    whole = item(offsets) + b"".join(map(item, parts)) + item(b"", number=0xE0DD)
    return element(PIXEL_DATA, b"OB", whole, JPEG, UNDEFINED)


def slope(count, bytes=2, order="<"):
    """Samples with their neighbours' values, as images have them, and some noise."""
    letter = {1: "B", 2: "H", 4: "I"}[bytes]
    noise = os.urandom(count)
    return struct.pack(f"{order}{count}{letter}", *((at // 7 + (noise[at] & 3)) % 200 for at in range(count)))


@dataclass
class Image:
    """What a header says, and what is behind it. `refused` is the word for why it is not taken."""

    tail: bytes = b""
    syntax: str = EXPLICIT_LITTLE
    refused: str = ""
    says: dict = None


def native(value, vr=b"OW", syntax=EXPLICIT_LITTLE, number=PIXEL_DATA, length=None, behind=b"", refused="", **says):
    return Image(element(number, vr, value, syntax, length) + behind, syntax, refused, says)


def encapsulated(*parts, syntax=JPEG, refused="", offsets=b"", **says):
    return Image(fragments(*parts, offsets=offsets), syntax, refused, says)


SQUARE = {"Rows": 64, "Columns": 64}
BYTES = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
COLOUR = {**BYTES, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
COLOURS = ("Red", "Green", "Blue")
PALETTE = {"PhotometricInterpretation": "PALETTE COLOR", **{f"{colour}PaletteColorLookupTableDescriptor": ("US", [256, 0, 16]) for colour in COLOURS}}
LUTS = {f"{colour}PaletteColorLookupTableData": ("OW", slope(256)) for colour in COLOURS}
HALF = slope(64 * 64 // 2)
WHOLE = slope(64 * 64)
# More than a pack, and no multiple of anything.
LONG = slope((2 * PACK + 4321) // 2)
# A start of image, noise, an end.
FRAME = b"\xff\xd8" + os.urandom(700) + b"\xff\xd9"

IMAGES = {
    "as it says": native(WHOLE, **SQUARE),
    "half as long": native(HALF, **SQUARE),
    "twice as long": native(WHOLE + WHOLE, **SQUARE),
    "hardly any": native(b"\1\2", **SQUARE),
    "an empty value": native(b"", **SQUARE),
    "no rows and columns": native(WHOLE, Rows=0, Columns=0),
    "one long row": native(LONG, Rows=1, Columns=65535),
    "one long column": native(LONG, Rows=65535, Columns=1),
    "wrong rows in several packs": native(LONG, Rows=511, Columns=513),
    "an odd count of bytes": native(slope(63 * 63, 1), b"OB", Rows=63, Columns=63, **BYTES),
    "an odd count of bytes of words": native(WHOLE + b"\7", **SQUARE),
    "an odd count of bytes in several packs": native(LONG + b"\7", Rows=1024, Columns=1024),
    "one bit": native(os.urandom(64 * 64 // 8), **SQUARE, BitsAllocated=1, BitsStored=1, HighBit=0),
    "one bit in a size that fills no byte": native(os.urandom(141), b"OB", Rows=33, Columns=34, BitsAllocated=1, BitsStored=1, HighBit=0),
    "twelve bits packed": native(os.urandom(64 * 64 * 3 // 2), **SQUARE, BitsAllocated=12, BitsStored=12, HighBit=11),
    "32 bits": native(slope(64 * 64, 4), b"OL", **SQUARE, BitsAllocated=32, BitsStored=32, HighBit=31),
    "32 bits that are 16": native(WHOLE, **SQUARE, BitsAllocated=32),
    "16 bits that are 8": native(slope(64 * 64, 1), **SQUARE),
    "8 bits that are 16": native(WHOLE, **SQUARE, **BYTES),
    "no bits": native(WHOLE, **SQUARE, BitsAllocated=0, BitsStored=0, HighBit=0),
    "impossible bits": native(WHOLE, **SQUARE, BitsAllocated=65535, BitsStored=99, HighBit=200),
    "signed that is not": native(WHOLE, **SQUARE, PixelRepresentation=1),
    "a sign of its own": native(WHOLE, **SQUARE, PixelRepresentation=77),
    "float": native(struct.pack("<4096f", *(at / 7 for at in range(4096))), b"OF", number=FLOAT, **SQUARE, BitsAllocated=32),
    "double float": native(struct.pack("<4096d", *(at / 7 for at in range(4096))), b"OD", number=DOUBLE, **SQUARE, BitsAllocated=64),
    "float and pixels": native(b"\0" * 64, b"OF", number=FLOAT, behind=element(PIXEL_DATA, b"OW", WHOLE, EXPLICIT_LITTLE), **SQUARE),
    "big endian": native(slope(64 * 64, order=">"), syntax=EXPLICIT_BIG, **SQUARE),
    "big endian of an odd length": native(slope(64 * 64, order=">") + b"\7", syntax=EXPLICIT_BIG, **SQUARE),
    "big endian bytes": native(slope(64 * 64, 1), b"OB", syntax=EXPLICIT_BIG, **SQUARE, **BYTES),
    "implicit": native(WHOLE, syntax=IMPLICIT_LITTLE, **SQUARE),
    "palette colour": native(slope(64 * 64, 1), b"OB", **SQUARE, **BYTES, **PALETTE, **LUTS),
    "palette colour without a table": native(WHOLE, **SQUARE, **PALETTE),
    "colour by pixel": native(slope(3 * 64 * 64, 1), b"OB", **SQUARE, **COLOUR, PlanarConfiguration=0),
    "colour by plane": native(slope(3 * 64 * 64, 1), b"OB", **SQUARE, **COLOUR, PlanarConfiguration=1),
    "colour in a plane of its own": native(slope(3 * 64 * 64, 1), b"OB", **SQUARE, **COLOUR, PlanarConfiguration=300),
    "colour of which a third is there": native(slope(64 * 64, 1), b"OB", **SQUARE, **COLOUR),
    "colour with less colour": native(slope(2 * 64 * 64, 1), b"OB", **SQUARE, **{**COLOUR, "PhotometricInterpretation": "YBR_FULL_422"}),
    "two samples": native(WHOLE, **SQUARE, SamplesPerPixel=2),
    "no samples": native(WHOLE, **SQUARE, SamplesPerPixel=0),
    "many samples": native(WHOLE, **SQUARE, SamplesPerPixel=65535),
    "multi-frame": native(slope(20 * 64 * 64), **SQUARE, NumberOfFrames=20),
    "multi-frame in several packs": native(LONG, **SQUARE, NumberOfFrames=256),
    "a million frames": native(WHOLE, Rows=1, Columns=1, NumberOfFrames=1_000_000),
    "less than no frames": native(WHOLE, **SQUARE, NumberOfFrames=-3),
    "of another VR": native(WHOLE, b"UN", **SQUARE),
    "of text": native(WHOLE, b"UT", **SQUARE),
    "twice": native(WHOLE, behind=element(PIXEL_DATA, b"OW", HALF, EXPLICIT_LITTLE), **SQUARE),
    "with something behind": native(WHOLE, behind=struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 4) + b"\0" * 4, **SQUARE),
    "with zeros behind": native(WHOLE, behind=b"\0" * 64, **SQUARE),
    "none": Image(says=SQUARE),
    "none, and nothing said of any": Image(says={}),
    "fragments": encapsulated(FRAME, **SQUARE, **BYTES),
    "fragments with offsets": encapsulated(FRAME, FRAME, offsets=struct.pack("<II", 0, 712), **SQUARE, **BYTES, NumberOfFrames=2),
    "fragments with offsets that lie": encapsulated(FRAME, FRAME, offsets=struct.pack("<II", 7, 1 << 31), **SQUARE, **BYTES, NumberOfFrames=2),
    "fragments of several packs": encapsulated(*[os.urandom(PACK // 2)] * 5, **SQUARE, **BYTES),
    "many small fragments": encapsulated(*[b"\xff\xd8"] * 5_000, **SQUARE, **BYTES),
    "an odd fragment": encapsulated(FRAME + b"\7", **SQUARE, **BYTES),
    "empty fragments": encapsulated(b"", b"", b"", **SQUARE, **BYTES),
    "an empty fragment between others": encapsulated(FRAME, b"", FRAME, **SQUARE, **BYTES, NumberOfFrames=3),
    "no fragments": encapsulated(**SQUARE, **BYTES),
    "runs that are none": encapsulated(struct.pack("<16I", 3, 1 << 30, *range(14)), syntax=RLE, **SQUARE, **BYTES),
    "fragments where none should be": encapsulated(FRAME, syntax=EXPLICIT_LITTLE, **SQUARE),
    "no fragments where some should be": native(WHOLE, syntax=JPEG, **SQUARE),
    "deflated": native(WHOLE, syntax=DEFLATED, **SQUARE),
    "an impossibly large image": native(WHOLE, Rows=65535, Columns=65535, NumberOfFrames=999_999, refused="pixel-description"),
    "less than it says": native(WHOLE, length=1 << 20, refused="truncated", **SQUARE),
    "a fragment without a length": Image(element(PIXEL_DATA, b"OB", item(b"") + item(FRAME, UNDEFINED), JPEG, UNDEFINED), JPEG, "fragment-length", SQUARE),
    "fragments without an end": Image(element(PIXEL_DATA, b"OB", item(b"") + item(FRAME), JPEG, UNDEFINED), JPEG, "truncated", SQUARE),
    "what is no fragment": Image(element(PIXEL_DATA, b"OB", item(b"") + b"\x10\0\x10\0PN\4\0A^B ", JPEG, UNDEFINED), JPEG, "item-expected", SQUARE),
}
TAKEN = {name: image for name, image in IMAGES.items() if not image.refused}
REFUSED = {name: image for name, image in IMAGES.items() if image.refused}


def object_of(image, dataset):
    """The object, its pixels by hand."""
    del dataset.PixelData
    for name in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel") if not image.says else ():
        delattr(dataset, name)
    for name, value in image.says.items():
        vr, value = value if isinstance(value, tuple) else (dictionary_VR(name), value)
        dataset.add_new(name, vr, value)
    dataset.remove_private_tags()
    # Nothing that stands behind pixels.
    for tag in [tag for tag in dataset.keys() if tag.group >= 0x7FE0]:
        del dataset[tag]
    deflated = image.syntax == DEFLATED
    dataset.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE if deflated else image.syntax
    head = wire(dataset)
    data = head.data + image.tail
    if deflated:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = packer.compress(data) + packer.flush()
        data += b"\0" * (len(data) % 2)
    return Object(head.sop_class, head.sop_instance, image.syntax, data)


def file_of(one):
    """The object as a file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = one.sop_class, one.sop_instance
    meta.TransferSyntaxUID = one.transfer_syntax
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return bytes(128) + b"DICM" + buffer.getvalue() + one.data


def study_of(images):
    study = Study(count=len(images), side=8, name="BAD^PIXELS")
    study.objects = [object_of(image, dataset) for image, dataset in zip(images.values(), study.datasets)]
    return study


@pytest.fixture(scope="module")
def near(tmp_path_factory):
    """Two sites that are near each other: packs are made with little effort."""
    with two_sites(tmp_path_factory.mktemp("near"), prepare=add_web) as (clinic, hospital):
        yield clinic, hospital, lambda site: contextlib.nullcontext()


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """Two sites at the ends of a line: packs are made as small as they get."""
    needs_a_line()
    with Lab("--rate", "100mbit", "--delay", "5ms") as lab, sites_on(lab, tmp_path_factory.mktemp("far")) as (clinic, hospital):
        yield clinic, hospital, lab.inside


def by_wado(web, study, uid):
    answer = web.get(
        f"/studies/{study.uid}/series/{study.series}/instances/{uid}",
        Accept='multipart/related; type="application/dicom"; transfer-syntax=*',
    )
    assert answer.status_code == 200, answer.text
    body = answer.content
    return data_set_bytes(body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n--")])


def arrives(study, named, clinic, hospital, inside):
    """What was taken of a study is sent, and is at the hospital what it was at the clinic."""
    study.objects = [named[name] for name in TAKEN]
    study.uids = [one.sop_instance for one in study.objects]
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    with inside("hospital"):
        web = Web(hospital, name=study.uid)
        for name in TAKEN:
            assert by_wado(web, study, named[name].sop_instance) == named[name].data, name
    transfer = hospital.case(case)["transfer"]
    assert transfer["objects"] == transfer["stored"] == len(TAKEN)
    assert transfer["bytes_again"] == 0
    # What lies about itself gets longer by little at the most.
    assert transfer["bytes_received"] < 1.01 * transfer["bytes_total"]


@pytest.mark.parametrize("place", ["near", "far"])
def test_bad_pixels_of_a_modality_arrive_and_what_is_refused_holds_nothing_up(place, request):
    clinic, hospital, inside = request.getfixturevalue(place)
    study = study_of(IMAGES)
    named = dict(zip(IMAGES, study.objects))
    said = len(clinic.said())
    with inside("clinic"):
        statuses = dict(zip(IMAGES, send(clinic, study.objects)))
    assert {name for name, status in statuses.items() if status == 0} == set(TAKEN)
    assert {name: statuses[name] for name in REFUSED} == dict.fromkeys(REFUSED, 0xC000)
    lines = [line for line in clinic.said()[said:].splitlines() if "WARN" in line]
    for name, image in REFUSED.items():
        (told,) = [line for line in lines if named[name].sop_instance in line]
        assert image.refused in told, (name, told)
    arrives(study, named, clinic, hospital, inside)


def test_bad_pixels_of_a_medium_arrive_and_each_refused_file_is_named(near, tmp_path):
    clinic, _, _ = near
    study = study_of(IMAGES)
    named = dict(zip(IMAGES, study.objects))
    for number, one in enumerate(named.values()):
        (tmp_path / f"{number}.dcm").write_bytes(file_of(one))
    receipt = json.loads(dokuei("media", "import", tmp_path, "--dir", clinic.data, "--json").stdout)
    numbers = {f"{number}.dcm": name for number, name in enumerate(named)}
    skipped = {numbers[one["file"]]: one["why"]["en"] for one in receipt["skipped"]}
    assert set(skipped) == set(REFUSED)
    for name, image in REFUSED.items():
        # The end of a file is known, and so what lies behind it.
        assert image.refused.replace("truncated", "") in skipped[name], (name, skipped[name])
    assert receipt["taken"] == len(TAKEN)
    clinic.ask("media", "decide", receipt["name"], "--as-is")
    arrives(study, named, *near)
