"""DICOMweb as clients ask for it: a DICOMweb library, and raw sockets for what no library sends."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
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

    def __init__(self, site, scope="all", name="tests", stores=None):
        self.site = site
        self.port = status(site)["web"]["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.root = f"{self.url}/dicom-web"
        stores = scope in ("all", "own") if stores is None else stores
        self.token = site.ask("dicom", "token", "add", name, "--scope", scope, *(["--store"] if stores else []))["token"]
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
    return add_web(Site(place, name, title), **web)


def add_web(site, **web):
    """The same for a site that was made, before it starts."""
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
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081197"]["Value"] == [0x0111]
    assert failed["00081150"]["Value"] == [changed.SOPClassUID]
    assert failed["00081155"]["Value"] == [changed.SOPInstanceUID]
    assert "0008119A" not in answer.json()


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
    for query in ("application/dicom+json", "application/dicom%2Bjson"):
        assert web.get(f"{path}/metadata?accept={query}", Accept="image/png").status_code == 200, query
    query = "?accept=multipart/related%3B%20type%3D%22application%2Fdicom%22"
    assert web.get(path + query, Accept="image/png").status_code == 200


EXPLICIT = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
OHIF_FRAMES = "application/octet-stream; transfer-syntax=*"


def test_an_unchanged_instance_is_not_sent_again(web, stored):
    data = stored[0]
    path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
    first = web.get(path)
    again = web.get(path, If_None_Match=first.headers["ETag"])
    assert first.status_code == 200 and again.status_code == 304 and not again.content
    assert first.headers["Vary"] == again.headers["Vary"] == "accept"
    tags = {first.headers["ETag"]}
    for path, accept in ((path, "application/dicom"), (path, EXPLICIT), (f"{path}/frames/1", "*/*"), (f"{path}/frames/1", OHIF_FRAMES)):
        tags.add(web.get(path, Accept=accept).headers["ETag"])
    assert len(tags) == 5


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
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081197"]["Value"] == [0xA900] and failed["00081155"]["Value"] == [other.SOPInstanceUID]
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
        ("GET /viewer/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 303),
        ("NONSENSE\r\n\r\n", 400),
        (get + "Host: localhost\r\n" + authorized + "\r\n", 200),
    ):
        got = web.raw(request.encode())
        assert got.startswith(b"HTTP/1.1 %d" % code), (request[:90], got[:120])
        if code not in (400, 431):
            assert b"x-content-type-options: nosniff" in got.lower()


def test_paths_that_lead_elsewhere_lead_nowhere(web, stored):
    """Whatever is written for a way up or an end of a name: no answer holds anything of the node's own files."""
    study = f"/dicom-web/studies/{stored[0].StudyInstanceUID}"
    config = (web.site.data / "dokuei.toml").read_bytes()
    for start in ("/viewer/", "/dicom-web/", f"{study}/", "/login/", "/"):
        for way in ("../", "..%2f", "%2e%2e%2f", "%2e%2e/", "..%5c", "..%c0%af", "%252e%252e%252f", "%00", "....//", "//"):
            path = start + way * 3 + "dokuei.toml"
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\nConnection: close\r\n\r\n"
            got = web.raw(request.encode())
            assert got[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 400"), (path, got[:80])
            assert config[:40] not in got
    for path in (f"{study}%00", f"{study}/metadata%00.json", f"{study}%2fmetadata", "/dicom-web/studies%3flimit=1"):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\nConnection: close\r\n\r\n"
        assert web.raw(request.encode())[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 400"), path


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
    invited = web.site.ask("dicom", "account", "invite", "架空 花子", "--scope", "all", "--store")
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
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
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
    # As many at once are as many tries, and one address is let try few accounts.
    def at_once(names):
        def guessed(name):
            form = {"name": name, "password": "a-wrong-password"}
            return requests.post(f"{web.url}/login", data=form, timeout=DEADLINE).status_code

        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(guessed, names))

    assert at_once(["many"] * 16).count(403) == 5
    let_try = at_once([str(at) for at in range(32)]).count(403)
    assert let_try == 20 - 5 - 1 - 5


def test_only_who_may_store_stores(web):
    (data,) = study_of(SLICES[:1])
    looks = Web(web.site, "all", "looks-only", stores=False)
    refused = looks.post(body(part(encoded(data))))
    assert refused.status_code == 403 and "--store" in refused.text
    listed = {one["name"]: one["store"] for one in web.site.ask("dicom", "token", "list")}
    assert (listed["tests"], listed["looks-only"]) == (True, False)
    scope = f"{web.site.name}:ISSUER"
    neither = dokuei("dicom", "token", "add", "neither", "--scope", scope, "--store", "--dir", web.site.data, ok=False)
    assert "--store" in one_sentence(neither)


def test_methods_that_there_are_not_are_answered_with_those_that_there_are(web, stored):
    study = f"/studies/{stored[0].StudyInstanceUID}"
    for method, address, allowed in (
        ("DELETE", f"{web.root}{study}", "GET, HEAD, POST"),
        ("POST", f"{web.root}{study}/metadata", "GET, HEAD"),
        ("DELETE", f"{web.url}/login", "GET, HEAD, POST"),
        ("POST", f"{web.url}/viewer/", "GET, HEAD"),
    ):
        answer = requests.request(method, address, headers=web.headers, timeout=DEADLINE)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), (method, address)


