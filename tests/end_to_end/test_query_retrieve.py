"""Workstations search the node and fetch from it, and modalities ask it to answer for what they sent."""

import subprocess
import threading
import time

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import RLELossless, generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

import modality
from modality import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from studies import JAPANESE, NAMES, Study
from world import DEADLINE, Site, dokuei, free_port, until


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("query"), "架空診療所", "CLINIC")
    site.start()
    site.reader = free_port()
    caller(site, "MODALITY", "store")
    caller(site, "READER", "query")
    destination(site, "READER", site.reader)
    try:
        yield site
    finally:
        site.close()


def caller(site, title, may):
    dokuei("dicom", "caller", "add", title, "--address", "127.0.0.1", "--may", may, "--dir", site.data)


def destination(site, title, port):
    dokuei("dicom", "destination", "add", title, "--host", "127.0.0.1", "--port", port, "--dir", site.data)


@pytest.fixture(scope="module")
def study(site):
    charset, name = NAMES["ISO 2022 IR 87"]
    study = Study(count=5, name=name, charset=charset, PatientID="P-100", StudyDate="20260401")
    modality.send(site, study.objects)
    for number in range(3):
        modality.send(site, Study(count=1, name=f"OTHER^{number}", PatientID=f"P-{number}", StudyDate="20250101").objects)
    return study


def tool(site, name, *options, keys, title="READER", model="-S"):
    words = [name, "-v", model, "-aet", title, "-aec", "CLINIC", *options]
    for key in keys:
        words += ["-k", key]
    ran = subprocess.run([*words, "127.0.0.1", str(site.dicom)], capture_output=True, timeout=DEADLINE)
    return ran.stdout.decode(errors="replace") + ran.stderr.decode(errors="replace")


def association(site, *contexts, title="READER", handlers=(), roles=()):
    entity = AE(ae_title=title)
    for context in contexts:
        entity.add_requested_context(context, [EXPLICIT_LITTLE] if context == CTImageStorage else None)
    opened = entity.associate("127.0.0.1", site.dicom, ae_title=site.title, evt_handlers=list(handlers), ext_neg=list(roles))
    assert opened.is_established
    return opened


def query(level, **keys):
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def found(site, identifier, model=StudyRootQueryRetrieveInformationModelFind):
    opened = association(site, model)
    answers = list(opened.send_c_find(identifier, model))
    opened.release()
    assert answers[-1][0].Status == 0x0000, hex(answers[-1][0].Status)
    return [answer for _, answer in answers[:-1]]


def test_findscu_finds_studies_by_any_group_of_a_japanese_name(site, study):
    for pattern in ("YAMADA*", "山田^太郎", "やまだ*", "ヤマダ^タロウ", "*"):
        identifier = query("STUDY", PatientName=pattern, StudyInstanceUID="", StudyDate="20260101-")
        identifier.SpecificCharacterSet = "ISO_IR 192"
        answers = found(site, identifier)
        assert [answer.StudyInstanceUID for answer in answers] == [study.uid], pattern
        assert str(answers[0].PatientName.ideographic) == JAPANESE
    said = tool(site, "findscu", keys=["QueryRetrieveLevel=STUDY", "StudyInstanceUID", "PatientID=P-[0]"])
    assert "Final Find Response (Success)" in said


@pytest.mark.parametrize("level, count", [("SERIES", 1), ("IMAGE", 5)])
def test_every_level_is_answered(site, study, level, count):
    keys = {"StudyInstanceUID": study.uid, "SeriesInstanceUID": study.series if level == "IMAGE" else ""}
    if level == "IMAGE":
        keys["SOPInstanceUID"] = ""
    answers = found(site, query(level, **keys))
    assert len(answers) == count
    assert all(answer.QueryRetrieveLevel == level and answer.RetrieveAETitle == "CLINIC" for answer in answers)
    patients = found(site, query("PATIENT", PatientID="P-*"), PatientRootQueryRetrieveInformationModelFind)
    assert sorted(answer.PatientID for answer in patients) == ["P-0", "P-1", "P-100", "P-2"]


