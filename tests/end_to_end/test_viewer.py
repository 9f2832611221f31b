"""OHIF's published package, prepared and served by the node, in a real browser: looked at pixel by pixel."""

import contextlib
import json
import shutil
import tarfile
import time

import numpy
import pydicom
import pytest
import requests
from playwright.sync_api import sync_playwright
from pydicom.uid import generate_uid

from studies import Study
from test_dicomweb import Web, body, encoded, part, with_web
from world import DEADLINE, ROOT, dokuei, one_sentence

VERSION = "3.13.2"
PACKAGE = ROOT / ".npm" / f"ohif-app-{VERSION}.tgz"
PASSWORD = "a-password-of-tests"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
).split()
# OHIF draws each viewport into a canvas of its own. The number of grey levels in the middle of each, and what stands in
# the corners of its viewport.
VIEWPORTS = """() => [...document.querySelectorAll('canvas.cornerstone-canvas')].map(canvas => {
    const [w, h] = [canvas.width, canvas.height];
    if (!w || !h) return {greys: 0, text: ''};
    const seen = canvas.getContext('2d').getImageData(w >> 2, h >> 2, w >> 1, h >> 1).data;
    const greys = new Set();
    for (let at = 0; at < seen.length; at += 4) greys.add(seen[at]);
    const pane = canvas.closest('[data-cy="viewport-pane"]') || canvas.parentElement;
    return {greys: greys.size, text: pane.innerText};
})"""
SLICES, SIDE = 16, 128


def ct(description, date, patient="X-1", issuer="CLINIC", name="Yamada^Tarou=山田^太郎", modality="CT"):
    """Images of a ball in a gradient, as a modality sends them."""
    study = Study(
        SLICES,
        SIDE,
        name,
        "ISO_IR 192",
        Modality=modality,
        PatientID=patient,
        IssuerOfPatientID=issuer,
        PatientBirthDate="19700101",
        StudyDescription=description,
        StudyDate=date,
        WindowCenter="512",
        WindowWidth="1024",
        RescaleIntercept="0",
        RescaleSlope="1",
    )
    rows, columns = numpy.mgrid[0:SIDE, 0:SIDE]
    for number, image in enumerate(study.datasets):
        ball = (rows - SIDE / 2) ** 2 + (columns - SIDE / 2) ** 2 < (number * 3 + 8) ** 2
        image.PixelData = (columns * 6 + ball * 200).astype("<u2").tobytes()
        image.ImagePositionPatient = [0, 0, number * 5]
        image.SliceLocation = number * 5
    return study


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A clinic with the viewer and studies of five patients, of whom two share one ID, and two another."""
    if not PACKAGE.is_file():
        pytest.fail(f"{PACKAGE} is not there; tests/run fetches it")
    site = with_web(tmp_path_factory.mktemp("viewer") / "clinic")
    try:
        web = Web(site.start())
        installed = site.ask("viewer", "install", PACKAGE)
        assert (installed["version"], installed["licence"]) == (VERSION, "MIT"), installed
        web.studies = {
            "newest": ct("CHEST NEWEST", "20260301"),
            "prior": ct("CHEST PRIOR", "20250301"),
            # Newer, but of another kind: the newest is compared with the one above.
            "x-ray": ct("CHEST X-RAY", "20251201", modality="CR"),
            "namesake": ct("OF ANOTHER ISSUER", "20250601", issuer="ANOTHER", name="Suzuki^Jirou"),
            "stranger": ct("OF ANOTHER PATIENT", "20250701", patient="X-2", name="Satou^Saburou"),
            # An ID that nobody issued is one person's with name and birth date only: the disc of another hospital has it, too.
            "unissued": ct("NO ISSUER", "20240301", patient="0001", issuer=""),
            "disc": ct("OF ANOTHER HOSPITAL", "20240201", patient="0001", issuer="", name="Suzuki^Jirou"),
            "unissued prior": ct("NO ISSUER EITHER", "20240101", patient="0001", issuer=""),
        }
        for study in web.studies.values():
            answer = web.post(body(*(part(encoded(image)) for image in study.datasets)))
            assert answer.status_code == 200, answer.text
        yield web
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


@contextlib.contextmanager
def browsing():
    """A page of a browser with a fresh profile, and the addresses of everything it asks for."""
    program = shutil.which("chromium")
    assert program, "there is no chromium; tests/run installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=DEADLINE * 1000)
        try:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en")
            context.set_default_timeout(DEADLINE * 1000)
            page = context.new_page()
            page.asked, page.said = [], []
            context.on("request", lambda request: page.asked.append(request.url))
            page.on("console", lambda line: page.said.append(f"{line.type}: {line.text}"[:300]))
            page.on("pageerror", lambda error: page.said.append(f"error: {error}"[:300]))
            yield page
        finally:
            browser.close()


def log_in(page, web, name):
    """Sets up an account in the browser, as a person does who was sent to a page of the viewer."""
    code = web.site.ask("dicom", "account", "invite", name, "--scope", "all")["code"]
    page.goto(f"{web.url}/viewer/")
    assert page.url.startswith(f"{web.url}/login?next="), page.url
    page.goto(f"{web.url}/login/setup?next=/viewer/")
    page.fill("#code", code)
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("button")
    page.wait_for_url(f"{web.url}/viewer/")


def wait(page, what, look):
    """Looks until there is something. The page's policy allows no eval, by which Playwright's own waiting looks."""
    end = time.monotonic() + DEADLINE
    while not (seen := look()):
        told = "\n".join(page.said[-20:])
        assert time.monotonic() < end, f"not within {DEADLINE} s: {what}; the page said:\n{told}"
        page.wait_for_timeout(200)
    return seen


def viewports(page, count, least=100):
    """The viewports, once there are so many and each shows many greys."""

    def look():
        seen = page.evaluate(VIEWPORTS)
        return seen if len(seen) == count and all(one["greys"] > least for one in seen) else None

    return wait(page, f"{count} viewports with an image of more than {least} greys", look)


def stays_here(page, web):
    """Nothing was asked of anybody else, nor of a domain's neighbours, and the policy had nothing to forbid."""
    for address in page.asked:
        assert address.startswith((web.url + "/", "blob:", "data:")), address
        path = address.removeprefix(web.url)
        assert not path.startswith("/dicom-web") or path.startswith("/dicom-web/d/"), path
    assert not [line for line in page.said if "Content Security Policy" in line], page.said


