"""What an operator can get wrong: one sentence that says what, and a non-zero exit."""

import re
import socket
import subprocess

from world import DEADLINE, ENVIRONMENT, PROGRAM, Site, dokuei, one_sentence


JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")


def refused(*arguments):
    """The English sentence; the Japanese one says as much."""
    japanese = one_sentence(dokuei("--language", "ja", *arguments, ok=False))
    assert JAPANESE.search(japanese) and japanese.endswith("。"), japanese
    return one_sentence(dokuei(*arguments, ok=False))


def test_a_wrong_passphrase(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-passphrase\n")
    assert "passphrase" in refused("run", site.data, "--passphrase-file", wrong)
    (site.data / "passphrase").unlink()
    assert "--passphrase-file" in refused("run", site.data)
    site.archive.close()


def test_a_configuration_with_an_unknown_key(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    config = site.data / "dokuei.toml"
    text = config.read_text().replace("quiet_seconds", "quite_seconds")
    config.write_text(text)
    line = 1 + next(number for number, line in enumerate(text.splitlines()) if line.startswith("quite_seconds"))
    said = refused("run", site.data)
    assert f"line {line}" in said and "quite_seconds" in said
    config.write_text(text.replace("quite_seconds = 3600", "quiet_seconds = 0"))
    assert "dicom.quiet_seconds" in refused("run", site.data)
    site.archive.close()


def test_a_site_has_one_name(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    site.archive.close()
    init = site.home / "init.toml"
    said = refused("init", tmp_path / "other", "--name", "架空医院", "--config", init)
    assert "架空医院" in said and "架空診療所" in said and not (tmp_path / "other").exists()
    config = site.data / "dokuei.toml"
    config.write_text(config.read_text().replace("架空診療所", "架空医院"))
    said = refused("run", site.data)
    assert "架空医院" in said and "架空診療所" in said and "site.name" in said


def test_a_port_in_use(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    for port in (site.dicom, site.network):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            assert str(port) in refused("run", site.data)
    site.start()
    site.close()


def test_a_second_node_on_one_folder(clinic):
    assert "already running" in refused("run", clinic.data)
    assert clinic.ask("status")["pid"] == clinic.node.pid


def test_init_overwrites_nothing(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    site.archive.close()
    before = {path: path.read_bytes() for path in site.data.rglob("*") if path.is_file()}
    assert "overwritten" in refused("init", site.data, "--name", "B")
    assert {path: path.read_bytes() for path in site.data.rglob("*") if path.is_file()} == before


def test_init_leaves_nothing_half_made(tmp_path):
    place, empty, short, good = (tmp_path / name for name in ("site", "empty", "short", "good"))
    empty.write_text("\n")
    short.write_text("1234567\n")
    good.write_text("12345678\n")
    words = ["init", place, "--name", "架空診療所", "--passphrase-file"]
    assert str(empty) in refused(*words, empty)
    assert "8 characters" in refused(*words, short)
    assert "--name" in refused("init", place, "--name", "") and "--name" in refused("init", place, "--name", "x" * 129)
    assert not place.exists()
    said = dokuei(*words, good).stdout
    assert f"dokuei run {place} --passphrase-file {good}" in said and not (place / "passphrase").exists()


def test_a_demonstration_takes_no_site_for_its_stage(tmp_path):
    site = Site(tmp_path, "架空診療所", "CLINIC")
    site.archive.close()
    for place in (site.data, tmp_path):
        before = sorted(path.name for path in place.iterdir())
        assert "Nothing was changed" in refused("demo", "--dir", place)
        assert sorted(path.name for path in place.iterdir()) == before


def test_no_node_and_no_folder(tmp_path):
    assert "dokuei run" in refused("study", "list", "--dir", tmp_path)
    assert "--dir" in refused("study", "list")
    refused("run", tmp_path / "nowhere")
    refused("report", "verify", tmp_path / "nowhere")


def test_a_command_that_is_none(tmp_path):
    for arguments in (["study", "sned"], ["study", "send"], ["--language", "fr", "status"], ["init", tmp_path / "x"]):
        ran = dokuei(*arguments, ok=False)
        assert ran.returncode == 2 and "--help" in ran.stderr, (ran.returncode, ran.stderr)
    ran = dokuei("--language", "ja", "study", "sned", ok=False)
    assert ran.returncode == 2 and "正しくありません" in ran.stderr.splitlines()[0], ran.stderr
    assert dokuei("--language", "ja", "study", "--help").stderr == ""


def test_what_is_not_there_is_said(clinic):
    assert "study list" in refused("study", "show", "1.2.3", "--dir", clinic.data)
    assert "partner list" in refused("study", "send", "1.2.3", "--to", "nobody", "--dir", clinic.data)
    refused("case", "show", "0123456789", "--dir", clinic.data)
    refused("partner", "accept", "no-code", "--dir", clinic.data)


def test_a_wrong_code_and_a_wrong_reader(sites):
    clinic, hospital = sites
    code = hospital.ask("partner", "invite")["code"]
    place, secret = code.split("/")
    other = secret.translate(str.maketrans("0123456789", "1234567890"))
    refused("partner", "accept", f"{place}/{other}", "--dir", clinic.data)
    wrong = hospital.home / "wrong"
    wrong.write_text("wrong-passphrase\n")
    words = ["--name", "架空 読影", "--passphrase-file", wrong]
    dokuei("person", "add", *words, "--dir", hospital.data, ok=False)


def test_messages_are_japanese_too(tmp_path):
    environment = {**ENVIRONMENT, "DOKUEI_LANG": "ja"}
    ran = subprocess.run(
        [PROGRAM, "study", "list", "--dir", tmp_path], capture_output=True, text=True, timeout=DEADLINE, env=environment
    )
    assert ran.returncode == 1 and "動いていません" in ran.stderr
