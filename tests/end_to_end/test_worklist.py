"""The worklist as third parties see it: UPS-RS over HTTP, events over a WebSocket, beside the command line."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack

import pytest
from modality import send
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from studies import Study
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from world import DEADLINE, READER, Site, dokuei, hand_over, pair, until

CANCEL_REQUESTED = 2  # event type (PS3.4 table CC.2.4-1)
GLOBAL = "1.2.840.10008.5.1.4.34.5"
FILTERED = "1.2.840.10008.5.1.4.34.5.1"


class Client:
    """A program of the house that works with the worklist of one site."""

    def __init__(self, site, name="worklist", *more, scope="all"):
        self.site = site
        self.token = site.ask("dicom", "token", "add", name, "--scope", scope, *more)["token"]

    @property
    def root(self):
        port = json.loads(dokuei("status", self.site.data, "--json").stdout)["web"]["port"]
        return f"127.0.0.1:{port}/dicom-web"

    def call(self, method, path, body=None, kind="application/dicom+json", **query):
        query = "?" + urllib.parse.urlencode(query) if query else ""
        if isinstance(body, Dataset):
            body = body.to_json().encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(f"http://{self.root}{path}{query}", body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=DEADLINE)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            said = answer.read()
        is_json = answer.headers.get("Content-Type") == "application/dicom+json"
        return answer.status, answer.headers, [Dataset.from_json(each) for each in json.loads(said)] if said and is_json else said

    def search(self, **query):
        status, _, found = self.call("GET", "/workitems", **query)
        assert status in (200, 204), found
        return found or []

    def of(self, case):
        """The workitem of a case, by what the command line calls it."""
        found = self.search(**{"0040A370.00401001": case[:8]})
        assert all("TransactionUID" not in each for each in found)
        return found[-1] if found else None

    def get(self, uid):
        status, _, found = self.call("GET", f"/workitems/{uid}")
        assert status == 200, found
        return found[0]

    def stands(self, uid):
        return self.get(uid).ProcedureStepState

    def move(self, uid, state, transaction, reader=None):
        asked = Dataset()
        asked.ProcedureStepState, asked.TransactionUID = state, transaction
        if reader:
            human = Dataset()
            human.HumanPerformerName = reader
            asked.ActualHumanPerformersSequence = [human]
        return self.call("PUT", f"/workitems/{uid}/state", asked)

    def listen(self, subscriber):
        return connect(
            f"ws://{self.root}/subscribers/{subscriber}",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            open_timeout=DEADLINE,
        )


def site(place, *arguments):
    made = Site(place, *arguments)
    config = made.data / "dokuei.toml"
    config.write_text(config.read_text() + '\n[web]\nlisten = "127.0.0.1:0"\n')
    return made


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """A clinic that asks and a hospital that reads, each with a client of its worklist."""
    place = tmp_path_factory.mktemp("worklist")
    clinic = site(place / "clinic", "架空診療所", "CLINIC")
    hospital = site(place / "hospital", "架空大学病院", "HOSPITAL", ("CT", "MR"))
    try:
        clinic.start()
        hospital.start()
        pair(clinic, hospital)
        yield Client(clinic, "worklist", "--worklist"), Client(hospital, "worklist", "--worklist")
        for one in (clinic, hospital):
            assert "panicked" not in one.said(), one.said()[-4000:]
    finally:
        try:
            clinic.close()
        finally:
            hospital.close()


def ready(houses, **attributes):
    """A study that arrived at the hospital: the case, and the hospital's workitem."""
    clinic, hospital = houses
    study = Study(count=1, **attributes)
    assert send(clinic.site, study.objects) == [0]
    case = hand_over(clinic.site, hospital.site, study.uid)
    # The hospital may not have heard of it yet.
    clinic.site.reach(case, "received")
    return case, until("the workitem is ready", lambda: is_ready(hospital, case))


def is_ready(client, case):
    found = client.of(case)
    return found if found and found.InputReadinessState == "READY" else None


def reason(answer):
    status, headers, said = answer
    assert isinstance(said, bytes) and len(said.decode().splitlines()) == 2, said
    return status, headers.get("Warning")


