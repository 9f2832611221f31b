"""A data folder without room: intake says so by DICOM's word for it, and goes on when there is room again."""

import contextlib
import os
import subprocess

import pytest
from conftest import READS
from modality import send
from studies import Study
from test_dicomweb import Web, body, part, with_web
from world import Site, hand_over, pair, until

# The reason for one object, and the status of an answer of which nothing was stored (PS3.18 section 10.5.3).
OUT_OF_RESOURCES = 0xA700
NO_ROOM = 503
WITHOUT = "DOKUEI_TESTS_WITHOUT_MOUNT"


def mount(*arguments):
    return subprocess.run(["mount", "-t", "tmpfs", *map(str, arguments)], capture_output=True, text=True)


@contextlib.contextmanager
def sites_with_a_small(which, tmp_path):
    """A clinic and a hospital; the data folder of one is a file system of 64 MiB."""
    data = tmp_path / which / "data"
    data.mkdir(parents=True)
    mounted = mount("-o", "size=64m,mode=700", "tmpfs", data)
    if mounted.returncode != 0:
        why = f"a small tmpfs cannot be mounted ({mounted.stderr.strip()}); {WITHOUT}=1 leaves this test out"
        pytest.skip(why) if os.environ.get(WITHOUT) else pytest.fail(why)
    clinic = hospital = None
    try:
        clinic = Site(tmp_path / "clinic", "架空診療所", "CLINIC")
        hospital = Site(tmp_path / "hospital", "架空大学病院", "HOSPITAL", READS)
        clinic.start()
        hospital.start()
        pair(clinic, hospital)
        yield clinic, hospital
    finally:
        for site in (clinic, hospital):
            if site is not None:
                site.close()
        subprocess.run(["umount", "-l", data], check=True)


@pytest.fixture
def small_clinic(tmp_path):
    with sites_with_a_small("clinic", tmp_path) as sites:
        yield sites


@pytest.fixture
def small_hospital(tmp_path):
    with sites_with_a_small("hospital", tmp_path) as sites:
        yield sites


def test_a_full_disk_refuses_studies_and_nothing_else(small_clinic):
    clinic, hospital = small_clinic
    taken, refused = [], None
    while refused is None:
        assert len(taken) < 40, "a file system of 64 MiB took more than 80 MiB"
        study = Study(count=4, side=512, name="FULL^DISK")
        statuses = send(clinic, study.objects)
        taken.append((study, statuses))
        refused = next((status for status in statuses if status != 0), None)
    assert refused == OUT_OF_RESOURCES
    whole = [study for study, statuses in taken if statuses == [0] * 4]
    assert whole
    # What is there can still be seen and sent.
    assert {study.uid for study in whole} <= {study["uid"] for study in clinic.ask("study", "list")}
    case = hand_over(clinic, hospital, whole[0].uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: whole[0].delivered_to(hospital.archive))
    assert mount("-o", "remount,size=256m", "tmpfs", clinic.data).returncode == 0
    after = Study(count=4, side=512, name="ROOM^AGAIN")
    until("the node takes studies again", lambda: send(clinic, after.objects) == [0] * 4)
    for study in (whole[-1], after):
        clinic.reach(hand_over(clinic, hospital, study.uid), "received")
        until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))


def test_a_reader_without_room_waits_with_the_study_and_says_so(small_hospital):
    clinic, hospital = small_hospital
    filler = hospital.data / "filler"
    filler.write_bytes(bytes(58 << 20))
    study = Study(count=8, side=512, name="NO^ROOM")
    assert send(clinic, study.objects) == [0] * 8
    case = hand_over(clinic, hospital, study.uid)
    until("the hospital says why", lambda: "disk" in hospital.case(case)["waiting"]["en"])
    assert hospital.case(case)["transfer"]["bytes"] < 8 * 512 * 512 * 2
    filler.unlink()
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))


def test_records_that_found_no_room_are_written_when_there_is_some(small_hospital):
    clinic, hospital = small_hospital
    filler = hospital.data / "filler"
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(4096))
    until("nothing is left", lambda: os.statvfs(hospital.data).f_bavail == 0)
    study = Study(count=2, side=64, name="NO^RECORDS")
    assert send(clinic, study.objects) == [0] * 2
    case = hand_over(clinic, hospital, study.uid)
    until("a record found no room", lambda: "the store failed" in hospital.said())
    filler.unlink()
    # Without a restart.
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))


@pytest.fixture
def small_web(tmp_path):
    data = tmp_path / "clinic" / "data"
    data.mkdir(parents=True)
    mounted = mount("-o", "size=64m,mode=700", "tmpfs", data)
    if mounted.returncode != 0:
        why = f"a small tmpfs cannot be mounted ({mounted.stderr.strip()}); {WITHOUT}=1 leaves this test out"
        pytest.skip(why) if os.environ.get(WITHOUT) else pytest.fail(why)
    site = None
    try:
        site = with_web(tmp_path / "clinic")
        yield Web(site.start())
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        if site is not None:
            site.close()
        subprocess.run(["umount", "-l", data], check=True)


def files_of(study, folder):
    return [path.read_bytes() for path in sorted(study.write(folder).iterdir())]


def test_a_full_disk_is_said_to_web_clients_object_by_object(small_web, tmp_path):
    web, taken = small_web, {}
    for number in range(40):
        study = Study(count=4, side=512, name="FULL^DISK")
        answer = web.post(body(*map(part, files_of(study, tmp_path / str(number)))))
        stored = answer.json().get("00081199", {}).get("Value", [])
        taken[study.uid] = {item["00081155"]["Value"][0] for item in stored}
        if answer.status_code != 200:
            break
    assert answer.status_code in (202, NO_ROOM), answer.text
    reasons = [item["00081197"]["Value"][0] for item in answer.json()["00081198"]["Value"]]
    assert reasons == [OUT_OF_RESOURCES] * (4 - len(stored))
    # By now there is no room for even one, and that is said with when to try again.
    last = Study(count=1, side=512)
    answer = web.post(body(*map(part, files_of(last, tmp_path / "last"))))
    assert answer.status_code == NO_ROOM and int(answer.headers["Retry-After"]) > 0, answer.text
    web.site.kill()
    web.site.start()
    again = Web(web.site, name="again")
    # What was said to be stored is there, before a restart and after, and nothing else.
    for uid, instances in taken.items():
        found = again.get(f"/studies/{uid}/instances")
        assert {item["00080018"]["Value"][0] for item in found.json()} == instances if instances else found.status_code in (204, 404)
    assert mount("-o", "remount,size=256m", "tmpfs", web.site.data).returncode == 0
    parts = body(*map(part, files_of(last, tmp_path / "again")))
    until("the node takes studies again", lambda: again.post(parts).status_code == 200)
    assert again.get(f"/studies/{last.uid}").status_code == 200
