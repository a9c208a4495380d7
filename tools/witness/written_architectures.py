#!/usr/bin/env python3
"""Whether transformers loads what `bitloss quantize` writes of every architecture, and reads the same
model in it.

    tools/witness/written_architectures.py PROGRAM FOLDER [--record tools/witness/checkpoints.json] \\
        [--llama LIBRARY]

FOLDER/NAME holds config.json, model.safetensors, a tokenizer and logits.json with "tokens". For each
scheme a checkpoint is written and loaded by transformers (with compressed-tensors), in float32 on the
CPU with eager attention; beside the losses of its tokens stand those of `bitloss score --scheme`. The
last column is a GGUF file of the folder with a tokenizer of characters, which llama.cpp loads
(llama_library.py says which LIBRARY); it rounds activations to FP16, so 2e-2 is asked of it. The
table gives the worst difference of a loss, or the line that says why there is none; it stands in the
record as "architectures". Exit code 1 if a difference is above 1e-4, or 1e-3 with delta rules, which
transformers computes in chunks.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers

import architectures
import checkpoints
import llama_library

SCHEMES = [("fp16", []), ("int8_row", ["--layout", "compressed-tensors"]),
           ("int4_group:8:sym", ["--layout", "compressed-tensors"])]


def bitloss(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1].removeprefix("bitloss: "))
    return done.stdout


def load(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    wrapped = hasattr(config, "text_config") and "ConditionalGeneration" in config.architectures[0]
    kind = transformers.AutoModelForImageTextToText if wrapped else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float32, device_map="cpu",
                                 attn_implementation="eager")
    checkpoints.compute_in_float32(model)
    return model.eval()


def losses_of(folder, tokens):
    with torch.no_grad():
        logits = load(folder)(input_ids=torch.tensor([tokens])).logits[0].double()
    log_probs = torch.log_softmax(logits, dim=-1)
    return [-float(log_probs[i, token]) for i, token in enumerate(tokens[1:])]


def difference(program, folder, scheme, options):
    tokens = json.loads((folder / "logits.json").read_text())["tokens"]
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "written"
        bitloss(program, "quantize", folder, "--scheme", scheme, "--out", out, *options)
        ids = pathlib.Path(scratch) / "ids"
        ids.write_text(json.dumps(tokens))
        scored = bitloss(program, "score", folder, "--ids", ids, "--json", "--scheme", scheme)
        theirs = losses_of(out, tokens)
    return max(abs(a - b) for a, b in zip(json.loads(scored)["nll"], theirs, strict=True))


def difference_of_gguf(program, folder, library):
    tokens = json.loads((folder / "logits.json").read_text())["tokens"]
    with tempfile.TemporaryDirectory() as scratch:
        copy, out = architectures.with_characters(folder, scratch), pathlib.Path(scratch) / "written.gguf"
        bitloss(program, "quantize", copy, "--scheme", "fp16", "--out", out)
        ours = architectures.score(program, copy, tokens)
        model = library.load(out)
        logits, = model.logits([tokens], keys="f32", values="f32", flash=False)
        model.close()
    log_probs = llama_library.log_softmax(logits)
    return float(numpy.abs(-log_probs[numpy.arange(len(tokens) - 1), tokens[1:]] - ours).max())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--llama", type=pathlib.Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    library = llama_library.Library(options.llama) if options.llama else None
    columns = ["checkpoint", *(scheme for scheme, _ in SCHEMES), *(["GGUF, llama.cpp"] if library else [])]
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    failed = False
    results = []
    for folder in sorted(path.parent for path in options.folder.glob("*/logits.json")):
        tolerance = 1e-3 if "linear_attention" in (folder / "config.json").read_text() else 1e-4
        cells = [folder.name]
        for scheme, layout in SCHEMES:
            try:
                found = difference(options.program, folder, scheme, layout)
                failed |= found > tolerance
                cells.append(f"{found:.1e}")
            except Exception as error:  # whatever a loader says is what the table is about
                cells.append(" ".join(str(error).split())[:90])
        if library:
            try:
                found = difference_of_gguf(options.program, folder, library)
                failed |= found > 2e-2
                cells.append(f"{found:.1e}")
            except (RuntimeError, SystemExit) as error:
                cells.append(" ".join(str(error).split())[:90])
        print("| " + " | ".join(cells) + " |", flush=True)
        results.append(dict(zip(columns, cells, strict=True)))
    if options.record:
        record = json.loads(options.record.read_text())
        record["architectures"] = results
        options.record.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