def test_a_sent_study_is_scheduled_claimed_read_and_completed(houses):
    clinic, hospital = houses
    case, item = ready(houses, name="WORK^LIST")
    uid = item.SOPInstanceUID
    assert (item.ProcedureStepState, item.ScheduledProcedureStepPriority) == ("SCHEDULED", "HIGH")
    assert item.SOPClassUID == "1.2.840.10008.5.1.4.34.6.1"
    assert str(item.PatientName) == "WORK^LIST"
    assert item.ScheduledWorkitemCodeSequence[0].CodeValue == "110005"
    assert item.ReferencedRequestSequence[0].RequestingService == "架空診療所"
    retrieve = item.InputInformationSequence[0].WADORSRetrievalSequence[0].RetrieveURL
    study_uid = item.InputInformationSequence[0].StudyInstanceUID
    assert re.fullmatch(rf"http://{hospital.root}/d/[0-9a-f]{{32}}/studies/{study_uid}", retrieve)
    mine = clinic.of(case)
    assert mine.ProcedureStepState == "SCHEDULED" and mine.SOPInstanceUID != uid
    assert mine.ScheduledStationNameCodeSequence[0].CodeMeaning == "架空大学病院"

    transaction = generate_uid()
    status, warning = reason(hospital.move(uid, "IN PROGRESS", transaction))
    assert status == 409 and "performer" in warning
    assert hospital.move(uid, "IN PROGRESS", transaction, READER)[0] == 200
    assert hospital.site.case(case)["phase"] == "claimed"
    clinic.site.reach(case, "claimed")
    assert clinic.stands(mine.SOPInstanceUID) == "IN PROGRESS"
    performed = hospital.get(uid).UnifiedProcedureStepPerformedProcedureSequence[0]
    assert performed.ActualHumanPerformersSequence[0].HumanPerformerName == READER

    progress = Dataset()
    progress.ProcedureStepProgress = "40"
    said = Dataset()
    said.ProcedureStepProgressInformationSequence = [progress]
    human, performed = Dataset(), Dataset()
    human.HumanPerformerName = "SOMEBODY^ELSE"
    performed.ActualHumanPerformersSequence = [human]
    said.UnifiedProcedureStepPerformedProcedureSequence = [performed]
    assert reason(hospital.call("POST", f"/workitems/{uid}", said, transaction=generate_uid()))[0] == 409
    assert hospital.call("POST", f"/workitems/{uid}", said, transaction=transaction)[0] == 200
    assert hospital.get(uid).ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 40
    performed = hospital.get(uid).UnifiedProcedureStepPerformedProcedureSequence[0]
    assert performed.ActualHumanPerformersSequence[0].HumanPerformerName == READER
    wrong = Dataset()
    wrong.PatientName = "OTHER"
    assert hospital.call("POST", f"/workitems/{uid}", wrong, transaction=transaction)[0] == 400

    status, warning = reason(hospital.move(uid, "COMPLETED", transaction))
    assert status == 409 and "final state" in warning
    hospital.site.sign(case, "preliminary", "Nothing acute.")
    assert hospital.stands(uid) == "IN PROGRESS"
    hospital.site.sign(case, "final", "Nothing.")
    assert hospital.stands(uid) == "COMPLETED"
    status, headers, _ = hospital.move(uid, "COMPLETED", transaction)
    assert status == 200 and "already" in headers["Warning"]
    until("the clinic sees it", lambda: clinic.stands(mine.SOPInstanceUID) == "COMPLETED")
    hospital.site.sign(case, "addendum", "A word more.")
    added = until("the addendum is a workitem", lambda: hospital.of(case))
    assert added.ScheduledWorkitemCodeSequence[0].CodeValue == "128001" and added.SOPInstanceUID != uid
    assert hospital.stands(uid) == "COMPLETED"


def order(study, partner="架空大学病院"):
    asked, station, given = Dataset(), Dataset(), Dataset()
    asked.ProcedureStepState, asked.InputReadinessState = "SCHEDULED", "READY"
    asked.ScheduledProcedureStepPriority, asked.ProcedureStepLabel = "HIGH", "CT chest"
    asked.ScheduledProcedureStepStartDateTime = "20270101000000"
    station.CodeValue, station.CodingSchemeDesignator, station.CodeMeaning = "1", "99X", partner
    given.StudyInstanceUID = study
    asked.ScheduledStationNameCodeSequence, asked.InputInformationSequence = [station], [given]
    return asked


