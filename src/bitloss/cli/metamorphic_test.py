#!/usr/bin/env python3
"""What may not change a result does not.

usage: metamorphic_test.py BITLOSS MODEL

A text doubled or its articles reordered, other threads, groups of sequences or lanes beside it, one
lane under two names, a lane that is the baseline, and every token under another id.

Under lines-512-seed each line is read alone, so its losses are the same wherever it stands: every
mean is, and what counts tokens doubles with the text. With threads, groups or other lanes, all of a
lane is the same to the last bit.
"""
import json
import math
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ARTICLES = [f" = Article {n} = \n \n Lucia found {n + 2} shells near the river. \n"
            f" She gave {n} of them to her sister and took the others home. \n \n"
            for n in range(4)]
TEXT = "".join(ARTICLES)
MEANS = (("nll",), ("delta_nll", "mean"), ("kl", "mean"), ("kl_reverse", "mean"),
         ("top1_agreement",))
INTERVALS = (("perplexity_low",), ("delta_nll", "low"), ("delta_nll", "high"), ("kl", "median"),
             ("kl", "p99"))


def run(bitloss, folder, text=TEXT, model=(), options=("--schemes", "nf4")):
    """`bitloss run` over `text` in a folder of its own."""
    folder.mkdir()
    (folder / "text.txt").write_text(text)
    return subprocess.run([bitloss, "run", *model, *options, "--suite", "none", "--control",
                           "none", "--text",
                           folder / "text.txt", "--out", folder / "study"],
                          capture_output=True, text=True)


def results(bitloss, folder, **asked):
    """Each lane's result under the protocol, of a study of its own."""
    done = run(bitloss, folder, **asked)
    if done.returncode:
        sys.exit(f"{folder.name}: {done.stderr}")
    report = json.loads((folder / "study/report.json").read_text())
    return {lane["scheme"]: lane["protocols"][0] for lane in report["lanes"]}


def at(result, path):
    for key in path:
        result = result[key]
    return result


def changed(name, result, reference, paths):
    """What is not the same but for the order of sums."""
    return [f"{name}: {'/'.join(path)} is {at(result, path)}, was {at(reference, path)}"
            for path in paths
            if not math.isclose(at(result, path), at(reference, path), rel_tol=1e-11)]


def expect(name, holds):
    return [] if holds else [name]


def texts(bitloss, folder, reference):
    doubled = results(bitloss, folder / "doubled", text=TEXT + TEXT)["nf4"]
    reordered = results(bitloss, folder / "reordered", text="".join(reversed(ARTICLES)))["nf4"]
    wrong = changed("doubled", doubled, reference["nf4"], MEANS)
    wrong += changed("reordered", reordered, reference["nf4"], MEANS + INTERVALS)
    for count in ("sequences", "tokens", "predictions"):
        wrong += expect(f"doubled: {count}", doubled[count] == 2 * reference["nf4"][count])
    return wrong + expect("doubled: clusters",
                          doubled["delta_nll"]["clusters"] == 2 * len(ARTICLES))


def threads_and_groups(bitloss, folder, reference):
    wrong = []
    for threads in "13":
        found = results(bitloss, folder / f"threads-{threads}",
                        options=["--schemes", "nf4", "--threads", threads])
        wrong += expect(f"{threads} threads: results", found == reference)
    # A text that a little more memory than the least does not hold at once.
    asked = {"text": 40 * TEXT, "options": ["--schemes", "nf4"]}
    refused = run(bitloss, folder / "refused", options=["--schemes", "nf4", "--memory", "1M"])
    needed = int(re.search(r"at least (\d+)M", refused.stderr)[1])
    # What a process has of its own differs a little from run to run.
    little = {**asked, "options": [*asked["options"], "--memory", f"{needed + 2}M"]}
    for forecast in ("--plan", "--pilot"):
        said = run(bitloss, folder / forecast,
                   **{**little, "options": [*little["options"], forecast]})
        wrong += expect(f"little memory, {forecast}: several groups",
                        re.search(r"\b([2-9]|\d\d+) groups of sequences", said.stdout))
    found = results(bitloss, folder / "groups", **little)
    at_once = results(bitloss, folder / "at-once", **asked)
    return wrong + expect("groups of sequences: results", found == at_once)


def lanes(bitloss, folder, reference):
    """Lanes beside it; one lane twice; and the baseline as a lane, whose changes are exactly 0."""
    schemes = "int8,nf4,twin=nf4,fp16+noise:1e-9"  # a noise that no float16 number notices
    done = run(bitloss, folder / "lanes", options=["--schemes", schemes])
    report = json.loads((folder / "lanes/study/report.json").read_text())
    found = {lane["scheme"]: lane["protocols"][0] for lane in report["lanes"]}
    wrong = [f"beside other lanes: {lane}" for lane in ("fp16", "nf4")
             if found[lane] != reference[lane]]
    wrong += expect("a lane twice: results", found["twin"] == found["nf4"])
    same = found["fp16+noise:1e-9"]
    wrong += changed("the baseline as a lane", same, found["fp16"], [("nll",), ("perplexity",)])
    wrong += expect("the baseline as a lane: changes",
                    [at(same, path) for path in MEANS[1:]] == [0, 0, 0, 1])
    wrong += expect("the baseline as a lane: said",
                    done.returncode >= 3 and "quantization did not engage" in done.stderr)
    zero = run(bitloss, folder / "zero", options=["--schemes", "fp16+noise:0"])
    return wrong + expect("noise of 0: refused", zero.returncode >= 3 and
                          "above 0" in zero.stderr and zero.stderr.count("\n") == 1)


def rename_tokens(model, folder):
    """A copy of `model` with its tokens under other ids, but for those added at the end."""
    shutil.copytree(model, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    new = [(7 * i + 3) % len(vocabulary) for i in range(len(vocabulary))]
    assert sorted(new) == sorted(vocabulary.values())
    tokenizer["model"]["vocab"] = {token: new[i] for token, i in vocabulary.items()}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))

    weights = bytearray((folder / "model.safetensors").read_bytes())
    header_end = 8 + struct.unpack_from("<Q", weights)[0]
    header = json.loads(weights[8:header_end])
    assert "lm_head.weight" not in header  # one matrix reads tokens and predicts them
    rows = header["model.embed_tokens.weight"]
    begin, end = (header_end + offset for offset in rows["data_offsets"])
    size, old = (end - begin) // rows["shape"][0], bytes(weights[begin:end])
    for i, name in enumerate(new):
        weights[begin + name * size:begin + (name + 1) * size] = old[i * size:(i + 1) * size]
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def tokens(bitloss, folder, reference, model):
    """Losses are sums over the vocabulary, whose order alone changes."""
    renamed = rename_tokens(model, folder / "renamed-model")
    found = results(bitloss, folder / "renamed", model=[renamed])
    wrong = []
    for lane in ("fp16", "nf4"):
        wrong += expect(f"renamed tokens: ids of {lane}",
                        found[lane]["tokens_hash"] != reference[lane]["tokens_hash"])
        wrong += changed(f"renamed tokens: {lane}", found[lane], reference[lane],
                         MEANS + INTERVALS if lane == "nf4" else [("nll",)])
    return wrong


def main():
    bitloss, model = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        reference = results(bitloss, folder / "reference")
        wrong = texts(bitloss, folder, reference)
        wrong += threads_and_groups(bitloss, folder, reference)
        wrong += lanes(bitloss, folder, reference)
        wrong += tokens(bitloss, folder, reference, model)
    print("\n".join([*wrong, f"{len(wrong)} changed"]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
