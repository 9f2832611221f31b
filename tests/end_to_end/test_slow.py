"""Clients that say nothing, or a byte a second: whoever speaks is served, and they are cut at the stated limits."""

import contextlib
import resource
import socket
import threading
import time

import pytest
from modality import send
from pynetdicom import AE
from studies import Study
from test_bad_input import is_cut, memory_of
from test_dicomweb import Web, with_web
from world import DEADLINE, until

COUNT = 500
MEMORY = 256 * 1024
# Stated in node/src/dicomweb/limits.rs (HEAD_TIME) and node/src/dicom/scp/config.rs (negotiation).
LIMIT = 15
REQUEST = b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 1000


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    # This test's own sockets.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * COUNT), hard))
    site = with_web(tmp_path_factory.mktemp("slow") / "clinic")
    try:
        yield Web(site.start())
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def connections(port, addresses, first=b""):
    """Connections from so many other addresses."""
    opened = []
    try:
        for number in range(COUNT):
            source = (f"127.0.0.{2 + number % addresses}", 0)
            opened.append(socket.create_connection(("127.0.0.1", port), DEADLINE, source))
            if first:
                opened[-1].sendall(first)
        for one in opened:
            one.setblocking(False)
        yield opened
    finally:
        for one in opened:
            one.close()


@contextlib.contextmanager
def a_byte_a_second(opened):
    """What they send, for as long as they are not cut."""
    ended = threading.Event()

    def send_slowly():
        for byte in REQUEST[20:]:
            for one in opened:
                with contextlib.suppress(OSError):
                    one.send(bytes([byte]))
            if ended.wait(1):
                return

    sender = threading.Thread(target=send_slowly)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join(DEADLINE)


def cut(opened):
    return sum(is_cut(one) for one in opened)


def test_five_hundred_slow_requests_and_as_many_silent_associations(web):
    site, study = web.site, Study(count=2)
    begun = time.monotonic()
    # More associations than there are places, from so many addresses that no bound of one address applies.
    silent = connections(site.dicom, 100)
    with connections(web.port, 2, REQUEST[:20]) as requests, silent as associations, a_byte_a_second(requests):
        # Others are served at once, by both doors.
        asked = time.monotonic()
        assert web.get("/studies").status_code == 200
        entity = AE("OTHER")
        entity.add_requested_context("1.2.840.10008.1.1")

        def associated():
            association = entity.associate("127.0.0.1", site.dicom, ae_title=site.title)
            return association if association.is_established else None

        # Silent connections are left alone for a quarter of a second; whoever comes within it after a crowd is told to
        # come again.
        association = until("an association", associated, 10)
        assert association.send_c_echo().Status == 0
        association.release()
        assert send(site, study.objects) == [0, 0]
        served = time.monotonic() - asked
        waiting = time.monotonic() - begun
        # They were all there meanwhile, as far as they got in.
        assert waiting > LIMIT or cut(requests) == 0, (served, waiting)
        assert memory_of(site.node.pid, "VmHWM") < MEMORY
        until("every slow request is cut", lambda: cut(requests) == COUNT)
        until("every silent association is cut", lambda: cut(associations) == COUNT)
    assert web.get(f"/studies/{study.uid}").status_code == 200
    assert site.study(study.uid)["objects"] == 2
