"""Nodes that are killed at any moment, and partners that are away: nothing is lost, nothing doubled."""

import time

import pytest
from modality import HungUp, Modality, send
from studies import Study
from world import hand_over, until

COUNT = 48
TEXT = "No abnormality."

# Who is killed, and after which moment of the case.
MOMENTS = [
    ("clinic", "asked"),
    ("hospital", "asked"),
    ("hospital", "first objects"),
    ("clinic", "first objects"),
    ("hospital", "half"),
    ("clinic", "half"),
    ("hospital", "nearly all"),
    ("hospital", "half in the archive"),
    ("clinic", "received"),
    ("hospital", "received"),
    ("hospital", "signed"),
    ("clinic", "signed"),
    ("clinic", "delivered"),
]
SHARE = {"first objects": 0.02, "half": 0.5, "nearly all": 0.9}


def wait_for(moment, clinic, hospital, case, study):
    """Waits for the moment, or for what can only come after it."""
    if moment in SHARE:

        def far_enough():
            cases = [view for view in hospital.ask("case", "list") if view["case"] == case]
            if not cases:
                return False
            transfer = cases[0]["transfer"] or {}
            return cases[0]["phase"] == "received" or transfer.get("objects", 0) >= SHARE[moment] * COUNT

        until(moment, far_enough)
    elif moment == "half in the archive":
        until(moment, lambda: len(hospital.archive.of(study.uids)) >= COUNT // 2)
    elif moment == "received":
        clinic.reach(case, "received")


def is_connected(site):
    return site.ask("partner", "list")[0]["connected"]


def crash(site, other):
    """Kills and starts a node; prints how long the two need to find each other, for whoever looks (pytest -rP)."""
    site.kill()
    site.start()
    up = time.monotonic()
    for one in (site, other):
        until(f"{one.name} is connected", lambda: is_connected(one))
        print(f"{site.name} up again; {one.name} connected after {time.monotonic() - up:.2f} s")


@pytest.mark.parametrize(("who", "moment"), MOMENTS)
def test_a_killed_node_goes_on_where_it_was(loop, who, moment):
    clinic, hospital = loop
    victim, other = (clinic, hospital) if who == "clinic" else (hospital, clinic)
    study = Study(count=COUNT, side=512, name="KILL^NODE")
    assert send(clinic, study.objects) == [0] * COUNT
    case = hand_over(clinic, hospital, study.uid)
    if moment not in ("signed", "delivered"):
        wait_for(moment, clinic, hospital, case, study)
        crash(victim, other)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    hospital.sign(case, "preliminary", TEXT)
    hospital.sign(case, "final", TEXT)
    if moment == "signed":
        crash(victim, other)
    clinic.reach(case, "delivered")
    if moment == "delivered":
        crash(victim, other)
    view = clinic.reach(case, "delivered")
    assert [(report["version"], report["status"]) for report in view["reports"]] == [(1, "preliminary"), (2, "final")]
    reports = lambda: [uid for uid, (_, data) in clinic.archive.of(clinic.archive.objects).items() if study.uid.encode() in data]
    until("both versions are in the clinic's archive", lambda: len(reports()) >= 2)
    clinic.ask("case", "acknowledge", case)
    hospital.reach(case, "closed")
    assert len(reports()) == 2
    objects = [uid for uid, (_, data) in hospital.archive.of(hospital.archive.objects).items() if study.uid.encode() in data]
    assert sorted(objects) == sorted(study.uids)
    cases = [view for site in loop for view in site.ask("case", "list") if view["study_uid"] == study.uid]
    assert [view["case"] for view in cases] == [case, case]


def test_nodes_killed_in_turn_find_each_other_each_time(loop):
    """Faster than dead connections are noticed by silence, and more often than one node may have connections."""
    clinic, hospital = loop
    for turn in range(12):
        victim, other = (clinic, hospital) if turn // 3 % 2 == 0 else (hospital, clinic)
        study = Study(count=8, side=256, name="KILL^TURN")
        assert send(clinic, study.objects) == [0] * 8
        case = hand_over(clinic, hospital, study.uid)
        crash(victim, other)
        clinic.reach(case, "received")
        until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    for site in loop:
        assert "too many connections" not in site.said()


@pytest.mark.parametrize("taken", [1, 7, 20])
def test_what_was_acknowledged_survives_a_kill_during_intake(loop, taken):
    clinic, hospital = loop
    study = Study(count=24, side=256, name="KILL^INTAKE")
    modality = Modality(clinic, [(study.objects[0].sop_class, study.objects[0].transfer_syntax)])
    for number, one in enumerate(study.objects[:taken], 1):
        assert modality.store(one, number) == 0
    clinic.kill()
    with pytest.raises(HungUp):
        modality.store(study.objects[taken])
    clinic.start()
    assert clinic.study(study.uid)["objects"] == taken
    # The modality sends all of it again, as modalities do.
    assert send(clinic, study.objects) == [0] * 24
    assert clinic.study(study.uid)["objects"] == 24
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))


def test_a_partner_that_was_away_gets_everything(sites):
    clinic, hospital = sites
    study = Study(count=6, name="AWAY^PARTNER")
    assert send(clinic, study.objects) == [0] * 6
    hospital.stop()
    case = hand_over(clinic, hospital, study.uid)
    waits = until("the clinic says why it waits", lambda: clinic.case(case)["waiting"]["en"])
    assert "partner" in waits
    hospital.start()
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    clinic.stop()
    hospital.sign(case, "final", TEXT)
    clinic.start()
    clinic.reach(case, "delivered")


def test_an_archive_that_was_away_gets_everything(sites):
    clinic, hospital = sites
    hospital.archive.close()
    study = Study(count=6, name="AWAY^ARCHIVE")
    assert send(clinic, study.objects) == [0] * 6
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the hospital says why it waits", lambda: "archive" in hospital.case(case)["waiting"]["en"])
    hospital.archive.open()
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
