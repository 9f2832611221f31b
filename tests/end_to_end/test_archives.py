"""Archives as hospitals have them: particular, out of room, breaking off, silent. What they take is what was sent; what
they refuse is said with its reason; when they recover, so does the delivery, without a restart."""

import contextlib
import itertools
import socket
import threading
from io import BytesIO

import pytest
from modality import IMPLICIT_LITTLE, send
from pydicom import dcmread
from pydicom.uid import RLELossless
from studies import Study
from world import TRANSFER_SYNTAXES, dokuei, hand_over, until

OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
IS_DOWN = "does not take it now"
REFUSES = "refuses it"


def handed_over(sites, study):
    clinic, hospital = sites
    assert send(clinic, study.objects) == [0] * len(study.objects)
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    return case


def arrives(site, study):
    until("the archive has it", lambda: study.delivered_to(site.archive))


def waits(site, study, case, reason):
    """Every place where an operator looks says what the study waits for, in both languages."""
    until("the case says why it waits", lambda: reason in site.case(case)["waiting"]["en"])
    shown, listed = site.ask("study", "show", study.uid), site.study(study.uid)
    oldest = site.ask("status")["oldest_waiting"]
    assert oldest["case"] == case
    for why in (shown["waiting"], listed["waiting"], oldest["why"]):
        assert reason in why["en"] and "PACS" in why["ja"], why


def reopened(archive, syntaxes):
    archive.close()
    archive.syntaxes = syntaxes
    archive.open()


def test_an_archive_that_takes_implicit_little_endian_only(sites):
    _, hospital = sites
    reopened(hospital.archive, [IMPLICIT_LITTLE])
    study = Study(name="IMPLICIT^ONLY", syntax=IMPLICIT_LITTLE)
    handed_over(sites, study)
    arrives(hospital, study)


def elements(data_set):
    """What a data set says, pixels apart."""
    return {element.tag: element.value for element in data_set if element.keyword not in ("PixelData", "DataSetTrailingPadding")}


def test_what_an_archive_does_not_take_is_sent_uncompressed(sites):
    clinic, hospital = sites
    for site in sites:
        reopened(site.archive, [IMPLICIT_LITTLE])
    plain, packed = Study(name="EXPLICIT^STUDY"), Study(name="PACKED^STUDY")
    for image in packed.datasets:
        image.compress(RLELossless, generate_instance_uid=False)
    packed.objects = packed.objects_of()
    for study in (plain, packed):
        case = handed_over(sites, study)
        until("the archive has it", lambda: len(hospital.archive.of(study.uids)) == 3)
        for sent in study.datasets:
            syntax, data = hospital.archive.of([sent.SOPInstanceUID])[sent.SOPInstanceUID]
            assert syntax == IMPLICIT_LITTLE
            got = dcmread(BytesIO(data), force=True)
            assert elements(got) == elements(sent)
            got.file_meta.TransferSyntaxUID = IMPLICIT_LITTLE
            assert (got.pixel_array == sent.pixel_array).all()
        # It is not taken for what was sealed, wherever somebody looks.
        until("it is noted", lambda: hospital.case(case)["transfer"]["transcoded"] == 3)
        shown = dokuei("case", "show", case, "--dir", hospital.data).stdout
        assert "3 images in your archive 3 were sent uncompressed" in shown
        until("it is told", lambda: f"case={case} transcoded=3 objects=3" in hospital.said())
    # A report is made in Explicit VR, and goes in the same way.
    hospital.sign(case, "final", "No abnormality.")
    clinic.reach(case, "delivered")
    ((syntax, report),) = clinic.archive.objects.values()
    assert syntax == IMPLICIT_LITTLE and dcmread(BytesIO(report), force=True).EncapsulatedDocument.startswith(b"%PDF-")


def test_what_must_stay_as_it_is_waits(sites):
    _, hospital = sites
    hospital.stop()
    config = hospital.data / "dokuei.toml"
    config.write_text(config.read_text().replace('ae_title = "PACS"\n', 'ae_title = "PACS"\ntranscode = false\n'))
    hospital.start()
    reopened(hospital.archive, [IMPLICIT_LITTLE])
    study = Study(name="EXPLICIT^STUDY")
    case = handed_over(sites, study)
    waits(hospital, study, case, REFUSES)
    one = study.objects[0]
    assert f"does not accept {one.sop_class} in {one.transfer_syntax}" in hospital.said()
    assert not hospital.archive.of(study.uids)
    reopened(hospital.archive, TRANSFER_SYNTAXES)
    arrives(hospital, study)


def test_an_archive_that_is_out_of_room_for_a_while(sites):
    _, hospital = sites
    taken = itertools.count()
    hospital.archive.answer = lambda event: 0 if next(taken) < 2 else OUT_OF_RESOURCES
    study = Study(count=5, name="OUT^OF^ROOM")
    case = handed_over(sites, study)
    waits(hospital, study, case, IS_DOWN)
    assert "A700" in hospital.said()
    assert len(hospital.archive.of(study.uids)) == 2
    hospital.archive.answer = lambda event: 0
    arrives(hospital, study)


def test_one_object_that_is_refused_does_not_hold_up_the_others(sites):
    _, hospital = sites
    study = Study(count=5, name="ONE^REFUSED")
    refused = study.uids[1]
    is_refused = lambda event: event.request.AffectedSOPInstanceUID == refused
    hospital.archive.answer = lambda event: CANNOT_UNDERSTAND if is_refused(event) else 0
    case = handed_over(sites, study)
    waits(hospital, study, case, REFUSES)
    assert "C000" in hospital.said()
    assert set(hospital.archive.of(study.uids)) == set(study.uids) - {refused}
    hospital.archive.answer = lambda event: 0
    arrives(hospital, study)


def test_an_archive_that_aborts_in_the_middle(sites):
    _, hospital = sites
    stores = itertools.count(1)

    def break_off(event):
        # Twice within an association, then the association's thread dies with the connection.
        if next(stores) in (2, 4, 5, 6):
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
            return OUT_OF_RESOURCES
        return 0

    hospital.archive.answer = break_off
    study = Study(count=6, side=256, name="BREAKS^OFF")
    handed_over(sites, study)
    arrives(hospital, study)


@contextlib.contextmanager
def silence(port):
    """Somebody who takes every connection and never says a word."""
    taken, ended = [], threading.Event()
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(0.1)

    def take():
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                taken.append(listener.accept()[0])

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        thread.join()
        for one in (listener, *taken):
            one.close()


@pytest.mark.timeout(240)
def test_an_archive_that_never_answers(sites):
    _, hospital = sites
    hospital.archive.close()
    study = Study(name="NEVER^ANSWERS")
    with silence(hospital.archive.port) as taken:
        case = handed_over(sites, study)
        until("the node calls the archive", lambda: taken)
        # The rest of the node goes on meanwhile.
        assert hospital.ask("status")["pid"] == hospital.node.pid
        waits(hospital, study, case, IS_DOWN)
    hospital.archive.open()
    arrives(hospital, study)


def test_a_report_waits_for_the_requesters_archive(sites):
    clinic, hospital = sites
    study = Study(name="REPORT^WAITS")
    case = handed_over(sites, study)
    arrives(hospital, study)
    clinic.archive.answer = lambda event: OUT_OF_RESOURCES
    hospital.sign(case, "final", "No abnormality.")
    waits(clinic, study, case, IS_DOWN)
    assert clinic.case(case)["phase"] != "delivered"
    clinic.archive.answer = lambda event: 0
    clinic.reach(case, "delivered")
