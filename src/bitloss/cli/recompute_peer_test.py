#!/usr/bin/env python3
"""Studies of the model that ships, recomputed by tools/recompute from their records alone.

usage: recompute_peer_test.py BITLOSS SOURCE_DIR

Exit code 77, which ctest takes as skipped, where numpy or scipy is missing.
"""
import importlib.util
import pathlib
import subprocess
import sys
import tempfile

CHINESE = ["森林里住着一只小狐狸。它每天早上去河边喝水。", "露西亚在公园里找到一张长椅，坐下来看书。",
           "老师问：十七加二十五等于多少？学生回答：四十二。"]
LINES = [f"Lucia found {n} shells near the river and gave {n + 1} of them to her sister."
         for n in range(2, 14)]


def article(number, lines):
    return f" = Article {number} = \n" + "".join(f" {line} \n" for line in lines)


def texts(folder):
    """Articles with headings, few and many, and Chinese ones."""
    made = {"few": "\n".join(article(n, LINES[n:n + 5]) for n in range(4)),
            "many": "\n".join(article(n, LINES[n % 9:n % 9 + 2]) for n in range(40)),
            "chinese": "\n".join(article(n, CHINESE[n % 3:] + CHINESE) for n in range(8))}
    for name, text in made.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return {name: str(folder / f"{name}.txt") for name in made}


def studies(text):
    control = ["--schemes", "nf4,int3_group:64,control-bf16"]
    lines = ["--protocol", "lines-512-seed"]
    return {
        "windows": [*control, "--suite", "none", "--protocol", "rolling-doc", "--protocol",
                    "llamacpp-512", "--protocol", "hf-stride", "--protocol", "gptq-2048",
                    "--max-samples", "3"],
        "headings": ["--schemes", "nf4,control-bf16,fp16+noise:0.05", "--suite", "none", *lines,
                     "--protocol", "rolling-doc", "--text", text["few"], "--text", text["many"],
                     "--text", text["chinese"]],
        "blocks": ["--schemes", "nf4", "--suite", "none", *lines],
        "answers": [*control, "--suite", "tiny96", "--max-new-tokens", "24", "--samples", "2",
                    *lines, "--max-samples", "6"],
    }


def main():
    if not all(importlib.util.find_spec(name) for name in ("numpy", "scipy")):
        print("numpy or scipy is missing: pip install numpy scipy")
        return 77
    bitloss, source = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        made = []
        for name, options in studies(texts(folder)).items():
            subprocess.run([bitloss, "run", *options, "--out", folder / name], check=True,
                           capture_output=True)
            made.append(folder / name)
        return subprocess.run([sys.executable, source / "tools/recompute", *made]).returncode


if __name__ == "__main__":
    sys.exit(main())
