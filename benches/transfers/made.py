"""Studies of nobody: as large, and about as hard to compress, as real ones.

The chest CT is the one of `compression/benches/pixels/chest.rs`: ellipses with smooth borders and the grained noise of a
reconstruction, so strong that JPEG-LS makes a slice 2.7 times smaller, as it does with real thin-slice chests. Headers are those
of published images (`tests/fixtures/ct-3slice`, `node/tests/data/dicom/objects`), with places, numbers and identifiers of their own.
"""

import multiprocessing
import secrets
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from world import ROOT

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
# Changed whenever the pixels are made differently, so that no old ones are taken from the cache.
VERSION = 1
# What every identifier of a study begins with; a new study has digits of its own in its place.
BASE = "2.25.9" + "0" * 30

# Hounsfield units by which fine and coarse grain vary.
GRAIN, COARSE = 75.0, 6.0
# Value, centre, half axes (x, y, z), in parts of half a side.
ORGANS = (
    (40.0, (0.0, 0.0, 0.5), (0.95, 0.74, 4.0)),
    (-850.0, (-0.36, -0.05, 0.35), (0.27, 0.36, 0.6)),
    (-850.0, (0.36, -0.05, 0.35), (0.27, 0.36, 0.6)),
    (60.0, (0.08, -0.12, 0.45), (0.2, 0.22, 0.4)),
    (70.0, (-0.35, -0.05, 0.95), (0.4, 0.38, 0.35)),
    (300.0, (0.0, 0.45, 0.5), (0.1, 0.11, 4.0)),
    (180.0, (-0.02, 0.22, 0.5), (0.05, 0.05, 4.0)),
    (90.0, (-0.3, -0.2, 0.4), (0.03, 0.02, 0.2)),
    (90.0, (0.33, 0.1, 0.4), (0.02, 0.03, 0.25)),
)
# The same for a head in a magnet: skull's fat, white and grey matter, ventricles; brightness instead of density.
BRAIN = (
    (900.0, (0.0, 0.0, 0.5), (0.72, 0.88, 0.75)),
    (150.0, (0.0, 0.0, 0.5), (0.67, 0.83, 0.72)),
    (620.0, (0.0, 0.0, 0.5), (0.62, 0.78, 0.68)),
    (800.0, (0.0, 0.0, 0.5), (0.5, 0.64, 0.6)),
    (220.0, (-0.1, -0.05, 0.5), (0.07, 0.25, 0.3)),
    (220.0, (0.1, -0.05, 0.5), (0.07, 0.25, 0.3)),
)


def places(side):
    line = numpy.arange(side, dtype=numpy.float32) / (side / 2) - 1
    return line[None, :], line[:, None]


