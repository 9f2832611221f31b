"""The audit trail as the site's collector gets it."""

import base64
import hashlib
import json
import os
import pwd
import ssl
import subprocess
from pathlib import Path

import pytest
from collector import Authority, Collector, valid
from modality import send
from studies import NAMES, Study
from world import DEADLINE, READER, ROOT, Site, dokuei, hand_over, one_sentence, pair, until

START, STOP = ("110100", "110120"), ("110100", "110121")
ALL_KINDS = ROOT / "node" / "src" / "audit" / "message" / "snapshots" / "dokuei_node__audit__message__tests__audit-messages.snap"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def collector(authority):
    collector = Collector(*authority.issue("collector", "subjectAltName=IP:127.0.0.1"))
    try:
        yield collector.open()
    finally:
        collector.close()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "site", "架空診療所", "CLINIC", ("CT",))
    try:
        yield site
    finally:
        site.close()


def audited(site, collector, *lines):
    with open(site.data / "dokuei.toml", "a") as config:
        config.write(f'\n[audit]\nsyslog = "127.0.0.1:{collector.port}"\n' + "".join(f"{line}\n" for line in lines))


def standing(site):
    """How the node says that its trail is."""
    return json.loads(dokuei("status", site.data, "--json").stdout)["audit"]


def events(collector):
    return [(message.event, message.kind) for message in collector.messages()]


def has(collector, *wanted):
    """Waits until messages of these events have come."""
    until(f"the collector has {wanted}", lambda: set(wanted) <= {event for event, _ in events(collector)})


def test_each_event_keeps_the_schema():
    documents = [line for line in ALL_KINDS.read_text().splitlines() if line.startswith("<?xml")]
    assert len(documents) >= 19
    seen = {valid(document).find("EventIdentification/EventID").get("csd-code") for document in documents}
    assert seen == {f"1101{number:02}" for number in (0, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14)}


def test_the_loop_is_told_at_both_sites(tmp_path, authority):
    certificate, key = authority.issue("clinic", "keyUsage=digitalSignature")
    host = authority.issue("collector", "subjectAltName=IP:127.0.0.1")
    at_clinic, at_hospital = Collector(*host, clients=authority.file).open(), Collector(*host).open()
    clinic = Site(tmp_path / "clinic", "架空診療所", "CLINIC")
    hospital = Site(tmp_path / "hospital", "架空大学病院", "HOSPITAL", ("CT",), retention=0)
    try:
        audited(clinic, at_clinic, f'ca = "{authority.file}"', f'certificate = "{certificate}"', f'key = "{key}"')
        audited(hospital, at_hospital, f'ca = "{authority.file}"')
        clinic.start()
        hospital.start()
        pair(clinic, hospital)
        charset, name = NAMES["ISO 2022 IR 13"]
        study = Study(count=3, name=name, charset=charset, PatientID='"<&>', IssuerOfPatientID="架空診療所")
        assert send(clinic, study.objects) == [0, 0, 0]
        case = hand_over(clinic, hospital, study.uid)
        hospital.reach(case, "received")
        hospital.ask("case", "claim", case, "--reader", READER)
        hospital.sign(case, "final", "所見なし")
        clinic.reach(case, "delivered")
        # A final report that was read closes the case, and nothing is kept after it.
        clinic.ask("case", "acknowledge", case)
        has(at_clinic, "110106", "110107", "110104", "110105")
        has(at_hospital, "110107", "110104", "110103", "110106", "110105")
        clinic.stop()
        hospital.stop()
        check_clinic(at_clinic, study, name)
        check_hospital(at_hospital, study, name)
    finally:
        for end in (clinic, hospital, at_clinic, at_hospital):
            end.close()