def test_a_created_workitem_is_a_case(houses):
    clinic, hospital = houses
    study = Study(count=1)
    assert send(clinic.site, study.objects) == [0]
    chosen = generate_uid()
    status, headers, said = clinic.call("POST", "/workitems", order(study.uid), AffectedSOPInstanceUID=chosen)
    assert status == 201, said
    assert headers["Location"].endswith(f"/workitems/{chosen}")
    case = next(one for one in clinic.site.ask("case", "list") if one["study_uid"] == study.uid)
    assert case["partner"]["name"] == "架空大学病院" and case["terms"]["priority"] == "stat"
    made = clinic.get(chosen)
    assert made.ProcedureStepLabel == "CT chest" and made.ReferencedRequestSequence[0].RequestedProcedureID == case["short"]
    clinic.site.reach(case["case"], "received")
    again = clinic.call("POST", "/workitems", order(study.uid), AffectedSOPInstanceUID=chosen)
    assert reason(again)[0] == 409
    less = order(study.uid)
    del less.ProcedureStepLabel, less.InputReadinessState
    status, _, said = clinic.call("POST", "/workitems", less)
    assert status == 400 and b"ProcedureStepLabel, InputReadinessState" in said
    assert reason(clinic.call("POST", "/workitems", order(study.uid, "nobody")))[0] == 409
    assert reason(clinic.call("POST", "/workitems", order("1.2.3")))[0] == 409


def test_a_request_to_cancel_reaches_as_far_as_the_protocol(houses):
    clinic, hospital = houses
    case, item = ready(houses)
    mine = clinic.of(case).SOPInstanceUID
    why = Dataset()
    why.ReasonForCancellation, why.ContactDisplayName = "sent twice", "Tester"
    assert clinic.call("POST", f"/workitems/{mine}/cancelrequest", why)[0] == 202
    assert clinic.site.case(case)["phase"] == "withdrawn" and clinic.stands(mine) == "CANCELED"
    until("the hospital sees it", lambda: hospital.stands(item.SOPInstanceUID) == "CANCELED")
    status, headers, _ = clinic.call("POST", f"/workitems/{mine}/cancelrequest", why)
    assert status == 202 and "already" in headers["Warning"]

    case, item = ready(houses)
    uid, mine = item.SOPInstanceUID, clinic.of(case).SOPInstanceUID
    assert hospital.move(uid, "IN PROGRESS", generate_uid(), READER)[0] == 200
    clinic.site.reach(case, "claimed")
    assert reason(hospital.call("POST", f"/workitems/{uid}/cancelrequest", why))[0] == 409
    # Who asks is not who hears of it, and who may not see the workitem hears of nothing.
    assert hospital.call("POST", f"/workitems/{uid}/subscribers/PERFORMER", b"")[0] == 201
    blind, performer = Client(hospital.site, "blind", scope="own"), Client(hospital.site, "performer")
    assert blind.call("POST", f"/workitems/{GLOBAL}/subscribers/RIS", b"")[0] == 201
    with hospital.listen("PERFORMER"), blind.listen("RIS"):
        assert reason(hospital.call("POST", f"/workitems/{uid}/cancelrequest", why))[0] == 409
    assert performer.call("POST", f"/workitems/{uid}/subscribers/PERFORMER", b"")[0] == 201
    with performer.listen("PERFORMER") as channel:
        assert hospital.call("POST", f"/workitems/{uid}/cancelrequest", why)[0] == 202
        assert told(channel, CANCEL_REQUESTED)["00741238"] == "sent twice"


