"""A study's file as numpy arrays and plain values, read as docs/study-format.md describes it."""
import json
import pathlib
import sqlite3
from dataclasses import dataclass, field

import numpy as np

FINISH_EOS, FINISH_LIMIT, FINISH_ERROR = 0, 1, 2


@dataclass
class Unit:
    """A sequence of a protocol; `cluster` names the cluster of each scored token."""
    tokens: int
    scored: int
    weight: float
    words: int | None
    bytes: int | None
    cluster: np.ndarray


@dataclass
class Scores:
    """A lane on one unit, or on the baseline's answer to one prompt; what was not measured: None."""
    nll: np.ndarray | None
    kl: np.ndarray | None
    kl_reverse: np.ndarray | None
    top1_agrees: np.ndarray | None
    entropy: np.ndarray | None
    top1_probability: np.ndarray | None


@dataclass
class Answer:
    text: str
    tokens: tuple
    finish: int
    passed: bool | None  # None: not checked, or not decided
    undecided: bool
    error: str


@dataclass
class Prompt:
    id: str
    category: str
    text: str
    scripts: list


@dataclass
class Lane:
    index: int
    row: dict

    @property
    def baseline(self):
        return bool(self.row["baseline"])

    @property
    def control(self):
        return bool(self.row["control"])


@dataclass
class Study:
    folder: pathlib.Path
    manifest: dict
    lanes: list
    units: dict = field(default_factory=dict)      # protocol -> {unit: Unit}
    scores: dict = field(default_factory=dict)     # (lane, protocol) -> {unit: Scores}
    prompts: dict = field(default_factory=dict)    # suite -> {prompt: Prompt}
    answers: dict = field(default_factory=dict)    # (lane, suite) -> {prompt: Answer}
    answer_scores: dict = field(default_factory=dict)   # (lane, suite) -> {prompt: Scores}
    forks: dict = field(default_factory=dict)      # (lane, suite) -> {prompt: row}
    judgements: dict = field(default_factory=dict)  # (lane, suite) -> {prompt: (tokens, nll)}
    sampled: dict = field(default_factory=dict)    # (lane, suite) -> {prompt: {sample: Answer}}
    timings: list = field(default_factory=list)
    peak_memory: dict = field(default_factory=dict)

    @property
    def seed(self):
        return self.manifest["seed"]

    def options(self):
        options = self.manifest["options"]
        return json.loads(options) if isinstance(options, str) else options


def array(blob, kind):
    return np.frombuffer(blob, kind) if blob else None


def read_scores(row):
    return Scores(*(array(row[name], "<f8") for name in ("nll", "kl", "kl_reverse")),
                  array(row["top1_agrees"], "u1"),
                  *(array(row[name], "<f8") for name in ("entropy", "top1_probability")))


def read_answer(row):
    passed = row["passed"]
    evidence = json.loads(row["evidence"]) if row["evidence"] else []
    undecided = passed == 2
    return Answer(row["text"], tuple(np.frombuffer(row["token_ids"], "<i4").tolist()),
                  row["finish"], None if passed is None or undecided else bool(passed),
                  undecided, row["error"])


def read_unit(row):
    runs = np.frombuffer(row["clusters"], "<u4").reshape(-1, 2)
    return Unit(row["num_tokens"], row["num_scored"], row["weight"], row["num_words"],
                row["num_bytes"], np.repeat(runs[:, 0], runs[:, 1]))


def tables(database):
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}


def read_texts(database, study):
    for row in database.execute("SELECT * FROM text_units ORDER BY protocol, unit"):
        study.units.setdefault(row["protocol"], {})[row["unit"]] = read_unit(row)
    for row in database.execute("SELECT * FROM text_scores ORDER BY lane, protocol, unit"):
        study.scores.setdefault((row["lane"], row["protocol"]), {})[row["unit"]] = read_scores(row)


def read_suites(database, study):
    for row in database.execute("SELECT * FROM prompts ORDER BY suite, prompt"):
        scripts = json.loads(row["scripts"]) if "scripts" in row.keys() else []
        study.prompts.setdefault(row["suite"], {})[row["prompt"]] = Prompt(
            row["id"], row["category"], row["text"], scripts)
    by_lane = lambda where, row: where.setdefault((row["lane"], row["suite"]), {})
    for row in database.execute("SELECT * FROM answers ORDER BY lane, suite, prompt"):
        by_lane(study.answers, row)[row["prompt"]] = read_answer(row)
    for row in database.execute("SELECT * FROM answer_scores ORDER BY lane, suite, prompt"):
        by_lane(study.answer_scores, row)[row["prompt"]] = read_scores(row)
    there = tables(database)
    if "answer_forks" in there:
        for row in database.execute("SELECT * FROM answer_forks"):
            by_lane(study.forks, row)[row["prompt"]] = dict(row)
    if "answer_judgements" in there:
        for row in database.execute("SELECT * FROM answer_judgements"):
            by_lane(study.judgements, row)[row["prompt"]] = (row["num_tokens"], row["nll"])
    if "sampled_answers" in there:
        for row in database.execute("SELECT * FROM sampled_answers"):
            of_prompt = by_lane(study.sampled, row).setdefault(row["prompt"], {})
            of_prompt[row["sample"]] = read_answer(row)


def read_study(folder):
    folder = pathlib.Path(folder)
    database = sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    (manifest,) = database.execute("SELECT value FROM study WHERE key = 'manifest'").fetchone()
    lanes = [Lane(row["lane"], dict(row))
             for row in database.execute("SELECT * FROM lanes ORDER BY lane")]
    study = Study(folder, json.loads(manifest), lanes)
    read_texts(database, study)
    read_suites(database, study)
    study.timings = [dict(row) for row in database.execute("SELECT * FROM timings")]
    study.peak_memory = dict(map(tuple, database.execute("SELECT lane, bytes FROM peak_memory")))
    database.close()
    return study
