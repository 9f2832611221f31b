"""Earlier studies are found in the site's own archive and fetched; nobody else's are."""

import json
import subprocess
import time

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

import modality
from modality import EXPLICIT_LITTLE
from studies import Study
from world import DEADLINE, Site, dokuei, free_port, one_sentence, until

NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"
PATIENT = {"PatientID": "P-1", "PatientBirthDate": "19700101", "charset": "ISO_IR 192"}


class Pacs:
    """An archive that finds and moves. Tests change what it answers."""

    def __init__(self, port, knows):
        self.studies, self.knows = [], knows
        self.find = self.found
        entity = AE("PACS")
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
        entity.add_requested_context(CTImageStorage, EXPLICIT_LITTLE)
        handlers = [(evt.EVT_C_FIND, lambda event: self.find(event)), (evt.EVT_C_MOVE, self.move)]
        self.server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)

    def close(self):
        if self.server is not None:
            self.server.shutdown()
            self.server = None

    def found(self, event):
        for study in self.studies:
            image = study.datasets[0]
            if image.PatientID == event.identifier.PatientID:
                yield 0xFF00, answer(image, len(study.objects))

    def move(self, event):
        if event.move_destination not in self.knows:
            yield None, None
            return
        yield self.knows[event.move_destination]
        wanted = [study for study in self.studies if study.uid == event.identifier.StudyInstanceUID]
        images = [image for study in wanted for image in study.datasets]
        yield len(images)
        for image in images:
            yield 0xFF00, image


def answer(image, count, **other):
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    found.QueryRetrieveLevel, found.NumberOfStudyRelatedInstances = "STUDY", count
    for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "PatientID", "PatientName", "PatientBirthDate"):
        setattr(found, keyword, other.get(keyword, image.get(keyword, "")))
    found.ModalitiesInStudy = "CT"
    return found


def study(count=2, name=NAME, **more):
    return Study(count=count, name=name, **{**PATIENT, **more})


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "clinic", "架空診療所", "CLINIC")
    site.archive.close()
    site.start()
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture
def pacs(site):
    pacs = Pacs(site.archive.port, {"CLINIC": ("127.0.0.1", site.dicom)})
    try:
        yield pacs
    finally:
        pacs.close()


@pytest.fixture
def today(site):
    today = study(StudyDate="20260401")
    modality.send(site, today.objects)
    return today


def refused(site, *words):
    return one_sentence(dokuei("study", "priors", *words, "--dir", site.data, ok=False))


def test_priors_of_the_patient_are_found_newest_first_and_all_that_are_certain_come(site, pacs, today):
    old, older = study(StudyDate="20240101"), study(3, StudyDate="20200101", name="=山田^太郎")
    other = study(StudyDate="20250101", PatientBirthDate="19991231", name="Satou^Hanako")
    unsure = study(StudyDate="20230101", PatientBirthDate="", name="Satou^Hanako")
    elsewhere = study(PatientID="P-2")
    pacs.studies = [older, other, old, unsure, today, elsewhere]
    asked = site.ask("study", "priors", today.uid)
    shown = [(prior["uid"], prior["patient"], prior["here"]) for prior in asked["priors"]]
    whose = [(other, "other"), (old, "same"), (unsure, "not-certain"), (older, "same")]
    assert shown == [(one.uid, word, 0) for one, word in whose]
    assert asked["to_fetch"] == 0 and asked["more"] is False
    said = dokuei("study", "priors", today.uid, "--fetch", "all", "--dir", site.data).stdout
    assert f"1/2  here  2/2  {old.uid}" in said and f"2/2  here  3/3  {older.uid}" in said, said
    assert all(site.study(one.uid) is None for one in (other, unsure, elsewhere))
    assert site.ask("study", "priors", today.uid, "--fetch", "all")["to_fetch"] == 0, "what is here was fetched again"
    # A person who has looked names it; another patient's is not fetched even then.
    fetched = dokuei("study", "priors", today.uid, "--fetch", unsure.uid, "--dir", site.data, "--json", ok=False)
    assert fetched.returncode == 1 and "not certainly" in json.loads(fetched.stdout)["fetched"]["studies"][0]["why"]["en"]
    assert site.study(unsure.uid)["objects"] == 2
    assert "another birth date" in refused(site, today.uid, "--fetch", other.uid)
    assert "no study" in refused(site, today.uid, "--fetch", elsewhere.uid)
    assert site.study(other.uid) is None


