"""Logits of any framework through the statistics of a study."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from . import _arrays, _core
from ._errors import BadInput


class Unit:
    """The rows of one sequence, tile by tile: `add` until all are there. As a context it is kept at
    the end, if they are."""

    def __init__(self, comparison: Comparison, unit: _core.Unit) -> None:
        self._comparison = comparison
        self._unit = unit

    def add(self, first_row: int, logits: Mapping[str, Any]) -> None:
        """Rows `first_row` on of every lane; row t predicts tokens[t + 1]."""
        self._unit.add(first_row, self._comparison._in_order(logits))

    def __enter__(self) -> Unit:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None:
            self._unit.put()


class Comparison:
    """A study folder that is filled with logits which somebody else computed.

    `baseline` and `lanes` name them; sizes, where they are known, go by lane. `bitloss report`,
    `gate` and `Study` read the folder as any other. A folder that is there already goes on.
    """

    def __init__(self, folder: str | os.PathLike[str], *, baseline: str, lanes: Sequence[str],
                 model: str = "external", text: str = "external",
                 bits_per_weight: Mapping[str, float] | None = None,
                 weight_bytes: Mapping[str, int] | None = None, threads: int | None = None) -> None:
        self._names = [baseline, *lanes]
        sizes = []
        for given in (bits_per_weight or {}), (weight_bytes or {}):
            if unknown := set(given) - set(self._names):
                raise BadInput(f"a size of '{min(unknown)}', which is not a lane")
        for name in self._names:
            sizes.append((int((weight_bytes or {}).get(name, 0)), float((bits_per_weight or {}).get(name, 0.0))))
        self._clusters: dict[int, int | str] = {}
        self._study = _core.open_study(os.fspath(folder), self._names, sizes, (model, text), threads or 0)
        self.folder = os.fspath(folder)

    def done(self, unit: int) -> bool:
        """Whether the unit is there already."""
        return self._study.has(unit)

    def add(self, unit: int, cluster: int | str, tokens: Any, logits: Mapping[str, Any], *,
            first_scored: int = 1) -> None:
        """One sequence of n tokens: every lane's logits, (n, V) or (n - 1, V), where row t predicts
        tokens[t + 1]. `cluster` says what belongs together (an article, a prompt): intervals rest on
        it. Tokens before `first_scored` are context alone."""
        with self.unit(unit, cluster, tokens, first_scored=first_scored) as whole:
            whole.add(0, logits)

    def unit(self, unit: int, cluster: int | str, tokens: Any, *, first_scored: int = 1) -> Unit:
        """The same in tiles: `with c.unit(...) as u: u.add(first_row, {...})`, rows in any order,
        each once."""
        ids = _arrays.token_ids(tokens)
        return Unit(self, _core.begin_unit(self._study, unit, self._number_of(cluster), ids, first_scored))

    def close(self) -> None:
        """Refuses a lane that equals the baseline bit for bit, and lets go of the folder."""
        try:
            self._study.check_lanes_differ()
        finally:
            self._study.close()

    def __enter__(self) -> Comparison:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._study.close()

    def _in_order(self, logits: Mapping[str, Any]) -> list[Any]:
        if missing := set(self._names) - set(logits):
            raise BadInput(f"no logits of lane '{min(missing)}'")
        if unknown := set(logits) - set(self._names):
            raise BadInput(f"logits of '{min(unknown)}', which is not a lane")
        return [_arrays.logits(logits[name]) for name in self._names]

    def _number_of(self, cluster: int | str) -> int:
        """Names become numbers by their hash, so that a study which goes on gives them the same."""
        if isinstance(cluster, str):
            number = int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:4], "little")
        else:
            number = int(cluster)
            if not 0 <= number < 2**32:
                raise BadInput(f"cluster {number}; it lies between 0 and 2^32 - 1")
        if self._clusters.setdefault(number, cluster) != cluster:
            raise BadInput(f"clusters '{self._clusters[number]}' and '{cluster}' get one number; "
                           "rename one of them")
        return number


class Divergence(NamedTuple):
    """By row, in nats. Losses are empty where no tokens were given."""

    kl: np.ndarray
    kl_reverse: np.ndarray
    top1_agrees: np.ndarray
    entropy: np.ndarray
    entropy_lane: np.ndarray
    nll: np.ndarray
    nll_lane: np.ndarray


def divergence(base: Any, lane: Any, tokens: Any = None) -> Divergence:
    """How far `lane`'s next-token distributions are from `base`'s, from logits of the same shape
    (rows, V). `tokens`, one for each row, is what each row predicts: then losses too."""
    ids = [] if tokens is None else _arrays.token_ids(tokens)
    rows = _core.divergence(_arrays.logits(base), _arrays.logits(lane), ids)
    rows["top1_agrees"] = rows["top1_agrees"].astype(bool)
    return Divergence(**rows)


class Mean(NamedTuple):
    """A mean with its interval; `low` and `high` are None where there are too few clusters."""

    value: float
    low: float | None
    high: float | None
    num_clusters: int
    effective_clusters: float


def mean(values: Any, clusters: Any, *, range: str = "any", confidence: float = 0.95) -> Mean:
    """The mean of per-token values with an interval that knows that tokens of one cluster are not
    independent. `range`: any, positive (divergences), share (of zeros and ones)."""
    return Mean(**_core.mean([float(v) for v in values], [int(c) for c in clusters], range, confidence))
