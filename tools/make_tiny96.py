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


# What the checks of the held-out prompts leave open: where a string is not enough to judge by.
CODE = {
    "code-001": ("def _(n)", ["n % 2 == 0", "n % 2 < 1", "n // 2 * 2 == n"]),
    "code-002": ("def _(a, b)", ["a - b"]),
    "code-003": ("def reverse(_text)", ["_text[::-1]", "''.join(reversed(_text))"]),
    "code-004": ("def _(n)", ["abs(n)", "-n if n < 0 else n", "n if n > 0 else -n", "max(n, -n)"]),
    "code-005": ("def mean_of_two(_a, _b)", ["(_a + _b) / 2", "_a / 2 + _b / 2"]),
    "code-006": ("def _(a, b)", ["min(a, b)", "a if a < b else b", "b if b < a else a"]),
    "code-007": ("def sorted_copy(values)", ["sorted(values)"]),
    "code-008": ("def is_odd(n)", ["n % 2 == 1"]),
}
CHOICES = {
    "logic-001": ["Kofi", "Will", "Nora"],
    "logic-002": ["Ingrid", "Ian", "Ama"],
    "logic-003": ["wrench", "cabbage", "hammer", "axe"],
    "logic-004": ["green", "wrench", "chisel", "drill"],
    "logic-005": ["Bob", "Peter", "Rosa"],
    "logic-006": ["Dora", "Sam", "Paul"],
    "logic-007": ["Olivia", "Leila", "Hannah"],
    "commonsense-003": ["rabbit", "whale"],
    "commonsense-004": ["scissors", "shovel"],
    "commonsense-005": ["soap", "umbrella"],
    "commonsense-006": ["horse", "train"],
    "commonsense-007": ["house", "mountain"],
    "commonsense-008": ["sun", "tea"],
    "science-005": ["mammal", "amphibian"],
    "science-007": ["reptile", "insect"],
}
GOLD = {"commonsense-003": "whale", "commonsense-006": "train", "commonsense-007": "house",
        "commonsense-008": "sun", "science-005": "mammal", "science-007": "reptile"}
OWN = {"id": "own", "type": "max_copy", "max_words": 4}  # not the sentence that it was asked about


def checks(prompt, check):
    """All checks of the prompt of that id."""
    gold = {"id": "gold", **convert(check)}
    category = prompt.rsplit("-", 1)[0]
    if prompt in CODE:
        signature, returns = CODE[prompt]
        return [{"id": "gold", "type": "code", "language": "python", "signature": signature,
                 "returns": returns}]
    if prompt in CHOICES:
        return [{"id": "gold", "type": "choice", "labels": CHOICES[prompt],
                 "gold": GOLD.get(prompt, check["gold"])}]
    if prompt == "instruction-004":
        return [{"id": "gold", "type": "regex",
                 "pattern": "(?i)(^\\W*a\\W*$|\\b(is|with)( an?| the)?( letter)? \\W?a\\b\\W*$)"}]
    if category in ("qa", "science", "commonsense") and gold["type"] == "contains":
        return [{**gold, "whole_words": True, "asserted": True}]
    if category == "extraction" and gold["type"] == "equals":
        return [{"id": "gold", "type": "contains", "value": gold["value"], "whole_words": True,
                 "asserted": True}, OWN]
    return [gold]


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
                "checks": checks(f"{category}-{i + 1:03}", chosen["check"]),
            })
    suite = {
        "schema": "bitloss.suite/1",
        "id": "tiny96",
        "version": "1.1.0",
        "license": "CC0-1.0",
        "defaults": {"system": "default", "template": "chat", "max_new_tokens": 100, "answer_scope": "text"},
        "categories": [{"id": i, "name": n, "super": s} for i, n, s in CATEGORIES],
        "prompts": prompts,
    }
    print(json.dumps(suite, ensure_ascii=False, indent=1))


main()
