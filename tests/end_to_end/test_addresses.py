"""Where answers say that a study is fetched: whoever follows the address gets that study, and nobody else's under its UID."""

import pytest
import requests

from conftest import two_sites
from modality import send
from studies import Study
from test_dicomweb import Web, add_web, body, encoded, part
from world import DEADLINE, hand_over

JSON = "application/dicom+json"


@pytest.fixture
def houses(tmp_path):
    """A clinic, and a hospital that reads for it, with a web server."""
    with two_sites(tmp_path, prepare=add_web) as both:
        yield both


def address(item):
    return item["00081190"]["Value"][0]


def found(web, path):
    answer = web.get(path, Accept=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


def behind(web, url):
    """The instances behind an address, by their metadata."""
    answer = requests.get(f"{url}/metadata", headers={**web.headers, "Accept": JSON}, timeout=DEADLINE)
    assert answer.status_code == 200, (url, answer.text)
    return {one["00080018"]["Value"][0] for one in answer.json()}


def workitem(web):
    """The address of the images in the one workitem there is."""
    (item,) = found(web, "/workitems")
    (images,) = item["00404021"]["Value"]
    (way,) = images["0040E025"]["Value"]
    return address(way)


def test_an_address_leads_to_the_study_that_it_was_given_with(houses):
    clinic, hospital = houses
    sent = Study(count=2, name="OF^CLINIC", PatientID="C-1", IssuerOfPatientID="CLINIC")
    assert send(clinic, sent.objects) == [0, 0]
    case = hand_over(clinic, hospital, sent.uid)
    hospital.reach(case, "received", "stored", "reading")
    web = Web(hospital)
    # Of a partner's study the address holds whatever comes later.
    (alone,) = found(web, f"/studies?StudyInstanceUID={sent.uid}")
    assert "/dicom-web/d/" in address(alone)
    assert behind(web, address(alone)) == set(sent.uids)
    own = Study(count=1, PatientID="H-2")
    answer = web.post(body(*(part(encoded(image)) for image in own.datasets)))
    assert address(answer.json()) == f"{web.root}/studies/{own.uid}"
    (listed,) = found(web, f"/studies?StudyInstanceUID={own.uid}")
    assert address(listed) == f"{web.root}/studies/{own.uid}"

    # The hospital's own device uses the same UID for somebody else.
    other = Study(count=3, name="OF^HOSPITAL", PatientID="H-1", IssuerOfPatientID="HOSPITAL")
    for image in other.datasets:
        image.StudyInstanceUID = sent.uid
    answer = web.post(body(*(part(encoded(image)) for image in other.datasets)))
    assert answer.status_code == 200, answer.text
    stored = answer.json()
    assert behind(web, address(stored)) == set(other.uids)
    for one in stored["00081199"]["Value"]:
        assert behind(web, address(one)) == {one["00081155"]["Value"][0]}
    both = found(web, f"/studies?StudyInstanceUID={sent.uid}")
    assert len(both) == 2
    addresses = {item["00100020"]["Value"][0]: address(item) for item in both}
    assert behind(web, addresses["C-1"]) == set(sent.uids)
    assert behind(web, addresses["H-1"]) == set(other.uids)
    assert address(alone) == addresses["C-1"]
    assert behind(web, workitem(web)) == set(sent.uids)
    for level, count in (("series", 2), ("instances", 5)):
        listed = found(web, f"/{level}?PatientID=?-1")
        assert len(listed) == count
        for item in listed:
            mine = sent.uids if item["00100020"]["Value"][0] == "C-1" else other.uids
            wanted = {item["00080018"]["Value"][0]} if level == "instances" else set(mine)
            assert behind(web, address(item)) == wanted
    # Below a domain, and for whoever sees one only, addresses stay there.
    token = addresses["C-1"].split("/d/")[1].split("/")[0]
    (within,) = found(web, f"/d/{token}/studies?StudyInstanceUID={sent.uid}")
    assert address(within) == addresses["C-1"]
    one = Web(hospital, f"{clinic.name}:CLINIC", "one-domain")
    (seen,) = found(one, f"/studies?StudyInstanceUID={sent.uid}")
    assert address(seen) == f"{one.root}/studies/{sent.uid}"
    assert behind(one, address(seen)) == set(sent.uids)
