#!/usr/bin/env python3
"""What transformers and bitsandbytes say about SmolLM2-135M-Instruct. See README.md beside this.

    smollm2_transformers.py nll    --lines 50 ...  NLL of `lines-512-seed`, float32 eager attention
    smollm2_transformers.py greedy ...             greedy answers to 20 chat prompts, with margins
    smollm2_transformers.py quant  ...             hashes of bitsandbytes' codes of every linear
    smollm2_transformers.py lanes  --lines 50 ...  perplexity and KL of quantized weights
    smollm2_transformers.py collect ...            what --out holds, into smollm2_reference.json

Common arguments: --gguf (tools/fetch-smollm2 prints it), --tokenizer tokenizer.json, --text
wiki.test.raw, --selection seed_protocol_samples.json, --out FOLDER, --threads N.
"""

import argparse
import hashlib
import json
import pathlib
import platform
import re
import time

import bitsandbytes
import bitsandbytes.functional
import gguf
import numpy
import tokenizers
import torch
import transformers

import smollm2_lanes
import smollm2_model

HASHED_LAYERS = (0, 15, 29)
PROMPTS = [
    "What is the capital of France?",
    "List three primary colours.",
    "Write a haiku about the sea.",
    "What is 12 plus 30?",
    "Translate to Spanish: Good morning, my friend.",
    "Explain in two sentences why the sky is blue.",
    "Write a Python function that returns the larger of two numbers.",
    "Who wrote the play Hamlet?",
    "Give me a recipe for pancakes.",
    "Is the following review positive or negative? \"The food was cold and the waiter was rude.\"",
    "Name a mammal that can fly.",
    "Summarize: The meeting was moved from Monday to Wednesday because the manager was ill.",
    "If all cats are animals and Tom is a cat, what is Tom?",
    "Tell me a short story about a lighthouse keeper.",
    "What does HTTP stand for?",
    "Sort these numbers from small to large: 9, 2, 7, 4.",
    "Give two advantages of riding a bicycle to work.",
    "Extract the date from this sentence: The treaty was signed on 12 May 1871.",
    "How many days are there in a leap year?",
    "Write one polite sentence that declines an invitation to dinner.",
]


def versions():
    return {"transformers": transformers.__version__, "torch": torch.__version__,
            "bitsandbytes": bitsandbytes.__version__, "gguf": "0.19.0",
            "tokenizers": tokenizers.__version__, "numpy": numpy.__version__,
            "python": platform.python_version()}


def write(args, name, result):
    result = {"made_by": "tools/witness/smollm2_transformers.py", "versions": versions(),
              "gguf_sha256": smollm2_model.sha256_of_file(args.gguf), **result}
    path = pathlib.Path(args.out) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(path)


def load_lines(args, smol):
    tokenizer = smol.check_tokenizer(args.tokenizer)
    rows = smollm2_model.seed_lines(args.text, args.selection, args.lines)
    ids = smollm2_model.encode_lines(tokenizer, rows)
    digest = hashlib.sha256(numpy.concatenate([numpy.array(i, "<u4") for i in ids]).tobytes())
    return rows, ids, digest.hexdigest()


def nll_command(args, smol):
    rows, ids, ids_sha256 = load_lines(args, smol)
    means, each, start = [], [], time.time()
    for (index, _), line in zip(rows, ids):
        with torch.inference_mode():
            logits = smol.model(torch.tensor([line]), use_cache=False).logits[0, :-1]
            logprob = torch.log_softmax(logits.double(), dim=-1)
            nll = -logprob[torch.arange(len(line) - 1), torch.tensor(line[1:])]
        means.append(float(nll.mean()))
        each.append({"nonblank_index": index, "tokens": len(line), "mean_nll": means[-1],
                     "first_nlls": nll[:4].tolist()})
    result = smollm2_model.perplexities([len(line) for line in ids], means)
    suffix = "" if args.attention == "eager" else f"_{args.attention}"
    write(args, f"smollm2_nll_{args.lines}{suffix}.json",
          {**result, "ids_sha256_u32le": ids_sha256,
           "weights_changed_by_fp16_rounding": sum(smol.inexact.values()),
           "seconds": time.time() - start, "threads": args.threads, "each": each,
           "ids": ids if args.lines <= 50 else None})
    print(json.dumps(result, indent=1))