def test_a_request_to_cancel_reaches_who_reads_it_at_the_other_site(houses):
    clinic, hospital = houses
    case, item = ready(houses)
    uid, mine, transaction = item.SOPInstanceUID, clinic.of(case).SOPInstanceUID, generate_uid()
    assert hospital.move(uid, "IN PROGRESS", transaction, READER)[0] == 200
    clinic.site.reach(case, "claimed")
    assert hospital.call("POST", f"/workitems/{uid}/subscribers/READING", b"")[0] == 201
    assert clinic.call("POST", f"/workitems/{mine}/subscribers/ASKING", b"")[0] == 201
    code, why = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "110514", "DCM", "Incorrect worklist entry selected"
    why.ProcedureStepDiscontinuationReasonCodeSequence = [code]
    with hospital.listen("READING") as reading, clinic.listen("ASKING") as asking:
        assert clinic.call("POST", f"/workitems/{mine}/cancelrequest", why)[0] == 202
        event = told(reading, CANCEL_REQUESTED)
        assert (event["00001000"], event["00741238"]) == (uid, "sent-in-error")
        assert event["0074100C"] == clinic.site.name
        assert told(asking, CANCEL_REQUESTED)["00001000"] == mine
    # Nothing is taken back: the reader decides, and both command lines say so.
    assert hospital.stands(uid) == clinic.stands(mine) == "IN PROGRESS"
    progress = hospital.get(uid).ProcedureStepProgressInformationSequence[0]
    assert progress.ProcedureStepProgressDescription == "claimed; cancellation requested"
    told_there = until("the clinic knows", lambda: clinic.site.case(case)["cancel"]["told"] == "told")
    assert told_there and "asks you to stop (sent in error)" in hospital.site.case(case)["cancel"]["why"]["en"]
    assert "may stop or read on" in dokuei("case", "show", case, "--dir", clinic.site.data).stdout
    assert clinic.call("POST", f"/workitems/{mine}/cancelrequest", why)[0] == 202
    assert hospital.move(uid, "CANCELED", transaction)[0] == 200
    view = clinic.site.reach(case, "released")
    assert clinic.stands(mine) == "CANCELED" and view["waiting"]["en"].startswith("over without a report"), view["waiting"]

    case, item = ready(houses)
    hospital.site.ask("case", "claim", case, "--reader", READER)
    clinic.site.reach(case, "claimed")
    clinic.site.ask("case", "withdraw", case, "--reason", "read-elsewhere")
    until("the hospital knows", lambda: hospital.site.case(case)["cancel"])
    hospital.site.sign(case, "final", "Read on.")
    assert hospital.site.case(case)["cancel"] is None
    view = clinic.site.reach(case, "delivered")
    assert view["cancel"] is None
    assert reason(clinic.call("POST", f"/workitems/{clinic.of(case).SOPInstanceUID}/cancelrequest", Dataset()))[0] == 409


def test_only_who_claimed_it_moves_it_and_a_claim_given_back_is_replaced(houses):
    clinic, hospital = houses
    case, item = ready(houses)
    uid, transaction = item.SOPInstanceUID, generate_uid()
    assert reason(hospital.move(uid, "COMPLETED", transaction))[0] == 409
    assert hospital.move(uid, "IN PROGRESS", "")[0] == 400
    assert hospital.move(uid, "DONE", transaction)[0] == 400
    reader = Client(hospital.site, READER, "--worklist")
    assert reader.move(uid, "IN PROGRESS", transaction)[0] == 200
    for state, wrong in (("COMPLETED", generate_uid()), ("CANCELED", generate_uid()), ("IN PROGRESS", transaction), ("SCHEDULED", transaction)):
        assert reason(hospital.move(uid, state, wrong))[0] == 409, state
    mine = clinic.of(case).SOPInstanceUID
    assert reason(clinic.move(mine, "IN PROGRESS", transaction, READER))[0] == 409
    assert hospital.move(uid, "CANCELED", transaction)[0] == 200
    assert hospital.site.case(case)["phase"] == "released" and hospital.stands(uid) == "CANCELED"
    clinic.site.reach(case, "released")
    clinic.site.ask("case", "offer", case, "--to", hospital.site.name)
    hospital.site.reach(case, "received")
    again = hospital.of(case)
    assert again.SOPInstanceUID != uid and again.ProcedureStepState == "SCHEDULED"
    assert again.ReplacedProcedureStepSequence[0].ReferencedSOPInstanceUID == uid
    hospital.site.ask("case", "claim", case, "--reader", READER)
    assert hospital.stands(again.SOPInstanceUID) == "IN PROGRESS"
    # What the command line claimed has no transaction.
    assert reason(hospital.move(again.SOPInstanceUID, "CANCELED", transaction))[0] == 409


def test_workitems_are_found_by_what_they_say(houses):
    _, hospital = houses
    case, item = ready(houses, name="FIND^ME")
    only = {"0040A370.00401001": case[:8]}
    for query, found in (
        ({"ProcedureStepState": "SCHEDULED"}, True),
        ({"00741000": "COMPLETED"}, False),
        ({"PatientName": "find*"}, True),
        ({"PatientName": "nobody"}, False),
        ({"ScheduledProcedureStepPriority": "HIGH", "includefield": "all"}, True),
        ({"ScheduledWorkitemCodeSequence.CodeValue": "110007"}, False),
        ({"ScheduledProcedureStepStartDateTime": "20200101-"}, True),
        ({"WorklistLabel": "requested"}, False),
        ({"offset": "1"}, False),
    ):
        assert bool(hospital.search(**query, **only)) == found, query
    status, headers, some = hospital.call("GET", "/workitems", limit=1)
    assert len(some) == 1 and (status, "additional" in (headers["Warning"] or "")) == (200, True)
    for wrong in ({"limit": "-1"}, {"NoSuchThing": "1"}):
        assert hospital.call("GET", "/workitems", **wrong)[0] == 400
    status, _, _ = hospital.call("GET", "/workitems/1.2.3")
    assert status == 404
    own = Client(hospital.site, "own-only", scope="own")
    assert own.search() == [] and own.call("GET", f"/workitems/{item.SOPInstanceUID}")[0] == 404
    looks = Client(hospital.site, "viewer")
    assert looks.get(item.SOPInstanceUID).ProcedureStepState == "SCHEDULED"
    assert looks.move(item.SOPInstanceUID, "IN PROGRESS", generate_uid(), READER)[0] == 403
    listed = {one["name"]: one["worklist"] for one in hospital.site.ask("dicom", "token", "list")}
    assert (listed["viewer"], listed["worklist"]) == (False, True)
    own.token = "dkw_wrong"
    assert own.call("GET", "/workitems")[0] == 401


