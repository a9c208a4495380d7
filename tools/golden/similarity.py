#!/usr/bin/env python3
"""Makes src/bitloss/metrics/testdata/similarity.json: sacreBLEU's chrF2, RapidFuzz's Levenshtein.

    pip install sacrebleu==2.6.0 rapidfuzz==3.14.6
    python3 tools/golden/similarity.py > src/bitloss/metrics/testdata/similarity.json
"""
import importlib.metadata
import json
import random
import sys

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


def main():
    chrf = CHRF()  # order 6, beta 2, no words, case kept, whitespace removed
    rng = random.Random(7)
    golden = {"made_by": "tools/golden/similarity.py", "python": sys.version.split()[0]}
    golden |= {name: importlib.metadata.version(name) for name in ("sacrebleu", "rapidfuzz")}
    golden["chrf2"] = [{"hypothesis": h, "reference": r,
                        "score": chrf.sentence_score(h, [r]).score} for h, r in PAIRS]
    golden["edit_distance"] = []
    for length in (0, 1, 5, 12, 40):
        for alphabet in (2, 5, 50):
            a = [rng.randrange(alphabet) for _ in range(length)]
            b = [x for x in a if rng.random() > 0.2] + [rng.randrange(alphabet) for _ in range(3)]
            golden["edit_distance"].append({"a": a, "b": b, "distance": Levenshtein.distance(a, b)})
    print(json.dumps(golden, ensure_ascii=False, indent=None).replace("}, {", "},\n {"))


if __name__ == "__main__":
    main()
