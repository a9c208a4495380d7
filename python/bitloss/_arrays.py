"""Arrays of any framework as the module takes them: on the CPU, a row's logits side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._errors import BadInput


def logits(array: Any) -> Any:
    """`array` itself where it lies right; nothing is copied that need not be."""
    if _is_torch(array):
        array = array.detach()
        if array.device.type != "cpu":
            array = array.cpu()
        return array if array.stride(-1) == 1 else array.contiguous()
    if isinstance(array, np.ndarray):
        if array.dtype.name == "bfloat16":  # not a type of numpy's own: it has no way out of there
            array = array.astype(np.float32)
        neighbours = array.ndim == 0 or array.shape[-1] <= 1 or array.strides[-1] == array.itemsize
        return array if neighbours else np.ascontiguousarray(array)
    if hasattr(array, "__dlpack__"):
        return array
    return np.asarray(array)


def token_ids(tokens: Any) -> list[int]:
    """A list of ints, from a list, an array or a tensor of one axis (or of a batch of one)."""
    if _is_torch(tokens):
        tokens = tokens.detach().cpu().numpy()
    ids = np.asarray(tokens)
    if ids.ndim == 2 and ids.shape[0] == 1:
        ids = ids[0]
    if ids.ndim != 1 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
        raise BadInput(f"tokens of type {ids.dtype} and shape {ids.shape}; they are integers, one after another")
    return [int(i) for i in ids]


def _is_torch(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")
