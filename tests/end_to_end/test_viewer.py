"""OHIF's published package, prepared and served by the node, in a real browser: looked at pixel by pixel."""

import contextlib
import datetime
import io
import json
import shutil
import tarfile
import time

import numpy
import pytest
import requests
from playwright.sync_api import sync_playwright

from studies import Study
from test_dicomweb import Web, body, encoded, part, with_web
from world import DEADLINE, ROOT, Site, dokuei, one_sentence

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


def ct(description, date, patient="X-1", issuer="CLINIC", name="Yamada^Tarou=山田^太郎"):
    """A CT of a ball in a gradient, as a modality sends it."""
    study = Study(
        SLICES,
        SIDE,
        name,
        "ISO_IR 192",
        PatientID=patient,
        IssuerOfPatientID=issuer,
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
    """A clinic with the viewer and four studies of three patients, two of whom have the same ID."""
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
            "namesake": ct("OF ANOTHER ISSUER", "20250601", issuer="ANOTHER", name="Suzuki^Jirou"),
            "stranger": ct("OF ANOTHER PATIENT", "20250701", patient="X-2", name="Satou^Saburou"),
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


def viewports(page, count):
    """The viewports, once there are so many and each shows many greys."""

    def look():
        seen = page.evaluate(VIEWPORTS)
        return seen if len(seen) == count and all(one["greys"] > 100 for one in seen) else None

    return wait(page, f"{count} viewports with an image of many greys", look)


def test_a_study_is_opened_from_our_page_with_its_prior(web, tmp_path):
    with browsing() as page:
        log_in(page, web, "架空 花子")
        page.screenshot(path=tmp_path / "list.png")
        assert page.locator("tbody tr").count() == 4
        page.locator("tr", has_text="CHEST NEWEST").locator("a").click()
        seen = viewports(page, 2)
        page.screenshot(path=tmp_path / "viewer.png")
        print(seen, page.inner_text("body"), page.url)
