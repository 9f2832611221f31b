"""Studies over a clinic's line of 20 Mbit/s: what is of use first is there first, and emergencies overtake. Each says its times;
no test depends on them."""

import contextlib
import itertools
import os
import time

import pytest
import requests
from line import Lab, needs_a_line
from modality import send
from studies import Study
from test_case_priors import hand_over as opens_a_case
from test_case_priors import offered, reaches, with_report
from test_dicomweb import Web, add_web
from test_in_part import listed, opened
from world import DEADLINE, Site, pair, until

READS = ("CT", "MR")
SIDE = 512
# Five bits of noise: as hard to compress as a chest CT.
PIXELS = bytes(byte for pair in zip((bits & 31 for bits in os.urandom(SIDE * SIDE)), itertools.repeat(4)) for byte in pair)


@contextlib.contextmanager
def sites_on(lab, place):
    """A clinic and a hospital with a web server, each at its end of a line."""
    made = {}
    try:
        for name, title, reads in (("clinic", "CLINIC", ()), ("hospital", "HOSPITAL", READS)):
            with lab.inside(name):
                site = made[name] = Site(place / name, {"clinic": "架空診療所", "hospital": "架空大学病院"}[name], title, reads)
            config = site.data / "dokuei.toml"
            here = f"127.0.0.1:{site.network}"
            config.write_text(config.read_text().replace(here, f"{lab.address(name)}:{site.network}"))
            add_web(site)
            with lab.inside(name):
                site.start()
        pair(made["clinic"], made["hospital"])
        yield made["clinic"], made["hospital"]
        for site in made.values():
            assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        for site in made.values():
            site.close()


@pytest.fixture
def clinics_line(tmp_path):
    """A clinic whose line has 20 Mbit/s, 30 ms and some loss, and a hospital on a fast one."""
    needs_a_line()
    with Lab("--rate", "20mbit", "--delay", "15ms", "--loss", "0.1%", "--queue", "50ms") as lab:
        with sites_on(lab, tmp_path) as (clinic, hospital):
            yield lab, clinic, hospital


def images(count, name, **attributes):
    return Study(count=count, side=SIDE, name=name, PixelData=PIXELS, **attributes)


def hand_over(clinic, hospital, study, priority="routine"):
    sent = clinic.ask("study", "send", study.uid, "--to", hospital.name, "--priority", priority, "--now")
    return sent["cases"][0]["case"]


def view(hospital, case):
    """What the hospital says of a case, which it may not have heard of."""
    return next((view for view in hospital.ask("case", "list") if view["case"] == case), {"transfer": None, "phase": None})


def transfer(hospital, case):
    return view(hospital, case)["transfer"] or {}


def waits_for(hospital, case):
    said = transfer(hospital, case).get("waits_for")
    return said and said["en"]


def is_here(hospital, case):
    return view(hospital, case)["phase"] in ("received", "stored", "reading")


def test_the_first_slices_are_served_while_the_rest_is_on_its_way(clinics_line):
    lab, clinic, hospital = clinics_line
    study = images(60, "FIRST^SLICES")
    with lab.inside("clinic"):
        assert send(clinic, study.objects) == [0] * 60
    with lab.inside("hospital"):
        web = Web(hospital)
        begin = time.monotonic()
        case = hand_over(clinic, hospital, study)
        (count, state) = until("something is listed", lambda: listed(web, study))[0]
        first = time.monotonic() - begin
        assert state == "NEARLINE" and 0 < count < 60
        # Every eighth goes ahead: the middle of the study is here before most of its beginning.
        here = opened(web, study, [study.uids[number] for number in (0, 8, 16, 24, 32, 40, 48, 56)])
        assert here, "what is listed can be opened"
        still = transfer(hospital, case)
        gone = clinic.case(case)["given"]
        assert still["objects"] < 60, "the rest was on its way all the while"
        assert still["objects"] <= gone["objects"] and gone["objects_total"] == still["objects_total"] == 60
        # Both ends and the page say how far it is, and which way it goes.
        assert still["way"] == gone["way"] == "quic"
        assert "of 60 objects" in still["so_far"]["en"] and "of 60 objects" in gone["so_far"]["en"]
        page = requests.get(f"{web.url}/viewer/?lang=en", headers=web.headers, timeout=DEADLINE)
        assert "of 60 objects" in page.text and "by QUIC" in page.text and page.headers["Refresh"]
        until("all are listed", lambda: listed(web, study) == [(60, "ONLINE")])
        whole = time.monotonic() - begin
    assert clinic.case(case)["given"]["objects"] == 60
    assert study.delivered_to(hospital.archive) or until("the archive has it", lambda: study.delivered_to(hospital.archive))
    print(f"first images after {first:.2f} s ({count} of 60), the whole study of {sum(len(one.data) for one in study.objects) / 1e6:.1f} MB after {whole:.2f} s")


