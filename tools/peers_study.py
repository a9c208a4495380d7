#!/usr/bin/env python3
"""The work of a whole study with transformers and bitsandbytes on the CPU, for its time.

usage: peers_study.py MODEL TEXT LINES PROMPTS NEW_TOKENS THREADS

MODEL is a folder or a .gguf file, PROMPTS a JSON file with a list of strings. The float32 model,
then LLM.int8 and NF4 of bitsandbytes, each: loss and KL against float32 over the first LINES lines
of TEXT that are not headings or empty (at most 512 tokens of each), and NEW_TOKENS greedy tokens
for all prompts as one batch. Prints {"seconds": ..., "text_tokens": ...}; reading the model from
disk and quantizing it are not counted.
"""

import json
import pathlib
import sys
import time

import bitsandbytes
import torch
import transformers

MAX_TOKENS = 512


def int8_layer(linear):
    layer = bitsandbytes.nn.Linear8bitLt(linear.in_features, linear.out_features,
                                         bias=linear.bias is not None, has_fp16_weights=False,
                                         threshold=6.0)
    layer.weight = bitsandbytes.nn.Int8Params(linear.weight.data.clone(), requires_grad=False,
                                              has_fp16_weights=False)
    return layer


def nf4_layer(linear):
    layer = bitsandbytes.nn.Linear4bit(linear.in_features, linear.out_features,
                                       bias=linear.bias is not None,
                                       compute_dtype=torch.float32, quant_type="nf4")
    layer.weight = bitsandbytes.nn.Params4bit(linear.weight.data.clone(), requires_grad=False,
                                              quant_type="nf4")
    return layer


def replace_linears(model, make):
    """Puts make(linear) in place of every linear of the decoder blocks."""
    for block in model.model.layers:
        for parent in list(block.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is torch.nn.Linear:
                    layer = make(child)
                    if child.bias is not None:
                        layer.bias = child.bias
                    setattr(parent, name, layer.to("cpu").eval())


def score(model, lines, baseline):
    """Loss of each line, and KL against the baseline's logits where there are any."""
    kept = []
    for i, ids in enumerate(lines):
        logits = model(ids[None]).logits[0, :-1].float()
        log_q = torch.log_softmax(logits, -1)
        torch.nn.functional.nll_loss(log_q, ids[1:]).item()
        if baseline is None:
            kept.append(log_q)
        else:
            (baseline[i].exp() * (baseline[i] - log_q)).sum(-1).mean().item()
    return kept


def main():
    source = pathlib.Path(sys.argv[1])
    torch.set_num_threads(int(sys.argv[6]))
    if source.suffix == ".gguf":
        where, more = source.parent, {"gguf_file": source.name}
    else:
        where, more = source, {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(where, **more)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    text = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    wanted = [line for line in text if line.strip() and not line.strip().startswith("=")]
    lines = [tokenizer(line, return_tensors="pt").input_ids[0][:MAX_TOKENS]
             for line in wanted[:int(sys.argv[3])]]
    lines = [ids for ids in lines if len(ids) > 1]
    prompts = json.loads(pathlib.Path(sys.argv[4]).read_text(encoding="utf-8"))
    batch = tokenizer(prompts, return_tensors="pt", padding=True)
    new_tokens = int(sys.argv[5])
    seconds, baseline = 0.0, None
    with torch.inference_mode():
        for make in (None, int8_layer, nf4_layer):
            model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32,
                                                                      **more).eval()
            if make is not None:
                replace_linears(model, make)
            model(lines[0][None, :8])  # warm
            begin = time.monotonic()
            kept = score(model, lines, baseline)
            model.generate(**batch, min_new_tokens=new_tokens, max_new_tokens=new_tokens,
                           do_sample=False, pad_token_id=tokenizer.pad_token_id)
            seconds += time.monotonic() - begin
            if baseline is None:
                baseline = kept
    print(json.dumps({"seconds": seconds, "text_tokens": sum(len(ids) for ids in lines)}))


if __name__ == "__main__":
    main()