def check_clinic(collector, study, name):
    messages = collector.messages()
    assert [message.number for message in messages] == list(range(1, len(messages) + 1))
    assert collector.connections == 1
    of_event = lambda event: [message for message in messages if message.event == event]
    assert (messages[0].event, messages[0].kind) == START and (messages[-1].event, messages[-1].kind) == STOP
    [began] = of_event("110102")
    arrived, archived = of_event("110104")
    for message in (began, arrived):
        assert message.objects("110180") == [study.uid] and name in message.names()
        assert message.participants("110153") == ["MODALITY"]
    assert (began.instances(), arrived.instances()) == (1, 3)
    assert arrived.objects("2") == ['"<&>^^^架空診療所']
    assert archived.participants("110152") == ["PACS"] and archived.instances() == 1
    [sent], [delivered] = of_event("110106"), of_event("110107")
    for message in (sent, delivered):
        assert message.objects("110180") == [study.uid] and "架空大学病院" in message.xml.xpath("//@UserName")
    assert sent.instances() == 3
    assert of_event("110113"), "the pairing changes who is trusted"
    [deleted] = of_event("110105")
    assert deleted.objects("110180") == [study.uid] and name in deleted.names()


def check_hospital(collector, study, name):
    messages = collector.messages()
    of_event = lambda event: [message for message in messages if message.event == event]
    [arrived], [stored], [read] = of_event("110107"), of_event("110104"), of_event("110103")
    [reported] = of_event("110106")
    assert reported.objects("110180") == [study.uid] and reported.instances() == 0
    [deleted] = of_event("110105")
    for message in (arrived, stored, read, deleted):
        assert message.objects("110180") == [study.uid] and name in message.names()
        assert message.instances() == 3
    assert stored.participants("110152") == ["PACS"]
    assert read.kind == "report-signed"


def test_messages_outlive_a_dead_collector_and_a_killed_node(site, collector, authority):
    collector.close()
    audited(site, collector, f'ca = "{authority.file}"')
    site.start()
    studies = [Study(count=2) for _ in range(3)]
    for study in studies[:2]:
        assert send(site, study.objects) == [0, 0]
    # A start, and two messages for each study.
    until("the messages are kept", lambda: standing(site)["waiting"] >= 5)
    until("the trouble is told", lambda: standing(site)["trouble"])
    assert "audit messages wait" in dokuei("status", site.data).stdout
    site.kill()
    site.start()
    assert send(site, studies[2].objects) == [0, 0]
    collector.open()
    until("all of them", lambda: len(collector.messages()) >= 8)
    until("none waits", lambda: standing(site) == {"waiting": 0, "dropped": 0, "trouble": None})
    site.stop()
    messages = collector.messages()
    assert [message.number for message in messages] == list(range(1, 10))
    transferred = [message.objects("110180") for message in messages if message.event == "110104"]
    assert transferred == [[study.uid] for study in studies]
    assert [event for event in events(collector) if event[0] == "110100"] == [START, START, STOP]


def commanding():
    """The user of this test as the trail names them: as whom they logged in, if anybody did."""
    told = Path("/proc/self/loginuid")
    logged_in = int(told.read_text()) if told.exists() else 0xFFFFFFFF
    user = os.getuid() if logged_in == 0xFFFFFFFF else logged_in
    return f"uid:{user}", pwd.getpwuid(user).pw_name


def requestors(message):
    """Who asked for what a message tells."""
    by = [who for who in message.xml.findall("ActiveParticipant") if who.get("UserIsRequestor") == "true"]
    return [(who.get("UserID"), who.get("UserName")) for who in by]


