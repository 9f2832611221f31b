"""Objects under the SOP Instance UID of another one: which are the same, which are set aside, and who is told."""

import pytest
from modality import send
from pydicom.uid import generate_uid
from studies import Study
from test_dicomweb import Web, body, encoded, part, status, with_web

DUPLICATE = 0x0111


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