def test_an_archive_that_does_not_know_this_node_is_named_in_words(site, pacs, today):
    pacs.studies, pacs.knows = [study(), study()], {}
    ran = dokuei("study", "priors", today.uid, "--fetch", "all", "--dir", site.data, "--json", ok=False)
    assert ran.returncode == 1
    first, second = json.loads(ran.stdout)["fetched"]["studies"]
    assert "A801" in first["why"]["en"] and "register this node's AE title" in first["why"]["en"]
    assert "Not tried" in second["why"]["en"]


def test_an_archive_that_says_it_sent_and_did_not_is_not_believed(site, pacs, today):
    lost, nobody = study(), free_port()
    pacs.studies, pacs.knows = [lost], {"CLINIC": ("127.0.0.1", nobody)}
    ran = dokuei("study", "priors", today.uid, "--fetch", lost.uid, "--dir", site.data, "--json", ok=False)
    said = json.loads(ran.stdout)["fetched"]["studies"][0]
    assert ran.returncode == 1 and said["state"] == "not-here" and said["why"]["en"], said


def test_a_hostile_archive_is_bounded(site, pacs, today):
    def flood(event):
        image = today.datasets[0]
        yield 0xFF00, answer(image, 1, StudyInstanceUID=today.uid)
        yield 0xFF00, answer(image, 1, PatientID="P-9", StudyInstanceUID=generate_uid())
        while not event.is_cancelled:
            yield 0xFF00, answer(image, 10**9, StudyInstanceUID=generate_uid())
            # Without a pause the thread that sends hardly gets its turn, and what waits grows.
            time.sleep(0.001)
        yield 0xFE00, None

    pacs.find = flood
    asked = site.ask("study", "priors", today.uid)
    assert asked["more"] and 900 < len(asked["priors"]) <= 1000
    assert today.uid not in [prior["uid"] for prior in asked["priors"]]
    pacs.close()
    assert "Cannot connect" in refused(site, today.uid)
    assert "no study" in refused(site, "1.2.3")


def test_dcmqrscp_finds_and_sends(site, today, tmp_path):
    folder = tmp_path / "PACS"
    folder.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    port = site.archive.port
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nclinic = (CLINIC, 127.0.0.1, {site.dicom})\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nPACS {folder} RW (200, 1024mb) ANY\nAETable END\n"
    )
    qrscp = subprocess.Popen(["dcmqrscp", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        old, other = study(StudyDate="20240101"), study(PatientBirthDate="19991231", name="Satou^Hanako")
        echo = ["echoscu", "-aec", "PACS", "127.0.0.1", str(port)]
        until("dcmqrscp answers", lambda: subprocess.run(echo, capture_output=True, timeout=DEADLINE).returncode == 0)
        for one in (old, other):
            files = one.write(tmp_path / one.uid)
            store = ["storescu", "-aec", "PACS", "+sd", "127.0.0.1", str(port), str(files)]
            subprocess.run(store, check=True, capture_output=True, timeout=DEADLINE)
        asked = site.ask("study", "priors", today.uid, "--fetch", "all")
        found = {prior["uid"]: prior["patient"] for prior in asked["priors"]}
        assert found[old.uid] == "same" and found.get(other.uid) != "same", found
        assert [one["uid"] for one in asked["fetched"]["studies"]] == [old.uid]
        assert site.study(old.uid)["objects"] == 2 and site.study(other.uid) is None
    finally:
        qrscp.terminate()
        qrscp.wait(DEADLINE)
