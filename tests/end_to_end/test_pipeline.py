"""A study goes to the archive while it arrives: each object once, and little is fetched twice."""

import pytest
from modality import send
from studies import Study
from world import hand_over, until

# Four streams of a transfer, and the most that each fetches again when it breaks: one sealed chunk.
STREAMS = 4
CHUNK = 16 * 1024 + 16
# A kill breaks the streams once, and once more when both sides dial and one connection has to go.
BREAKS = 2


def settled(clinic, hospital, case, study):
    clinic.reach(case, "received")
    until("the hospital's archive has it", lambda: study.delivered_to(hospital.archive))
    until("the hospital knows that", lambda: "archive" not in hospital.case(case)["waiting"]["en"])


def sent_again(archive, study):
    return sum(archive.times[uid] - 1 for uid in study.uids)


def test_every_object_reaches_the_archive_once(loop):
    clinic, hospital = loop
    study = Study(count=40, side=256, name="ONCE^ONLY")
    assert send(clinic, study.objects) == [0] * 40
    case = hand_over(clinic, hospital, study.uid)
    settled(clinic, hospital, case, study)
    assert sent_again(hospital.archive, study) == 0
    transfer = hospital.case(case)["transfer"]
    assert transfer["objects"] == transfer["stored"] == 40
    assert transfer["bytes"] == transfer["bytes_total"]
    # Headers of one series get small, noise does not, and nothing gets much longer.
    assert 0.9 < transfer["bytes_received"] / transfer["bytes_total"] < 1.01
    assert transfer["bytes_again"] == 0


@pytest.mark.parametrize("stored", [1, 12, 30])
def test_what_the_archive_confirmed_is_not_sent_again_after_a_kill(loop, stored):
    clinic, hospital = loop
    study = Study(count=40, side=512, name="KILL^ARCHIVE")
    assert send(clinic, study.objects) == [0] * 40
    case = hand_over(clinic, hospital, study.uid)
    until("some of it is in the archive", lambda: len(hospital.archive.of(study.uids)) >= stored)
    hospital.kill()
    hospital.start()
    settled(clinic, hospital, case, study)
    # The one that was under way.
    assert sent_again(hospital.archive, study) <= 1


@pytest.mark.parametrize("who", ["clinic", "hospital"])
def test_a_kill_costs_at_most_one_chunk_a_stream(loop, who):
    clinic, hospital = loop
    victim = {"clinic": clinic, "hospital": hospital}[who]
    study = Study(count=12, side=1448, name="KILL^CHUNK")
    assert send(clinic, study.objects) == [0] * 12
    case = hand_over(clinic, hospital, study.uid)

    def begun():
        cases = [view for view in hospital.ask("case", "list") if view["case"] == case]
        return cases and ((cases[0]["transfer"] or {}).get("bytes", 0) > 0 or cases[0]["phase"] == "received")

    until("something has arrived", begun)
    victim.kill()
    victim.start()
    settled(clinic, hospital, case, study)
    # None: it had arrived before the kill.
    transfer = hospital.case(case)["transfer"] or {"bytes_again": 0}
    assert transfer["bytes_again"] <= BREAKS * STREAMS * CHUNK
