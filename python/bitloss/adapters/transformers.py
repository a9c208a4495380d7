"""Models of transformers, any architecture and any quantization it loads, beside each other.

    from bitloss.adapters.transformers import compare
    compare("study", ("fp16", model), {"nf4": model_4bit}, tokenizer, texts)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._comparison import Comparison
from .._study import Study
from ._sequences import fill, pieces


def compare(folder: str | os.PathLike[str], baseline: tuple[str, Any], lanes: Mapping[str, Any], tokenizer: Any,
            texts: Iterable[str], *, max_tokens: int = 512, model: str | None = None, text: str = "texts",
            progress: None | bool | Callable[[int, int, str], None] = None, **sizes: Any) -> Study:
    """Every text is a cluster of its own, cut into pieces of `max_tokens`, one at a time through every
    model (which must share `tokenizer`). Logits have the type that the model computes in: those of a
    bfloat16 model carry 8 bits, and no divergence below about 1e-5 can be told from that rounding.

    `sizes`: `bits_per_weight` and `weight_bytes` of Comparison; weight_bytes are the models' own
    `get_memory_footprint()` where nothing is said.
    """
    name, base = baseline
    models = {name: base, **lanes}
    if "weight_bytes" not in sizes:
        sizes["weight_bytes"] = {lane: int(m.get_memory_footprint()) for lane, m in models.items()}
    work = list(pieces(texts, lambda t: tokenizer(t, add_special_tokens=False)["input_ids"], max_tokens))
    with Comparison(folder, baseline=name, lanes=list(lanes), text=text,
                    model=model or getattr(base.config, "name_or_path", "") or "transformers", **sizes) as c:
        fill(c, work, lambda tokens: {lane: _logits(m, tokens) for lane, m in models.items()}, progress)
    return Study(folder)


def _logits(model: Any, tokens: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        ids = torch.tensor([tokens], device=model.device)
        return model(input_ids=ids, use_cache=False).logits[0]
