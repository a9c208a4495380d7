#!/usr/bin/env python3
"""What may not change a result does not: a text doubled, articles reordered, threads, other lanes.

usage: metamorphic_test.py BITLOSS

Under lines-512-seed each line is read alone, so its losses are the same wherever it stands: every
mean is, and what counts tokens doubles with the text. With threads or other lanes, all of a lane is
the same to the last bit.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

ARTICLES = [f" = Article {n} = \n \n Lucia found {n + 2} shells near the river. \n"
            f" She gave {n} of them to her sister and took the others home. \n \n" for n in range(4)]
MEANS = (("nll",), ("delta_nll", "mean"), ("kl", "mean"), ("kl_reverse", "mean"),
         ("top1_agreement",))
INTERVALS = (("perplexity_low",), ("delta_nll", "low"), ("delta_nll", "high"), ("kl", "median"),
             ("kl", "p99"))


def measure(bitloss, folder, text, schemes="nf4", threads="2"):
    """The lane nf4 under the protocol, of a study of its own."""
    folder.mkdir()
    (folder / "text.txt").write_text(text)
    subprocess.run([bitloss, "run", "--schemes", schemes, "--suite", "none", "--text",
                    folder / "text.txt", "--threads", threads, "--out", folder / "study"],
                   check=True, capture_output=True)
    report = json.loads((folder / "study/report.json").read_text())
    lane = next(lane for lane in report["lanes"] if lane["scheme"] == "nf4")
    return lane["protocols"][0]


def at(result, path):
    for key in path:
        result = result[key]
    return result


def changed(name, result, reference, paths):
    """The quantities that are not the same but for the order of sums."""
    wrong = [path for path in paths
             if not math.isclose(at(result, path), at(reference, path), rel_tol=1e-11)]
    for path in wrong:
        print(f"{name}: {'/'.join(path)} is {at(result, path)}, was {at(reference, path)}")
    return len(wrong)


def main():
    bitloss = sys.argv[1]
    text = "".join(ARTICLES)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        reference = measure(bitloss, folder / "reference", text)
        doubled = measure(bitloss, folder / "doubled", text + text)
        reordered = measure(bitloss, folder / "reordered", "".join(reversed(ARTICLES)))
        failures = changed("doubled", doubled, reference, MEANS)
        failures += changed("reordered", reordered, reference, MEANS + INTERVALS)
        for count, times in (("sequences", 2), ("tokens", 2), ("predictions", 2)):
            if doubled[count] != times * reference[count]:
                failures += 1
                print(f"doubled: {count} is {doubled[count]}, was {reference[count]}")
        if doubled["delta_nll"]["clusters"] != 2 * len(ARTICLES):
            failures += 1
            print(f"doubled: {doubled['delta_nll']['clusters']} clusters")
        for name, options in {"threads": {"threads": "3"},
                              "lanes": {"schemes": "int8,nf4"}}.items():
            if measure(bitloss, folder / name, text, **options) != reference:
                failures += 1
                print(f"{name}: the lane's results are not the same")
    print(f"{failures} changed")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
