"""Images that cannot be shown or read: the others are found, and whoever asks hears how many are missing."""

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND

from modality import Object, send
from studies import Study
from test_dicomweb import Web, add_web
from world import Site, dokuei, until

JSON = "application/dicom+json"


@pytest.fixture
def site(tmp_path):
    site = add_web(Site(tmp_path / "clinic", "架空診療所", "CLINIC"))
    try:
        site.start()
        for title, may in (("MODALITY", "store"), ("READER", "query")):
            dokuei("dicom", "caller", "add", title, "--address", "127.0.0.1", "--may", may, "--dir", site.data)
        yield site
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


def asked(web, path):
    """The instances that are told of, and the warning."""
    answer = web.get(path, Accept=JSON)
    assert answer.status_code == 200, answer.text
    return {one["00080018"]["Value"][0] for one in answer.json()}, answer.headers.get("Warning", "")


def images(site, study):
    """What C-FIND finds at the level of images, and how it ends."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID, identifier.SOPInstanceUID = study.uid, ""
    entity = AE(ae_title="READER")
    entity.add_requested_context(FIND)
    association = entity.associate("127.0.0.1", site.dicom, ae_title=site.title)
    assert association.is_established
    try:
        answers = list(association.send_c_find(identifier, FIND))
    finally:
        association.release()
    *pending, (last, _) = answers
    return {str(known.SOPInstanceUID) for _, known in pending}, last.Status


def in_disorder(image):
    """The object with its pixels in front of what says which object it is."""
    at = image.data.index(b"\xe0\x7f\x10\x00O")
    return Object(image.sop_class, image.sop_instance, image.transfer_syntax, image.data[at:] + image.data[:at])


def test_an_image_whose_header_cannot_be_shown_is_told_of_in_short(site):
    study = Study(count=3)
    first, *rest = study.objects
    assert send(site, [in_disorder(first), *rest]) == [0, 0, 0]
    web = Web(site)
    everything = set(study.uids)
    told, warning = asked(web, f"/studies/{study.uid}/metadata")
    assert told == everything and '299 dokuei "1 instance is given in short' in warning
    assert asked(web, f"/studies/{study.uid}/instances") == (everything, warning)
    assert asked(web, f"/studies/{study.uid}/series/{study.series}/instances/{study.uids[1]}/metadata") == ({study.uids[1]}, "")
    assert images(site, study) == (everything, 0)
    # The image itself is what came.
    answer = web.get(f"/studies/{study.uid}/series/{study.series}/instances/{study.uids[0]}", Accept="application/dicom")
    assert answer.status_code == 200 and answer.content.endswith(in_disorder(first).data)


def test_an_image_that_is_damaged_or_gone_is_left_out_and_told_of(site):
    study, other = Study(count=4), Study(count=1)
    assert send(site, [*study.objects, *other.objects]) == [0] * 5
    # Files of objects to come lie there, empty.
    (folder,) = (file.parent for file in (site.data / "parcels").glob("*/*/4") if file.stat().st_size)
    damaged, gone = folder / "2", folder / "3"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    gone.unlink()
    left = {study.uids[0], study.uids[3]}
    web = Web(site)
    for _ in range(2):
        told, warning = asked(web, f"/studies/{study.uid}/metadata")
        assert told == left and '299 dokuei "2 instances are left out' in warning
        assert asked(web, f"/studies/{study.uid}/instances") == (left, warning)
        told, warning = asked(web, "/instances")
        assert told == left | set(other.uids) and "2 instances are left out" in warning
        assert images(site, study) == (left, 0)
    answer = web.get(f"/studies/{study.uid}/series/{study.series}/instances/{study.uids[1]}/metadata", Accept=JSON)
    assert answer.status_code == 500
    until("the log says it", lambda: "objects cannot be read" in site.said())
    assert site.said().count("objects cannot be read") == 1