def test_an_unknown_caller_and_an_import_are_told(site, collector, authority, tmp_path):
    der = ssl.PEM_cert_to_DER_cert((authority.folder / "collector.pem").read_text())
    audited(site, collector, f'fingerprint = "{hashlib.sha256(der).hexdigest()}"')
    site.start()
    dokuei("dicom", "caller", "add", "KNOWN", "--address", "127.0.0.1", "--may", "store", "--dir", site.data)
    words = ["echoscu", "-aet", "STRANGER", "-aec", "CLINIC", "127.0.0.1", str(site.dicom)]
    assert subprocess.run(words, capture_output=True, timeout=DEADLINE).returncode != 0
    study, other = Study(count=2, name="\x1b[31m<&\"'^X"), Study(count=1)
    site.ask("study", "import", study.write(tmp_path / "disc"))
    site.ask("media", "import", other.write(tmp_path / "other"))
    has(collector, "110113", "110107")
    found = {message.event: message for message in reversed(collector.messages())}
    alert, imported = found["110113"], found["110107"]
    assert alert.kind == "110126" and alert.severity == "84" and alert.objects("110182") == ["127.0.0.1"]
    assert "STRANGER" in alert.xml.xpath("//@UserID")
    assert imported.objects("110180") == [study.uid] and imported.instances() == 2
    assert any("<&\"'^X" in name for name in imported.names())
    assert imported.participants("110155") == [f"file://{tmp_path / 'disc'}"]
    # Both are told with the user who commanded them.
    until("the other import is told", lambda: len([one for one in collector.messages() if one.event == "110107"]) == 2)
    assert [requestors(one) for one in collector.messages() if one.event == "110107"] == [[commanding()]] * 2


def test_what_people_do_with_media_is_told(site, collector, authority, tmp_path):
    der = ssl.PEM_cert_to_DER_cert((authority.folder / "collector.pem").read_text())
    audited(site, collector, f'fingerprint = "{hashlib.sha256(der).hexdigest()}"')
    site.start()
    study, wrong = Study(count=2), Study(count=3)
    assert send(site, study.objects) == [0, 0]
    study.datasets[0].ImageComments = "another content"
    assert send(site, study.objects_of()[:1]) != [0]
    site.ask("study", "deidentify", study.uid, tmp_path / "out", "--purpose", "a register")
    [aside] = site.ask("study", "quarantine", "list")
    site.ask("study", "quarantine", "discard", aside["name"], "--yes")
    receipt = site.ask("media", "import", wrong.write(tmp_path / "disc"))
    site.ask("media", "decide", receipt["name"], "--discard")
    has(collector, "110103", "110105", "110106", "110107")
    found = {message.event: message for message in collector.messages()}
    for event, uid, count in (("110103", study.uid, 0), ("110106", study.uid, 2), ("110107", wrong.uid, 3), ("110105", wrong.uid, 3)):
        assert found[event].objects("110180") == [uid] and found[event].instances() == count, event
    assert found["110107"].participants("110155") == [f"file://{tmp_path / 'disc'}"]
    assert f"file://{tmp_path / 'out'}" in found["110106"].participants("110154")
    # Whoever commanded it is named, in the trail and in the log.
    assert {event: requestors(message) for event, message in found.items() if event in ("110103", "110105", "110106")} == {
        event: [commanding()] for event in ("110103", "110105", "110106")
    }
    for done in ("an image that was set aside was discarded", "a study that a medium brought was discarded", "a study was written to a folder"):
        [line] = [line for line in site.said().splitlines() if done in line]
        assert commanding()[0] in line, line


def test_another_server_gets_nothing(site, tmp_path, authority, collector):
    other = Authority(tmp_path / "other")
    audited(site, collector, f'ca = "{other.file}"')
    site.start()
    until("the trouble is told", lambda: standing(site)["trouble"])
    assert collector.connections == 0 and not collector.frames
    site.stop()
    config = site.data / "dokuei.toml"
    config.write_text(config.read_text().replace(str(other.file), "missing.pem"))
    said = one_sentence(dokuei("run", site.data, ok=False))
    assert "missing.pem" in said and "[audit]" in said


