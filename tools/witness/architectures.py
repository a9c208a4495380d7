#!/usr/bin/env python3
"""Runs `bitloss score` over folders that hold checkpoints and what transformers computes from them,
and prints the table of docs/models.md.

    tools/witness/architectures.py PROGRAM FOLDER...

FOLDER/NAME holds config.json, model.safetensors and logits.json: {"tokens": [ids], "nll": [losses of
transformers in float32]}; FOLDER/gguf/NAME.gguf or FOLDER/NAME/NAME.gguf, where it is there, the same
model as llama.cpp's converter writes it. "=" under "by token" says that tokens which pass one at a
time through a cache have the losses of the whole sequence, digit for digit. Under "schemes" is how
many of SCHEMES ran to finite losses that are not the baseline's, and which did not. "lines" are those
of the file in src/bitloss/model/architectures. Exit code 1 if a difference is above 1e-4 (1e-3 with
delta rules, which transformers computes in chunks), a token by itself differs, or a checkpoint or a
GGUF file does not run.
"""
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMES = ["int8", "nf4", "fp8", "w8a8", "int4_group:4", "int4_group:4+awq", "int4_group:4+gptq", "int8_row+kv=fp8_e4m3"]


def score(program, model, tokens, *options):
    """The losses, or the line that says why there are none."""
    done = subprocess.run(
        [program, "score", str(model), "--ids", "-", "--json", "--threads", "2", "--calibration",
         str(ROOT / "models/bitloss-tiny/calibration.txt"), "--calibration-tokens", "512",
         "--calibration-sequence", "128", *options],
        input=json.dumps(tokens), capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr.strip().removeprefix("bitloss: ")
    return json.loads(done.stdout)["nll"]


def worst(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def with_characters(folder, scratch):
    """A copy that has a token for each character."""
    copy = pathlib.Path(scratch) / folder.name
    copy.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(folder / name, copy / name)
    vocab = {chr(c): c for c in range(33, 127)} | {"<s>": 0, "\u0120": 1, "\u010a": 2}
    (copy / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    (copy / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False},
        "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": vocab, "merges": []}}))
    return copy


def schemes_that_ran(program, folder, tokens, baseline):
    missing = []
    with tempfile.TemporaryDirectory() as scratch:
        has_tokenizer = (folder / "tokenizer.json").exists()  # fits calibrate on text
        model = folder if has_tokenizer else with_characters(folder, scratch)
        for scheme in SCHEMES:
            losses = score(program, model, tokens, "--scheme", scheme)
            if isinstance(losses, str) or not all(map(math.isfinite, losses)) or losses == baseline:
                missing.append(scheme)
    return f"{len(SCHEMES) - len(missing)}" + (f", not {', '.join(missing)}" if missing else "")


def known_architectures():
    """Of each model_type: the models as the first table of docs/models.md names them, and how many
    lines its file has."""
    models = {}
    for line in (ROOT / "docs/models.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            first, named = [cell.strip() for cell in line.strip("|").split("|")[:2]]
            for name in re.findall("`([a-z0-9_]+)`", first):
                models.setdefault(name, named)
    lines = {}
    for path in (ROOT / "src/bitloss/model/architectures").glob("*.cc"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'\.name = "([a-z0-9_]+)"', text):
            lines[name] = len(text.splitlines())
    return models, lines


def row(program, folder, known):
    golden = json.loads((folder / "logits.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    kind = config.get("text_config", config)["model_type"]
    tolerance = 1e-3 if "linear_attention" in json.dumps(config) else 1e-4
    tokens, expected = golden["tokens"], golden["nll"]
    start = [f"`{kind}`", known[0].get(kind, ""), folder.name]
    losses = score(program, folder, tokens, "--scheme", "fp32")
    if isinstance(losses, str):
        return [*start, "not run: " + losses, "", "", "", ""], False
    whole = score(program, folder, tokens)
    same = whole == score(program, folder, tokens, "--token-by-token")
    places = [folder.parent / "gguf" / f"{folder.name}.gguf", folder / f"{folder.name}.gguf"]
    twin = next((score(program, path, tokens, "--scheme", "fp32") for path in places if path.exists()), None)
    of_twin = "" if twin is None else twin if isinstance(twin, str) else f"{worst(twin, expected):.1e}"
    differences = [worst(losses, expected)] + ([worst(twin, expected)] if isinstance(twin, list) else [])
    cells = [f"{differences[0]:.1e}", of_twin, "=" if same else "DIFFERS",
             schemes_that_ran(program, folder, tokens, whole), str(known[1][kind])]
    return [*start, *cells], same and max(differences) <= tolerance and not isinstance(twin, str)


def main():
    program = sys.argv[1]
    known = known_architectures()
    folders = [path.parent for root in sys.argv[2:] for path in pathlib.Path(root).glob("*/logits.json")]
    print("| architecture | models | checkpoint | worst loss | GGUF | by token | schemes | lines |")
    print("|---|---|---|---|---|---|---|---|")
    good = True
    for folder in sorted(folders, key=lambda path: (path.name, str(path))):
        cells, holds = row(program, folder, known)
        good &= holds
        print("| " + " | ".join(cells) + " |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
