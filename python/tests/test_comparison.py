"""Arrays in, a study out: held against numpy, and against what the program itself measures."""

import math

import bitloss
import numpy as np
import pytest

TOKENS = [3, 14, 15, 9, 26]
RNG = np.random.default_rng(5)
BASE = RNG.normal(size=(len(TOKENS), 50)).astype(np.float32) * 3
LANE = BASE + RNG.normal(size=BASE.shape).astype(np.float32) * 0.1


def log_softmax(logits):
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def fill(folder, logits, names=("fp16", "nf4"), units=3, **options):
    with bitloss.Comparison(folder, baseline=names[0], lanes=list(names[1:]), **options) as c:
        for unit in range(units):
            c.add(unit, f"article {unit}", TOKENS, dict(zip(names, logits)))
    return bitloss.Study(folder)


def test_divergence_is_numpys():
    p, q = log_softmax(BASE), log_softmax(LANE)
    rows = bitloss.divergence(BASE, LANE, [1] * len(TOKENS))
    np.testing.assert_allclose(rows.kl, (np.exp(p) * (p - q)).sum(axis=-1), atol=1e-12)
    np.testing.assert_allclose(rows.kl_reverse, (np.exp(q) * (q - p)).sum(axis=-1), atol=1e-12)
    np.testing.assert_allclose(rows.nll_lane, -q[:, 1], atol=1e-12)
    np.testing.assert_allclose(rows.entropy, -(np.exp(p) * p).sum(axis=-1), atol=1e-12)
    assert rows.top1_agrees.tolist() == (p.argmax(-1) == q.argmax(-1)).tolist()
    assert len(bitloss.divergence(BASE, LANE).nll) == 0


def test_mean_has_its_interval():
    values = [0.1, 0.3, 0.2, 0.25, 0.15, 0.4, 0.2, 0.3]
    mean = bitloss.mean(values, [0, 0, 1, 1, 2, 3, 4, 5], range="positive")
    assert mean.value == pytest.approx(np.mean(values), abs=1e-15)
    assert 0 < mean.low < mean.value < mean.high
    assert bitloss.mean([0.1, 0.2], [0, 1]).low is None


def test_a_study_is_filled_and_reported(tmp_path):
    study = fill(tmp_path / "study", (BASE, LANE), bits_per_weight={"nf4": 4.5}, weight_bytes={"nf4": 10**6})
    assert study.lanes == ["fp16", "nf4"]
    kl = bitloss.divergence(BASE[:-1], LANE[:-1]).kl.mean()
    baseline, lane = study.rows()
    assert lane["kl"] == pytest.approx(kl, abs=1e-12)
    nll = -log_softmax(LANE)[np.arange(4), TOKENS[1:]].mean()
    assert lane["perplexity"] == pytest.approx(math.exp(nll), rel=1e-12)
    assert (lane["bits_per_weight"], lane["megabytes"]) == (4.5, 1.0)
    assert baseline["megabytes"] is None
    assert "<table>" in study._repr_html_() and "nf4" in study.html()


@pytest.mark.parametrize("shape", ["batch", "short", "float16", "float64", "columns", "list"])
def test_arrays_of_every_kind(tmp_path, shape):
    arrays = {"batch": lambda a: a[None], "short": lambda a: a[:-1], "float16": lambda a: a.astype(np.float16),
              "float64": lambda a: a.astype(np.float64), "columns": np.asfortranarray, "list": lambda a: a.tolist()}
    study = fill(tmp_path / "study", [arrays[shape](a) for a in (BASE, LANE)])
    expected = bitloss.divergence(BASE[:-1], LANE[:-1]).kl.mean()
    assert study.rows()[1]["kl"] == pytest.approx(expected, rel=0.05 if shape == "float16" else 1e-12)


def test_tiles_and_contexts(tmp_path):
    with bitloss.Comparison(tmp_path / "study", baseline="a", lanes=["b"]) as c:
        with c.unit(0, 0, TOKENS, first_scored=2) as unit:
            unit.add(2, {"a": BASE[2:], "b": LANE[2:]})
            unit.add(0, {"a": BASE[:2], "b": LANE[:2]})
        assert c.done(0) and not c.done(1)
        with pytest.raises(bitloss.BadInput, match="2 of 4 rows"), c.unit(1, 0, TOKENS) as unit:
            unit.add(0, {"a": BASE[:2], "b": LANE[:2]})
        assert not c.done(1)
    kl = bitloss.divergence(BASE[1:-1], LANE[1:-1]).kl.mean()
    assert bitloss.Study(tmp_path / "study").rows()[1]["kl"] == pytest.approx(kl, abs=1e-12)


def test_it_goes_on(tmp_path):
    for units in (1, 3):
        study = fill(tmp_path / "study", (BASE, LANE), units=units)
    assert study.report()["lanes"][1]["protocols"][0]["sequences"] == 3


def test_bad_input_is_one_line(tmp_path):
    nan = LANE.copy()
    nan[2, 7] = np.nan
    with bitloss.Comparison(tmp_path / "study", baseline="a", lanes=["b"]) as c:
        def refusal(tokens, **lanes):
            with pytest.raises(bitloss.BadInput) as caught:
                c.add(0, 0, tokens, lanes)
            assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)
            return str(caught.value)

        assert "lane 'b', row 2" in refusal(TOKENS, a=BASE, b=nan)
        assert "'b' has 3 x 50 logits" in refusal(TOKENS, a=BASE, b=LANE[:3])
        assert "no logits of lane 'b'" in refusal(TOKENS, a=BASE)
        assert "which is not a lane" in refusal(TOKENS, a=BASE, b=LANE, c=LANE)
        assert "beyond 50 logits" in refusal([1, 2, 3, 4, 50], a=BASE, b=LANE)
        assert "float32" in refusal(TOKENS, a=BASE.astype(int), b=LANE)
        assert "integers" in refusal([0.5, 1.5], a=BASE, b=LANE)
        c.add(0, 0, TOKENS, {"a": BASE, "b": LANE})
        with pytest.raises(bitloss.BadInput, match="other tokens"):
            c.add(0, 0, TOKENS[::-1], {"a": BASE, "b": LANE})
    with pytest.raises(bitloss.BadInput, match="closed"):
        c.done(0)
    with pytest.raises(bitloss.BadInput, match="lane 1"):
        bitloss.Comparison(tmp_path / "study", baseline="a", lanes=["c"])


def test_a_lane_that_is_the_baseline_is_refused(tmp_path):
    with pytest.raises(bitloss.BadInput, match="did not engage"):
        fill(tmp_path / "study", (BASE, BASE))


def test_ctrl_c_keeps_whole_units(tmp_path):
    import os
    import signal
    import threading

    rows = np.zeros((400, 50_000), np.float32)
    other = rows + np.arange(50_000, dtype=np.float32) / 1e5
    with pytest.raises(KeyboardInterrupt), \
            bitloss.Comparison(tmp_path / "study", baseline="a", lanes=["b"], threads=1) as c:
        c.add(0, 0, TOKENS, {"a": rows[:5], "b": other[:5]})
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        for unit in range(1, 1000):
            c.unit(unit, 0, [1] * 401).add(0, {"a": rows, "b": other})
    with bitloss.Comparison(tmp_path / "study", baseline="a", lanes=["b"]) as c:
        assert c.done(0) and not c.done(1)
