"""Objects under the SOP Instance UID of another one: which are the same, which are set aside, and who is told."""

import subprocess
from io import BytesIO

import pytest
from modality import send
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import generate_uid
from studies import Study
from test_dicomweb import Web, body, data_set_bytes, encoded, part, status, with_web
from world import ROOT

DUPLICATE = 0x0111
OBJECTS = ROOT / "node" / "tests" / "data" / "dicom" / "objects"
# One image, as pydicom's test data has it.
MR = ("", "_RLE", "_jpeg_ls_lossless", "_jp2klossless", "_implicit", "_bigendian")
# What dcmtk makes of an image without loss.
CODERS = (["dcmcjpeg", "+e1"], ["dcmcjpeg", "+el"], ["dcmcjpls", "+el"], ["dcmcrle"], ["dcmconv", "+ti"], ["dcmconv", "+tb"], ["dcmconv", "+td"], ["dcmconv", "-e"])


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = with_web(tmp_path_factory.mktemp("same") / "clinic")
    try:
        yield Web(site.start())
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


@pytest.fixture
def site(web):
    """The site with nothing set aside, before and after."""
    yield web.site
    for aside in web.site.ask("study", "quarantine", "list"):
        web.site.ask("study", "quarantine", "discard", aside["name"], "--yes")


def restart(web):
    web.site.kill()
    web.site.start()
    web.port = status(web.site)["web"]["port"]
    web.url = f"http://127.0.0.1:{web.port}"
    web.root = f"{web.url}/dicom-web"


def by_stow(web, dataset):
    """The status of one object, 0 when it was taken."""
    answer = web.post(body(part(encoded(dataset)))).json()
    failed = answer.get("00081198", {}).get("Value", [])
    return failed[0]["00081197"]["Value"][0] if failed else 0


def by_dimse(web, dataset):
    """Likewise."""
    study = Study(count=0)
    study.datasets = [dataset]
    (status,) = send(web.site, study.objects_of())
    return status


@pytest.mark.parametrize("first, second", [(by_dimse, by_stow), (by_stow, by_dimse)])
def test_one_uid_in_two_studies_is_set_aside_and_named(web, site, first, second):
    study, other = Study(count=1, side=16), Study(count=2, side=16)
    (image,) = study.datasets
    assert first(web, image) == 0
    copy = other.datasets[0]
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    assert second(web, copy) == DUPLICATE and first(web, copy) == DUPLICATE
    assert second(web, other.datasets[1]) == 0
    (aside,) = site.ask("study", "quarantine", "list")
    assert (aside["study"], aside["other_study"]) == (other.uid, study.uid)
    assert aside["why"]["en"] == "its UID is in another study"
    attention = [said["en"] for said in site.ask("status")["attention"]]
    assert any("1 of them with the UID of an image of another study" in said for said in attention), attention
    for uid in (study.uid, other.uid):
        concerns = {finding["concern"] for finding in site.ask("study", "check", uid)["findings"]}
        assert "conflicting-objects" in concerns
    # Whoever asks is given the first.
    path = lambda uid: f"/studies/{uid}/instances?SOPInstanceUID={image.SOPInstanceUID}"
    assert [one["0020000D"]["Value"] for one in web.get(path(study.uid)).json()] == [[study.uid]]
    assert web.get(path(other.uid)).json() == []
    restart(web)
    assert site.ask("study", "quarantine", "list") == [aside]
    assert (site.study(study.uid)["objects"], site.study(other.uid)["objects"]) == (1, 1)
    site.ask("study", "quarantine", "discard", aside["name"], "--yes")
    assert "conflicting-objects" not in str(site.ask("study", "check", study.uid))


def test_a_uid_is_free_when_nothing_here_has_it(web, site):
    study = Study(count=1, side=16)
    assert by_dimse(web, study.datasets[0]) == 0 and by_stow(web, study.datasets[0]) == 0
    study.datasets[0].SOPInstanceUID = study.datasets[0].file_meta.MediaStorageSOPInstanceUID = generate_uid()
    assert by_stow(web, study.datasets[0]) == 0
    assert site.study(study.uid)["objects"] == 2 and site.ask("study", "quarantine", "list") == []


def named(dataset, image):
    """A data set under the UIDs of another one."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, getattr(image, keyword))
    dataset.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return dataset


def recoded(dataset, folder, *tool):
    """What a tool of dcmtk makes of a data set."""
    before, after = folder / "before.dcm", folder / "after.dcm"
    dataset.save_as(before, enforce_file_format=True)
    subprocess.run([*tool, before, after], check=True, capture_output=True)
    return dcmread(after)


def kept(web, image):
    """The bytes of the object's data set as the site gives it, and its transfer syntax."""
    study, series, uid = image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
    path = f"/studies/{study}/series/{series}/instances/{uid}"
    file = web.get(path, Accept='application/dicom; transfer-syntax="*"').content
    return data_set_bytes(file), dcmread(BytesIO(file)).file_meta.TransferSyntaxUID


