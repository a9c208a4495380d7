#!/usr/bin/env python3
"""What a rounded cache of keys and values costs in llama.cpp, and in the lanes that do as it does.

    llama_kv_cache.py --bitloss build/release/bitloss --library xllamacpp.abi3.so --model MODEL \\
        --text TEXT [--windows 16] --record FILE

Needs numpy, gguf and a library (llama_library.py says which). The model is written as a GGUF file of
F32, whose activations llama.cpp does not round, and both programs evaluate the first windows of 512
tokens of the text with each cache: llama.cpp in its flash attention, ":plain" with
LLAMA_ATTN_ROT_DISABLE=1. FILE gets, of both, the mean loss and its change (from a cache of F32, in
llama.cpp without flash attention, which would make F16 of it), and the mean KL from it over the second
half of each window (llamacpp-512); of their losses, token by token, the root of the mean square of the difference.

Where codes flip, single losses move: the lanes are evaluated once more for each of PERTURBATIONS of the
first norm's weights in the file. What that moves, of the second halves, is what a program that adds in
another order may be away ("noise").
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import gguf
import numpy

import llama_library

TYPES = ["f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
FEW = ["q8_0", "q4_0"]
# Suffix of the lane, keys, values.
CACHES = ([(f"+kv={name}", name, name) for name in TYPES] +
          [(f"+kv={name}:plain", name, name) for name in FEW] +
          [(f"+k={name}+v=f16", name, "f16") for name in FEW] +
          [(f"+k=f16+v={name}", "f16", name) for name in FEW])
PERTURBATIONS = [1e-6, -1e-6]
WINDOW = 512


def perturbed(path, perturbation, target):
    """The file with the weights of its first norm a little larger."""
    tensor = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.0.attn_norm.weight")
    weights = (tensor.data.astype(numpy.float64) * (1 + perturbation)).astype(numpy.float32)
    shutil.copy(path, target)
    with open(target, "r+b") as file:
        file.seek(int(tensor.data_offset))
        file.write(weights.tobytes())
    return target


class Lanes:
    """bitloss on one file: losses of every token, KL of the second halves."""

    def __init__(self, args, model, windows, folder):
        self.args, self.model, self.windows = args, model, windows
        (folder / "ids").write_text("\n".join(map(json.dumps, windows)))
        self.ids = folder / "ids"
        study = folder / f"{model.stem}-study"
        schemes = ",".join("f32" + suffix for suffix, _, _ in CACHES)
        subprocess.run([args.bitloss, "run", model, "--baseline", "f32", "--schemes", schemes, "--text",
                        args.text, "--protocol", "llamacpp-512", "--max-samples", str(len(windows)),
                        "--suite", "none", "--out", study], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        lanes = json.loads((study / "report.json").read_text())["lanes"]
        self.protocols = {lane["scheme"]: lane["protocols"][0] for lane in lanes[1:]}

    def losses(self, scheme):
        chosen = ["--scheme", scheme] if scheme else []
        lines = subprocess.run([self.args.bitloss, "score", self.model, *chosen, "--ids", self.ids, "--json"],
                               check=True, capture_output=True, text=True).stdout.splitlines()
        return numpy.array([json.loads(line)["nll"] for line in lines])

    def kl(self, scheme):
        return self.protocols[scheme]["kl"]["mean"]


def evaluated(model, windows, base, keys, values, flash=True):
    """Losses of every token; KL from the base over the second halves, which the first call fills."""
    losses, kl = [], []
    for i, (window, logits) in enumerate(zip(windows, model.logits(windows, keys, values, flash))):
        logs = llama_library.log_softmax(logits[:-1])
        losses.append(-logs[range(len(logs)), window[1:]])
        half = slice(WINDOW // 2, None)
        if len(base) == i:
            base.append(logs[half].astype(numpy.float32))
        kl.append((numpy.exp(base[i].astype(numpy.float64)) * (base[i] - logs[half])).sum(axis=1))
    return numpy.array(losses), float(numpy.mean(kl))


def rms(difference):
    return float(numpy.sqrt((difference ** 2).mean()))


def compare(suffix, theirs, kl, base, lanes, noisy):
    scheme = "f32" + suffix
    ours = lanes.losses(scheme)
    nll = lanes.protocols[scheme]["nll"]
    return {"cache": suffix.removeprefix("+"), "llama.cpp loss": theirs.mean(), "bitloss loss": ours.mean(),
            "llama.cpp change": theirs.mean() - base[0].mean(),
            "bitloss change": ours.mean() - base[1].mean(), "difference": ours.mean() - theirs.mean(),
            "token rms": rms(ours - theirs), "llama.cpp KL": kl, "bitloss KL": lanes.kl(scheme),
            "noise of the mean": max(abs(other.protocols[scheme]["nll"] - nll) for other in noisy),
            "noise of KL": max(abs(other.kl(scheme) / lanes.kl(scheme) - 1) for other in noisy)}


def measure(args, folder):
    subprocess.run([args.bitloss, "quantize", args.model, "--scheme", "f32", "--layout", "gguf", "--out",
                    folder / "f32"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = folder / "f32" / "model.gguf"
    ids = json.loads(subprocess.run([args.bitloss, "tokenize", path], stdin=open(args.text), check=True,
                                    capture_output=True, text=True).stdout)
    windows = [ids[i * WINDOW:(i + 1) * WINDOW] for i in range(min(args.windows, len(ids) // WINDOW))]
    lanes = Lanes(args, path, windows, folder)
    noisy = [Lanes(args, perturbed(path, p, folder / f"perturbed{i}.gguf"), windows, folder)
             for i, p in enumerate(PERTURBATIONS)]
    model = llama_library.Library(args.library).load(path)
    base = []
    losses = [evaluated(model, windows, base, "f32", "f32", flash=False)[0], lanes.losses("")]
    results = [{"cache": "f32", "llama.cpp loss": losses[0].mean(), "bitloss loss": losses[1].mean(),
                "difference": losses[1].mean() - losses[0].mean(), "token rms": rms(losses[1] - losses[0])}]
    for suffix, keys, values in CACHES:
        os.environ.pop("LLAMA_ATTN_ROT_DISABLE", None)
        if suffix.endswith(":plain"):
            os.environ["LLAMA_ATTN_ROT_DISABLE"] = "1"
        theirs, kl = evaluated(model, windows, base, keys, values)
        results.append(compare(suffix, theirs, kl, losses, lanes, noisy))
        print(json.dumps(results[-1]), flush=True)
    model.close()
    return {"windows": len(windows), "results": results}


def main():
    parser = argparse.ArgumentParser()
    for name in ["bitloss", "library", "model", "text", "record"]:
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    parser.add_argument("--windows", type=int, default=16)
    args = parser.parse_args()
    record = json.loads(args.record.read_text()) if args.record.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        record[args.model.stem] = measure(args, pathlib.Path(folder))
    record["library"] = "xllamacpp 2026.10.11549"
    args.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
