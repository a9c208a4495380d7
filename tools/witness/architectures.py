#!/usr/bin/env python3
"""Runs `bitloss score` over folders that hold a checkpoint and what transformers computes from it,
and prints the table of docs/models.md.

    tools/witness/architectures.py PROGRAM FOLDER

FOLDER/NAME holds config.json, model.safetensors and logits.json: {"tokens": [ids], "nll": [losses of
transformers in float32]}; FOLDER/gguf/NAME.gguf, where it is there, the same model by llama.cpp's
converter. "=" under "by token" says that tokens which pass one at a time through a cache have the
losses of the whole sequence, digit for digit. Exit code 1 if a difference is above 1e-4.
"""
import json
import pathlib
import subprocess
import sys

TOLERANCE = 1e-4
SCHEMES = ["int8", "nf4", "q4_0", "int4_group:16", "mxfp4"]


def score(program, model, tokens, *options):
    """The losses, or the line that says why there are none."""
    done = subprocess.run(
        [program, "score", str(model), "--ids", "-", "--json", "--threads", "2", *options],
        input=json.dumps(tokens), capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr.strip()
    return json.loads(done.stdout)["nll"]


def worst(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def row(program, folder):
    golden = json.loads((folder / "logits.json").read_text())
    tokens, expected = golden["tokens"], golden["nll"]
    losses = score(program, folder, tokens, "--scheme", "fp32")
    if isinstance(losses, str):
        return [folder.name, "not run", "", "", losses.removeprefix("bitloss: ")], None
    difference = worst(losses, expected)
    whole = score(program, folder, tokens)
    steps = score(program, folder, tokens, "--token-by-token")
    gguf = folder.parent / "gguf" / f"{folder.name}.gguf"
    twin = score(program, gguf, tokens, "--scheme", "fp32") if gguf.exists() else None
    of_twin = "" if twin is None else twin if isinstance(twin, str) else f"{worst(twin, expected):.1e}"
    ran = [s for s in SCHEMES if not isinstance(score(program, folder, tokens, "--scheme", s), str)]
    differences = [difference] + ([worst(twin, expected)] if isinstance(twin, list) else [])
    return [folder.name, f"{difference:.1e}", of_twin, "=" if whole == steps else "DIFFERS",
            ", ".join(ran)], max(differences)


def main():
    program, root = sys.argv[1], pathlib.Path(sys.argv[2])
    print("| checkpoint | worst difference of a loss | GGUF | by token | schemes that ran |")
    print("|---|---|---|---|---|")
    failed = False
    for folder in sorted(path.parent for path in root.glob("*/logits.json")):
        cells, difference = row(program, folder)
        failed |= difference is not None and difference > TOLERANCE or cells[3] == "DIFFERS"
        print("| " + " | ".join(cells) + " |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
