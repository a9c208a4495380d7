#!/usr/bin/env python3
"""Writes suites/tiny96.json: 12 categories of 8 prompts for bitloss-tiny.

    tools/make_tiny96.py > suites/tiny96.json

The prompts are taken, evenly spaced, from models/bitloss-tiny/chat_heldout.jsonl, which the model has
not seen; a model of 6 million parameters cannot answer `core96`. Each of its checks becomes one of
"bitloss.suite/1". Deterministic: no random numbers, no clock.
"""
import json
from pathlib import Path

CATEGORIES = [
    ("code", "Code Generation", "reasoning"),
    ("math", "Mathematical Reasoning", "reasoning"),
    ("summary", "Text Summarization", "generation"),
    ("qa", "Question Answering", "knowledge"),
    ("creative", "Creative Writing", "generation"),
    ("logic", "Logical Reasoning", "reasoning"),
    ("translation", "Translation", "language"),
    ("sentiment", "Sentiment Analysis", "language"),
    ("extraction", "Information Extraction", "language"),
    ("instruction", "Instruction Following", "language"),
    ("commonsense", "Common Sense Reasoning", "knowledge"),
    ("science", "Domain Knowledge (Science)", "knowledge"),
]
PER_CATEGORY = 8
LABELS = [["positive", "negative", "neutral"], ["yes", "no"], ["even", "odd"]]


def convert(check):
    """The check as bitloss.suite/1 has it; None for the kind that needs the generator's word lists."""
    kind, gold = check["type"], check["gold"]
    if kind == "contains":  # white space counts: code is among the golds
        return {"type": "contains", "value": gold, "normalize": ["casefold"]}
    if kind == "exact":
        return {"type": "equals", "value": gold, "normalize": ["collapse_ws"]}
    if kind == "choice":
        labels = next(labels for labels in LABELS if gold in labels)
        return {"type": "choice", "labels": labels, "gold": gold}
    if kind == "numeric":
        return {"type": "numeric", "gold": gold}
    if kind == "words":
        return {"type": "contains_all", "values": gold}
    if kind == "json":
        return {"type": "json_value", "path": "", "equals": gold}
    assert kind == "list", kind
    return None


def main():
    root = Path(__file__).resolve().parent.parent
    lines = (root / "models/bitloss-tiny/chat_heldout.jsonl").read_text(encoding="utf-8").splitlines()
    heldout = [json.loads(line) for line in lines]
    prompts = []
    for category, _, _ in CATEGORIES:
        fit = [h for h in heldout if h["category"] == category and h["check"] and convert(h["check"])]
        for i in range(PER_CATEGORY):
            chosen = fit[i * len(fit) // PER_CATEGORY]
            prompts.append({
                "id": f"{category}-{i + 1:03}",
                "category": category,
                "prompt": chosen["prompt"],
                "reference": [chosen["answer"]],
                "x-heldout": chosen["id"],
                "checks": [{"id": "gold", **convert(chosen["check"])}],
            })
    suite = {
        "schema": "bitloss.suite/1",
        "id": "tiny96",
        "version": "1.0.0",
        "license": "CC0-1.0",
        "defaults": {"system": "default", "template": "chat", "max_new_tokens": 100, "answer_scope": "text"},
        "categories": [{"id": i, "name": n, "super": s} for i, n, s in CATEGORIES],
        "prompts": prompts,
    }
    print(json.dumps(suite, ensure_ascii=False, indent=1))


main()