def drawn(side, organs, z, ground):
    """Ellipses over each other."""
    x, y = places(side)
    image = numpy.full((side, side), ground, numpy.float32)
    for value, centre, axes in organs:
        inside = ((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2 < 1 - ((z - centre[2]) / axes[2]) ** 2
        image[inside] = value
    return image


def blurred(image, reach):
    """The mean of 2 · `reach` samples, twice along rows and columns."""
    for axis in (1, 0, 1, 0):
        if reach == 1:
            before = numpy.concatenate((image.take([0], axis), image.take(range(image.shape[axis] - 1), axis)), axis)
            image = (before + image) / 2
            continue
        wide = numpy.pad(image, [(reach, reach) if axis == at else (0, 0) for at in (0, 1)], mode="edge")
        sums = numpy.cumsum(wide, axis=axis, dtype=numpy.float64)
        count, length = 2 * reach, image.shape[axis]
        ends = sums.take(range(count - 1, count - 1 + length), axis)
        begins = numpy.insert(sums, 0, 0, axis).take(range(length), axis)
        image = ((ends - begins) / count).astype(numpy.float32)
    return image


def grain(random, side, reach):
    """Noise that neighbours share, of deviation 1."""
    field = blurred(random.standard_normal((side, side), numpy.float32), reach)
    return field / field.std()


def chest(number, count):
    """One slice of the CT: signed, 512×512."""
    side, random = 512, numpy.random.default_rng([VERSION, number])
    image = blurred(drawn(side, ORGANS, number / count, -1000.0), 1)
    inside = (image > -900).astype(numpy.float32)
    image += GRAIN * grain(random, side, 1) * (0.8 + 0.2 * inside) + COARSE * grain(random, side, side // 40) * inside
    x, y = places(side)
    image[x**2 + y**2 > 1] = -1024
    return image.round().clip(-1024, 3071).astype("<i2")


def brain(number, count):
    """One slice of the MR: 12 bits, 256×256, with the noise of a magnitude."""
    side, random = 256, numpy.random.default_rng([VERSION, 1000, number])
    image = blurred(drawn(side, BRAIN, number / count, 0.0), 1)
    real, imaginary = (5 * random.standard_normal((side, side), numpy.float32) for _ in range(2))
    return numpy.hypot(image + real, imaginary).round().clip(0, 4095).astype("<u2")


def radiograph(number, count):
    """A DX: 14 bits, 2800×2400, much darker where it is thick, with the noise of quanta."""
    random = numpy.random.default_rng([VERSION, 2000, number])
    thick = blurred(drawn(700, ORGANS, 0.5, -1000.0), 12)
    image = numpy.kron(9000 * numpy.exp(-(thick + 1000) / 900), numpy.ones((4, 4), numpy.float32))[:, 200:2600]
    image = blurred(image, 4)
    noise = blurred(random.standard_normal(image.shape, numpy.float32), 2)
    return (image + 0.08 * numpy.sqrt(image) * noise / noise.std()).round().clip(0, 16383).astype("<u2")


def header_of_chest(number):
    image = dcmread(ROOT / "tests" / "fixtures" / "ct-3slice" / "01.dcm", stop_before_pixels=True)
    place = -200 + 0.7 * number
    image.ImagePositionPatient = ["-180.000000", "-180.000000", f"{place:.6f}"]
    image.SliceLocation = f"{place:.6f}"
    image.RescaleIntercept = "0"
    return image


def header_of_brain(number):
    image = dcmread(ROOT / "node" / "tests" / "data" / "dicom" / "objects" / "MR_small.dcm", stop_before_pixels=True)
    place = f"{-60 + 0.9 * number:.6f}"
    image.ImagePositionPatient, image.SliceLocation = ["-115.000000", "-115.000000", place], place
    return image


def header_of_radiograph(_):
    image = Dataset()
    image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "DX"
    image.StudyDate, image.StudyTime, image.AccessionNumber = "20260401", "101500", "1"
    image.ImageType, image.BodyPartExamined, image.ViewPosition = ["ORIGINAL", "PRIMARY"], "CHEST", "PA"
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.PixelIntensityRelationship, image.PixelIntensityRelationshipSign = "LIN", 1
    return image


# Name: pixels, header, images, bits stored.
KINDS = {
    "ct": (chest, header_of_chest, 500, 16),
    "mr": (brain, header_of_brain, 150, 12),
    "dx": (radiograph, header_of_radiograph, 2, 14),
}
TITLES = {"ct": "CT of 500 slices of 512×512", "mr": "MR of 150 slices of 256×256", "dx": "DX of 2 images of 2800×2400"}


def prototype(job):
    """The bytes of one image: what is before its pixels, and its pixels."""
    kind, number = job
    pixels_of, header_of, count, bits = KINDS[kind]
    pixels, image = pixels_of(number, count), header_of(number)
    for tag in [tag for tag in image.keys() if tag.element == 0]:
        del image[tag]
    image.StudyInstanceUID, image.SeriesInstanceUID = BASE, f"{BASE}.1"
    image.SOPInstanceUID = f"{BASE}.2.{number + 1}"
    image.PatientName, image.PatientID = "PHANTOM^MADE", "MADE"
    image.InstanceNumber = number + 1
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, bits, bits - 1
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE
    image.add_new("PixelData", "OW", b"")
    if "PixelPaddingValue" in image:
        del image.PixelPaddingValue
    whole = BytesIO()
    dcmwrite(whole, image, enforce_file_format=True, little_endian=True, implicit_vr=False)
    head = whole.getvalue()[:-4] + pixels.nbytes.to_bytes(4, "little")
    return head, pixels.tobytes()


@dataclass
class Made:
    """A study in a folder. Sizes are those of its files."""

    kind: str
    uid: str
    series: str
    instances: list
    folder: Path
    bytes: int

    @property
    def images(self):
        return len(self.instances)


class Maker:
    """Makes studies, each with identifiers of its own; what is common to all of a kind lies in `cache`."""

    def __init__(self, cache, place):
        self.cache, self.place = Path(cache), Path(place)
        self.cache.mkdir(parents=True, exist_ok=True)
        self.number = 0

    def prototypes(self, kind):
        """Images as they are but for their identifiers, drawn once."""
        folder = self.cache / f"{kind}-{VERSION}"
        if not folder.is_dir():
            count = KINDS[kind][2]
            # Under another name until all are there; what a run left that was stopped is made anew.
            aside = self.cache / f"{kind}-{VERSION}-unfinished"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            with multiprocessing.Pool() as pool:
                for number, (head, pixels) in enumerate(pool.imap(prototype, ((kind, at) for at in range(count)), 8)):
                    (aside / f"{number:04}.dcm").write_bytes(head + pixels)
            aside.rename(folder)
        return sorted(folder.iterdir())

    def make(self, kind, images=None):
        """A new study of a kind, or of its first images."""
        self.number += 1
        files = self.prototypes(kind)[:images]
        uid = "2.25.9" + "".join(secrets.choice("123456789") for _ in range(30))
        folder = self.place / f"study-{self.number}"
        folder.mkdir(parents=True)
        total = 0
        for file in files:
            raw = file.read_bytes()
            # Identifiers are in the first 16 KiB: header only, so that no pixel is taken for one.
            head = raw[:16384].replace(BASE.encode(), uid.encode())
            (folder / file.name).write_bytes(head + raw[16384:])
            total += len(raw)
        instances = [f"{uid}.2.{int(file.stem) + 1}" for file in files]
        return Made(kind, uid, f"{uid}.1", instances, folder, total)
