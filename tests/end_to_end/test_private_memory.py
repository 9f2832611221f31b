"""Nobody of the node's own user looks into its memory: it holds keys, and images in clear."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_dicomweb import Web, with_web
from test_pictures import OBJECTS, decoders_of, kept, picture
from world import ENVIRONMENT, PROGRAM, until

# Run as the node's user; prints what could be opened: of a process of this user that is like any other, and of the node's.
LOOKS = """
import os, subprocess, sys
user = int(sys.argv[1])
if os.getuid() != user:
    os.setgroups([]); os.setgid(user); os.setuid(user)
other = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
# Until it has become "cat" it is hidden as the process is that changed its user.
other.stdin.write(b"\\n"); other.stdin.flush(); other.stdout.readline()
for process in (*sys.argv[2:], other.pid):
    for name in ("mem", "environ", "maps", "fd"):
        path = f"/proc/{process}/{name}"
        try:
            os.listdir(path) if name == "fd" else open(path, "rb").close()
        except OSError:
            continue
        print("other" if process == other.pid else process, name)
"""
# The node runs as a user without rights where these tests run as root, who looks into everything.
USER = os.getuid() or 65534


@pytest.fixture
def web():
    home = Path(tempfile.mkdtemp())
    site = with_web(home / "clinic")
    # Where this user may go, whatever folder the program was built in.
    program = shutil.copy(PROGRAM, home / "dokuei")
    as_user = {} if os.getuid() else {"user": USER, "group": USER, "extra_groups": []}
    if as_user:
        for path in (home, *home.rglob("*")):
            os.chown(path, USER, USER)
    command = [program, "run", site.data, "--stop-with-stdin"]
    try:
        with open(site.log, "ab") as log:
            site.node = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=ENVIRONMENT, cwd=home, **as_user
            )
        until("the node answers", site.is_up)
        yield Web(site)
    finally:
        site.close()
        shutil.rmtree(home)


def limit(process, name):
    with open(f"/proc/{process}/limits") as lines:
        (line,) = [line for line in lines if line.startswith(name)]
    return line[len(name) :].split()[:2]


def test_a_process_of_the_same_user_sees_nothing(web):
    _, path = kept(web, OBJECTS / "MR_small_jp2klossless.dcm")
    picture(web.get(f"{path}/rendered"))
    processes = [web.site.node.pid, *decoders_of(web.site)]
    assert len(processes) > 1
    for process in processes:
        assert os.stat(f"/proc/{process}/environ").st_uid == 0
        assert limit(process, "Max core file size") == ["0", "0"]
    looked = [sys.executable, "-c", LOOKS, *map(str, (USER, *processes))]
    ran = subprocess.run(looked, capture_output=True, text=True, timeout=60)
    # What is like any other can be looked into: the test is able to see.
    assert ran.stdout.splitlines() == [f"other {name}" for name in ("mem", "environ", "maps", "fd")], ran
