#!/usr/bin/env python3
"""Whether other programs load the checkpoints that bitloss writes, and read the same model in them.

    checkpoints.py --bitloss build/release/bitloss --model MODEL --text TEXT [--chunks 4] \\
        --record FILE [--only nf4,...]

For each scheme: `bitloss quantize` writes a checkpoint, `bitloss run --lane` evaluates it beside the
lane that made it, and a witness loads the same files and evaluates the same tokens. The protocol is
llamacpp-512: chunks of 512 tokens, those of the second half scored. The witness computes in float32
on the CPU. FILE gets every perplexity and how far it is from the lane's.
"""

import argparse
import json
import math
import pathlib
import platform
import subprocess
import tempfile

import torch
import transformers

# Scheme, options of `bitloss quantize`, witness.
CASES = [
    ("nf4", [], "transformers + bitsandbytes"),
    ("nf4-dq", [], "transformers + bitsandbytes"),
    ("fp4", [], "transformers + bitsandbytes"),
    ("int8", [], "transformers + bitsandbytes"),
    ("rtn4", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int4_group:64:sym", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("int8_row", ["--layout", "compressed-tensors"], "transformers + compressed-tensors"),
    ("awq", [], "transformers + gptqmodel"),
    ("int4_group:128:sym", ["--layout", "gptq"], "transformers + gptqmodel"),
    ("fp16", ["--layout", "gguf"], "llama.cpp"),
    ("q8_0", [], "llama.cpp"),
    ("q4_0", [], "llama.cpp"),
    ("q4_k", [], "llama.cpp"),
]


def lane_results(bitloss, model, scheme, checkpoint, text, chunks, folder):
    """Perplexities of the lane that a scheme makes and of the checkpoint as a lane."""
    study = folder / "study"
    subprocess.run([bitloss, "run", model, "--schemes", scheme, "--lane", checkpoint, "--text", text,
                    "--protocol", "llamacpp-512", "--max-samples", str(chunks), "--suite", "none",
                    "--out", study], check=True, stdout=subprocess.DEVNULL)
    lanes = json.loads((study / "report.json").read_text())["lanes"]
    return [lane["protocols"][0]["perplexity"] for lane in lanes]


def chunks_of(tokenizer, text, count):
    ids = tokenizer(text.removesuffix("\n"), add_special_tokens=False).input_ids
    return [ids[i * 512:(i + 1) * 512] for i in range(min(count, len(ids) // 512))]


@torch.no_grad()
def transformers_perplexity(checkpoint, text, count, **options):
    """Each chunk by itself, as a batch of one."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, device_map="cpu", attn_implementation="eager",
        **options).eval()
    total, scored = 0.0, 0
    for ids in chunks_of(tokenizer, text, count):
        logits = model(torch.tensor([ids])).logits[0].double()
        losses = -torch.log_softmax(logits[:-1], dim=-1)[range(511), ids[1:]]
        total += losses[256:].sum().item()
        scored += 255
    return math.exp(total / scored)


def compressed_tensors_perplexity(checkpoint, text, count):
    """Decompressed as it is loaded: transformers 5.23 does not keep packed zero points packed."""
    config = transformers.CompressedTensorsConfig(dequantize=True)
    return transformers_perplexity(checkpoint, text, count, quantization_config=config)


def llama_cpp_perplexity(checkpoint, text, count):
    """llama.cpp's own tokenizer and FP32 activations where its kernels have them; ggml's kernels
    for quantized types round activations to blocks of 8 bits."""
    import llama_cpp
    import numpy
    llama = llama_cpp.Llama(str(checkpoint / "model.gguf"), n_ctx=512, n_batch=512, logits_all=True,
                            verbose=False, n_threads=2, n_gpu_layers=0)
    ids = llama.tokenize(text.removesuffix("\n").encode(), add_bos=False, special=True)
    total, scored = 0.0, 0
    for i in range(min(count, len(ids) // 512)):
        chunk = ids[i * 512:(i + 1) * 512]
        llama.reset()
        llama.eval(chunk)
        logits = numpy.array(llama.scores[:511], dtype=numpy.float64)
        top = logits.max(axis=1, keepdims=True)
        log_sum = numpy.log(numpy.exp(logits - top).sum(axis=1)) + top[:, 0]
        losses = log_sum - logits[numpy.arange(511), chunk[1:]]
        total += losses[256:].sum()
        scored += 255
    return math.exp(total / scored)


WITNESSES = {"transformers + bitsandbytes": transformers_perplexity,
             "transformers + compressed-tensors": compressed_tensors_perplexity,
             "transformers + gptqmodel": transformers_perplexity,
             "llama.cpp": llama_cpp_perplexity}


def versions():
    import importlib.metadata as metadata
    found = {"python": platform.python_version()}
    for name in ["torch", "transformers", "bitsandbytes", "compressed-tensors", "gptqmodel",
                 "llama_cpp_python"]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass  # its cases are not asked for
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bitloss", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--record", required=True)
    parser.add_argument("--only", help="schemes, separated by commas")
    args = parser.parse_args()
    text = pathlib.Path(args.text).read_text("utf-8")
    wanted = args.only.split(",") if args.only else [scheme for scheme, _, _ in CASES]
    results = []
    for scheme, options, witness in CASES:
        if scheme not in wanted:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            checkpoint = folder / "checkpoint"
            subprocess.run([args.bitloss, "quantize", args.model, "--scheme", scheme, "--out",
                            checkpoint, *options], check=True, stdout=subprocess.DEVNULL)
            baseline, made, stored = lane_results(args.bitloss, args.model, scheme, checkpoint,
                                                  args.text, args.chunks, folder)
            theirs = WITNESSES[witness](checkpoint, text, args.chunks)
        result = {"scheme": scheme, "options": " ".join(options), "witness": witness,
                  "baseline": baseline, "lane": made, "checkpoint as lane": stored,
                  "witness perplexity": theirs, "relative difference": theirs / stored - 1}
        assert made == stored, result
        print(json.dumps(result), flush=True)
        results.append(result)
    path = pathlib.Path(args.record)
    if path.exists():  # cases that were not asked for stay
        made = {(result["scheme"], result["options"]) for result in results}
        results += [old for old in json.loads(path.read_text())["results"]
                    if (old["scheme"], old["options"]) not in made]
    order = [(scheme, " ".join(options)) for scheme, options, _ in CASES]
    results.sort(key=lambda result: order.index((result["scheme"], result["options"])))
    record = {"made_by": "tools/witness/checkpoints.py", "versions": versions(),
              "model": pathlib.Path(args.model).name, "text": pathlib.Path(args.text).name,
              "protocol": "llamacpp-512", "chunks": args.chunks, "results": results}
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