def test_a_proxy_that_is_configured_says_who_asks(tmp_path):
    site = with_web(tmp_path / "clinic", proxies=["127.0.0.1"])
    try:
        web = Web(site.start())

        def guess(client, at=0):
            form = {"name": f"nobody-{at}", "password": "a-wrong-password"}
            headers = {"X-Forwarded-For": f"192.0.2.99, {client}"}
            return requests.post(f"{web.url}/login", data=form, headers=headers, timeout=DEADLINE).status_code

        assert [guess("198.51.100.7") for _ in range(6)] == [403] * 5 + [429]
        assert guess("198.51.100.8") == 403
    finally:
        site.close()


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
    for token in ("x", "0" * 32, "Z" * 32):
        assert web.get(f"/d/{token}{study}").status_code == 404
    scopes = {known["name"]: known["scope"] for known in web.site.ask("dicom", "token", "list")}
    right, wrong = scopes["one-issuer"]["domain"], scopes["other-issuer"]["domain"]
    assert web.get(f"/d/{right}{study}").status_code == 200
    assert web.get(f"/d/{wrong}{study}").status_code == 404


OHIF = "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030"
JSON = {"Accept": "application/dicom+json"}


@pytest.fixture(scope="module")
def named(web):
    """A study with a Japanese name, a compressed series of two frames, and a PDF."""
    uid = generate_uid()
    images = study_of(SLICES, uid)
    pdf = pydicom.dcmread(SLICES[0])
    for data in (*images, pdf):
        data.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        data.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
        data.PatientID, data.IssuerOfPatientID = "X-1", "架空"
        data.AccessionNumber, data.StudyDescription = "A-77", "Abdomen"
        data.StudyDate, data.SeriesDescription, data.SeriesNumber = "20250111", "thin", "4"
    images[2].NumberOfFrames, images[2].Rows, images[2].Columns = 2, 256, 512
    images[2].SeriesInstanceUID, images[2].Modality = generate_uid(), "MR"
    images[2].compress("1.2.840.10008.1.2.5")
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        del pdf[keyword]
    pdf.StudyInstanceUID, pdf.SeriesInstanceUID = uid, generate_uid()
    pdf.SOPInstanceUID = pdf.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    pdf.SOPClassUID = pdf.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    pdf.Modality, pdf.MIMETypeOfEncapsulatedDocument = "DOC", "application/pdf"
    pdf.EncapsulatedDocument = b"%PDF-1.4 " + b"x" * 5000
    answer = web.post(body(*(part(encoded(data)) for data in (*images, pdf))))
    assert answer.status_code == 200, answer.text
    return [*images, pdf]


def found(web, path, **more):
    answer = web.get(path, **{**JSON, **more})
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    assert answer.headers["Content-Type"] == "application/dicom+json"
    return answer.json()


def value(item, tag):
    return item.get(tag, {}).get("Value", [None])[0]


