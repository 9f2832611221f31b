"""Text that devices got wrong: shown raw, with a mark, and never changed."""

import json

from studies import NAMES, Study
from world import dokuei


def test_what_cannot_be_decoded_is_shown_raw_and_marked(clinic, tmp_path):
    broken = Study(count=1, name=b"Caf\xe9^X", charset="ISO_IR 6", AccessionNumber="7")
    charset, name = NAMES["ISO 2022 IR 87"]
    whole = Study(count=1, name=name, charset=charset)
    clinic.ask("study", "import", broken.write(tmp_path / "broken"))
    clinic.ask("study", "import", whole.write(tmp_path / "whole"))
    assert clinic.study(whole.uid)["inexact"] == []
    listed = clinic.study(broken.uid)
    assert listed["inexact"] == ["patient_name"] and listed["patient_name"] == "Caf\\xE9 X"
    for words in (("study", "list"), ("study", "show", broken.uid)):
        said = dokuei(*words, "--dir", clinic.data).stdout
        assert "Caf\\xE9 X ※" in said and "could not be decoded" in said
    said = dokuei("study", "show", whole.uid, "--dir", clinic.data).stdout
    assert "山田 太郎" in said and "※" not in said
    assert json.dumps(clinic.study(broken.uid), ensure_ascii=False).count("※") == 0
