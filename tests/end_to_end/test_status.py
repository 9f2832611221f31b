"""What a person sees in the morning: first what needs them, then why the oldest thing waits."""

import os
import subprocess

from modality import send
from studies import Study
from world import DEADLINE, ENVIRONMENT, PROGRAM, dokuei, hand_over, until


def attention(site):
    return [said["en"] for said in site.ask("status")["attention"]]


def test_what_needs_somebody_comes_first(sites):
    clinic, hospital = sites
    until("nothing to do", lambda: attention(clinic) == attention(hospital) == [])
    assert "Nothing needs attention" in dokuei("status", clinic.data).stdout
    status = clinic.ask("status")
    assert status["version"] and status["started"] > 0
    assert status["oldest_waiting"] is None and status["partners"][0]["since"] >= status["started"]

    study = Study(count=2, name="MORNING^LOOK")
    assert send(clinic, study.objects) == [0] * 2
    assert clinic.ask("status")["studies"]["arriving"] == 1
    hospital.archive.close()
    case = hand_over(clinic, hospital, study.uid)
    clinic.reach(case, "received")
    until("the archive is named", lambda: any("archive" in said for said in attention(hospital)))
    oldest = hospital.ask("status")["oldest_waiting"]
    assert oldest["case"] == case and oldest["partner"] == clinic.name and oldest["due"]
    hospital.archive.open()
    until("it is to be read", lambda: any("read here" in said for said in attention(hospital)))
    shown = dokuei("status", hospital.data).stdout
    assert case[:8] in shown and "promised by" in shown and shown.index("read here") < shown.index("waits longest")

    clinic.stop()
    until("the clinic is missed", lambda: any(clinic.name in said for said in attention(hospital)))
    environment = {**ENVIRONMENT, "DOKUEI_LANG": "ja"}
    ran = subprocess.run([PROGRAM, "status", hospital.data], capture_output=True, text=True, timeout=DEADLINE, env=environment)
    assert "要確認" in ran.stdout and "接続していません" in ran.stdout and "読影待ち" in ran.stdout
    assert "MORNING" not in shown + ran.stdout


def test_a_reader_that_has_enough_is_no_failure(sites):
    clinic, _ = sites
    # A pipe that nobody reads any more, as `| head` leaves it.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        ran = subprocess.run([PROGRAM, "status", clinic.data], stdout=out, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "")