def greedy_command(args, smol):
    tokenizer = smol.check_tokenizer(args.tokenizer)
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    config = transformers.GenerationConfig(
        do_sample=False, repetition_penalty=1.0, max_new_tokens=100, eos_token_id=smol.eos_id,
        pad_token_id=smol.eos_id, return_dict_in_generate=True, output_logits=True)
    answers = []
    for prompt in PROMPTS:
        rendered = wrapped.apply_chat_template(
            [{"role": "user", "content": prompt}], chat_template=smol.chat_template,
            tokenize=False, add_generation_prompt=True)
        ids = tokenizer.encode(rendered, add_special_tokens=False).ids
        with torch.inference_mode():
            out = smol.model.generate(torch.tensor([ids]), generation_config=config,
                                      attention_mask=torch.ones(1, len(ids)).long())
        new_ids = out.sequences[0, len(ids):].tolist()
        best = [torch.topk(step[0], 2).values.tolist() for step in out.logits]
        answers.append({"prompt": prompt, "rendered": rendered, "prompt_ids": ids,
                        "greedy": new_ids, "text": tokenizer.decode(new_ids),
                        "margins": [round(a - b, 6) for a, b in best]})
        print(len(new_ids), repr(answers[-1]["text"][:70]), min(answers[-1]["margins"]))
    write(args, "smollm2_greedy.json",
          {"format": "greedy: 100 tokens at most, EOS included; margins: largest minus second "
                     "largest logit of each step", "answers": answers})


def sha256_of(*tensors):
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def nearest_entries(absmax, state):
    """The nested codes without the CPU library's table of 65,536 points (quant_golden.py)."""
    entries, scale = state.state2.code, state.state2.absmax.repeat_interleave(256)[: len(absmax)]
    scaled = ((absmax - state.offset) * (1 / scale)).clamp(-1, 1)
    return torch.bucketize(scaled, (entries[:-1] + entries[1:]) / 2).to(torch.uint8)


def bitsandbytes_forms(weight):
    """{what: bytes that bitsandbytes 0.50 stores on the CPU} of an FP16 matrix [out, in]."""
    functional = bitsandbytes.functional
    forms = {}
    for kind in ("nf4", "fp4"):
        codes, state = functional.quantize_4bit(weight, blocksize=64, quant_type=kind)
        decoded = functional.dequantize_4bit(codes, state)
        forms[f"{kind}.codes"], forms[f"{kind}.absmax"] = codes, state.absmax
        forms[f"{kind}.decoded_fp16"] = decoded
        _, wide = functional.quantize_4bit(weight.float(), blocksize=64, quant_type=kind)
        forms[f"{kind}.decoded_fp32"] = functional.dequantize_4bit(codes, wide)
    codes, state = functional.quantize_4bit(weight, blocksize=64, quant_type="nf4",
                                            compress_statistics=True)
    forms["nf4-dq.q8"], forms["nf4-dq.absmax2"] = state.absmax, state.state2.absmax
    forms["nf4-dq.offset"] = state.offset.reshape(1)
    forms["nf4-dq.q8_nearest"] = nearest_entries(forms["nf4.absmax"], state)
    cb, scb, _ = functional.int8_vectorwise_quant(weight)
    forms["int8.CB"], forms["int8.SCB"] = cb, scb
    return forms


