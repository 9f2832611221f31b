"""Only what is missing moves: what both sites have had of a study is taken from where it lies."""

from types import SimpleNamespace

import pytest
from conftest import READS, two_sites
from modality import send
from studies import Study
from test_commitment import must_commit
from world import Site, hand_over, is_ready, until

# Two images of this size make a pack.
IMAGES, LATE, SIDE = 24, 3, 512


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """A study at its reader: the first images of it. The reader's archive never answers for them, so they stay there."""
    place = tmp_path_factory.mktemp("only-missing")
    with two_sites(place, retention=0, clinic_reads=READS) as (clinic, hospital):
        must_commit(hospital)
        until("the hospital is back", lambda: is_ready(clinic) and is_ready(hospital))
        study = Study(count=IMAGES + LATE, side=SIDE)
        assert send(clinic, study.objects[:IMAGES]) == [0] * IMAGES
        case = hand_over(clinic, hospital, study.uid)
        clinic.reach(case, "received")
        moved = hospital.case(case)["transfer"]
        assert moved["objects"] == IMAGES and moved["objects_known"] == 0
        yield SimpleNamespace(place=place, clinic=clinic, hospital=hospital, study=study, case=case, image=moved["bytes_received"] / IMAGES)


def moved(requester, reader, uid):
    """What moved of a study, at its reader, once all of it is there."""
    case = hand_over(requester, reader, uid)
    requester.reach(case, "received")
    return case, reader.case(case)["transfer"]


def test_what_comes_back_from_whom_it_was_given_to_is_taken_from_here(sent):
    assert send(sent.hospital, sent.study.objects[:IMAGES]) == [0] * IMAGES
    _, transfer = moved(sent.hospital, sent.clinic, sent.study.uid)
    # Which study it is turns out when the first images are here; others are on their way by then.
    assert transfer["objects"] == IMAGES and transfer["objects_known"] > 0
    assert transfer["bytes_received"] < IMAGES * sent.image
    until("the clinic's archive has them", lambda: len(sent.clinic.archive.of(sent.study.uids)) == IMAGES)


def test_from_another_partner_the_same_study_comes_whole(sent):
    other = Site(sent.place / "other", "別の架空診療所", "OTHER")
    try:
        other.start()
        other.ask("partner", "accept", sent.hospital.ask("partner", "invite")["code"])
        until("both are ready", lambda: is_ready(other) and all(one["key_to_seal_for"] for one in sent.hospital.ask("partner", "list")))
        assert send(other, sent.study.objects[:IMAGES]) == [0] * IMAGES
        _, transfer = moved(other, sent.hospital, sent.study.uid)
        assert transfer["objects"] == IMAGES and transfer["objects_known"] == 0
        assert transfer["bytes_received"] > 0.99 * IMAGES * sent.image
    finally:
        other.close()


def test_a_study_that_is_sent_again_with_three_new_images_moves_these(sent):
    clinic, hospital, study = sent.clinic, sent.hospital, sent.study
    hospital.sign(sent.case, "final", "No abnormality.")
    clinic.reach(sent.case, "delivered")
    clinic.ask("case", "acknowledge", sent.case)
    until("the clinic has put the study away", lambda: clinic.case(sent.case)["sealed_study"] == "removed")
    # The same images, and some that came late.
    assert send(clinic, study.objects) == [0] * (IMAGES + LATE)
    case, transfer = moved(clinic, hospital, study.uid)
    assert transfer["objects"] == IMAGES + LATE and transfer["objects_known"] == IMAGES
    # With those that share a pack with one of them.
    assert LATE * sent.image * 0.99 < transfer["bytes_received"] < (LATE + 2.1) * sent.image
    assert clinic.case(case)["given"]["bytes"] < (LATE + 2.1) * sent.image
    until("the hospital's archive has all of it", lambda: study.delivered_to(hospital.archive))