def told(channel, kind=None):
    """The next event, of this kind if that is said: tags, and the first of their values."""
    while True:
        event = json.loads(channel.recv(timeout=DEADLINE))
        event = {tag: element.get("Value", [None])[0] for tag, element in event.items()}
        # A channel that has just been opened may still hear of a change shortly before.
        if kind in (None, event["00001002"]):
            return event


def test_events_are_told_and_subscriptions_outlive_a_restart(houses):
    clinic, hospital = houses
    assert hospital.call("POST", f"/workitems/{GLOBAL}/subscribers/RIS", b"")[0] == 201
    status, headers, _ = hospital.call("POST", f"/workitems/{FILTERED}/subscribers/DONE", b"", ProcedureStepState="COMPLETED")
    assert status == 201 and headers["Content-Location"].endswith("/subscribers/DONE")
    hospital.site.stop()
    hospital.site.start()
    until("they are connected", lambda: clinic.site.ask("partner", "list")[0]["connected"])
    with hospital.listen("RIS") as channel, hospital.listen("DONE") as done, hospital.listen("NOBODY") as nobody:
        case, item = ready(houses)
        uid, transaction = item.SOPInstanceUID, generate_uid()
        seen = []

        def reached(kind, state=None):
            while True:
                event = told(channel)
                assert event["00000002"] == "1.2.840.10008.5.1.4.34.6.4"
                if event["00001000"] == uid:
                    seen.append((event["00001002"], event.get("00741000"), event["00000110"]))
                    if event["00001002"] == kind and event.get("00741000") == state:
                        return

        reached(1, "SCHEDULED")
        assert hospital.move(uid, "IN PROGRESS", transaction, READER)[0] == 200
        reached(1, "IN PROGRESS")
        said, progress = Dataset(), Dataset()
        progress.ProcedureStepProgress = "10"
        said.ProcedureStepProgressInformationSequence = [progress]
        assert hospital.call("POST", f"/workitems/{uid}", said, transaction=transaction)[0] == 200
        reached(3)
        hospital.site.sign(case, "final", "Nothing.")
        reached(1, "COMPLETED")
        assert [number for _, _, number in seen] == sorted(number for _, _, number in seen)
        first = told(done)
        assert (first["00001000"], first["00741000"]) == (uid, "COMPLETED")
        with pytest.raises(TimeoutError):
            nobody.recv(timeout=0)
    # An AE title alone is nobody's: another client under it has no subscription to suspend.
    assert Client(hospital.site, "other").call("POST", f"/workitems/{GLOBAL}/subscribers/RIS/suspend", b"")[0] == 400
    assert hospital.call("POST", f"/workitems/{GLOBAL}/subscribers/RIS/suspend", b"")[0] == 200
    assert hospital.call("DELETE", f"/workitems/{GLOBAL}/subscribers/RIS")[0] == 200
    assert hospital.call("POST", f"/workitems/{GLOBAL}/subscribers/RIS/suspend", b"")[0] == 400
    assert hospital.call("GET", "/subscribers/RIS")[0] == 426
    assert hospital.call("POST", f"/workitems/{GLOBAL}/subscribers/A%5CB", b"")[0] == 400
    hospital.token, token = "dkw_wrong", hospital.token
    try:
        with pytest.raises(InvalidStatus):
            hospital.listen("RIS")
    finally:
        hospital.token = token


