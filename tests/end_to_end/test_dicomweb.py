"""DICOMweb as clients ask for it: a DICOMweb library, and raw sockets for what no library sends."""

import json
import socket
from io import BytesIO

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.uid import generate_uid

from world import DEADLINE, ROOT, Site, dokuei, one_sentence

SLICES = sorted((ROOT / "tests" / "fixtures" / "ct-3slice").glob("*.dcm"))


class Web:
    """The web server of a running site, and a token for it."""

    def __init__(self, site, scope="all", name="tests"):
        self.site = site
        self.port = status(site)["web"]["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.root = f"{self.url}/dicom-web"
        self.token = site.ask("dicom", "token", "add", name, "--scope", scope)["token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def client(self):
        session = requests.Session()
        session.headers.update(self.headers)
        return DICOMwebClient(self.root, session=session)

    def get(self, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.root + path, headers={**self.headers, **headers}, timeout=DEADLINE)

    def post(self, body, kind='multipart/related; type="application/dicom"; boundary="b"', path="/studies", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {**self.headers, "Content-Type": kind, **headers}
        return requests.post(self.root + path, data=body, headers=headers, timeout=DEADLINE)

    def raw(self, request, wait=DEADLINE):
        """Sends bytes as they are and reads until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(request)
            return drain(connection)


def status(site):
    return json.loads(dokuei("status", site.data, "--json").stdout)


def drain(connection):
    got = b""
    while True:
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            return got
        if not more:
            return got
        got += more


def with_web(place, name="架空診療所", title="CLINIC", **web):
    """A site whose web server listens on a free port."""
    site = Site(place, name, title)
    lines = ["", "[web]", 'listen = "127.0.0.1:0"', *(f"{key} = {json.dumps(value)}" for key, value in web.items()), ""]
    config = site.data / "dokuei.toml"
    config.write_text(config.read_text() + "\n".join(lines))
    return site


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = with_web(tmp_path_factory.mktemp("web") / "clinic")
    try:
        yield Web(site.start())
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


def part(data, kind="application/dicom"):
    return b"\r\n--b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + data


def body(*parts):
    return b"".join(parts) + b"\r\n--b--\r\n"


def study_of(files, uid=None):
    """The files as data sets of a study of their own."""
    uid = uid or generate_uid()
    series = generate_uid()
    made = []
    for file in files:
        data = pydicom.dcmread(file)
        data.StudyInstanceUID, data.SeriesInstanceUID = uid, series
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        made.append(data)
    return made


def encoded(data):
    out = BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()


def data_set_bytes(file):
    """The bytes of a file behind its file meta information."""
    with BytesIO(file) as stream:
        pydicom.filereader.read_preamble(stream, False)
        pydicom.filereader._read_file_meta_info(stream)
        return stream.read()


@pytest.fixture(scope="module")
def stored(web):
    """A study that came in by STOW-RS."""
    sent = study_of(SLICES)
    answer = web.client().store_instances(sent)
    assert len(answer.ReferencedSOPSequence) == len(sent)
    return sent


def test_what_a_client_stores_it_gets_back_byte_for_byte(web, stored):
    client = web.client()
    study, series = stored[0].StudyInstanceUID, stored[0].SeriesInstanceUID
    for got in (
        client.retrieve_study(study),
        client.retrieve_series(study, series),
        [client.retrieve_instance(study, series, data.SOPInstanceUID) for data in stored],
    ):
        by_uid = {data.SOPInstanceUID: data for data in got}
        assert by_uid.keys() == {data.SOPInstanceUID for data in stored}
    for data in stored:
        path = f"/studies/{study}/series/{series}/instances/{data.SOPInstanceUID}"
        single = web.get(path, Accept="application/dicom")
        assert single.headers["Content-Type"] == "application/dicom"
        assert single.content[:128] == bytes(128) and single.content[128:132] == b"DICM"
        assert data_set_bytes(single.content) == data_set_bytes(encoded(data))


def test_a_study_that_is_stored_again_is_no_other(web, stored):
    again = web.client().store_instances(stored)
    assert len(again.ReferencedSOPSequence) == len(stored)
    changed = pydicom.dcmread(BytesIO(encoded(stored[0])))
    changed.PatientComments = "another content"
    answer = web.post(body(part(encoded(changed))))
    assert answer.status_code == 409
    assert answer.json()["0008119A"]["Value"][0]["00081197"]["Value"] == [0x0111]


def test_accept_is_obeyed_or_refused_in_words(web, stored):
    path = f"/studies/{stored[0].StudyInstanceUID}"
    for accept in (
        "*/*",
        "multipart/related",
        "multipart/related; type=application/dicom; transfer-syntax=*",
        'multipart/related; type="application/dicom"; transfer-syntax="1.2.840.10008.1.2"',
        "text/html, multipart/related;q=0.5",
    ):
        answer = web.get(path, Accept=accept)
        assert answer.status_code == 200, (accept, answer.text[:200])
        assert answer.headers["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    for accept in (
        "application/dicom",
        "application/dicom+json",
        "multipart/related; type=image/jpeg",
        "multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90",
    ):
        answer = web.get(path, Accept=accept)
        assert answer.status_code == 406, accept
        assert "返せ" in answer.text and "cannot be given" in answer.text
    # The parameter comes before the header.
    assert web.get(path + "?accept=image%2Fpng", Accept="*/*").status_code == 406
    query = "?accept=multipart/related%3B%20type%3D%22application%2Fdicom%22"
    assert web.get(path + query, Accept="image/png").status_code == 200


def test_an_unchanged_instance_is_not_sent_again(web, stored):
    data = stored[0]
    path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
    first = web.get(path)
    again = web.get(path, If_None_Match=first.headers["ETag"])
    assert first.status_code == 200 and again.status_code == 304 and not again.content


def test_nobody_gets_in_without_being_known(web, stored):
    path = f"{web.root}/studies/{stored[0].StudyInstanceUID}"
    for headers in (
        {},
        {"Authorization": "Bearer dkw_wrong"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": web.token},
        {"Cookie": "dokuei=x"},
    ):
        answer = requests.get(path, headers=headers, timeout=DEADLINE)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer"), headers
    token = web.site.ask("dicom", "token", "add", "short-lived", "--scope", "all")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(path, headers=headers, timeout=DEADLINE).status_code == 200
    web.site.ask("dicom", "token", "remove", "short-lived", "--yes")
    assert requests.get(path, headers=headers, timeout=DEADLINE).status_code == 401
    assert web.token not in web.site.said()
    assert "short-lived" not in [known["name"] for known in web.site.ask("dicom", "token", "list")]
    taken = dokuei("dicom", "token", "add", "tests", "--dir", web.site.data, ok=False)
    assert "taken" in one_sentence(taken)


def test_parts_that_cannot_be_taken_are_named(web):
    (good,) = study_of(SLICES[:1])
    answer = web.post(body(part(encoded(good)), part(b"no DICOM at all"), part(b"{}", "application/json")))
    assert answer.status_code == 202
    answer = answer.json()
    assert len(answer["00081199"]["Value"]) == 1
    failed = answer["0008119A"]["Value"]
    assert [item["00081197"]["Value"][0] for item in failed] == [0xC000, 0xC000]
    assert failed[0]["00000902"]["Value"][0].startswith("part 2: ")
    assert failed[1]["00000902"]["Value"][0].startswith("part 3: ")
    (other,) = study_of(SLICES[:1])
    answer = web.post(body(part(encoded(other))), path=f"/studies/{good.StudyInstanceUID}")
    assert answer.status_code == 409
    assert answer.json()["0008119A"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert web.get(f"/studies/{other.StudyInstanceUID}").status_code == 404


def test_boundaries_and_types_in_every_spelling(web):
    for kind in (
        "multipart/related; type=application/dicom; boundary=b",
        'Multipart/Related;Boundary="b";Type="application/dicom"',
        "multipart/related; boundary=b",
    ):
        (data,) = study_of(SLICES[:1])
        assert web.post(b"preamble" + body(part(encoded(data))) + b"epilogue", kind).status_code == 200, kind
    for kind, refused in (
        ("application/dicom", 415),
        ("multipart/form-data; boundary=b", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', 415),
        ("multipart/related; type=application/dicom", 400),
        ('multipart/related; boundary="' + "x" * 71 + '"', 400),
    ):
        assert web.post(body(part(b"x")), kind).status_code == refused, kind
    assert web.post(body(part(b"x")), Accept="text/html").status_code == 406


def test_a_body_that_is_cut_off_leaves_whole_objects_and_nothing_else(web):
    whole, half = study_of(SLICES[:2])
    cut = part(encoded(whole)) + part(encoded(half)[:-1000])
    answer = web.post(cut)
    assert answer.status_code == 202
    assert "ended before" in answer.headers["Warning"]
    series = f"/studies/{whole.StudyInstanceUID}/series/{whole.SeriesInstanceUID}/instances/"
    assert web.get(series + whole.SOPInstanceUID).status_code == 200
    assert web.get(series + half.SOPInstanceUID).status_code == 404
    assert web.post(b"--wrong\r\n\r\nx\r\n--wrong--").status_code == 400
    # A connection that goes away in the middle.
    (lost,) = study_of(SLICES[:1])
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\n"
    head += "Content-Type: multipart/related; boundary=b\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=DEADLINE) as connection:
        connection.sendall(head.encode() + part(encoded(lost)[:20000]))
    assert web.get(f"/studies/{lost.StudyInstanceUID}").status_code == 404


def test_a_large_object_passes_in_constant_memory(web):
    (data,) = study_of(SLICES[:1])
    data.Rows, data.Columns, data.NumberOfFrames = 1024, 1024, 50
    data.PixelData = bytes(1024 * 1024 * 2) * 50
    data["PixelData"].VR = "OW"
    before = status(web.site)["memory_bytes"]
    assert web.post(body(part(encoded(data)))).status_code == 200
    path = f"/studies/{data.StudyInstanceUID}"
    with requests.get(web.root + path, headers=web.headers, stream=True, timeout=DEADLINE) as answer:
        got = sum(len(piece) for piece in answer.iter_content(1 << 20))
    assert got > 100 * 1024 * 1024
    assert status(web.site)["memory_bytes"] - before < 64 * 1024 * 1024


def test_requests_that_no_library_sends(web, stored):
    get = f"GET /dicom-web/studies/{stored[0].StudyInstanceUID} HTTP/1.1\r\n"
    authorized = f"Authorization: Bearer {web.token}\r\nConnection: close\r\n"
    for request, code in (
        (get + authorized + "\r\n", 421),
        (get + "Host: evil.example\r\n" + authorized + "\r\n", 421),
        (get + "Host: localhost\r\nHost: localhost\r\n" + authorized + "\r\n", 421),
        (get + "Host: localhost\r\n" + "X: y\r\n" * 5000 + authorized + "\r\n", 431),
        (get + "Host: localhost\r\nX: " + "y" * 100000 + "\r\n" + authorized + "\r\n", 431),
        ("GET /dicom-web/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n" + authorized + "\r\n", 404),
        ("GET /dicom-web/studies/%2e%2e%2fetc HTTP/1.1\r\nHost: localhost\r\n" + authorized + "\r\n", 400),
        ("DELETE /dicom-web/studies/1.2 HTTP/1.1\r\nHost: localhost\r\n" + authorized + "\r\n", 405),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        ("GET /viewer/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        ("NONSENSE\r\n\r\n", 400),
        (get + "Host: localhost\r\n" + authorized + "\r\n", 200),
    ):
        got = web.raw(request.encode())
        assert got.startswith(b"HTTP/1.1 %d" % code), (request[:90], got[:120])
        if code not in (400, 431):
            assert b"x-content-type-options: nosniff" in got.lower()


def test_slow_clients_hold_up_nobody(web, stored):
    slow = [socket.create_connection(("127.0.0.1", web.port), timeout=DEADLINE) for _ in range(300)]
    try:
        for connection in slow:
            connection.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nHost: loc")
        assert web.get(f"/studies/{stored[0].StudyInstanceUID}").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_changes_come_from_no_other_page(web):
    (data,) = study_of(SLICES[:1])
    sent = body(part(encoded(data)))
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{web.port}"):
        assert web.post(sent, Origin=origin).status_code == 403, origin
    assert web.post(sent, Origin=web.url).status_code == 200


def test_addresses_follow_the_proxy(web):
    (data,) = study_of(SLICES[:1])
    forwarded = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "localhost:8443", "X_Forwarded_Prefix": "/pacs"}
    answer = web.post(body(part(encoded(data))), **forwarded).json()
    study = data.StudyInstanceUID
    assert answer["00081190"]["Value"] == [f"https://localhost:8443/pacs/dicom-web/studies/{study}"]
    again = web.post(body(part(encoded(data)))).json()
    assert again["00081190"]["Value"] == [f"{web.root}/studies/{study}"]


def test_a_person_sets_up_an_account_and_logs_in(web, stored):
    invited = web.site.ask("dicom", "account", "invite", "架空 花子", "--scope", "all")
    browser = requests.Session()
    browser.headers["Origin"] = web.url
    page = browser.get(f"{web.url}/login?lang=ja&next=/viewer/", timeout=DEADLINE)
    assert "ログイン" in page.text and '<html lang="ja">' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    english = browser.get(f"{web.url}/login", headers={"Accept-Language": "en-GB,en;q=0.9"}, timeout=DEADLINE)
    assert '<html lang="en">' in english.text
    password = "a-long-password"
    form = {"code": invited["code"], "password": password, "again": password, "next": "//evil.example/"}

    def send(place, form, **more):
        return browser.post(f"{web.url}{place}", data=form, allow_redirects=False, timeout=DEADLINE, **more)

    assert send("/login/setup", {**form, "again": "another-one"}).status_code == 403
    assert send("/login/setup", {**form, "code": "x"}).status_code == 403
    assert send("/login/setup", form, headers={"Origin": "http://evil.example"}).status_code == 403
    done = send("/login/setup", form)
    assert done.status_code == 303 and done.headers["Location"] == "/viewer/"
    cookie = done.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    study = f"{web.root}/studies/{stored[0].StudyInstanceUID}"
    assert browser.get(study, timeout=DEADLINE).status_code == 200
    # The code serves once.
    assert send("/login/setup", form).status_code == 403
    # A session is no way for other pages, nor for requests that do not say where they come from.
    multipart = {"Content-Type": "multipart/related; boundary=b"}
    (data,) = study_of(SLICES[:1])
    sent = body(part(encoded(data)))
    for origin in ("http://evil.example", None):
        headers = {**multipart, "Origin": origin}
        assert browser.post(f"{web.root}/studies", data=sent, headers=headers, timeout=DEADLINE).status_code == 403
    assert browser.post(f"{web.root}/studies", data=sent, headers=multipart, timeout=DEADLINE).status_code == 200
    # Logging in again begins another session; logging out ends it.
    first = browser.cookies.get("dokuei")
    again = send("/login", {"name": "架空 花子", "password": password, "next": "/viewer/viewer?StudyInstanceUIDs=1.2"})
    assert again.status_code == 303 and again.headers["Location"] == "/viewer/viewer?StudyInstanceUIDs=1.2"
    assert browser.cookies.get("dokuei") != first
    second = dict(browser.cookies)
    assert send("/logout", {}).status_code == 303
    assert requests.get(study, cookies=second, timeout=DEADLINE).status_code == 401


def test_passwords_are_not_guessed(web):
    browser = requests.Session()
    guess = {"name": "nobody", "password": "a-wrong-password"}
    codes = [browser.post(f"{web.url}/login", data=guess, timeout=DEADLINE).status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]
    other = {"name": "somebody else", "password": "a-wrong-password"}
    assert browser.post(f"{web.url}/login", data=other, timeout=DEADLINE).status_code == 403


def test_a_scope_limits_what_is_seen(web, stored):
    study = f"/studies/{stored[0].StudyInstanceUID}"
    own = Web(web.site, "own", "own-only")
    assert own.get(study).status_code == 200
    issuer = str(stored[0].get("IssuerOfPatientID", ""))
    same = Web(web.site, f"{web.site.name}:{issuer}", "one-issuer")
    assert same.get(study).status_code == 200
    other = Web(web.site, f"{web.site.name}:SOMEBODY ELSE", "other-issuer")
    assert other.get(study).status_code == 404
    (data,) = study_of(SLICES[:1])
    assert other.post(body(part(encoded(data)))).status_code == 403
    scopes = {known["name"]: known["scope"] for known in web.site.ask("dicom", "token", "list")}
    right, wrong = scopes["one-issuer"]["domain"], scopes["other-issuer"]["domain"]
    assert web.get(f"/d/{right}{study}").status_code == 200
    assert web.get(f"/d/{wrong}{study}").status_code == 404