def test_a_node_that_is_no_partner_any_more_is_told(tmp_path, authority, collector):
    clinic, hospital = (Site(tmp_path / title, name, title) for title, name in (("CLINIC", "架空診療所"), ("HOSPITAL", "架空大学病院")))
    try:
        audited(hospital, collector, f'ca = "{authority.file}"')
        clinic.start()
        hospital.start()
        code = hospital.ask("partner", "invite")["code"]
        clinic.ask("partner", "accept", code)
        until("they are connected", lambda: hospital.ask("partner", "list")[0]["connected"])
        dokuei("partner", "remove", clinic.name, "--dir", hospital.data)
        alert = lambda: [message for message in collector.messages() if message.kind == "110126"]
        turned_away = until("the alert", alert)[0]
        assert turned_away.event == "110113" and turned_away.objects("110182") == ["127.0.0.1"]
        trusted = [message for message in collector.messages() if message.kind == "110129"]
        assert len(trusted) == 2, "paired, and removed"
    finally:
        clinic.close()
        hospital.close()


def test_who_searched_is_told_with_what_was_asked(site, collector, authority):
    audited(site, collector, f'ca = "{authority.file}"')
    site.start()
    dokuei("dicom", "caller", "add", "READER", "--address", "127.0.0.1", "--may", "query", "--dir", site.data)
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P-TOLD", "-k", "StudyInstanceUID"]
    asked = ["findscu", "-S", "-aet", "READER", "-aec", "CLINIC", *keys, "127.0.0.1", str(site.dicom)]
    subprocess.run(asked, check=True, capture_output=True, timeout=DEADLINE)
    has(collector, "110112")
    (told,) = [message for message in collector.messages() if message.event == "110112"]
    assert "READER" in told.xml.xpath("//@UserID")
    asked_for = [base64.b64decode(one.text) for one in told.xml.iter("ParticipantObjectQuery")]
    assert any(b"P-TOLD" in one for one in asked_for)


def test_what_is_retrieved_is_told_with_who_asked_and_where_it_went(site, collector, authority, tmp_path):
    audited(site, collector, f'ca = "{authority.file}"')
    site.start()
    study = Study(count=3, PatientID="P-MOVED")
    assert send(site, study.objects) == [0] * 3
    dokuei("dicom", "caller", "add", "VIEWER", "--address", "127.0.0.1", "--may", "query", "--dir", site.data)
    dokuei("dicom", "destination", "add", "PACS", "--host", "localhost", "--port", site.archive.port, "--dir", site.data)
    refused = study.uids[1]
    site.archive.answer = lambda event: 0xC000 if event.request.AffectedSOPInstanceUID == refused else 0
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study.uid}"]
    place = ["127.0.0.1", str(site.dicom)]
    for words in (["getscu", "-S", "-od", tmp_path], ["movescu", "-S", "-aem", "PACS"]):
        subprocess.run([*words, "-aet", "VIEWER", "-aec", "CLINIC", *keys, *place], capture_output=True, timeout=DEADLINE)
    # Beside what the modality sent: begun and ended, of the C-GET and of the C-MOVE.
    of = lambda event: [one for one in collector.messages() if one.event == event and one.objects("110180") == [study.uid]]
    until("all is told", lambda: len(of("110104")) == 3 and len(of("110102")) == 3)
    ended, begun = of("110104")[1:], of("110102")[1:]
    asked = lambda one: [who.get("UserID") for who in one.xml.findall("ActiveParticipant") if who.get("UserIsRequestor") == "true"]
    for got, moved in ((begun[0], begun[1]), (ended[0], ended[1])):
        assert got.participants("110152") == ["VIEWER"] and asked(got) == ["VIEWER"]
        assert moved.participants("110152") == ["PACS"] and asked(moved) == ["VIEWER"]
        assert "P-MOVED" in got.objects("2") and "P-MOVED" in moved.objects("2")
    outcomes = [one.xml.find("EventIdentification").get("EventOutcomeIndicator") for one in ended]
    assert outcomes == ["0", "4"]
    assert [one.instances() for one in ended] == [3, 2] and [one.instances() for one in begun] == [3, 3]
