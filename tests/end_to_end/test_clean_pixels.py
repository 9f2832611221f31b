"""Pictures that are made black where devices write, whatever they are compressed with; structured reports; slides."""

from io import BytesIO

import numpy
from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from modality import send
from studies import Study, wire
from world import ROOT, dokuei, until

OBJECTS = ROOT / "node" / "tests" / "data" / "dicom" / "objects"
RULE = """
[[rule]]
modality = "{}"
manufacturer = "{}"
model = "{}"
rows = {}
columns = {}
blank = {}
"""
# Left, top, width, height.
PARTS = [[0, 0, 40, 8], [50, 60, 10, 4]]


def rules(site, *kinds):
    """Keeps rules at a site, which reads them when they are needed."""
    config = site.data / "dokuei.toml"
    if "[deidentify]" not in config.read_text():
        site.stop()
        config.write_text(config.read_text() + '\n[deidentify]\nregions = "regions.toml"\n')
        site.start()
    parts = [[*part] for part in PARTS]
    (site.data / "regions.toml").write_text("version = 1\n" + "".join(RULE.format(*kind, parts) for kind in kinds))


def covered(rows, columns):
    mask = numpy.zeros((rows, columns), bool)
    for left, top, width, height in PARTS:
        mask[top : top + height, left : left + width] = True
    return mask


def written(site, uid, out, *options):
    words = ["study", "deidentify", uid, out, "--purpose", "x", *options, "--dir", site.data]
    dokuei(*words, ok=False)
    return [dcmread(file) for file in sorted(out.glob("*.dcm"))]


def imported(site, folder, images):
    """Takes images in as one study, each as an object of its own."""
    study, series = generate_uid(), generate_uid()
    folder.mkdir()
    for number, image in enumerate(images):
        image.StudyInstanceUID, image.SeriesInstanceUID, image.InstanceNumber = study, series, number + 1
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.PatientID, image.PatientName = "ID-4711", "SECRET^NAME"
        dcmwrite(folder / f"{number}.dcm", image)
    taken = site.ask("study", "import", folder)
    assert taken["taken"] == len(images), taken
    return study


