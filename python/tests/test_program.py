"""The commands, and what they raise."""

import bitloss
import pytest
from bitloss import _program


def test_run_gives_a_study(tmp_path):
    study = bitloss.run(schemes=["int8"], out=tmp_path / "study", max_samples=4, suite="none")
    assert study.lanes[1] == "int8"
    assert study.rows()[1]["kl"] > 0
    assert "int8" in repr(study)


def test_errors_are_the_programs_line(tmp_path):
    with pytest.raises(bitloss.Unsupported, match="'nf5'") as caught:
        bitloss.run(schemes="nf5", out=tmp_path / "study")
    assert "\n" not in str(caught.value)
    with pytest.raises(bitloss.NotFound):
        bitloss.score(tmp_path / "nothing", [[1, 2]])
    with pytest.raises(bitloss.NotFound, match="no study"):
        bitloss.Study(tmp_path)


def test_score_and_quantize(tmp_path):
    model = _program.path().parent.parent / "share/bitloss/models/bitloss-tiny"
    native = bitloss.score(model, [[1, 2, 3, 4]])
    assert native[0]["tokens"] == 4 and len(native[0]["nll"]) == 3
    written = bitloss.quantize(model, "nf4", tmp_path / "nf4")
    as_lane = bitloss.score(model, [[1, 2, 3, 4]], scheme="nf4")
    assert bitloss.score(written, [[1, 2, 3, 4]])[0]["nll"] == as_lane[0]["nll"]


def test_flags():
    assert _program.flags({"max_samples": 8, "offline": True, "text": None, "schemes": ["int8", "nf4"]}) == [
        "--max-samples", "8", "--offline", "--schemes", "int8,nf4"]