def quant_command(args, smol):
    chosen = {f"model.layers.{layer}.{name}" for layer in HASHED_LAYERS
              for name in smollm2_model.LINEARS}
    totals, each, stored = {}, {}, {}
    for name, _ in smol.linears():
        weight = smol.fp16[name + ".weight"]
        forms = bitsandbytes_forms(weight)
        if name in chosen:
            each[name] = {"shape": list(weight.shape), "fp16_sha256": sha256_of(weight),
                          **{what: sha256_of(tensor) for what, tensor in forms.items()},
                          "nf4-dq.offset_value": float(forms["nf4-dq.offset"][0])}
        for what, tensor in [("fp16", weight), *forms.items()]:
            totals.setdefault(what, hashlib.sha256()).update(tensor.contiguous().numpy().tobytes())
            stored[what] = stored.get(what, 0) + tensor.numel() * tensor.element_size()
    write(args, "smollm2_quant.json",
          {"format": "sha256 of raw little-endian bytes; q/k in Hugging Face row order; codes two "
                     "a byte, first in the high nibble; 'all' runs over blocks 0..29, in each "
                     + ", ".join(smollm2_model.LINEARS),
           "blocksize": 64, "all": {what: digest.hexdigest() for what, digest in totals.items()},
           "all_bytes": stored, "matrices": each})


def lanes_command(args, smol):
    _, ids, ids_sha256 = load_lines(args, smol)
    result = smollm2_lanes.evaluate(smol, ids, args.lanes.split(",") if args.lanes else None,
                                    lambda partial: write(args, f"smollm2_lanes_{args.lines}.json",
                                                          {"ids_sha256_u32le": ids_sha256,
                                                           "lanes": partial}))
    print(json.dumps(result, indent=1))


def without(result, *keys):
    return {key: value for key, value in result.items() if key not in keys}


def collect_command(args, smol):
    """smollm2_reference.json: the figures that are there, less what is long."""
    def read(name):
        path = pathlib.Path(args.out) / name
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    reference = {"made_by": "tools/witness/smollm2_transformers.py", "versions": versions(),
                 "gguf_sha256": smollm2_model.sha256_of_file(args.gguf),
                 "arithmetic": "float32, eager attention, FP16-rounded decoded weights; NLL in "
                               "nats from a float64 log-softmax", "nll": {}, "lanes": {}}
    for lines in (50, 500):
        if nll := read(f"smollm2_nll_{lines}.json"):
            kept = without(nll, "made_by", "versions", "gguf_sha256", "each", "ids", "threads",
                           "seconds")
            if lines == 50:
                kept["line_mean_nll"] = [round(line["mean_nll"], 9) for line in nll["each"]]
            reference["nll"][lines] = kept
        if (nll := read(f"smollm2_nll_{lines}_sdpa.json")) and lines in reference["nll"]:
            reference["nll"][lines]["mean_nll_with_sdpa"] = nll["mean_nll"]
        if lanes := read(f"smollm2_lanes_{lines}.json"):
            reference["lanes"][lines] = {
                lane: without(figures, "line_mean_nll", "seconds", "lines", "tokens", "predictions")
                for lane, figures in lanes["lanes"].items()}
    quant, greedy = read("smollm2_quant.json"), read("smollm2_greedy.json")
    reference["quant"] = without(quant, "made_by", "versions", "gguf_sha256")
    reference["greedy"] = without(greedy, "made_by", "versions", "gguf_sha256")
    text = json.dumps(reference, indent=1, ensure_ascii=False)
    # Rows of numbers on one line.
    text = re.sub(r"\[\s+([-\d.,\se]+?)\s+\]",
                  lambda rows: "[" + re.sub(r"\s+", " ", rows.group(1)) + "]", text)
    path = pathlib.Path(__file__).with_name("smollm2_reference.json")
    path.write_text(text + "\n", "utf-8")
    print(path, len(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"nll": nll_command, "greedy": greedy_command, "quant": quant_command,
                "lanes": lanes_command, "collect": collect_command}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--tokenizer")
    parser.add_argument("--text")
    parser.add_argument("--selection")
    parser.add_argument("--lines", type=int, default=50)
    parser.add_argument("--lanes", help="comma-separated; default: all")
    parser.add_argument("--attention", choices=["eager", "sdpa"], default="eager")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", default="witness-out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    smol = None
    if args.command != "collect":
        smol = smollm2_model.Smollm2(args.gguf)
        smol.model.set_attn_implementation(args.attention)
    commands[args.command](args, smol)


if __name__ == "__main__":
    main()
