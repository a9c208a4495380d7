#!/usr/bin/env python3
"""Studies of the model that ships, recomputed by tools/recompute from their records alone.

usage: recompute_peer_test.py BITLOSS SOURCE_DIR

Exit code 77, which ctest takes as skipped, where numpy or scipy is missing.
"""
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

CHINESE = ["森林里住着一只小狐狸。它每天早上去河边喝水。", "露西亚在公园里找到一张长椅，坐下来看书。",
           "老师问：十七加二十五等于多少？学生回答：四十二。"]
LINES = [f"Lucia found {n} shells near the river and gave {n + 1} of them to her sister."
         for n in range(2, 14)]


def article(number, lines):
    return f" \n = Article {number} = \n \n" + "".join(f" {line} \n" for line in lines)


def texts(folder):
    """Articles with headings and Chinese ones, as many of each as the name of the text says."""
    made = {3: [article(n, LINES[n:n + 5]) for n in range(3)],
            5: [article(n, LINES[n:n + 5]) for n in range(5)],
            40: [article(n, LINES[n % 9:n % 9 + 2]) for n in range(40)],
            16: [article(n, CHINESE[n % 3:] + CHINESE) for n in range(16)]}
    for number, articles in made.items():
        line_end = "\r\n" if number == 5 else "\n"  # which makes a warning
        (folder / f"{number}.txt").write_text("".join(articles), encoding="utf-8",
                                              newline=line_end)
    return [arg for number in made for arg in ("--text", str(folder / f"{number}.txt"))]


def studies(text):
    control = ["--schemes", "nf4,int3_group:64,control-bf16"]
    lines = ["--protocol", "lines-512-seed"]
    return {
        "windows": [*control, "--suite", "none", "--protocol", "rolling-doc", "--protocol",
                    "llamacpp-512", "--protocol", "hf-stride", "--protocol", "gptq-2048",
                    "--max-samples", "3"],
        "headings": ["--schemes", "nf4,control-bf16,fp16+noise:0.05", "--suite", "none", *lines,
                     "--protocol", "rolling-doc", *text],
        "streams": [*control, "--suite", "none", "--protocol", "llamacpp-512", "--protocol",
                    "hf-stride", *text[-2:]],
        "blocks": ["--schemes", "nf4", "--suite", "none", *lines],
        "answers": [*control, "--suite", "tiny96", "--max-new-tokens", "24", "--samples", "2",
                    *lines, "--max-samples", "6"],
    }


def check_headings(folder):
    """Of 3 articles there is no interval, of 5 one of means alone, of more all."""
    report = json.loads((folder / "report.json").read_text())
    for text in report["lanes"][1]["protocols"]:
        articles = int(pathlib.Path(text["text"]).stem)
        kl = text["kl"]
        assert kl["clusters"] == articles, f"{kl['clusters']} clusters of {articles} articles"
        assert ("low" in kl) == (articles > 4) and ("p99_low" in kl) == (articles > 5), kl


def main():
    if not all(importlib.util.find_spec(name) for name in ("numpy", "scipy")):
        print("numpy or scipy is missing: pip install numpy scipy")
        return 77
    bitloss, source = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        made = []
        for name, options in studies(texts(folder)).items():
            subprocess.run([bitloss, "run", *options, "--control", "none", "--out", folder / name], check=True,
                           capture_output=True)
            made.append(folder / name)
        check_headings(folder / "headings")
        return subprocess.run([sys.executable, source / "tools/recompute", *made]).returncode


if __name__ == "__main__":
    sys.exit(main())