def test_a_viewer_finds_what_it_asks_for(web, named):
    study = named[0].StudyInstanceUID
    for query in (
        f"/studies?{OHIF}",
        f"/studies?PatientName=*Yama*&{OHIF}",
        f"/studies?PatientName=%2AYama%2A&{OHIF}",
        f"/studies?PatientName=%E5%B1%B1%E7%94%B0*&{OHIF}",
        "/studies?PatientName=yamada&fuzzymatching=true",
        "/studies?00100010=*%E3%82%84%E3%81%BE*",
        f"/studies?00100020=*X-*&{OHIF}",
        f"/studies?AccessionNumber=A-77&{OHIF}",
        "/studies?00080050=A-77",
        f"/studies?StudyDescription=*dom*&{OHIF}",
        f"/studies?ModalitiesInStudy=MR&StudyDate=20250101-20251231&{OHIF}",
        f"/studies?{OHIF}&StudyInstanceUID={study}",
        f"/studies?0020000d={study}%5C1.2.3",
        f"/studies?StudyInstanceUID=1.2.3,{study}",
        f"/studies?PatientName=*Yama*&00100020=X-1&StudyDescription=Abdomen&ModalitiesInStudy=CT&{OHIF}&StudyDate=20250111",
    ):
        (one,) = [item for item in found(web, query) if value(item, "0020000D") == study]
        assert value(one, "00100010") == {
            "Alphabetic": "Yamada^Tarou",
            "Ideographic": "山田^太郎",
            "Phonetic": "やまだ^たろう",
        }
        assert value(one, "00081030") == "Abdomen" and value(one, "00201208") == 4
        assert set(one["00080061"]["Value"]) == {"CT", "MR", "DOC"}
        assert value(one, "00081190") == f"{web.root}/studies/{study}"
    for query in (
        "/studies?PatientName=Nobody",
        "/studies?StudyDate=20240101-20241231&PatientID=X-1",
        f"/studies?StudyInstanceUID={study}&ModalitiesInStudy=US",
    ):
        assert found(web, query) == [], query


def test_pages_and_fields(web, named):
    study = named[0].StudyInstanceUID
    instances = found(web, f"/studies/{study}/instances")
    assert len(instances) == 4 and len({value(item, "00080018") for item in instances}) == 4
    assert len(found(web, f"/studies/{study}/instances?limit=3")) == 3
    assert found(web, f"/studies/{study}/instances?limit=3&offset=1") == instances[1:]
    assert found(web, f"/studies/{study}/instances?offset=9") == []
    assert "00280100" in instances[0] and "00080070" not in instances[0]
    assert "00080070" in found(web, f"/studies/{study}/instances?includefield=Manufacturer")[0]
    assert "00080070" in found(web, f"/studies/{study}/instances?includefield=all")[0]
    series = found(web, f"/studies/{study}/series?includefield=0008103E%2C00080021")
    assert {value(item, "00080060") for item in series} == {"CT", "MR", "DOC"}
    assert {value(item, "0008103E") for item in series} == {"thin"}
    counts = {value(item, "00080060"): value(item, "00201209") for item in series}
    assert counts == {"CT": 2, "MR": 1, "DOC": 1}
    one = found(web, f"/studies/{study}/series?Modality=MR")
    assert [value(item, "0020000E") for item in one] == [named[2].SeriesInstanceUID]
    assert len(found(web, f"/studies/{study}/series/{named[0].SeriesInstanceUID}/instances")) == 2
    assert len(found(web, f"/instances?SOPInstanceUID={named[0].SOPInstanceUID}")) == 1
    assert len(found(web, f"/series?SeriesInstanceUID={named[0].SeriesInstanceUID}")) == 1
    client = web.client()
    assert client.search_for_studies(search_filters={"PatientID": "X-1"})
    assert len(client.search_for_series(study)) == 3


def test_searches_that_make_no_sense_are_refused(web, named):
    for query in ("NoSuchThing=1", "limit=x", "offset=-1", "PatientName=%93%fa", "PixelData=x", "&".join(["a=b"] * 300)):
        answer = web.get(f"/studies?{query}", **JSON)
        assert answer.status_code == 400, query
        assert "Yamada" not in answer.text
    assert web.get("/studies", Accept="application/dicom+xml").status_code == 406
    assert web.get("/studies", Accept="text/html,*/*;q=0.1").status_code == 200