def test_a_study_is_opened_from_our_page_beside_its_prior(web, tmp_path):
    with browsing() as page:
        log_in(page, web, "架空 花子")
        page.screenshot(path=tmp_path / "list.png")
        shown = page.inner_text("body")
        assert "not for diagnosis" in shown and f"OHIF {VERSION} (MIT)" in shown
        assert page.locator("tbody tr").count() == len(web.studies)
        page.locator("tr", has_text="CHEST NEWEST").locator("a").click()

        def side_by_side():
            # The words around an image come after it.
            left, right = viewports(page, 2)
            return "01-Mar-2026" in left["text"] and "01-Mar-2025" in right["text"]

        wait(page, "the newest study on the left and its prior on the right", side_by_side)
        page.screenshot(path=tmp_path / "viewer.png")
        # The priors that OHIF itself looks for, by the ID alone.
        wait(page, "the list of priors", lambda: "CHEST X-RAY" in page.inner_text("body"))
        shown = page.inner_text("body")
        assert "CHEST NEWEST" in shown and "CHEST PRIOR" in shown and "Yamada" in shown and "X-1" in shown
        # The same patient ID of another issuer, and another patient.
        assert "OF ANOTHER" not in shown
        stays_here(page, web)


def test_a_patient_of_the_same_id_has_a_viewer_of_their_own(web, tmp_path):
    with browsing() as page:
        log_in(page, web, "架空 次郎")
        # As a program links to a study that knows nothing of domains.
        page.goto(f"{web.url}/viewer/viewer?StudyInstanceUIDs={web.studies['namesake'].uid}")
        # The words around an image come after it.
        wait(page, "the namesake's study", lambda: "01-Jun-2025" in viewports(page, 1)[0]["text"])
        page.screenshot(path=tmp_path / "viewer.png")
        shown = page.inner_text("body")
        assert "OF ANOTHER ISSUER" in shown and "CHEST" not in shown and "OF ANOTHER PATIENT" not in shown
        stays_here(page, web)


# A published object of each encoding that OHIF decodes, and the number of greys that its middle shows at least.
ENCODINGS = {
    "MR_small_implicit.dcm": 100,
    "MR_small_RLE.dcm": 100,
    "MR_small_jpeg_ls_lossless.dcm": 100,
    "MR_small_jp2klossless.dcm": 100,
    "JPGExtended.dcm": 100,
    "SC_rgb_jpeg_dcmtk.dcm": 30,
}


