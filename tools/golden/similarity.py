#!/usr/bin/env python3
"""Makes src/bitloss/metrics/testdata/similarity.json: what other programs say of two texts.

sacreBLEU's chrF2, RapidFuzz's Levenshtein distance, the longest common run of difflib (Python's
own), the scripts of letters by fontTools' tables and Python's categories.

    pip install sacrebleu==2.6.0 rapidfuzz==3.14.6 fonttools==4.68.0
    python3 tools/golden/similarity.py > src/bitloss/metrics/testdata/similarity.json
"""
import difflib
import importlib.metadata
import json
import random
import sys
import unicodedata

from fontTools import unicodedata as tables
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics import CHRF

PAIRS = [
    ("The cat sat on the mat.", "The cat sat on the mat."),
    ("The cat sat on the mat.", "A cat is sitting on the mat."),
    ("Paris is the capital of France.", "The capital of France is Paris."),
    ("42", "The answer is 42."),
    ("abc", "xyz"),
    ("", "something"),
    ("something", ""),
    ("", ""),
    ("a", "a"),
    ("ab", "abc"),
    ("def f(x):\n    return x + 1\n", "def f(x): return 1 + x"),
    ("Größe und Länge über Maß", "Grösse und Länge ueber Mass"),
    ("量化会损失什么？", "量化 会 损失 精度 吗？"),
    ("tabs\tand\u00a0spaces\u3000here", "tabs and spaces here"),
    ("😀 smile 😀😀", "😀 smiles 😀"),
    ("aaaaaaaaaaaaaaaa", "aaaa"),
]

ANSWERS = [
    ("Translate into German: The water is cold.", "The water is cold."),
    ("Translate into German: The water is cold.", "Das Wasser ist kalt."),
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Repeat: 量化会损失什么？", "好的：量化会损失什么？"),
    ("Say a.", "aaaaaaaa"),
    ("", "nothing was asked"),
]

TEXTS = ["Das Wasser ist kalt.", "The 水 is cold.", "量化会损失什么？", "どうもありがとう", "カタカナ",
         "С днём рождения!", "naïve Ünïcode ﬁ", "π r² and Ω", "한국어와 漢字", "42 + 1 = 43.", "",
         "mixed Привет, 你好, hello", "שלום abc العربية", "ªº Ⅳ ʰ", "e\u0301 combining"]


def scripts(text):
    """(names of the letters' scripts, share of those that are not Latin)"""
    of = [tables.script(c) for c in text if unicodedata.category(c).startswith("L")]
    of = [tables.script_name(code) for code in of if code not in ("Zyyy", "Zinh", "Zzzz")]
    names = set(of)
    if names & {"Hiragana", "Katakana"}:
        names |= {"Han", "Hiragana", "Katakana"}
    share = sum(name != "Latin" for name in of) / len(of) if of else None
    return {"text": text, "scripts": sorted(names), "outside_latin": share}


def echo(prompt, answer):
    match = difflib.SequenceMatcher(None, prompt, answer, autojunk=False).find_longest_match()
    return {"prompt": prompt, "answer": answer, "echo": match.size / len(answer)}


def main():
    chrf = CHRF()  # order 6, beta 2, no words, case kept, whitespace removed
    rng = random.Random(7)
    golden = {"made_by": "tools/golden/similarity.py", "python": sys.version.split()[0]}
    golden |= {name: importlib.metadata.version(name) for name in ("sacrebleu", "rapidfuzz", "fonttools")}
    golden["chrf2"] = [{"hypothesis": h, "reference": r,
                        "score": chrf.sentence_score(h, [r]).score} for h, r in PAIRS]
    golden["edit_distance"] = []
    for length in (0, 1, 5, 12, 40):
        for alphabet in (2, 5, 50):
            a = [rng.randrange(alphabet) for _ in range(length)]
            b = [x for x in a if rng.random() > 0.2] + [rng.randrange(alphabet) for _ in range(3)]
            golden["edit_distance"].append({"a": a, "b": b, "distance": Levenshtein.distance(a, b)})
    golden["prompt_echo"] = [echo(prompt, answer) for prompt, answer in ANSWERS]
    golden["scripts"] = [scripts(text) for text in TEXTS]
    print(json.dumps(golden, ensure_ascii=False, indent=None).replace("}, {", "},\n {"))


if __name__ == "__main__":
    main()