def test_metadata_is_whole(web, named):
    study = named[0].StudyInstanceUID
    client = web.client()
    all_of_it = client.retrieve_study_metadata(study)
    assert len(all_of_it) == 4
    by_uid = {value(item, "00080018"): item for item in all_of_it}
    for data in named:
        item = by_uid[data.SOPInstanceUID]
        path = f"/studies/{study}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
        assert found(web, f"{path}/metadata") == [item]
        assert value(item, "00100020") == "X-1"
        read = pydicom.Dataset.from_json(json.dumps(item), lambda *_: b"")
        for element in data:
            # Group lengths say nothing of a form without lengths, and nobody knows what private values are.
            is_known = element.tag.element and not element.tag.is_private
            is_compared = is_known and element.tag not in (0x00080005, 0x00100010)
            if is_compared and element.VR not in ("OB", "OW", "UN", "SQ"):
                assert read[element.tag].value == element.value, element.tag
    image = by_uid[named[0].SOPInstanceUID]
    bulk = image["7FE00010"]["BulkDataURI"]
    assert bulk.startswith(f"{web.root}/studies/{study}/series/")
    got = requests.get(bulk, headers={**web.headers, "Accept": "application/octet-stream"}, timeout=DEADLINE)
    assert got.status_code == 200 and got.content == named[0].PixelData
    document = by_uid[named[3].SOPInstanceUID]["00420011"]["BulkDataURI"]
    for accept in ("application/pdf", "*/*", 'multipart/related; type="application/octet-stream"'):
        got = requests.get(document, headers={**web.headers, "Accept": accept}, timeout=DEADLINE)
        assert got.status_code == 200 and b"%PDF-1.4 xxx" in got.content, accept
    assert len(found(web, f"/studies/{study}/series/{named[0].SeriesInstanceUID}/metadata")) == 2
    assert web.get("/studies/1.2.3/metadata", **JSON).status_code == 404


def test_frames_are_given_as_they_are_kept(web, named):
    def frames(data, numbers, accept):
        path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
        return web.get(f"{path}/frames/{numbers}", Accept=accept)

    viewer = "multipart/related; type=application/octet-stream; transfer-syntax=*"
    native = frames(named[0], 1, viewer)
    assert native.status_code == 200
    head, content = native.content.split(b"\r\n\r\n", 1)
    assert b"Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1" in head
    assert content.startswith(named[0].PixelData)
    assert frames(named[0], 1, "application/octet-stream").content == named[0].PixelData
    client = web.client()
    (got,) = client.retrieve_instance_frames(
        named[0].StudyInstanceUID, named[0].SeriesInstanceUID, named[0].SOPInstanceUID, [1]
    )
    assert got == named[0].PixelData
    pieces = list(pydicom.encaps.generate_frames(named[2].PixelData, number_of_frames=2))
    both = frames(named[2], "2%2C1", viewer)
    assert both.content.index(pieces[1]) < both.content.index(pieces[0])
    assert b"transfer-syntax=1.2.840.10008.1.2.5" in both.content
    assert frames(named[2], 2, "image/dicom-rle").content == pieces[1]
    other = frames(named[2], 1, "multipart/related; type=image/jpeg")
    assert other.status_code == 406 and "transfer-syntax=*" in other.text
    for numbers, status_code in (("3", 404), ("0", 400), ("x", 400)):
        assert frames(named[2], numbers, viewer).status_code == status_code
    assert frames(named[3], 1, viewer).status_code == 404
    again = frames(named[0], 1, viewer)
    path = f"/studies/{named[0].StudyInstanceUID}/series/{named[0].SeriesInstanceUID}/instances/{named[0].SOPInstanceUID}"
    unchanged = web.get(f"{path}/frames/1", Accept=viewer, If_None_Match=again.headers["ETag"])
    assert unchanged.status_code == 304


def test_a_document_is_rendered_as_it_is(web, named):
    def rendered(data, accept):
        path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
        return web.get(f"{path}/rendered", Accept=accept)

    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    for accept in (browser, "application/pdf", "*/*"):
        answer = rendered(named[3], accept)
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/pdf", accept
        assert answer.content.startswith(b"%PDF-1.4 ")
        assert "sandbox" not in answer.headers["Content-Security-Policy"]
    assert rendered(named[3], "image/png").status_code == 406
    assert rendered(named[0], "application/pdf").status_code == 406


