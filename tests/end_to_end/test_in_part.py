"""A study of which some objects are on their way: those that are here can be found and opened."""

from io import BytesIO

import pydicom
import pytest

from conftest import two_sites
from modality import send
from studies import Study
from test_dicomweb import Web, add_web
from world import hand_over, until

COUNT = 6


@pytest.fixture
def reading(tmp_path):
    """A clinic, and a hospital with a web server."""
    with two_sites(tmp_path, prepare=add_web) as both:
        yield both


def listed(web, study):
    found = web.get(f"/studies?StudyInstanceUID={study.uid}", Accept="application/dicom+json").json()
    value = lambda one, tag: one[tag]["Value"][0]
    return [(value(one, "00201208"), value(one, "00080056")) for one in found]


def opened(web, study, uids):
    """The instances that WADO-RS gives."""
    series = study.series
    found = set()
    for uid in uids:
        answer = web.get(f"/studies/{study.uid}/series/{series}/instances/{uid}", Accept='multipart/related; type="application/dicom"; transfer-syntax=*')
        if answer.status_code == 404:
            continue
        assert answer.status_code == 200, answer.text
        body = answer.content
        part = body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n--")]
        assert str(pydicom.dcmread(BytesIO(part)).SOPInstanceUID) == uid
        found.add(uid)
    return found


def test_what_has_arrived_is_served_while_the_rest_is_awaited(reading):
    clinic, hospital = reading
    study = Study(count=COUNT, side=128, name="IN^PART")
    assert send(clinic, study.objects) == [0] * COUNT
    # One object that the clinic cannot hand out for now.
    (missing,) = (clinic.data / "parcels").glob("*/*/4")
    aside = clinic.home / "aside"
    missing.rename(aside)
    case = hand_over(clinic, hospital, study.uid)
    web = Web(hospital)
    until("all but one are listed", lambda: listed(web, study) == [(COUNT - 1, "NEARLINE")])
    here = opened(web, study, study.uids)
    assert len(here) == COUNT - 1
    metadata = web.get(f"/studies/{study.uid}/metadata", Accept="application/dicom+json").json()
    assert {one["00080018"]["Value"][0] for one in metadata} == here
    shown = hospital.study(study.uid)
    assert (shown["objects"], shown["awaited"], shown["complete"]) == (COUNT - 1, 1, False)

    # The clinic is gone, and the hospital starts again.
    clinic.kill()
    hospital.kill()
    hospital.start()
    web = Web(hospital, name="again")
    until("they are listed again", lambda: listed(web, study) == [(COUNT - 1, "NEARLINE")])
    assert opened(web, study, study.uids) == here

    aside.rename(missing)
    clinic.start()
    hospital.reach(case, "received", "stored", "reading")
    until("all are listed", lambda: listed(web, study) == [(COUNT, "ONLINE")])
    assert opened(web, study, study.uids) == set(study.uids)
    metadata = web.get(f"/studies/{study.uid}/metadata", Accept="application/dicom+json").json()
    assert {one["00080018"]["Value"][0] for one in metadata} == set(study.uids)
    shown = hospital.study(study.uid)
    assert (shown["objects"], shown["awaited"], shown["complete"]) == (COUNT, 0, True)
