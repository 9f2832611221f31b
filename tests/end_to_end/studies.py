"""Studies made for a test: a published image with new identifiers, names and pixels."""

import os
from io import BytesIO

from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import generate_uid

from modality import EXPLICIT_LITTLE, Object
from world import ROOT

TEMPLATE = ROOT / "node" / "tests" / "data" / "dicom" / "objects" / "CT_small.dcm"

# The patient of PS3.5 annex H, as each repertoire writes the name.
JAPANESE = "山田^太郎"
NAMES = {
    "ISO 2022 IR 87": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "ISO 2022 IR 13": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "ISO_IR 192": ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
}


class Study:
    """Its UID, its objects as they go over the wire, and their files when asked for."""

    def __init__(self, count=3, side=64, name="TEST^PATIENT", charset=None, syntax=EXPLICIT_LITTLE, **attributes):
        self.syntax = syntax
        self.uid, self.series = generate_uid(), generate_uid()
        self.datasets = [self.image(number, side, name, charset, attributes) for number in range(1, count + 1)]
        self.objects = self.objects_of()
        self.uids = [one.sop_instance for one in self.objects]

    def image(self, number, side, name, charset, attributes):
        image = dcmread(TEMPLATE)
        image.file_meta.TransferSyntaxUID = self.syntax
        if charset is not None:
            image.SpecificCharacterSet = charset
        image.StudyInstanceUID, image.SeriesInstanceUID = self.uid, self.series
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.InstanceNumber = number
        image.PatientName = name
        image.Rows = image.Columns = side
        # Noise, which nothing compresses.
        image.PixelData = os.urandom(2 * side * side)
        for keyword, value in attributes.items():
            setattr(image, keyword, value)
        return image

    def objects_of(self):
        """The datasets as they go over the wire now."""
        return [wire(dataset) for dataset in self.datasets]

    def write(self, folder):
        folder.mkdir()
        for number, dataset in enumerate(self.datasets):
            dcmwrite(folder / f"{number}.dcm", dataset, enforce_file_format=True)
        return folder

    def delivered_to(self, archive):
        """Whether the archive holds every object, bytes unchanged."""
        kept = archive.of(self.uids)
        if len(kept) < len(self.uids):
            return False
        for one in self.objects:
            assert kept[one.sop_instance] == (one.transfer_syntax, one.data), "delivered bytes differ"
        return True


def wire(dataset):
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    raw = buffer.getvalue()
    length = int.from_bytes(raw[140:144], "little")
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    return Object(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax, raw[144 + length :])
