"""Broken and hostile files and bytes: each is refused or carried as it is, and the node lives on."""

import re
import socket

import pytest
from modality import HungUp, object_of, send
from studies import Study
from world import ROOT, control, dokuei

DATA = ROOT / "node" / "tests" / "data" / "dicom"
FILES = sorted(path for folder in ("hostile", "broken") for path in (DATA / folder).iterdir() if path.name != "NOTICE")
# Failures that PS3.4 section B.2.3 gives C-STORE, and success.
ANSWERS = {0x0000} | {*range(0xA700, 0xA800)} | {*range(0xA900, 0xAA00)} | {*range(0xC000, 0xD000)} | {0x0106, 0x0110, 0x0117, 0x0122}
MEMORY = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def node(loop):
    return loop[0]


def lives(node):
    status = node.ask("status")
    assert status["memory_bytes"] < MEMORY, status["memory_bytes"]
    assert isinstance(node.ask("study", "list"), list)
    # What a peer sent names no file: names are digests and slot numbers.
    for path in (node.data / "parcels").rglob("*"):
        assert re.fullmatch(r"[0-9a-f]+(\.[a-z]+)?", path.name), path
    assert not list(node.home.parent.glob("**/evil*"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_a_bad_file_by_c_store(node, path):
    (status,) = send(node, [object_of(path)])
    assert status in ANSWERS or status in (None, HungUp), status
    lives(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_a_bad_file_from_a_folder(node, path):
    ran = dokuei("study", "import", path, "--dir", node.data, "--json", ok=False)
    assert ran.returncode in (0, 1), ran
    assert "panicked" not in ran.stderr
    if ran.returncode == 0:
        imported = node.ask("study", "import", path)
        assert imported["taken"] + len(imported["skipped"]) == 1, imported
        for skipped in imported["skipped"]:
            assert skipped["why"]["ja"] and skipped["why"]["en"]
    lives(node)


@pytest.mark.parametrize("path", sorted((DATA / "pdu").glob("*.bin")), ids=lambda path: path.name)
@pytest.mark.timeout(120)
def test_bad_bytes_on_the_dicom_port(node, path):
    with socket.create_connection(("127.0.0.1", node.dicom), 60) as peer:
        peer.sendall(path.read_bytes())
        peer.shutdown(socket.SHUT_WR)
        try:
            while peer.recv(4096):
                pass
        except OSError:
            pass
    lives(node)


@pytest.mark.parametrize("place", ["network", "control"])
def test_noise_elsewhere(node, place):
    reach = {"network": lambda: socket.create_connection(("127.0.0.1", node.network), 60), "control": lambda: control(node)}
    for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 64, b'{"token":"wrong","request":"status"}\n'):
        with reach[place]() as peer:
            try:
                peer.sendall(noise)
                peer.shutdown(socket.SHUT_WR)
                while answer := peer.recv(4096):
                    assert b'"done"' not in answer.lower()
            except OSError:
                pass
    lives(node)


def test_good_objects_are_taken_after_all_that(node):
    study = Study(name="AFTER^ALL")
    assert send(node, study.objects) == [0] * 3
    assert node.study(study.uid)["objects"] == 3
