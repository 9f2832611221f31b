"""Small things that say they are large: each stops at its stated limit on every door, and others are served meanwhile."""

import contextlib
import io
import json
import struct
import threading
import zipfile
import zlib

import pydicom
import pytest
from modality import object_of, send
from pydicom.encaps import encapsulate
from studies import wire
from test_bad_input import memory_of
from test_dicomweb import Web, body, part, status, with_web
from test_pictures import OBJECTS, PIXELS, kept, picture
from world import DEADLINE, ROOT, dokuei, one_sentence

HOSTILE = ROOT / "node" / "tests" / "data" / "dicom" / "hostile"
INFLATED = HOSTILE / "deflate_bomb_1000MiB_1MB.dcm"
# What a node holds at most, whatever it is sent; and what one bomb may add, in KiB.
MEMORY = 256 * 1024
GROWN = 96 * 1024
OCTETS = "multipart/related; type=application/octet-stream"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = with_web(tmp_path_factory.mktemp("bombs") / "clinic")
    try:
        web = Web(site.start())
        _, web.good = kept(web, OBJECTS / "MR_small_jp2klossless.dcm")
        picture(web.get(f"{web.good}/rendered"))
        yield web
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


@contextlib.contextmanager
def others_are_served(web):
    """Another client is answered all the while, and the node stays within its memory."""
    process, ended, failed = web.site.node.pid, threading.Event(), []

    def ask():
        while not ended.wait(0.05):
            answer = web.get("/studies?limit=1")
            if answer.status_code != 200:
                failed.append(answer)

    with contextlib.suppress(PermissionError), open(f"/proc/{process}/clear_refs", "w") as peak:
        peak.write("5")
    before = memory_of(process, "VmRSS")
    other = threading.Thread(target=ask)
    other.start()
    try:
        yield
    finally:
        ended.set()
        other.join(DEADLINE)
    assert not failed and not other.is_alive()
    peak = memory_of(process, "VmHWM")
    assert peak < MEMORY and peak - before < GROWN, (before, peak)
    picture(web.get(f"{web.good}/rendered"))


def taken_in(site, path):
    """The receipt of an import of which nothing is taken."""
    ran = dokuei("media", "import", path, "--dir", site.data, "--json", ok=False)
    assert "No image could be taken in" in one_sentence(ran)
    receipt = json.loads(ran.stdout)
    assert receipt["taken"] == 0
    return receipt


def skipped(receipt):
    return {one["file"].rsplit("/", 1)[-1].rsplit(":", 1)[-1]: one["why"]["en"] for one in receipt["skipped"]}


def test_a_data_set_that_inflates_to_a_gigabyte(web, tmp_path):
    with others_are_served(web):
        (by_store,) = send(web.site, [object_of(INFLATED)])
        assert by_store == 0xC000
        answer = web.post(body(part(INFLATED.read_bytes())))
        assert answer.status_code == 400
        (failed,) = answer.json()["0008119A"]["Value"]
        assert failed["00081197"]["Value"] == [0xC000]
        assert "inflate-ratio" in skipped(taken_in(web.site, INFLATED))[INFLATED.name]
        # Stored in an archive, so that it is the data set that is packed and not the archive.
        path = tmp_path / "stored.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(INFLATED, "bomb.dcm")
        assert "inflate-ratio" in skipped(taken_in(web.site, path))["bomb.dcm"]


