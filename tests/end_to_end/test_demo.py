"""What a stranger runs first."""

import json
import os
import signal
import subprocess

from pydicom import dcmread
from world import DEADLINE, ENVIRONMENT, PROGRAM, dokuei, until


def test_the_demonstration_ends_well_and_leaves_nothing(tmp_path):
    before = {entry for entry in os.listdir("/tmp") if entry.startswith("dokuei-demo-")}
    ran = dokuei("demo")
    assert "verified offline" in ran.stdout.lower()
    left = {entry for entry in os.listdir("/tmp") if entry.startswith("dokuei-demo-")} - before
    assert not left


def test_the_held_demonstration_says_what_other_programs_need(tmp_path):
    state = tmp_path / "state.json"
    demo = subprocess.Popen(
        [PROGRAM, "demo", "--hold", "--dir", tmp_path / "sites", "--state", state, "--peer", "VIEWER=127.0.0.1:4242"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        until("the state file", lambda: state.exists() or demo.poll() is not None)
        sites = json.loads(state.read_text())["sites"]
        assert [site["role"] for site in sites] == ["clinic", "hospital"]
        for site in sites:
            assert {"name", "pid", "data", "pacs", "dimse", "control", "study_uid"} <= site.keys()
            assert site["dimse"].keys() >= {"host", "port", "ae_title"}
            os.kill(site["pid"], 0)
            assert os.path.samefile(site["control"], os.path.join(site["data"], "control.sock"))
            status = json.loads(dokuei("status", site["data"], "--json").stdout)
            assert status["pid"] == site["pid"] and status["dicom"]["port"] == site["dimse"]["port"]
        clinic = ["--dir", sites[0]["data"], "--json"]
        callers = json.loads(dokuei("dicom", "caller", "list", *clinic).stdout)["callers"]
        assert {one["ae_title"]: one["may"] for one in callers}["VIEWER"] == ["store", "query"]
        (viewer,) = json.loads(dokuei("dicom", "destination", "list", *clinic).stdout)
        assert (viewer["ae_title"], viewer["host"], viewer["port"]) == ("VIEWER", "127.0.0.1", 4242)
        kept = {site["role"]: sorted(os.listdir(site["pacs"])) for site in sites}
        assert len(kept["hospital"]) == 3
        reports = [os.path.join(sites[0]["pacs"], name) for name in kept["clinic"]]
        for report in reports:
            assert dcmread(report).StudyInstanceUID == sites[0]["study_uid"]
            dokuei("report", "verify", report)
        assert len(reports) == 2
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(DEADLINE) == 0
    for site in sites:
        assert not os.path.exists(f"/proc/{site['pid']}")
