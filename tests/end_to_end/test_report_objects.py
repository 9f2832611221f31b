"""Reports as objects of their study: every door of both sites finds them beside the images."""

import io

import pydicom
import pytest
import requests
from pydicom.uid import EncapsulatedPDFStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove

from modality import EXPLICIT_LITTLE, send
from test_dicomweb import Web
from test_query_retrieve import association, caller, destination, found, query, tool
from test_viewer import PACKAGE, VIEWPORTS, browsing, ct, log_in, stays_here, viewports, wait
from test_worklist import Client
from test_worklist import site as with_web
from world import DEADLINE, free_port, hand_over, pair, until


class House:
    """A running site with everything by which its reports are asked for."""

    def __init__(self, site):
        self.site = site
        self.web = Web(site)
        self.worklist = Client(site, "worklist", "--worklist")
        site.reader = free_port()
        caller(site, "MODALITY", "store")
        caller(site, "READER", "query")
        destination(site, "READER", site.reader)

    def series(self, study):
        found = self.web.get(f"/studies/{study}/series", Accept="application/dicom+json").json()
        return [pydicom.Dataset.from_json(each) for each in found]

    def reports(self, study):
        documents = [one for one in self.series(study) if one.Modality == "DOC"]
        return sorted(documents, key=lambda one: one.SeriesNumber)


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    place = tmp_path_factory.mktemp("objects")
    clinic = with_web(place / "clinic", "架空診療所", "CLINIC")
    hospital = with_web(place / "hospital", "架空大学病院", "CLINIC", ("CT",))
    try:
        clinic.start()
        hospital.start()
        pair(clinic, hospital)
        yield House(clinic), House(hospital)
        for one in (clinic, hospital):
            assert "panicked" not in one.said(), one.said()[-4000:]
    finally:
        try:
            clinic.close()
        finally:
            hospital.close()


@pytest.fixture(scope="module")
def reported(houses):
    """A study with a final report and an addendum, both at the clinic."""
    clinic, hospital = houses
    study = ct("CHEST REPORTED", "20260301", patient="R-1")
    assert send(clinic.site, study.objects_of()) == [0] * len(study.objects)
    case = hand_over(clinic.site, hospital.site, study.uid)
    clinic.site.reach(case, "received")
    hospital.site.sign(case, "final", "【所見】異常なし。")
    hospital.site.sign(case, "addendum", "A word more.")
    delivered = lambda: [one["reception"] for one in clinic.site.case(case)["reports"]] == ["delivered"] * 2
    until("both versions are at the clinic", delivered)
    return case, study


def test_every_version_is_a_series_of_the_study_at_both_sites(houses, reported):
    _, study = reported
    seen = []
    for house in houses:
        final, addendum = house.reports(study.uid)
        assert "FINAL" in final.SeriesDescription and "第1版" in final.SeriesDescription
        assert "ADDENDUM" in addendum.SeriesDescription and "第2版" in addendum.SeriesDescription
        (found,) = house.web.get(f"/studies?StudyInstanceUID={study.uid}", Accept="application/dicom+json").json()
        assert found["00080061"]["Value"] == ["CT", "DOC"]
        assert found["00201208"]["Value"] == [len(study.objects) + 2]
        seen.append([final.SeriesInstanceUID, addendum.SeriesInstanceUID])
    assert seen[0] == seen[1], "the two sites make the same objects"


def test_a_viewer_gets_the_report_as_object_metadata_and_pdf(houses, reported):
    _, study = reported
    for house in houses:
        final, _ = house.reports(study.uid)
        of_series = f"/studies/{study.uid}/series/{final.SeriesInstanceUID}"
        (instance,) = house.web.get(f"{of_series}/instances", Accept="application/dicom+json").json()
        assert instance["00080016"]["Value"] == [EncapsulatedPDFStorage]
        path = f"{of_series}/instances/{instance['00080018']['Value'][0]}"
        got = house.web.get(path, Accept="application/dicom")
        report = pydicom.dcmread(io.BytesIO(got.content))
        assert report.PatientID == "R-1" and report.PatientName == study.datasets[0].PatientName
        assert report.StudyInstanceUID == study.uid and bytes(report.EncapsulatedDocument).startswith(b"%PDF-")
        shown = house.web.get(f"{path}/rendered", Accept="application/pdf")
        assert shown.headers["Content-Type"] == "application/pdf"
        assert shown.content == bytes(report.EncapsulatedDocument)[: report.EncapsulatedDocumentLength]
        (metadata,) = house.web.get(f"{path}/metadata", Accept="application/dicom+json").json()
        assert metadata["00420011"]["BulkDataURI"] and metadata["0040A493"]["Value"] == ["VERIFIED"]
        everything = house.web.client().retrieve_study(study.uid)
        assert len(everything) == len(study.objects) + 2