def test_a_channel_ends_with_what_opened_it(houses):
    _, hospital = houses
    fleeting = Client(hospital.site, "fleeting")
    assert fleeting.call("POST", f"/workitems/{GLOBAL}/subscribers/RIS", b"")[0] == 201
    with ExitStack() as open_ones:
        channels = [open_ones.enter_context(fleeting.listen("RIS")) for _ in range(4)]
        with pytest.raises(InvalidStatus) as refused:
            fleeting.listen("OTHER").__enter__()
        assert refused.value.response.status_code == 503
        hospital.site.ask("dicom", "token", "remove", "fleeting", "--yes")
        # A new workitem would be told.
        ready(houses)
        for channel in channels:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    assert "00001002" not in channel.recv(timeout=DEADLINE)
            assert closed.value.rcvd.code == 1008


def test_hostile_data_sets_are_refused(houses):
    clinic, _ = houses
    deep = b'{"00081032":{"vr":"SQ","Value":[' * 3000
    for body in (
        b"{",
        b"[]",
        b"[{},{}]",
        deep,
        deep + b"]}}" * 3000,
        b'{"00741000":{"vr":"SQ","Value":[{}]}}',
        b'{"00741000":{"vr":"CS","Value":[{"a":1}]}}',
        b'{"00404021":{"vr":"SQ","Value":[7]}}',
        b'{"PatientName":{"vr":"PN"}}',
        b'{"00741000":{"vr":"CS","BulkDataURI":"file:///etc/passwd"}}',
        b"\xff\xfe",
    ):
        status, _, said = clinic.call("POST", "/workitems", body)
        assert status == 400 and b"passwd" not in said, (body[:60], said)
    assert clinic.call("POST", "/workitems", b" " * 300_000)[0] == 413
    assert clinic.call("POST", "/workitems", b"<xml/>", kind="application/dicom+xml")[0] == 415
    status, headers, _ = clinic.call("DELETE", "/workitems")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST")
    assert clinic.call("GET", "/workitems")[0] in (200, 204)


def test_who_is_logged_in_claims_for_themselves_and_no_other_page_listens(houses):
    clinic, hospital = houses
    doctor = "架空 別医"
    passphrase = ["--licence", "2", "--passphrase-file", hospital.site.home / "reader"]
    hospital.site.ask("person", "add", "--name", doctor, *passphrase)
    code = hospital.site.ask("dicom", "account", "invite", doctor, "--scope", "all", "--worklist")["code"]
    house = f"http://{hospital.root.removesuffix('/dicom-web')}"
    form = urllib.parse.urlencode({"code": code, "password": "a-long-password", "again": "a-long-password"})
    request = urllib.request.Request(f"{house}/login/setup", form.encode(), {"Origin": house})
    opener = urllib.request.build_opener(NoRedirect)
    with pytest.raises(urllib.error.HTTPError) as moved:
        opener.open(request, timeout=DEADLINE)
    assert moved.value.code == 303
    session = moved.value.headers["Set-Cookie"].split(";")[0]

    def move(uid, reader=None, origin=house):
        human, asked = Dataset(), Dataset()
        asked.ProcedureStepState, asked.TransactionUID = "IN PROGRESS", generate_uid()
        human.HumanPerformerName = reader
        asked.ActualHumanPerformersSequence = [human] if reader else []
        headers = {"Cookie": session, "Origin": origin, "Content-Type": "application/dicom+json"}
        place = f"http://{hospital.root}/workitems/{uid}/state"
        put = urllib.request.Request(place, asked.to_json().encode(), headers, method="PUT")
        try:
            return urllib.request.urlopen(put, timeout=DEADLINE).status
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    case, item = ready(houses)
    assert move(item.SOPInstanceUID, origin="http://evil.example") == 403
    assert move(item.SOPInstanceUID, READER) == 409
    assert hospital.site.case(case)["phase"] == "received"
    assert move(item.SOPInstanceUID) == 200
    performed = hospital.get(item.SOPInstanceUID).UnifiedProcedureStepPerformedProcedureSequence[0]
    assert performed.ActualHumanPerformersSequence[0].HumanPerformerName == doctor
    place = f"ws://{hospital.root}/subscribers/BROWSER"
    with connect(place, origin=house, additional_headers={"Cookie": session}, open_timeout=DEADLINE):
        pass
    with pytest.raises(InvalidStatus) as foreign:
        connect(place, origin="http://evil.example", additional_headers={"Cookie": session}, open_timeout=DEADLINE)
    assert foreign.value.response.status_code == 403


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirection as the answer that it is."""

    def redirect_request(self, *_):
        return None
