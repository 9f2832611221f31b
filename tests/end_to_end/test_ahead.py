"""Packs of a study that go to the reader's node while it still arrives, sealed, before anybody has asked to have it read."""

import itertools
import os

import pytest
from modality import send
from studies import Study
from world import Site, hand_over, pair, until

SIDE = 512
COUNT = 24
# Four bits of noise: two slices make a pack, of which a third is left when it is compressed.
PIXELS = bytes(byte for both in zip((bits & 15 for bits in os.urandom(SIDE * SIDE)), itertools.repeat(2)) for byte in both)
CANARY = "AHEAD^CANARY"


@pytest.fixture
def sending_ahead(tmp_path):
    """A clinic that sends ahead to its one partner, and the hospital."""
    clinic = Site(tmp_path / "clinic", "架空診療所", "CLINIC")
    hospital = Site(tmp_path / "hospital", "架空大学病院", "HOSPITAL", ("CT",))
    config = clinic.data / "dokuei.toml"
    config.write_text(config.read_text().replace("[network]\n", f'[network]\nsend_ahead_to = "{hospital.name}"\n'))
    try:
        clinic.start(), hospital.start()
        pair(clinic, hospital)
        yield clinic, hospital
        for site in (clinic, hospital):
            assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        clinic.close(), hospital.close()


def ahead(hospital):
    """The packs that lie at the hospital without a grant, whole ones by their names."""
    return {path.name: path for path in hospital.data.rglob("ahead/*/*/pack-*") if path.suffix != ".part"}


def study():
    return Study(count=COUNT, side=SIDE, name=CANARY, PixelData=PIXELS)


def half_of(clinic, hospital, one):
    """Sends the first half of a study, and waits until all of it but the last pack is ahead."""
    assert send(clinic, one.objects[: COUNT // 2]) == [0] * (COUNT // 2)
    whole = COUNT // 2 // 2 - 1
    return until("packs are ahead", lambda: len(here := ahead(hospital)) >= whole and here)


def test_a_study_is_on_its_way_while_it_arrives(sending_ahead):
    clinic, hospital = sending_ahead
    one = study()
    packs = half_of(clinic, hospital, one)
    assert hospital.ask("case", "list") == [] and hospital.ask("study", "list") == []
    for path in packs.values():
        sealed = path.read_bytes()
        assert CANARY.encode() not in sealed and one.uid.encode() not in sealed
    assert send(clinic, one.objects[COUNT // 2 :]) == [0] * (COUNT - COUNT // 2)
    case = hand_over(clinic, hospital, one.uid)
    hospital.reach(case, "received", "stored")
    until("the archive has it", lambda: one.delivered_to(hospital.archive))
    assert ahead(hospital) == {}
    # What came ahead counts, and came once.
    transfer, given = hospital.case(case)["transfer"], clinic.case(case)["given"]
    assert transfer["objects"] == given["objects"] == COUNT
    assert transfer["bytes_again"] == 0 and transfer["bytes_received"] < sum(len(each.data) for each in one.objects) / 2


def test_what_came_ahead_outlasts_both_nodes(sending_ahead):
    clinic, hospital = sending_ahead
    one = study()
    packs = half_of(clinic, hospital, one)
    times = {name: path.stat().st_mtime_ns for name, path in packs.items()}
    clinic.kill(), hospital.kill()
    clinic.start(), hospital.start()
    assert send(clinic, one.objects[COUNT // 2 :]) == [0] * (COUNT - COUNT // 2)
    more = until("more packs are ahead", lambda: len(here := ahead(hospital)) > len(packs) and here)
    assert {name: more[name].stat().st_mtime_ns for name in packs} == times, "none of them was sent again"
    case = hand_over(clinic, hospital, one.uid)
    until("the archive has it", lambda: one.delivered_to(hospital.archive))
    assert hospital.case(case)["transfer"]["bytes_again"] == 0


def test_what_came_ahead_and_is_not_what_was_granted_is_sent_again(sending_ahead):
    clinic, hospital = sending_ahead
    one = study()
    packs = half_of(clinic, hospital, one)
    first, second = sorted(packs)[:2]
    damaged = bytearray(packs[first].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    packs[first].write_bytes(damaged)
    packs[second].write_bytes(os.urandom(1000))
    case = hand_over(clinic, hospital, one.uid)
    hospital.reach(case, "received", "stored")
    half = {each.sop_instance: (each.transfer_syntax, each.data) for each in one.objects[: COUNT // 2]}
    until("the archive has the first half", lambda: len(hospital.archive.of(half)) == len(half))
    assert hospital.archive.of(half) == half
    assert ahead(hospital) == {}


def test_nothing_goes_ahead_unless_it_is_asked_for(sites):
    clinic, hospital = sites
    one = study()
    assert send(clinic, one.objects) == [0] * COUNT
    case = hand_over(clinic, hospital, one.uid)
    hospital.reach(case, "received", "stored")
    assert not list(hospital.data.rglob("ahead"))