def test_getscu_and_pynetdicom_get_every_byte(site, study, tmp_path):
    keys = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study.uid}"]
    said = tool(site, "getscu", "-od", str(tmp_path), "+B", keys=keys)
    files = {dcmread(file).SOPInstanceUID: file for file in tmp_path.iterdir()}
    assert sorted(files) == sorted(study.uids), said
    got = []

    def stored(event):
        got.append(event.dataset.SOPInstanceUID)
        return 0x0000

    model = StudyRootQueryRetrieveInformationModelGet
    role = build_role(CTImageStorage, scp_role=True)
    opened = association(site, model, CTImageStorage, handlers=[(evt.EVT_C_STORE, stored)], roles=[role])
    answers = list(opened.send_c_get(query("STUDY", StudyInstanceUID=study.uid), model))
    opened.release()
    assert answers[-1][0].Status == 0x0000 and answers[-1][0].NumberOfCompletedSuboperations == 5
    assert sorted(got) == sorted(study.uids)


@pytest.fixture(scope="module")
def packed(site):
    """Two images, of which one is compressed without loss."""
    study = Study(count=2, PatientID="P-PACKED")
    study.datasets[1].compress(RLELossless, generate_instance_uid=False)
    study.objects = study.objects_of()
    assert modality.send(site, study.objects) == [0, 0]
    return study


@pytest.mark.parametrize(
    "proposed, got",
    [
        # Each as it is kept, where there is a context for each.
        ([[RLELossless], [EXPLICIT_LITTLE]], [EXPLICIT_LITTLE, RLELossless]),
        ([[EXPLICIT_LITTLE, RLELossless], [RLELossless, EXPLICIT_LITTLE]], [EXPLICIT_LITTLE, RLELossless]),
        # Of several in one context one into which everything can be brought.
        ([[RLELossless, IMPLICIT_LITTLE, EXPLICIT_LITTLE]], [EXPLICIT_LITTLE] * 2),
        ([[RLELossless, IMPLICIT_LITTLE]], [IMPLICIT_LITTLE] * 2),
        ([[IMPLICIT_LITTLE]], [IMPLICIT_LITTLE] * 2),
        # Nothing is compressed here.
        ([[RLELossless]], [None, RLELossless]),
    ],
)
def test_a_c_get_is_given_what_it_takes_bit_by_bit(site, packed, proposed, got):
    kept = {}

    def stored(event):
        kept[event.request.AffectedSOPInstanceUID] = (event.context.transfer_syntax, event.dataset)
        return 0x0000

    model = StudyRootQueryRetrieveInformationModelGet
    entity = AE(ae_title="READER")
    entity.add_requested_context(model)
    contexts = list(entity.requested_contexts)
    contexts += [build_context(CTImageStorage, syntaxes) for syntaxes in proposed]
    place = dict(ae_title="CLINIC", contexts=contexts, ext_neg=[build_role(CTImageStorage, scp_role=True)])
    opened = entity.associate("127.0.0.1", site.dicom, evt_handlers=[(evt.EVT_C_STORE, stored)], **place)
    last = list(opened.send_c_get(query("STUDY", StudyInstanceUID=packed.uid), model))[-1]
    opened.release()
    assert [kept[uid][0] if uid in kept else None for uid in packed.uids] == got
    for sent in packed.datasets:
        if sent.SOPInstanceUID in kept:
            syntax, arrived = kept[sent.SOPInstanceUID]
            arrived.file_meta = FileMetaDataset()
            arrived.file_meta.TransferSyntaxUID = syntax
            assert (arrived.pixel_array == sent.pixel_array).all()
    failed = got.count(None)
    assert last[0].Status == (0xB000 if failed else 0x0000)
    assert (last[0].NumberOfCompletedSuboperations, last[0].NumberOfFailedSuboperations) == (2 - failed, failed)
    if failed:
        assert last[1].FailedSOPInstanceUIDList == packed.uids[0]
        assert f"does not accept {CTImageStorage} in {EXPLICIT_LITTLE}" in site.said()


