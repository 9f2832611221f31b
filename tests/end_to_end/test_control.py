"""How the command line reaches a node: a socket in the data folder, for its owner only, within bounds."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

import pytest
from world import Site, control, dokuei, one_sentence

MEMORY = 256 * 1024 * 1024
# A user who is not the one these tests run as.
OTHER = 65534

# Run as root, then somebody else's: the folder is entered before, as its owner could let them.
CALLS = """
import os, socket
os.setgroups([]); os.setgid({0}); os.setuid({0})
caller = socket.socket(socket.AF_UNIX)
caller.connect("control.sock")
try:
    caller.sendall(b'{{"do":"status"}}\\n')
except BrokenPipeError:
    pass  # Refused before anything was read.
print(caller.makefile().readline())
""".format(OTHER)
LISTENS = """
import os, socket
os.setgroups([]); os.setgid({0}); os.setuid({0})
listener = socket.socket(socket.AF_UNIX)
listener.bind("control.sock")
listener.listen()
print("listens", flush=True)
caller, _ = listener.accept()
print("heard", caller.recv(1), flush=True)
""".format(OTHER)


def peak(node):
    """The most memory the node had so far."""
    with open(f"/proc/{node.node.pid}/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_deep_folder(tmp_path):
    site = Site(tmp_path / ("d" * 120) / ("e" * 60), "架空診療所", "CLINIC")
    assert len(str(site.data)) > 180
    site.start()
    try:
        assert site.ask("status")["pid"] == site.node.pid
    finally:
        site.close()
    assert not (site.data / "control.sock").exists()


def test_the_socket_of_a_killed_node(clinic):
    place = clinic.data / "control.sock"
    assert place.stat().st_mode & 0o777 == 0o600
    assert clinic.data.stat().st_mode & 0o777 == 0o700
    clinic.kill()
    assert place.exists()
    assert "No node is running" in one_sentence(dokuei("status", clinic.data, ok=False))
    clinic.start()
    assert clinic.ask("status")["pid"] == clinic.node.pid


def test_a_folder_that_was_copied_back_is_closed_to_others(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    site.data.chmod(0o755)
    site.start()
    site.close()
    assert site.data.stat().st_mode & 0o777 == 0o700


def test_a_second_node_is_refused_even_without_the_lock(clinic):
    (clinic.data / "lock").unlink()
    assert "already running" in one_sentence(dokuei("run", clinic.data, ok=False))
    assert clinic.ask("status")["pid"] == clinic.node.pid


def test_silent_callers_give_way(clinic):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(control(clinic)) for _ in range(40)]
        silent[0].sendall(b'{"do":')
        # The command line has patience; those who say nothing are told and cut.
        assert clinic.ask("status")["pid"] == clinic.node.pid
        assert json.loads(silent[0].makefile().readline())["failed"]["code"] == "request-too-slow"


def test_endless_callers_cost_a_bounded_memory(clinic):
    answers = []

    def endless(size):
        with control(clinic) as caller:
            try:
                for _ in range(size):
                    caller.sendall(b"x" * 65536)
                caller.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answers.append(json.loads(caller.makefile().readline())["failed"]["code"])

    callers = [threading.Thread(target=endless, args=(1000 if number < 3 else 100,)) for number in range(30)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(set(answers)) == ["bad-request", "request-too-long"] and len(answers) == 30, answers
    assert peak(clinic) < MEMORY, peak(clinic)
    assert clinic.ask("status")["pid"] == clinic.node.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_no_caller(clinic):
    clinic.data.chmod(0o755)
    (clinic.data / "control.sock").chmod(0o666)
    ran = subprocess.run([sys.executable, "-c", CALLS], cwd=clinic.data, capture_output=True, text=True)
    assert json.loads(ran.stdout)["failed"]["code"] == "not-permitted", ran


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_program_hears_nothing(tmp_path):
    tmp_path.chmod(0o777)
    impostor = subprocess.Popen([sys.executable, "-c", LISTENS], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert impostor.stdout.readline() == "listens\n"
        secret = tmp_path / "passphrase"
        secret.write_text("a-passphrase-of-tests\n")
        words = ["--name", "架空 読影", "--passphrase-file", secret]
        refusal = one_sentence(dokuei("person", "add", *words, "--dir", tmp_path, ok=False))
        assert str(OTHER) in refusal and "Nothing was sent" in refusal
        assert impostor.stdout.readline() == "heard b''\n"
    finally:
        impostor.kill()
        impostor.wait()
