#!/usr/bin/env python3
"""Tasks by likelihood beside lm-evaluation-harness: its HF backend on the CPU in float32, on the same
files and the same model.

usage: task_peer_test.py BITLOSS SOURCE_DIR [--model MODEL] [--task FILE]... [--threads N] [--speed]

Every continuation's log-likelihood must agree to 1e-4, whether the model would have written it, and
every accuracy exactly: from the files, with examples before each context, in the chat template, and
from the samples that lm-evaluation-harness logs itself. With --speed the seconds of both are printed.

Exit code 77, which ctest takes as skipped, where Python lacks lm_eval with transformers.
"""
import argparse
import json
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
TOLERANCE = 1e-4


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


class Harness:
    """A task of one of our files, as lm-evaluation-harness runs it."""

    def __init__(self, model, batch_size):
        from lm_eval.models.huggingface import HFLM
        self.model = HFLM(pretrained=str(model), dtype="float32", device="cpu",
                          batch_size=batch_size)
        self.seconds = 0.0  # of scoring the last task's tokens
        score = self.model._loglikelihood_tokens

        def timed(*args, **kwargs):
            start = time.monotonic()
            scores = score(*args, **kwargs)
            self.seconds += time.monotonic() - start
            return scores

        self.model._loglikelihood_tokens = timed

    def run(self, path, examples=None, chat=False):
        """The samples that it logs, and the seconds that their tokens took."""
        from lm_eval import simple_evaluate
        from lm_eval.api.task import ConfigurableTask
        prefix = "".join(f"{e['context']} {e['choices'][e['answer']]}\n\n"
                         for e in lines_of(examples)) if examples else ""
        is_cloze = "target" in lines_of(path)[0]
        config = {"task": path.stem, "dataset_path": "json", "test_split": "test",
                  "dataset_kwargs": {"data_files": {"test": str(path)}},
                  "description": prefix, "doc_to_text": "{{context}}"}
        if is_cloze:
            config |= {"output_type": "loglikelihood", "doc_to_target": " {{target}}",
                       "metric_list": [{"metric": "acc"}, {"metric": "perplexity"}]}
        else:
            config |= {"output_type": "multiple_choice", "doc_to_choice": "choices",
                       "doc_to_target": "answer",
                       "metric_list": [{"metric": m} for m in ("acc", "acc_norm", "acc_bytes")]}
        self.seconds = 0.0
        results = simple_evaluate(model=self.model, tasks=[ConfigurableTask(config=config)],
                                  log_samples=True, apply_chat_template=chat, bootstrap_iters=0)
        return results["samples"][path.stem], self.seconds


def dump(samples, folder, name):
    """The file that it writes of them with --log_samples."""
    from lm_eval.loggers import EvaluationTracker
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.model_name_sanitized = "model"
    tracker.date_id = "2026-01-31T12-00-00.000000"
    tracker.save_results_samples(name, samples)
    return next(folder.glob(f"model/samples_{name}_*.jsonl"))


class Study:
    def __init__(self, options, folder, tasks, more=()):
        arguments = [options.bitloss, "run", str(options.model), "--schemes", "nf4", "--control",
                     "none", "--suite", "none", "--text", "none", "--threads",
                     str(options.threads), "--out", str(folder), *more]
        for task in tasks:
            arguments += ["--task", str(task)]
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.lanes = json.loads((folder / "report.json").read_text())["lanes"]
        self.database = sqlite3.connect(folder / "study.db")

    def scores(self, task, lane=0):
        rows = self.database.execute(
            "SELECT log_likelihoods, greedy FROM task_scores WHERE lane = ? AND task = ? "
            "ORDER BY item", (lane, task))
        return [(struct.unpack(f"<{len(a) // 8}d", a), [bool(b) for b in g]) for a, g in rows]

    def task(self, task, lane=0):
        return self.lanes[lane]["tasks"][task]


def compare(what, samples, study, task):
    worst = 0.0
    scores = study.scores(task)
    assert len(scores) == len(samples), (what, len(scores), len(samples))
    for sample, (ours, greedy) in zip(samples, scores):
        theirs = [response[0] for response in sample["resps"]]
        assert len(theirs) == len(ours), (what, sample["doc_id"])
        for (value, is_greedy), mine, mine_greedy in zip(theirs, ours, greedy):
            worst = max(worst, abs(float(value) - mine))
            assert (str(is_greedy) == "True") == mine_greedy, (what, sample["doc_id"])
    assert worst <= TOLERANCE, (what, worst)
    result = study.task(task)
    for decision in result["decisions"]:
        measure = decision["measure"]
        right = sum(int(sample[measure]) for sample in samples if measure in sample)
        assert right == decision["right"], (what, measure, right, decision["right"])
    print(f"{what}: {len(samples)} items, log-likelihoods within {worst:.1e}, "
          + ", ".join(f"{d['measure']} {d['right']}" for d in result["decisions"]))


def check(options, folder):
    harness = Harness(options.model, options.batch_size)
    plain = {}
    for path in options.task:
        plain[path], seconds = harness.run(path)
        if options.speed:
            print(f"{path.stem}: lm_eval {len(plain[path]) / seconds:.2f} items/s", flush=True)
    study = Study(options, folder / "plain", options.task)
    for i, path in enumerate(options.task):
        compare(path.stem, plain[path], study, i)
        if options.speed:
            print(f"{path.stem}: bitloss {study.task(i)['items_per_second']:.2f} items/s", flush=True)
    choices = [path for path in options.task if "choices" in lines_of(path)[0]]
    examples = folder / "examples.jsonl"
    examples.write_text("".join(json.dumps(line) + "\n" for line in lines_of(choices[0])[:3]))
    few, seconds = harness.run(choices[0], examples=examples)
    study = Study(options, folder / "few", choices[:1], ["--few-shot", str(examples)])
    compare(f"{choices[0].stem} after examples", few, study, 0)
    if options.speed:
        print(f"{choices[0].stem} after examples: lm_eval {len(few) / seconds:.2f} items/s, bitloss "
              f"{study.task(0)['items_per_second']:.2f}", flush=True)
    if harness.model.tokenizer.chat_template:
        chat, _ = harness.run(choices[0], chat=True)
        compare(f"{choices[0].stem} in the chat template", chat,
                Study(options, folder / "chat", choices[:1], ["--task-chat"]), 0)
    for path in options.task:
        logged = dump(json.loads(json.dumps(plain[path])), folder, path.stem)
        compare(f"{path.stem} as logged", plain[path],
                Study(options, folder / f"log-{path.stem}", [logged]), 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bitloss")
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--task", type=pathlib.Path, action="append")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    try:
        import lm_eval.models.huggingface  # noqa: F401
        import torch
    except ImportError as error:
        print(f"skipped: {error}")
        return 77
    torch.set_num_threads(options.threads)
    testdata = options.source / "src/bitloss/cli/testdata"
    options.model = options.model or options.source / "models/bitloss-tiny"
    options.task = options.task or [testdata / "choices.jsonl", testdata / "clozes.jsonl"]
    with tempfile.TemporaryDirectory() as folder:
        check(options, pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