def test_movescu_has_it_sent_with_its_name_on_it(site, study):
    kept, originators = {}, set()

    def stored(event):
        kept[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        originators.add((event.request.MoveOriginatorApplicationEntityTitle, event.request.MoveOriginatorMessageID))
        return 0x0000

    reader = AE(ae_title="READER")
    reader.add_supported_context(CTImageStorage, EXPLICIT_LITTLE)
    server = reader.start_server(("127.0.0.1", site.reader), block=False, evt_handlers=[(evt.EVT_C_STORE, stored)])
    try:
        model = StudyRootQueryRetrieveInformationModelMove
        opened = association(site, model)
        answers = list(opened.send_c_move(query("STUDY", StudyInstanceUID=study.uid), "READER", model, msg_id=77))
        assert answers[-1][0].Status == 0x0000 and answers[-1][0].NumberOfCompletedSuboperations == 5
        nowhere = list(opened.send_c_move(query("STUDY", StudyInstanceUID=study.uid), "NOWHERE", model))
        assert nowhere[-1][0].Status == 0xA801
        opened.release()
    finally:
        server.shutdown()
    assert kept == {one.sop_instance: one.data for one in study.objects}
    assert originators == {("READER", 77)}
    assert "not registered" in site.said()


def test_who_may_only_send_may_not_ask(site, study):
    said = tool(site, "findscu", keys=["QueryRetrieveLevel=STUDY", "StudyInstanceUID"], title="MODALITY")
    assert "No Acceptable Presentation Contexts" in said and study.uid not in said


class Waiting:
    """A modality that waits for the answer to its request for commitment."""

    def __init__(self):
        self.events = []

    def heard(self, event):
        self.events.append((event.event_type, event.event_information))
        return 0x0000, None

    @property
    def handlers(self):
        return [(evt.EVT_N_EVENT_REPORT, self.heard)]


def ask_for_commitment(opened, uids):
    asked = Dataset()
    asked.TransactionUID = generate_uid()
    asked.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid
        asked.ReferencedSOPSequence.append(item)
    model, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    status, _ = opened.send_n_action(asked, 1, model, instance)
    assert status.Status == 0x0000
    return asked.TransactionUID


def test_a_modality_that_stays_hears_on_its_association(site, study):
    waiting = Waiting()
    opened = association(site, StorageCommitmentPushModel, title="MODALITY", handlers=waiting.handlers)
    transaction = ask_for_commitment(opened, study.uids)
    until("the event report", lambda: waiting.events)
    unknown = generate_uid()
    second = ask_for_commitment(opened, [study.uids[0], unknown])
    until("the second event report", lambda: len(waiting.events) == 2)
    opened.release()
    (kind, whole), (failed_kind, partly) = waiting.events
    assert (kind, whole.TransactionUID) == (1, transaction)
    assert sorted(item.ReferencedSOPInstanceUID for item in whole.ReferencedSOPSequence) == sorted(study.uids)
    assert (failed_kind, partly.TransactionUID) == (2, second)
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in partly.FailedSOPSequence] == [(unknown, 0x0112)]


def test_a_modality_that_leaves_is_called_even_after_a_crash(site, study):
    opened = association(site, StorageCommitmentPushModel, title="MODALITY")
    transaction = ask_for_commitment(opened, study.uids)
    opened.release()
    # Nobody answers there yet, and the node is cut off.
    port = free_port()
    destination(site, "MODALITY", port)
    site.kill()
    waiting = Waiting()
    entity = AE(ae_title="MODALITY")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=waiting.handlers)
    try:
        site.start()
        until("the event report", lambda: waiting.events)
    finally:
        server.shutdown()
    kind, said = waiting.events[0]
    assert (kind, said.TransactionUID, len(waiting.events)) == (1, transaction, 1)


def test_slow_and_dead_destinations_hold_up_nobody(site, study):
    """One retrieval hangs; searching goes on, and the hanging one is cancelled at once."""
    import socket

    silent = socket.create_server(("127.0.0.1", 0))
    destination(site, "SILENT", silent.getsockname()[1])
    model = StudyRootQueryRetrieveInformationModelMove
    opened = association(site, model)
    last = []

    def move():
        last.extend(opened.send_c_move(query("STUDY", StudyInstanceUID=study.uid), "SILENT", model, msg_id=9))

    hanging = threading.Thread(target=move)
    hanging.start()
    silent.settimeout(DEADLINE)
    called, _ = silent.accept()
    assert found(site, query("STUDY", StudyInstanceUID=study.uid))
    begun = time.monotonic()
    opened.send_c_cancel(9, query_model=model)
    hanging.join(DEADLINE)
    assert last[-1][0].Status == 0xFE00
    opened.release()
    called.close()
    silent.close()
    assert time.monotonic() - begun < DEADLINE
