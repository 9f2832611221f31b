"""What a revocation says: it cannot be taken back, so nothing may be left to guess."""

import os
import pty
import subprocess

from world import DEADLINE, ENVIRONMENT, PROGRAM, dokuei, one_sentence

SHEET = "RECOVERY-print-and-remove.txt"
# A public key of nobody here (RFC 8032, 7.1, test 1).
KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def words(site, what, *more):
    return ["revoke", what, "--code-file", site.data / SHEET, "--dir", site.data, *more]


def notices(site):
    folder = site.data / "notices"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_bare_file_name_lies_in_the_present_folder(clinic, tmp_path):
    said = dokuei(*words(clinic, "node", "--yes", "--save", "n2"), cwd=tmp_path).stdout
    assert "is revoked" in said and clinic.name in said and "n2" in said
    (kept,) = notices(clinic)
    saved = tmp_path / "n2"
    assert saved.read_bytes() == kept.read_bytes() and saved.stat().st_mode & 0o777 == 0o600
    assert clinic.ask("status")["halted"]["code"] == "node-revoked"


def test_nothing_is_revoked_when_the_copy_cannot_be_made(clinic, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    refused = one_sentence(dokuei(*words(clinic, "node", "--yes", "--save", taken), ok=False))
    assert "exists already" in refused and taken.read_text() == "mine"
    one_sentence(dokuei(*words(clinic, "node", "--yes", "--save", tmp_path / "none" / "n2"), ok=False))
    assert not notices(clinic) and clinic.ask("status")["halted"] is None


def test_a_key_was_not_lost_before_it_was_made(clinic):
    refused = one_sentence(dokuei(*words(clinic, "site-key", "--yes", "--days-ago", "30"), ok=False))
    assert "Nothing was done" in refused and not notices(clinic)
    ran = dokuei(*words(clinic, "site-key", "--yes", "--days-ago", "20000"), ok=False)
    assert ran.returncode == 2 and "3650" in ran.stderr


def answered(arguments, answer):
    """Runs a command on a terminal of its own and answers its question."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        ran = subprocess.run(
            [PROGRAM, *map(str, arguments)], stdin=theirs, capture_output=True, text=True, timeout=DEADLINE, env=ENVIRONMENT
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return ran


def test_who_revokes_is_asked_first(clinic):
    assert "--yes" in one_sentence(dokuei(*words(clinic, "node"), stdin=subprocess.DEVNULL, ok=False))
    refused = answered(words(clinic, "node"), "no\n")
    assert refused.returncode == 1 and "no way back" in refused.stderr and "nothing was done" in refused.stderr
    assert not notices(clinic)
    done = answered(words(clinic, "node"), "yes\n")
    assert done.returncode == 0 and "is revoked" in done.stdout, (done.stdout, done.stderr)
    assert len(notices(clinic)) == 1


def test_without_a_data_folder_nobody_is_said_to_be_told(clinic, tmp_path):
    status = clinic.ask("status")
    saved = tmp_path / "lost.notice"
    arguments = ["revoke", "key", KEY, "--code-file", clinic.data / SHEET, "--yes"]
    assert "--save" in one_sentence(dokuei(*arguments, ok=False))
    said = dokuei(*arguments, "--save", saved).stdout
    assert "No partner has been told" in said and "reaches" not in said, said
    assert status["site"] in said and clinic.name in said and "unless the key is that site's" in said
    assert saved.exists()


def test_another_users_data_folder_is_not_taken_for_none(clinic):
    if os.geteuid() == 0:
        arguments = {"user": 65534, "group": 65534, "extra_groups": []}
    else:
        clinic.data.chmod(0)
        arguments = {}
    try:
        for command in (["run", clinic.data], ["renew", clinic.data], words(clinic, "node", "--yes")):
            said = one_sentence(dokuei(*command, ok=False, **arguments))
            assert "denied" in said and "own user" in said and "init" not in said, said
    finally:
        clinic.data.chmod(0o700)
