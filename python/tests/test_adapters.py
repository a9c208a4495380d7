"""Real frameworks on the CPU, beside the program."""

import bitloss
import numpy as np
import pytest
from bitloss import _program

TINY = _program.path().parent.parent / "share/bitloss/models/bitloss-tiny"
TEXTS = (TINY / "eval.txt").read_text().split("\n\n")[:3]


def test_transformers_gives_what_the_program_measures(tmp_path):
    """The nf4 lane by both: the weights are the program's own, so only sums in another order differ."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    safetensors = pytest.importorskip("safetensors.torch")
    from bitloss.adapters.transformers import compare

    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    models = {name: transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32) for name in "ab"}
    _decode_nf4(models["b"], bitloss.quantize(TINY, "nf4", tmp_path / "nf4", layout="bitsandbytes-4bit"), safetensors)
    study = compare(tmp_path / "study", ("fp16", models["a"]), {"nf4": models["b"]}, tokenizer, TEXTS, max_tokens=64)
    measured = study.rows()[1]

    pieces = [ids[i:i + 64] for ids in (tokenizer(t, add_special_tokens=False)["input_ids"] for t in TEXTS)
              for i in range(0, len(ids), 64)]
    pieces = [piece for piece in pieces if len(piece) > 1]
    ours = [np.concatenate([s["nll"] for s in bitloss.score(TINY, pieces, scheme=scheme)]) for scheme in ("fp16", "nf4")]
    assert measured["perplexity"] == pytest.approx(np.exp(ours[1].mean()), rel=1e-5)
    assert study.rows()[0]["perplexity"] == pytest.approx(np.exp(ours[0].mean()), rel=1e-5)
    assert measured["kl"] > 1e-4


def test_an_interrupted_comparison_goes_on(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from bitloss.adapters.transformers import compare

    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    base = transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    lane = transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    with torch.no_grad():
        for parameter in lane.parameters():
            parameter.mul_(1.01)

    def stop(done, total, name):
        if done >= total / 2:
            raise KeyboardInterrupt

    arguments = (tmp_path / "study", ("fp32", base), {"louder": lane}, tokenizer, TEXTS)
    with pytest.raises(KeyboardInterrupt):
        compare(*arguments, max_tokens=32, progress=stop)
    first = bitloss.Study(tmp_path / "study").report()["lanes"][1]["protocols"][0]["sequences"]
    whole = compare(*arguments, max_tokens=32).report()["lanes"][1]["protocols"][0]["sequences"]
    assert 0 < first < whole


def _decode_nf4(model, folder, safetensors):
    """Puts the decoded weights of a bitsandbytes checkpoint into a model, by the definition of NF4."""
    import torch

    levels = None
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(safetensors.load_file(file))
    for name, parameter in model.named_parameters():
        if f"{name}.absmax" not in tensors:
            continue
        levels = tensors[f"{name}.quant_map"].float()
        packed = tensors[name].flatten().to(torch.int64)
        codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()
        scales = tensors[f"{name}.absmax"].float().repeat_interleave(64)
        with torch.no_grad():
            parameter.copy_((levels[codes] * scales).reshape(parameter.shape))
    assert levels is not None
