#!/usr/bin/env python3
"""Runs one study on every instruction set that this processor has; the reports must be one.

usage: instruction_sets_test.py BITLOSS

Every set is forced in turn, with as many threads as its place in the list, so that a difference in
either shows. Compared are the bytes of report.json and of the rows' own scores in CSV, without
timings. A second study, of a sampled answer, covers the dice.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

STUDIES = {
    "greedy": ["--schemes", "int8,nf4,awq,int8_row,q4_0", "--max-samples", "2",
               "--max-new-tokens", "4", "--calibration-tokens", "256"],
    "sampled": ["--schemes", "nf4", "--max-samples", "1", "--max-new-tokens", "4", "--sample"],
}


def instruction_sets(bitloss):
    limits = subprocess.run([bitloss, "bench", "--limits", "--json", "--threads", "1"], check=True,
                            capture_output=True, text=True).stdout
    return json.loads(limits)["instruction_sets"]


def reports(bitloss, options, instruction_set, threads, folder):
    subprocess.run([bitloss, "run", *options, "--instruction-set", instruction_set,
                    "--threads", str(threads), "--out", folder], check=True, capture_output=True)
    used = json.loads((folder / "report.json").read_text())["machine"]["backend"]
    assert f" {instruction_set}," in used, f"asked for {instruction_set}, ran on {used}"
    return [subprocess.run([bitloss, "report", folder, "--format", form, "--no-timings"],
                           check=True, capture_output=True).stdout for form in ("json", "csv")]


def main():
    bitloss = sys.argv[1]
    names = instruction_sets(bitloss)
    assert names, "no instruction set"
    for study, options in STUDIES.items():
        with tempfile.TemporaryDirectory() as scratch:
            first = None
            for threads, name in enumerate(names, start=1):
                report = reports(bitloss, options, name, threads, pathlib.Path(scratch) / name)
                first = first or report
                if report != first:
                    print(f"{study}: the report on {name} is not that on {names[0]}")
                    return 1
                print(f"{study}: {name}, {threads} threads: {len(report[0])} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