def shared(path, content, names):
    """An archive whose entries all have the same bytes: it is short, and unpacks to as much as there are entries."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(content) + deflate.flush()
    sizes = struct.pack("<III", zlib.crc32(content), len(packed), len(content))
    listed = b""
    for name in names:
        listed += b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes
        listed += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    head = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", 0, 0)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(listed), len(head + packed), 0)
    path.write_bytes(head + packed + listed + end)
    return path


def test_archives_that_unpack_to_more_than_is_taken(web, tmp_path):
    with others_are_served(web):
        # 500 entries of 12 MiB in 30 KB, each of which may be unpacked by itself.
        one = b"\0" * 128 + b"DICM" + bytes(12 << 20)
        path = shared(tmp_path / "shared.zip", one, [b"%d.dcm" % number for number in range(500)])
        assert path.stat().st_size < 64 * 1024
        assert "more than is taken" in skipped(taken_in(web.site, path))["499.dcm"]
        # An archive that says it has more entries than are taken, and one whose list ends far beyond it.
        for entries, length in ((0xFFFE, 0xFFFFFFF0), (3, 1 << 30)):
            path = tmp_path / f"{entries}.zip"
            path.write_bytes(b"PK\3\4" + bytes(26) + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, entries, entries, length, 0, 0))
            assert len(taken_in(web.site, path)["skipped"]) == 1
        nested = io.BytesIO()
        with zipfile.ZipFile(nested, "w") as archive:
            archive.writestr("more.zip", nested.getvalue())
        path = tmp_path / "nested.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner.zip", nested.getvalue())
        assert "inside another" in skipped(taken_in(web.site, path))["inner.zip"]


IMAGES = {
    "rle": OBJECTS / "MR_small_RLE.dcm",
    "jpeg": PIXELS / "JPEG-LL.dcm",
    "jpeg-ls": OBJECTS / "MR_small_jpeg_ls_lossless.dcm",
    "jpeg-2000": OBJECTS / "MR_small_jp2klossless.dcm",
}


@pytest.mark.parametrize("codec", IMAGES)
def test_images_that_say_they_are_absurdly_large(web, codec):
    data, path = kept(web, pydicom.dcmread(IMAGES[codec]), Rows=65535, Columns=65535)
    # By C-STORE, too: it is the same object.
    assert send(web.site, [wire(data)]) == [0]
    with others_are_served(web):
        for what in ("rendered", "thumbnail", "rendered?viewport=64,64"):
            answer = web.get(f"{path}/{what}")
            assert answer.status_code in (406, 409, 413), (what, answer.status_code, answer.text)
        answer = web.get(f"{path}/frames/1", Accept=f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.1")
        assert answer.status_code in (406, 409, 413), answer.text
        # What is carried as it came is given as it came.
        assert web.get(f"{path}/frames/1", Accept=f"{OCTETS}; transfer-syntax=*").status_code == 200


def test_pixels_that_unpack_to_more_than_a_frame(web):
    """Streams that go on after the frame, and headers of streams that say another size than the attributes."""
    rle = pydicom.dcmread(IMAGES["rle"])
    endless = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * (2 << 20)
    rle.PixelData = encapsulate([endless])
    jpeg = pydicom.dcmread(IMAGES["jpeg"])
    (stream,) = pydicom.encaps.generate_frames(jpeg.PixelData, number_of_frames=1)
    at = stream.index(b"\xff\xc3") + 5
    jpeg.PixelData = encapsulate([stream[:at] + b"\xff\xdc\xff\xdc" + stream[at + 4 :]])
    many = pydicom.dcmread(IMAGES["rle"])
    many.NumberOfFrames = 2147483647
    with others_are_served(web):
        for data in (rle, jpeg, many):
            _, path = kept(web, data)
            answer = web.get(f"{path}/rendered")
            assert answer.status_code in (404, 409), (answer.status_code, answer.text)
            answer = web.get(f"{path}/frames/1,2", Accept=f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.1")
            assert answer.status_code in (404, 409), (answer.status_code, answer.text)


def test_a_packed_body_is_not_unpacked(web):
    """A STOW body is taken as it is: there is no compression of the transfer that could be a bomb."""
    packed = zlib.compress(bytes(64 << 20), 9, 31)
    with others_are_served(web):
        answer = web.post(packed, Content_Encoding="gzip")
        assert 400 <= answer.status_code < 500, answer.status_code
    assert status(web.site)["memory_bytes"] < MEMORY * 1024