def test_a_document_runs_nothing_in_a_browser(web, named):
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>" + b" " * 2000
    for kind in ("text/html", "image/svg+xml", "text/xml", "application/xhtml+xml"):
        (data,) = study_of(SLICES[:1])
        del data.PixelData
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
        data.MIMETypeOfEncapsulatedDocument, data.EncapsulatedDocument = kind, script
        assert web.post(body(part(encoded(data)))).status_code == 200
        path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
        (known,) = web.get(f"{path}/metadata", **JSON).json()
        for address in (f"{web.root}{path}/rendered", known["00420011"]["BulkDataURI"]):
            browser = {**web.headers, "Accept": "text/html,image/svg+xml,*/*;q=0.8"}
            answer = requests.get(address, headers=browser, timeout=DEADLINE)
            assert answer.status_code == 200 and script in answer.content
            assert answer.headers["Content-Type"].startswith(("application/octet-stream", "multipart/related")), kind
            assert "text/html" not in answer.headers["Content-Type"] and "svg" not in answer.headers["Content-Type"]
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_long_values_are_found_by_their_place_and_no_other_bytes(web, named):
    (data,) = study_of(SLICES[:1])
    data.Rows, data.Columns = 1, 1
    data.NumberOfFrames = "1000000"
    assert web.post(body(part(encoded(data)))).status_code == 200
    path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
    (known,) = web.get(f"{path}/metadata", **JSON).json()
    address = known["7FE00010"]["BulkDataURI"]
    got = requests.get(address, headers={**web.headers, "Accept": "application/octet-stream"}, timeout=DEADLINE)
    assert got.content == data.PixelData
    offset, length = map(int, address.rsplit("/", 1)[1].split("-"))
    for place in ("0", str(offset), f"{offset}-{length - 2}", f"0-{length}", "x"):
        assert web.get(f"{path}/bulkdata/{place}", Accept="*/*").status_code == 404, place


def test_values_of_big_endian_objects_are_given_in_little_endian(web):
    (data,) = study_of(SLICES[:1])
    item = pydicom.Dataset()
    item.LUTDescriptor, item.LUTExplanation = [1024, 0, 16], "some"
    item.add_new("LUTData", "OW", b"".join(at.to_bytes(2, "big") for at in range(1024)))
    data.VOILUTSequence = [item]
    pixels = data.PixelData
    words = memoryview(pixels).cast("H")
    data.PixelData = b"".join(word.to_bytes(2, "big") for word in words)
    meta = data.file_meta
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    data = pydicom.Dataset({element.tag: element for element in data})
    data.file_meta = meta
    assert web.post(body(part(encoded(data)))).status_code == 200
    path = f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"
    (known,) = web.get(f"{path}/metadata", **JSON).json()

    def long_value(element):
        octets = {**web.headers, "Accept": "application/octet-stream"}
        return requests.get(element["BulkDataURI"], headers=octets, timeout=DEADLINE).content

    table = known["00283010"]["Value"][0]["00283006"]
    assert long_value(table) == b"".join(at.to_bytes(2, "little") for at in range(1024))
    assert long_value(known["7FE00010"]) == pixels


def test_one_patient_id_of_two_issuers_is_two_people(web, named):
    (other,) = study_of(SLICES[:1])
    other.PatientID, other.IssuerOfPatientID = "X-1", "ANOTHER"
    assert web.post(body(part(encoded(other)))).status_code == 200
    # A viewer asks for priors by the ID alone: that would mix them.
    answer = web.get(f"/studies?00100020=X-1&{OHIF}", **JSON)
    assert answer.status_code == 409 and "Several issuers" in answer.text
    one = found(web, "/studies?PatientID=X-1&IssuerOfPatientID=ANOTHER")
    assert [value(item, "0020000D") for item in one] == [other.StudyInstanceUID]
    limited = Web(web.site, f"{web.site.name}:ANOTHER", "another-issuer")
    assert [value(item, "0020000D") for item in found(limited, f"/studies?00100020=X-1&{OHIF}")] == [other.StudyInstanceUID]
    scopes = {known["name"]: known["scope"] for known in web.site.ask("dicom", "token", "list")}
    root = f"/d/{scopes['another-issuer']['domain']}"
    (one,) = found(web, f"{root}/studies?00100020=X-1&{OHIF}")
    assert value(one, "00081190") == f"{web.root}{root}/studies/{other.StudyInstanceUID}"
    assert found(web, f"{root}/studies?StudyInstanceUID={named[0].StudyInstanceUID}") == []
    assert web.get("/d/0123/studies", **JSON).status_code == 404
