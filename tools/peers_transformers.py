#!/usr/bin/env python3
"""Perplexity of a text with transformers in float32, for its speed.

usage: peers_transformers.py MODEL TEXT CHUNKS THREADS

MODEL is a folder or a .gguf file. Windows of 512 tokens, of which the second half is scored, as
llama-perplexity does and bitloss's protocol llamacpp-512. Prints {"tokens_per_second": ...}.
"""

import json
import pathlib
import sys
import time

import torch
import transformers

WINDOW = 512


def main():
    source, text = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    chunks = int(sys.argv[3])
    torch.set_num_threads(int(sys.argv[4]))
    if source.suffix == ".gguf":
        where, more = source.parent, {"gguf_file": source.name}
    else:
        where, more = source, {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(where, **more)
    model = transformers.AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **more)
    model.eval()
    ids = tokenizer(text.read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
    windows = ids[: len(ids) // WINDOW * WINDOW].view(-1, WINDOW)[:chunks]
    half = WINDOW // 2
    with torch.inference_mode():
        model(windows[:1], logits_to_keep=half)  # warm
        begin = time.monotonic()
        loss = 0.0
        for window in windows:
            logits = model(window[None], logits_to_keep=half).logits[0, :-1]
            loss += torch.nn.functional.cross_entropy(logits, window[half + 1:]).item()
        seconds = time.monotonic() - begin
    print(json.dumps({"tokens_per_second": windows.numel() / seconds}))


if __name__ == "__main__":
    main()