def test_images_are_shown_in_every_encoding(web, tmp_path):
    """The decoders are WebAssembly, which the page's policy must let run, and in workers."""
    with browsing() as page:
        log_in(page, web, "架空 四郎")
        for name, least in ENCODINGS.items():
            image = pydicom.dcmread(ROOT / "node" / "tests" / "data" / "dicom" / "objects" / name)
            image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            image.PatientID, image.IssuerOfPatientID = name, "ENCODINGS"
            assert web.post(body(part(encoded(image)))).status_code == 200, name
            page.goto(f"{web.url}/viewer/viewer?StudyInstanceUIDs={image.StudyInstanceUID}")
            viewports(page, 1, least)
            page.screenshot(path=tmp_path / f"{name}.png")
        stays_here(page, web)


def test_without_frames_there_is_one_grey(web, tmp_path):
    """What the other tests look at is not there by itself."""
    with browsing() as page:
        log_in(page, web, "架空 三郎")
        refused = []

        def refuse(route):
            refused.append(route.request.url)
            route.fulfill(status=404)

        page.route("**/frames/**", refuse)
        page.locator("tr", has_text="OF ANOTHER PATIENT").locator("a").click()
        wait(page, "a viewport without frames", lambda: refused and page.evaluate(VIEWPORTS))
        wait(page, "OHIF to fail at an image", lambda: [line for line in page.said if "IMAGE_LOAD_FAILED" in line])
        (seen,) = page.evaluate(VIEWPORTS)
        page.screenshot(path=tmp_path / "viewer.png")
        assert seen["greys"] == 1


def get(web, path, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {**web.headers, "Accept-Encoding": "identity", **headers}
    return requests.get(web.url + path, headers=headers, timeout=DEADLINE, allow_redirects=False)


def installed(web):
    return json.loads((web.site.data / "viewer" / "installed.json").read_text())


def test_files_are_served_small_and_seldom(web):
    names = installed(web)["files"]
    (bundle,) = [name for name in names if name.startswith("app.bundle.") and name.endswith(".js")]
    whole = get(web, f"/viewer/{bundle}")
    packed = get(web, f"/viewer/{bundle}", Accept_Encoding="gzip, br")
    assert whole.status_code == packed.status_code == 200 and packed.content == whole.content
    assert "Content-Encoding" not in whole.headers and packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) * 3 < int(whole.headers["Content-Length"]) == len(whole.content)
    assert whole.headers["ETag"] != packed.headers["ETag"] and packed.headers["Vary"] == "accept-encoding"
    assert "immutable" in packed.headers["Cache-Control"] and "private" in packed.headers["Cache-Control"]
    again = get(web, f"/viewer/{bundle}", Accept_Encoding="gzip", If_None_Match=packed.headers["ETag"])
    assert again.status_code == 304 and not again.content
    for name, kind in (
        (bundle, "text/javascript; charset=utf-8"),
        ("app.bundle.css", "text/css; charset=utf-8"),
        ("manifest.json", "application/json"),
        ("a34f9d1faa5f3315.woff2", "font/woff2"),
        ("0ddf166f7a343eda.wasm", "application/wasm"),
        ("assets/favicon-32x32.png", "image/png"),
    ):
        answer = get(web, f"/viewer/{name}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind), name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "'unsafe-eval'" not in answer.headers["Content-Security-Policy"]
    workers = [name for name, file in names.items() if file["worker"]]
    assert workers and bundle not in workers
    assert "'unsafe-eval'" in get(web, f"/viewer/{workers[0]}").headers["Content-Security-Policy"]
    assert get(web, "/viewer/app.bundle.css").headers["Cache-Control"] == "private, no-cache"
    assert not [name for name in names if name.startswith("ort/") or name.endswith(".map")]


def test_addresses_that_are_no_file(web):
    token = get(web, f"/viewer/viewer?StudyInstanceUIDs={web.studies['newest'].uid}").headers["Location"].split("/")[3]
    page = get(web, f"/viewer/d/{token}/viewer/anything?StudyInstanceUIDs=1.2")
    assert page.status_code == 200 and f'src="/viewer/d/{token}/app-config.js"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' 'sha256-" in policy and "unsafe-inline' 'wasm" not in policy
    config = get(web, f"/viewer/d/{token}/app-config.js").text
    assert f'"wadoRoot":"/dicom-web/d/{token}"' in config and f'"routerBasename":"/viewer/d/{token}"' in config
    worker = get(web, "/viewer/init-service-worker.js")
    assert worker.status_code == 200 and worker.content == b""
    licence = get(web, "/viewer/licence.txt")
    assert "The MIT License" in licence.text and "Open Health Imaging Foundation" in licence.text
    for path in (
        "/viewer/sw.js",
        "/viewer/index.html",
        "/viewer/none.js",
        "/viewer/installed.json",
        "/viewer/../dokuei.toml",
        "/viewer/%2e%2e/dokuei.toml",
        "/viewer/..%2fdokuei.toml",
        f"/viewer/d/{token}/none.js",
        "/viewer/d/00112233445566778899aabbccddeeff/viewer",
        "/viewer/d/00112233445566778899aabbccddeeff/app-config.js",
        f"/viewer/d/{token}/open?study=1.2.3",
    ):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token}\r\nConnection: close\r\n\r\n"
        assert web.raw(request.encode()).startswith(b"HTTP/1.1 404"), path
    assert requests.post(f"{web.url}/viewer/", headers=web.headers, timeout=DEADLINE).status_code == 405


