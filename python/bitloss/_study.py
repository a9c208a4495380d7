"""Studies, and what is made with the program: run, quantize, score."""

from __future__ import annotations

import html
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from . import _program
from ._errors import NotFound


class Study:
    """A study's folder, and its report as numbers."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = pathlib.Path(folder)
        if not (self.folder / "study.db").is_file():
            raise NotFound(f"'{self.folder}': no study lies there")
        self._report: dict[str, Any] | None = None

    def report(self) -> dict[str, Any]:
        """What report.json says (docs/report.md)."""
        if self._report is None:
            self._report = json.loads(_program.run(["report", self.folder, "--format", "json"]))
        return self._report

    @property
    def lanes(self) -> list[str]:
        """The names of the forms, the baseline first."""
        return [lane["scheme"] for lane in self.report()["lanes"]]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each lane and text: sizes, perplexity, and what differs from the baseline."""
        return [_row(lane, text) for lane in self.report()["lanes"] for text in lane["protocols"]]

    def table(self) -> Any:
        """`rows`, as a pandas frame if pandas is there."""
        try:
            import pandas
        except ImportError:
            return self.rows()
        return pandas.DataFrame(self.rows())

    def html(self) -> str:
        """The page: one file with all that is known."""
        return _program.run(["report", self.folder, "--format", "html"])

    def __repr__(self) -> str:
        return f"Study('{self.folder}', lanes={self.lanes})"

    def _repr_html_(self) -> str:
        rows = self.rows()
        if not rows:
            return f"<p>{html.escape(repr(self))}</p>"
        head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
        body = "".join("<tr>" + "".join(f"<td>{html.escape(_shown(v))}</td>" for v in row.values()) + "</tr>"
                       for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def run(model: str | os.PathLike[str] | None = None, schemes: Sequence[str] | str | None = None, *,
        out: str | os.PathLike[str], progress: bool = False, **options: Any) -> Study:
    """`bitloss run`: every scheme beside the baseline. Options are the program's, with underscores:
    `text="wiki.test.raw", protocol="gptq-2048", max_samples=8, suite="none"`. A study that is there
    goes on."""
    words: list[str | os.PathLike[str]] = ["run"]
    if model is not None:
        words.append(model)
    words += _program.flags({"schemes": schemes, "out": out, **options})
    _program.run(words if progress else [*words, "--quiet"], show_progress=progress)
    return Study(out)


def quantize(model: str | os.PathLike[str], scheme: str, out: str | os.PathLike[str], *,
             progress: bool = False, **options: Any) -> pathlib.Path:
    """`bitloss quantize`: writes the model in `scheme`, for others to load. Gives `out`."""
    words = ["quantize", model, *_program.flags({"scheme": scheme, "out": out, **options})]
    _program.run(words if progress else [*words, "--quiet"], show_progress=progress)
    return pathlib.Path(out)


def score(model: str | os.PathLike[str], sequences: Iterable[Sequence[int]], *, scheme: str | None = None,
          **options: Any) -> list[dict[str, Any]]:
    """`bitloss score`: for each sequence of token ids, `nll` (-ln p of each token but the first) and
    `top1` (what was most likely)."""
    lines = "".join(json.dumps([int(i) for i in ids]) + "\n" for ids in sequences)
    words = ["score", model, "--ids", "-", "--json", *_program.flags({"scheme": scheme, **options})]
    out = _program.run(words, stdin=lines)
    return [json.loads(line) for line in out.splitlines()]


def report(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """report.json of a study's folder."""
    return Study(folder).report()


def _row(lane: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    size, kl = lane.get("size", {}), text.get("kl", {})
    agreement = text.get("top1_agreement")
    return {
        "lane": lane["scheme"],
        "protocol": text["id"],
        "text": text["text"],
        "bits_per_weight": size.get("bits_per_weight"),
        "megabytes": size["weight_bytes"] / 1e6 if "weight_bytes" in size else None,
        "perplexity": text.get("perplexity"),
        "change_percent": text.get("perplexity_change_percent"),
        "change_percent_low": text.get("perplexity_change_percent_low"),
        "change_percent_high": text.get("perplexity_change_percent_high"),
        "kl": kl.get("mean"),
        "kl_low": kl.get("low"),
        "kl_high": kl.get("high"),
        "same_top1_percent": None if agreement is None else 100 * agreement,
        "label": text.get("label"),
    }


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
