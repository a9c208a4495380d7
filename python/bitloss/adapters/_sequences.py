"""Text as the sequences that adapters run: every document cut into pieces of at most so many tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._comparison import Comparison
from .._errors import BadInput


class Piece(NamedTuple):
    unit: int
    cluster: int  # the number of its document
    tokens: list[int]


def pieces(texts: Iterable[str], encode: Callable[[str], Sequence[int]], max_tokens: int) -> Iterator[Piece]:
    """Pieces of one token predict nothing and are left out."""
    if max_tokens < 2:
        raise BadInput(f"max_tokens is {max_tokens}; a piece needs two")
    unit = 0
    for cluster, text in enumerate(texts):
        ids = [int(i) for i in encode(text)]
        for begin in range(0, len(ids), max_tokens):
            piece = ids[begin:begin + max_tokens]
            if len(piece) < 2:
                continue
            yield Piece(unit, cluster, piece)
            unit += 1


def fill(comparison: Comparison, work: Sequence[Piece], logits: Callable[[list[int]], Mapping[str, Any]],
         progress: None | bool | Callable[[int, int, str], None]) -> None:
    """Adds the pieces that are not there yet; `logits` gives every lane's of a piece's tokens."""
    bar = Progress(progress, sum(len(piece.tokens) for piece in work))
    try:
        for piece in work:
            if not comparison.done(piece.unit):
                comparison.add(piece.unit, piece.cluster, piece.tokens, logits(piece.tokens))
            bar.add(len(piece.tokens))
    finally:
        bar.close()


class Progress:
    """None, True (a bar of tqdm's where that is installed), or a callable (done, total, name)."""

    def __init__(self, progress: None | bool | Callable[[int, int, str], None], total: int) -> None:
        self._call = progress if callable(progress) else None
        self._total, self._done, self._bar = total, 0, None
        if progress is True:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, unit="token", unit_scale=True)

    def add(self, tokens: int) -> None:
        self._done += tokens
        if self._call is not None:
            self._call(self._done, self._total, "tokens")
        if self._bar is not None:
            self._bar.update(tokens)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