def test_nobody_sees_more_than_they_may(web):
    study = web.studies["newest"].uid
    opened = get(web, f"/viewer/viewer?StudyInstanceUIDs={study}").headers["Location"]
    for path, status in ((opened, 303), ("/viewer/", 303), ("/viewer/app.bundle.css", 401), ("/viewer/licence.txt", 401)):
        answer = requests.get(web.url + path, timeout=DEADLINE, allow_redirects=False)
        assert answer.status_code == status, path
        assert status == 401 or answer.headers["Location"].startswith("/login?next=%2Fviewer%2F"), path
    other = Web(web.site, f"{web.site.name}:ANOTHER", "another-issuer")
    assert get(other, opened).status_code == 404
    assert get(other, f"/viewer/viewer?StudyInstanceUIDs={study}").headers["Location"] == "/viewer/"
    listed = get(other, "/viewer/?lang=ja").text
    assert "OF ANOTHER ISSUER" in listed and "CHEST" not in listed and "診断には使わないでください" in listed


def test_the_command_line_names_the_address_of_a_study(web):
    for key, wanted in (
        ("newest", ["newest", "prior"]),
        ("x-ray", ["x-ray", "prior"]),
        ("prior", ["prior"]),
        ("namesake", ["namesake"]),
        ("unissued", ["unissued", "unissued prior"]),
        ("disc", ["disc"]),
    ):
        study = web.studies[key].uid
        link = web.site.ask("study", "show", study)["viewer"]
        assert link.startswith(f"{web.url}/viewer/d/"), link
        answer = get(web, link.removeprefix(web.url))
        assert answer.status_code == 303
        uids = ",".join(web.studies[one].uid for one in wanted)
        assert answer.headers["Location"].endswith(f"/viewer?StudyInstanceUIDs={uids}"), key
        assert link in dokuei("study", "show", study, "--dir", web.site.data).stdout


def test_a_viewer_comes_and_goes_while_the_node_runs(tmp_path):
    site = with_web(tmp_path / "clinic")
    try:
        assert site.ask("viewer", "list") == {"installed": False}
        web = Web(site.start())
        assert "dokuei viewer install" in get(web, "/viewer/?lang=en").text
        assert get(web, "/viewer/app.bundle.css").status_code == 404
        folder = tmp_path / "unpacked"
        with tarfile.open(PACKAGE) as package:
            package.extractall(folder, filter="data")
        site.ask("viewer", "install", folder)
        assert get(web, "/viewer/app.bundle.css").status_code == 200
        for wrong in (tmp_path / "nowhere", damaged(tmp_path), tmp_path / "clinic"):
            refused = dokuei("viewer", "install", wrong, "--dir", site.data, ok=False)
            assert "cannot be installed" in one_sentence(refused)
        assert get(web, "/viewer/app.bundle.css").status_code == 200
        listed = site.ask("viewer", "list")
        assert listed["version"] == VERSION and listed["tested"] and listed["licence"] == "MIT"
        assert dokuei("viewer", "remove", "--dir", site.data).returncode == 0
        assert get(web, "/viewer/app.bundle.css").status_code == 404
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


def damaged(folder):
    """The package, without its last quarter."""
    cut = folder / "cut.tgz"
    with open(PACKAGE, "rb") as whole:
        cut.write_bytes(whole.read(PACKAGE.stat().st_size * 3 // 4))
    return cut