def test_a_workstation_finds_and_fetches_the_report(houses, reported, tmp_path):
    _, study = reported
    for number, house in enumerate(houses):
        site, (final, addendum) = house.site, house.reports(study.uid)
        answers = found(site, query("SERIES", StudyInstanceUID=study.uid, Modality="DOC", SeriesInstanceUID=""))
        assert {one.SeriesInstanceUID for one in answers} == {final.SeriesInstanceUID, addendum.SeriesInstanceUID}
        keys = ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study.uid}", f"SeriesInstanceUID={final.SeriesInstanceUID}"]
        folder = tmp_path / str(number)
        folder.mkdir()
        said = tool(site, "getscu", "-od", str(folder), keys=keys)
        (file,) = folder.iterdir()
        assert pydicom.dcmread(file).SOPClassUID == EncapsulatedPDFStorage, said
        moved = {}

        def stored(event):
            moved[event.request.AffectedSOPInstanceUID] = event.dataset.SeriesInstanceUID
            return 0x0000

        reader = AE(ae_title="READER")
        reader.add_supported_context(EncapsulatedPDFStorage, EXPLICIT_LITTLE)
        server = reader.start_server(("127.0.0.1", site.reader), block=False, evt_handlers=[(evt.EVT_C_STORE, stored)])
        try:
            opened = association(site, StudyRootQueryRetrieveInformationModelMove)
            identifier = query("SERIES", StudyInstanceUID=study.uid, SeriesInstanceUID=addendum.SeriesInstanceUID)
            answers = list(opened.send_c_move(identifier, "READER", StudyRootQueryRetrieveInformationModelMove))
            opened.release()
            assert answers[-1][0].Status == 0x0000
        finally:
            server.shutdown()
        assert list(moved.values()) == [addendum.SeriesInstanceUID]


def test_the_worklist_names_the_report_that_a_reading_came_to(houses, reported):
    case, study = reported
    for house in houses:
        final, addendum = house.reports(study.uid)
        items = house.worklist.search(**{"0040A370.00401001": case[:8]})
        codes = [item.ScheduledWorkitemCodeSequence[0].CodeValue for item in items]
        assert codes == ["110005", "128001"] and {item.ProcedureStepState for item in items} == {"COMPLETED"}
        for item, report in zip(items, (final, addendum), strict=True):
            (output,) = item.UnifiedProcedureStepPerformedProcedureSequence[0].OutputInformationSequence
            assert (output.StudyInstanceUID, output.SeriesInstanceUID) == (study.uid, report.SeriesInstanceUID)
            (reference,) = output.ReferencedSOPSequence
            assert reference.ReferencedSOPClassUID == EncapsulatedPDFStorage
            url = output.WADORSRetrievalSequence[0].RetrieveURL
            got = requests.get(url, headers={**house.web.headers, "Accept": "application/dicom"}, timeout=DEADLINE)
            assert pydicom.dcmread(io.BytesIO(got.content)).SOPInstanceUID == reference.ReferencedSOPInstanceUID


def test_who_may_not_see_the_study_does_not_see_its_report(houses, reported):
    _, study = reported
    clinic, hospital = houses
    final, _ = clinic.reports(study.uid)
    path = f"/studies/{study.uid}/series/{final.SeriesInstanceUID}"
    for house, scope in ((clinic, f"{clinic.site.name}:OTHER"), (hospital, "own")):
        other = Web(house.site, scope, generate_uid())
        assert other.get(f"/studies/{study.uid}/series", Accept="application/dicom+json").json() == []
        assert other.get(path, Accept='multipart/related; type="application/dicom"').status_code == 404


def test_reports_are_listed_again_after_a_restart(houses, reported):
    _, study = reported
    clinic, _ = houses
    before = [one.SeriesInstanceUID for one in clinic.reports(study.uid)]
    clinic.site.stop()
    clinic.site.start()
    clinic.web = Web(clinic.site, name="after")
    assert [one.SeriesInstanceUID for one in clinic.reports(study.uid)] == before


def test_the_viewer_shows_the_images_beside_the_report(houses, reported, tmp_path):
    _, study = reported
    clinic, _ = houses
    assert PACKAGE.is_file(), f"{PACKAGE} is not there; tests/run fetches it"
    clinic.site.ask("viewer", "install", PACKAGE)
    web = Web(clinic.site, name="viewer")
    with browsing() as page:
        log_in(page, web, "架空 花子")
        page.goto(f"{web.url}/viewer/viewer?StudyInstanceUIDs={study.uid}")
        viewports(page, 1)
        wait(page, "the study's date in the viewport", lambda: "01-Mar-2026" in page.evaluate(VIEWPORTS)[0]["text"])
        page.screenshot(path=tmp_path / "viewer.png")
        wait(page, "the report among the series", lambda: "DOC" in page.inner_text("body"))
        stays_here(page, web)
