"""GGUF files through llama-cpp-python: llama.cpp's own kernels, beside each other.

    from bitloss.adapters.llama_cpp import compare
    compare("study", ("f16", "model-f16.gguf"), {"q4_k_m": "model-q4_k_m.gguf"}, texts)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .._comparison import Comparison
from .._study import Study
from ._sequences import fill, pieces


def compare(folder: str | os.PathLike[str], baseline: tuple[str, str | os.PathLike[str]],
            lanes: Mapping[str, str | os.PathLike[str]], texts: Iterable[str], *, max_tokens: int = 512,
            model: str | None = None, text: str = "texts", bits_per_weight: Mapping[str, float] | None = None,
            progress: None | bool | Callable[[int, int, str], None] = None, **llama: Any) -> Study:
    """Every text is a cluster of its own, cut into pieces of `max_tokens`, tokenized as the baseline's file
    says, without its BOS. `llama` goes to `llama_cpp.Llama`: n_gpu_layers, type_k, flash_attn ... Sizes are
    the files'. All models stand in memory at once."""
    from llama_cpp import Llama

    name, base = baseline
    files = {name: base, **lanes}
    models = {lane: Llama(os.fspath(file), logits_all=True, n_ctx=max_tokens, n_batch=max_tokens, verbose=False,
                          **llama) for lane, file in files.items()}
    sizes = {lane: os.path.getsize(file) for lane, file in files.items()}
    encode = lambda t: models[name].tokenize(t.encode(), add_bos=False, special=False)  # noqa: E731
    work = list(pieces(texts, encode, max_tokens))
    with Comparison(folder, baseline=name, lanes=list(lanes), model=model or os.path.basename(base), text=text,
                    weight_bytes=sizes, bits_per_weight=bits_per_weight) as c:
        fill(c, work, lambda tokens: {lane: _logits(m, tokens) for lane, m in models.items()}, progress)
    return Study(folder)


def _logits(model: Any, tokens: list[int]) -> np.ndarray:
    model.reset()
    model.eval(tokens)
    return np.asarray(model.scores[:len(tokens)])