def test_every_compression_is_opened_and_blanked(clinic, tmp_path):
    """The same image, native and in five codings without loss: the same pixels come out, but for the black ones."""
    rules(clinic, ("MR", "TOSHIBA_MEC", "MRT50H1", 64, 64))
    files = sorted(OBJECTS.glob("MR_small*.dcm"))
    original = dcmread(OBJECTS / "MR_small.dcm").pixel_array
    syntaxes = {dcmread(file).file_meta.TransferSyntaxUID for file in files}
    assert len(syntaxes) == 6
    study = imported(clinic, tmp_path / "in", [dcmread(file) for file in files])
    made = written(clinic, study, tmp_path / "out", "--clean-pixels")
    assert len(made) == len(files)
    mask = covered(64, 64)
    for image in made:
        pixels = image.pixel_array
        black = -(1 << (image.BitsStored - 1)) if image.PixelRepresentation else 0
        assert (pixels[~mask] == original[~mask]).all() and (pixels[mask] == black).all(), image.file_meta.TransferSyntaxUID
        assert image.BurnedInAnnotation == "NO" and image.PatientID != "ID-4711"
        codes = [code.CodeValue for code in image.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113101"]
    uncompressed = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
    assert {image.file_meta.TransferSyntaxUID for image in made} == uncompressed


def test_colours_frames_and_losses(clinic, tmp_path):
    names = ["SC_rgb_rle_2frame", "SC_ybr_full_422_uncompressed", "SC_ybr_full_uncompressed", "SC_rgb_jpeg_dcmtk"]
    rules(clinic, ("OT", "ACME", "GRABBER", 100, 100))
    images = [dcmread(OBJECTS / f"{name}.dcm") for name in names]
    for image in images:
        image.Manufacturer, image.ManufacturerModelName, image.BurnedInAnnotation = "Acme", "Grabber", "YES"
    study = imported(clinic, tmp_path / "in", images)
    by_number = {image.InstanceNumber: image for image in written(clinic, study, tmp_path / "out", "--clean-pixels")}
    assert len(by_number) == len(names)
    mask = covered(100, 100)
    two, half, full, lossy = (by_number[number + 1] for number in range(len(names)))
    plain = dcmread(OBJECTS / f"{names[0]}.dcm").pixel_array
    assert two.NumberOfFrames == 2 and two.pixel_array.shape == (2, 100, 100, 3)
    for frame, before in zip(two.pixel_array, plain):
        assert (frame[~mask] == before[~mask]).all() and (frame[mask] == 0).all()
    for image in (half, full):
        assert image.PhotometricInterpretation == "YBR_FULL"
        raw = numpy.frombuffer(image.PixelData, "u1")[: 100 * 100 * 3].reshape(100, 100, 3)
        assert (raw[mask] == [0, 128, 128]).all() and len(numpy.unique(raw[~mask])) > 2
    before = numpy.frombuffer(images[2].PixelData, "u1")[: 100 * 100 * 3].reshape(100, 100, 3)
    after = numpy.frombuffer(full.PixelData, "u1")[: 100 * 100 * 3].reshape(100, 100, 3)
    assert (after[~mask] == before[~mask]).all()
    assert lossy.LossyImageCompression == "01" and lossy.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_without_a_rule_nothing_that_may_be_written_in_goes_out(clinic, tmp_path):
    image = dcmread(OBJECTS / "SC_ybr_full_uncompressed.dcm")
    image.Modality, image.Manufacturer, image.ManufacturerModelName = "US", "Acme", "Echo"
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    study = imported(clinic, tmp_path / "in", [image])
    words = ["study", "deidentify", study, tmp_path / "no", "--purpose", "x", "--clean-pixels", "--dir", clinic.data]
    assert "no rule" in dokuei(*words, ok=False).stdout
    rules(clinic, ("US", "Acme", "Echo", 100, 101))
    words[3] = tmp_path / "other-size"
    assert "US, 100×100" in dokuei(*words, ok=False).stdout
    (clinic.data / "regions.toml").write_text("version = 1\n[[rule]]\nmodality = 1\n")
    words[3] = tmp_path / "broken"
    refused = dokuei(*words, ok=False)
    assert "regions.toml" in refused.stderr and "line 3" in refused.stderr
    rules(clinic, ("US", "ACME", "ECHO", 100, 100))
    assert len(written(clinic, study, tmp_path / "out", "--clean-pixels")) == 1


def test_coded_frames_that_do_not_fit_write_nothing(clinic, tmp_path):
    """An object that says it has more frames than it has is refused, and no file of it stays."""
    rules(clinic, ("OT", "ACME", "GRABBER", 100, 100))
    image = dcmread(OBJECTS / "SC_rgb_rle_2frame.dcm")
    image.Manufacturer, image.ManufacturerModelName, image.NumberOfFrames = "Acme", "Grabber", 3
    study = imported(clinic, tmp_path / "in", [image])
    assert written(clinic, study, tmp_path / "out", "--clean-pixels") == []
    assert list((tmp_path / "out").iterdir()) == []


def test_reports_are_cleaned_when_that_is_asked_for(clinic, tmp_path):
    names = ["reportsi", "test-SR"]
    reports = [dcmread(OBJECTS / f"{name}.dcm") for name in names]
    texts = {item.TextValue for report in reports for item in every(report) if "TextValue" in item}
    assert len(texts) > 3
    study = imported(clinic, tmp_path / "in", reports)
    assert written(clinic, study, tmp_path / "no") == []
    made = written(clinic, study, tmp_path / "out", "--clean-structured")
    assert len(made) == 2
    for report in made:
        raw = (tmp_path / "out" / f"{made.index(report) + 1:06}.dcm").read_bytes()
        assert not [text for text in texts if len(text) > 8 and text.encode("latin-1", "replace") in raw]
        assert {item.TextValue for item in every(report) if "TextValue" in item} == {"REMOVED"}
        assert report.VerificationFlag == "UNVERIFIED" and "VerifyingObserverSequence" not in report
        assert [code.CodeValue for code in report.DeidentificationMethodCodeSequence] == ["113100", "113104"]
    before = [[item.get("ValueType") for item in every(report)] for report in reports]
    after = {report.InstanceNumber: [item.get("ValueType") for item in every(report)] for report in made}
    assert [after[1], after[2]] == before


def every(report):
    """Every item of a tree of content."""
    for item in report.get("ContentSequence", []):
        yield item
        yield from every(item)


def test_a_study_with_a_screen_and_a_report_is_read_under_a_pseudonym(sites, tmp_path):
    """What a reader gets of it: images, the screen without what stood on it, and the report's numbers."""
    clinic, hospital = sites
    rules(clinic, ("OT", "ACME", "GRABBER", 100, 100))
    study = Study(count=2, Modality="CT", PatientID="ID-4711")
    screen = dcmread(OBJECTS / "SC_rgb_rle_2frame.dcm")
    assert screen.file_meta.TransferSyntaxUID == RLELossless
    screen.Manufacturer, screen.ManufacturerModelName = "Acme", "Grabber"
    report = dcmread(OBJECTS / "test-SR.dcm")
    for extra in (screen, report):
        extra.StudyInstanceUID, extra.SeriesInstanceUID, extra.PatientID = study.uid, generate_uid(), "ID-4711"
        extra.IssuerOfPatientID = study.datasets[0].get("IssuerOfPatientID", "")
        extra.SOPInstanceUID = extra.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    assert send(clinic, [*study.objects, wire(screen), wire(report)]) == [0] * 4
    sent = clinic.ask("study", "send", study.uid, "--to", hospital.name, "--now", "--pseudonymous", "--despite-check", "intended")
    case = sent["cases"][0]["case"]
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: len(hospital.archive.objects) == 4)
    received = {}
    for syntax, data in hospital.archive.objects.values():
        assert b"ID-4711" not in data and study.uid.encode() not in data
        one = dcmread(BytesIO(data), force=True)
        one.ensure_file_meta()
        one.file_meta.TransferSyntaxUID = syntax
        received.setdefault(one.Modality, []).append(one)
    assert {modality: len(all) for modality, all in received.items()} == {"CT": 2, "OT": 1, "SR": 1}
    pixels = received["OT"][0].pixel_array
    mask = covered(100, 100)
    assert (pixels[:, mask] == 0).all() and (pixels[:, ~mask] == dcmread(OBJECTS / "SC_rgb_rle_2frame.dcm").pixel_array[:, ~mask]).all()
