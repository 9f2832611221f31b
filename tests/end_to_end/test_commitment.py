"""An archive that answers for what it took: over the association that asked, over one of its own, and with no."""

import threading
from io import BytesIO

import pytest
from modality import send
from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance
from studies import Study
from world import hand_over, until

MODEL, INSTANCE = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
WAITS_FOR_ARCHIVE = "archive does not take it now"


class Committing:
    """Makes a site's archive commit. `missing` is what it says it does not keep."""

    def __init__(self, site, on_its_own):
        self.site, self.on_its_own = site, on_its_own
        self.missing, self.asked, self.answered = set(), [], 0
        archive = site.archive
        archive.close()
        self.server = self.serve(archive)
        archive.server = self.server

    def serve(self, archive):
        entity = AE("PACS")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, archive.syntaxes)
        entity.add_supported_context(MODEL)
        handlers = [(evt.EVT_C_STORE, archive.store), (evt.EVT_N_ACTION, self.action)]
        return entity.start_server(("127.0.0.1", archive.port), block=False, evt_handlers=handlers)

    def action(self, event):
        asked = event.action_information
        said = Dataset()
        said.TransactionUID = asked.TransactionUID
        kept, failed = [], []
        for item in asked.ReferencedSOPSequence:
            if item.ReferencedSOPInstanceUID in self.missing:
                item.FailureReason = 0x0112
                failed.append(item)
            else:
                kept.append(item)
        if kept:
            said.ReferencedSOPSequence = kept
        if failed:
            said.FailedSOPSequence = failed
        self.asked.append((len(kept), len(failed)))
        kind = 2 if failed else 1
        if self.on_its_own == "early":
            self.before_the_response(event, kind, said)
            self.answered += 1
        elif self.on_its_own is not None:
            threading.Timer(0.2, self.answer, [event.assoc, kind, said]).start()
        return 0x0000, None

    @staticmethod
    def before_the_response(event, kind, said):
        report = N_EVENT_REPORT()
        report.MessageID, report.EventTypeID = 1, kind
        report.AffectedSOPClassUID, report.AffectedSOPInstanceUID = MODEL, INSTANCE
        syntax = event.context.transfer_syntax
        report.EventInformation = BytesIO(encode(said, syntax.is_implicit_VR, syntax.is_little_endian))
        event.assoc.dimse.send_msg(report, event.context.context_id)

    def answer(self, association, kind, said):
        if self.on_its_own:
            entity = AE("PACS")
            entity.add_requested_context(MODEL)
            role = build_role(MODEL, scu_role=False, scp_role=True)
            association = entity.associate("127.0.0.1", self.site.dicom, ae_title="HOSPITAL", ext_neg=[role])
            assert association.is_established
        status, _ = association.send_n_event_report(said, kind, MODEL, INSTANCE)
        assert status.Status == 0x0000
        if self.on_its_own:
            association.release()
        self.answered += 1


def must_commit(site):
    site.stop()
    config = site.data / "dokuei.toml"
    text = config.read_text()
    assert 'ae_title = "PACS"\n' in text
    config.write_text(text.replace('ae_title = "PACS"\n', 'ae_title = "PACS"\ncommitment = true\n'))
    site.start()


def waiting(site, case):
    return site.case(case)["waiting"]["en"]


@pytest.mark.parametrize(
    "on_its_own", [False, True, "early"], ids=["same association", "its own association", "before the response"]
)
def test_a_study_counts_as_stored_once_the_archive_has_answered_for_all_of_it(sites, on_its_own):
    clinic, hospital = sites
    must_commit(hospital)
    archive = Committing(hospital, on_its_own)
    study = Study(count=4, name="COMMITTED^STUDY")
    lost = study.uids[1]
    archive.missing = {lost}
    assert send(clinic, study.objects) == [0] * 4
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    # It says that it lost one: the study is not stored, and that one is sent again.
    until("the case says why it waits", lambda: WAITS_FOR_ARCHIVE in waiting(hospital, case))
    assert archive.asked[0] == (3, 1) and "does not keep 1 objects" in hospital.said()
    archive.missing = set()
    until("the archive answers for all of it", lambda: archive.asked[-1] == (4, 0), deadline=90)
    # A study that is being stored may be read meanwhile, so "to be read here" alone does not say that the answer has come.
    until("every answer has come", lambda: archive.answered == len(archive.asked))
    until("the study is stored", lambda: "to be read here" in waiting(hospital, case))
    assert study.delivered_to(hospital.archive)
    times = hospital.archive.times
    assert times[lost] > 1 and all(times[uid] == 1 for uid in study.uids if uid != lost)


def test_an_archive_that_cannot_commit_is_told_apart(sites):
    clinic, hospital = sites
    must_commit(hospital)
    study = Study(name="CANNOT^COMMIT")
    assert send(clinic, study.objects) == [0] * 3
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the case says why it waits", lambda: WAITS_FOR_ARCHIVE in waiting(hospital, case))
    assert study.delivered_to(hospital.archive)
    assert "archive.commitment" in hospital.said()
