"""The emulated line as the tests use it. Its own tests are in line/tests."""

import socket
import subprocess
import threading

import pytest
from line import Lab, needs_a_line
from world import DEADLINE, until

PORT = 4100
SITES = "clinic,hospital,second"


@pytest.fixture(scope="module")
def lab():
    needs_a_line()
    with Lab("--sites", SITES, "--rate", "20mbit", "--delay", "5ms") as lab:
        yield lab


def listening(lab, site):
    with lab.inside(site):
        return socket.create_server(("", PORT))


def told(lab, site, to):
    """What a program of a site hears from another one."""
    program = f"import socket; print(socket.create_connection(({to!r}, {PORT}), {DEADLINE}).recv(9).decode())"
    ran = subprocess.run(lab.at(site, "python3", "-c", program), capture_output=True, text=True, timeout=DEADLINE)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def say(server, word):
    def answer():
        with server.accept()[0] as one:
            one.sendall(word)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_sockets_of_one_process_are_at_several_sites(lab):
    with listening(lab, "hospital") as hospital, listening(lab, "second") as second:
        for server, site in ((hospital, "hospital"), (second, "second")):
            answering = say(server, site.encode())
            assert told(lab, "clinic", lab.address(site)) == site
            answering.join(DEADLINE)
        answering = say(second, b"between")
        with lab.inside("hospital"):
            caller = socket.create_connection((lab.address("second"), PORT), DEADLINE)
        with caller:
            assert caller.recv(9) == b"between"
        answering.join(DEADLINE)


def test_udp_can_be_blocked_while_it_is_used(lab):
    with lab.inside("hospital"):
        hospital = socket.socket(type=socket.SOCK_DGRAM)
    with lab.inside("clinic"):
        clinic = socket.socket(type=socket.SOCK_DGRAM)
    with hospital, clinic:
        hospital.bind(("", PORT))
        hospital.settimeout(DEADLINE)
        lab.tell("udp off")
        clinic.sendto(b"blocked", (lab.address("hospital"), PORT))
        until("one is dropped", lambda: lab.report()["sites"]["clinic"]["up"]["dropped"]["udp"]["packets"] == 1)
        lab.tell("udp on")
        clinic.sendto(b"let in", (lab.address("hospital"), PORT))
        assert hospital.recv(9) == b"let in"