def test_an_emergency_overtakes(clinics_line):
    lab, clinic, hospital = clinics_line
    routine = [images(60, f"ROUTINE^{number}") for number in range(2)]
    stat = images(20, "STAT^CASE")
    with lab.inside("clinic"):
        for study in (*routine, stat):
            assert set(send(clinic, study.objects)) == {0}
    begin = time.monotonic()
    cases = [hand_over(clinic, hospital, study) for study in routine]
    until("both are on their way", lambda: all(transfer(hospital, case).get("objects", 0) > 0 for case in cases))
    began = time.monotonic() - begin
    urgent = hand_over(clinic, hospital, stat, "stat")
    waits = until("they say that they wait for it", lambda: [waits_for(hospital, case) for case in cases if waits_for(hospital, case)])
    assert all("more urgent" in said for said in waits), waits
    until("the emergency is here", lambda: is_here(hospital, urgent))
    overtook = time.monotonic() - begin
    behind = [transfer(hospital, case)["objects"] for case in cases]
    assert sum(behind) < 120, "what began earlier is not here yet"
    for case in cases:
        until("the others are here", lambda: is_here(hospital, case))
    whole = time.monotonic() - begin
    print(f"two routine studies began after {began:.1f} s at the latest; the emergency was here after {overtook:.1f} s, with {behind} of 60 images each of the others; they after {whole:.1f} s")


def test_what_was_found_before_comes_ahead_of_the_earlier_images(clinics_line):
    lab, clinic, hospital = clinics_line
    patient = {"PatientID": "L-2718", "PatientBirthDate": "19700101"}
    # The report is the last that its clinic was sent.
    earlier = with_report(images(61, "SAME^PATIENT", StudyDate="20250101", **patient))
    report = earlier.uids[-1]
    today = images(2, "SAME^PATIENT", StudyDate="20260401", **patient)
    with lab.inside("clinic"):
        assert set(send(clinic, earlier.objects)) == {0}
        case = opens_a_case(clinic, hospital, today)
    assert [one["uid"] for one in offered(hospital, case)["studies"]] == [earlier.uid]
    with lab.inside("hospital"):
        web = Web(hospital)
        begin = time.monotonic()
        hospital.ask("case", "priors", case, "--ask", "1")

        def here():
            found = web.get(f"/studies/{earlier.uid}/instances", Accept="application/dicom+json")
            uids = [one["00080018"]["Value"][0] for one in found.json()] if found.status_code == 200 else []
            return uids if report in uids else None

        beside = len(until("the report is here", here)) - 1
        read = time.monotonic() - begin
    # What is asked for beside it may be here first.
    assert beside < 20, "most of the images were on their way"
    assert reaches(hospital, case, 1, "here")["patient"] == "same"
    whole = time.monotonic() - begin
    print(f"the earlier report could be read after {read:.2f} s, beside {beside} of 60 images; all were here after {whole:.2f} s")
