"""Every broken and hostile file by the doors that test_bad_input.py leaves: STOW-RS and media as what they are, and as what
somebody asks for: paths, queries and identifiers of C-FIND."""

import json
import struct
from urllib.parse import quote_from_bytes

import pytest
from modality import EXPLICIT_LITTLE, HungUp, IMPLICIT_LITTLE, Modality, element, meta_group, send, uid
from studies import Study
from test_bad_input import BY_FILE, DATA, FILES, bounded, lives
from test_dicomweb import Web, body, part, with_web
from world import dokuei

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
# Of a file that becomes part of an address: a request's head has 24 KiB, of which encoding makes three for one.
IN_AN_ADDRESS = 6000
# An identifier is read whole, up to its bound (node/src/dicom/dataset/read.rs).
IN_AN_IDENTIFIER = 1 << 20
# PS3.4 table C.4-1, and pending answers with a match.
FIND_ANSWERS = {0x0000, 0xA700, 0xA900, 0xC000, 0xFF00, 0xFF01}
# Carried by the gate; what may stand in their stead is refused or carried as test_bad_input.py says.
CARRIED = {name for name, reason in BY_FILE.items() if reason is None or "A900" in reason}


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = with_web(tmp_path_factory.mktemp("bad-files") / "clinic")
    try:
        web = Web(site.start())
        web.study = Study(count=1)
        assert send(site, web.study.objects) == [0]
        dokuei("dicom", "caller", "add", "ASKER", "--address", "127.0.0.1", "--may", "query", "--dir", site.data)
        yield web
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_bad_file_by_stow(web, path):
    with bounded(web.site):
        answer = web.post(body(part(path.read_bytes())))
    if path.name in CARRIED:
        # One may be of the UID of another, with another content.
        assert answer.status_code in (200, 202, 409), answer.text
    else:
        assert answer.status_code == 400, answer.text
        # Failed SOP Sequence where it says whose UID it has, else Other Failures.
        told = answer.json()
        (failed,) = (told.get("00081198") or told["0008119A"])["Value"]
        assert failed["00081197"]["Value"] == [0xC000]
    lives(web.site)


def test_all_bad_files_on_one_disc(web, tmp_path):
    disc = tmp_path / "disc"
    disc.mkdir()
    for path in FILES:
        (disc / path.name).write_bytes(path.read_bytes())
    ran = dokuei("media", "import", disc, "--dir", web.site.data, "--json")
    receipt = json.loads(ran.stdout)
    skipped = {one["file"]: one["why"]["en"] for one in receipt["skipped"]}
    for name, reason in BY_FILE.items():
        if name not in CARRIED:
            assert reason in skipped[name], (name, skipped.get(name))
    assert receipt["taken"] + len(skipped) == len(FILES)
    lives(web.site)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_bad_file_in_an_address(web, path):
    bytes_of = quote_from_bytes(path.read_bytes()[:IN_AN_ADDRESS], safe="")
    plain = path.read_bytes()[:IN_AN_ADDRESS].translate(None, bytes(range(33)) + b"#?%" + bytes(range(127, 256))).decode()
    place = "/studies/1.2/series/1.3/instances/1.4"
    with bounded(web.site):
        for address in (
            f"/studies?PatientName={bytes_of}",
            f"/studies?{bytes_of}",
            f"/studies?{plain}",
            f"/studies/{bytes_of}",
            f"{place}/frames/{bytes_of}",
            f"{place}/bulkdata/{bytes_of}",
            f"{place}/rendered?viewport={bytes_of}&window={bytes_of[:3000]}",
            f"/d/{bytes_of}/studies",
        ):
            answer = web.get(address, Accept=f"*/*, {plain[:2000]}")
            # A search that is one finds nothing; nothing fails.
            assert answer.status_code in (200, 204, 400, 404, 406, 414, 431), (address[:40], answer.status_code)
    lives(web.site)


def find(site, identifier, syntax):
    """The statuses of a C-FIND whose identifier is these bytes, up to the last; `HungUp` when the node ends it."""
    asker = Modality(site, [(STUDY_ROOT, syntax)], "ASKER")
    short = lambda value: struct.pack("<H", value)
    command = element(0x0002, uid(STUDY_ROOT)) + element(0x0100, short(0x20)) + element(0x0110, short(1))
    command += element(0x0700, short(0)) + element(0x0800, short(1))
    statuses = []
    try:
        asker.message(1, 1, element(0, struct.pack("<I", len(command))) + command)
        asker.message(1, 0, identifier)
        while not statuses or statuses[-1] in (0xFF00, 0xFF01):
            # An answer has its identifier behind it.
            if statuses:
                asker.read()
            statuses.append(asker.status())
        asker.release()
    except (HungUp, ConnectionError):
        statuses.append(HungUp)
    finally:
        asker.socket.close()
    return statuses


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_bad_file_as_an_identifier(web, path):
    raw = path.read_bytes()
    data = raw[meta_group(raw)[1] :] if raw[128:132] == b"DICM" else raw
    level = struct.pack("<HH2sH", 8, 0x52, b"CS", 6) + b"STUDY "
    with bounded(web.site):
        for identifier, syntax in (
            (data[:IN_AN_IDENTIFIER], EXPLICIT_LITTLE),
            (data[:IN_AN_IDENTIFIER], IMPLICIT_LITTLE),
            # With a level, so that its keys are looked at.
            (level + data[:IN_AN_IDENTIFIER], EXPLICIT_LITTLE),
        ):
            statuses = find(web.site, identifier, syntax)
            assert set(statuses) <= FIND_ANSWERS, statuses
    lives(web.site)


def test_the_study_is_still_found(web):
    assert find(web.site, struct.pack("<HH2sH", 8, 0x52, b"CS", 6) + b"STUDY ", EXPLICIT_LITTLE)[-1] == 0
    assert web.get(f"/studies/{web.study.uid}").status_code == 200