def assert_one(web, images):
    """The images are taken by one door after the other, and the first stays."""
    for number, image in enumerate(images):
        assert (by_stow if number % 2 else by_dimse)(web, image) == 0, image.file_meta.TransferSyntaxUID.name
    first = images[0]
    assert web.site.study(first.StudyInstanceUID)["objects"] == 1
    assert web.site.ask("study", "quarantine", "list") == []
    assert kept(web, first) == (data_set_bytes(encoded(first)), first.file_meta.TransferSyntaxUID)


def assert_aside(web, images, why):
    """The first image is taken, each other one is set aside."""
    assert by_dimse(web, images[0]) == 0
    for image in images[1:]:
        assert by_stow(web, image) == DUPLICATE, image.file_meta.TransferSyntaxUID.name
    said = [one["why"]["en"] for one in web.site.ask("study", "quarantine", "list")]
    assert said == [why] * (len(images) - 1)
    assert web.site.study(images[0].StudyInstanceUID)["objects"] == 1


@pytest.mark.parametrize("forms", [MR, MR[::-1], MR[2:] + MR[:2]])
def test_an_image_in_another_transfer_syntax_is_the_same(web, site, forms):
    image = Study(count=1).datasets[0]
    assert_one(web, [named(dcmread(OBJECTS / f"MR_small{form}.dcm"), image) for form in forms])


def test_what_coders_make_without_loss_is_the_same(web, site, tmp_path):
    image = Study(count=1).datasets[0]
    forms = [recoded(image, tmp_path, *tool) for tool in CODERS]
    assert_one(web, [image, *forms])
    # And as files that somebody brings.
    folder = tmp_path / "files"
    folder.mkdir()
    for number, form in enumerate(forms):
        form.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    imported = site.ask("study", "import", folder)
    assert (imported["taken"], imported["skipped"]) == (len(forms), []) and site.study(image.StudyInstanceUID)["objects"] == 1
    # Two frames in colour, from a compressed one.
    packed = named(dcmread(OBJECTS / "SC_rgb_rle_2frame.dcm"), Study(count=1).datasets[0])
    plain = recoded(packed, tmp_path, "dcmdrle")
    assert_one(web, [packed, plain, recoded(plain, tmp_path, "dcmcjpls", "+el"), recoded(plain, tmp_path, "dcmcjpeg", "+e1")])


def test_private_sequences_and_padding_are_no_difference(web, site, tmp_path):
    image = Study(count=1).datasets[0]
    item = Dataset()
    item.add_new(0x00091002, "LO", "inside")
    inner = Dataset()
    inner.add_new(0x00091003, "SQ", [item])
    image.add_new(0x00090010, "LO", "SOMEBODY")
    image.add_new(0x00091001, "SQ", [inner, item])
    lengths = [["dcmconv", "+ti"], ["dcmconv", "-e"], ["dcmconv", "+ti", "-e"]]
    assert_one(web, [image, *(recoded(image, tmp_path, *tool) for tool in lengths)])
    report = named(dcmread(OBJECTS / "test-SR.dcm"), Study(count=1).datasets[0])
    assert_one(web, [report, recoded(report, tmp_path, "dcmconv", "+ti"), recoded(report, tmp_path, "dcmconv", "+td")])


def test_another_image_in_another_transfer_syntax_is_set_aside(web, site, tmp_path):
    image = Study(count=1).datasets[0]
    pixels = recoded(image, tmp_path, "dcmcrle")
    pixels.decompress(generate_instance_uid=False)
    pixels.PixelData = pixels.PixelData[:-2] + b"\x07\x00"
    words = recoded(image, tmp_path, "dcmcrle")
    words.PatientComments = "of somebody else"
    assert_aside(web, [image, recoded(pixels, tmp_path, "dcmcjpls", "+el"), words], "other content")


@pytest.mark.parametrize("tool", [["dcmcjpeg", "+eb"], ["dcmcjpls", "+en"]])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_lossy_form_is_set_aside_and_said_to_be_one(web, site, tmp_path, is_first, tool):
    image = named(dcmread(OBJECTS / "SC_rgb_small_odd.dcm"), Study(count=1).datasets[0])
    lossy = named(recoded(image, tmp_path, *tool), image)
    assert lossy.LossyImageCompression == "01"
    assert_aside(web, [lossy, image] if is_first else [image, lossy], "one of the two is compressed with loss")


def test_what_cannot_be_decoded_is_set_aside(web, site, tmp_path):
    image = Study(count=1).datasets[0]
    broken = recoded(image, tmp_path, "dcmcjpls", "+el")
    (frame,) = generate_frames(broken.PixelData, number_of_frames=1)
    broken.PixelData = encapsulate([frame[: len(frame) // 2]])
    assert_aside(web, [image, broken], "in another coding, and cannot be compared")
