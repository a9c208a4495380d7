#!/usr/bin/env python3
"""Goldens of models/bitloss-tiny, made by transformers in float32.

    python tools/golden/tiny_forward.py     (packages: tools/witness/README.md)

writes src/bitloss/model/testdata/tiny_forward.json. The FP16 weights are widened to float32, eager
attention, one sequence a call, no cache for scoring. Every number in the file is transformers'
own; nothing here implements a transformer.

File format (also said in the file's "format" field):
  texts[]     name, text, ids, nll[i] = -log softmax(logits of position i)[ids[i + 1]] in nats
              (log-softmax in float64), top5[i] = 5 x [id, logit] by falling logit at position i;
              "last_logits" (one text only): the full row of logits of the last position
  prompts[]   prompt, ids (chat template applied), greedy ids, and at each step the margin between
              the two largest logits; stops at, and includes, an EOS of generation_config.json
  lines       the first 40 non-empty lines of eval.txt, each alone with its newline, as protocol
              lines-512-seed reads them: token counts, mean NLL of each
              line over its predictions, and the mean over all predictions
  float32_noise   the largest |logit| difference between eager and SDPA attention over texts[]:
              what float32 rounding alone may do
"""

import json
import pathlib
import platform

import numpy
import tokenizers
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "bitloss-tiny"
GOLDEN = ROOT / "src" / "bitloss" / "model" / "testdata" / "tiny_forward.json"

NUM_LINES = 40
TEXTS = [("first 64 tokens of line 1", 0, 64, True),   # name, line, tokens, with last_logits
         ("first 40 tokens of line 7", 6, 40, False),
         ("first 24 tokens of line 21", 20, 24, False)]
PROMPTS = ["Say hello to a friend.",
           "What is 17 + 25?",
           "How do I write a Python function that tells if a number is even?",
           "Tell me a short story about a fox who loved music."]
NUM_NEW_TOKENS = 24


def load(attention):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        MODEL, dtype=torch.float32, attn_implementation=attention)
    return model.eval()


def logits_of(model, ids):
    """[len(ids), vocabulary] float32."""
    with torch.inference_mode():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def nlls_of(logits, ids):
    rows = torch.log_softmax(logits[:-1].double(), dim=-1)
    return (-rows[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]).tolist()


def float32(value):
    """The shortest decimal that reads back as the same float32."""
    return float(str(numpy.float32(value)))


def top5(logits):
    values, indices = torch.topk(logits, 5, dim=-1)
    return [[[int(i), float32(v)] for v, i in zip(row_v, row_i)]
            for row_v, row_i in zip(values.tolist(), indices.tolist())]


def greedy(model, ids, eos_ids):
    """transformers' own generate, without its sampling defaults."""
    config = transformers.GenerationConfig(
        do_sample=False, repetition_penalty=1.0, max_new_tokens=NUM_NEW_TOKENS,
        eos_token_id=eos_ids, pad_token_id=eos_ids[-1], return_dict_in_generate=True,
        output_logits=True)
    with torch.inference_mode():
        out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)).long(),
                             generation_config=config)
    new_ids = out.sequences[0, len(ids):].tolist()
    margins = []
    for step, logits in enumerate(out.logits):
        best = torch.topk(logits[0], 2).values.tolist()
        assert int(torch.argmax(logits[0])) == new_ids[step]
        margins.append(float32(best[0] - best[1]))
    return new_ids, margins


def main():
    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    bare = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    encode = lambda text: bare.encode(text, add_special_tokens=False).ids
    eos_ids = json.loads((MODEL / "generation_config.json").read_text())["eos_token_id"]
    eager, sdpa = load("eager"), load("sdpa")
    lines = [line for line in (MODEL / "eval.txt").read_text("utf-8").split("\n") if line]

    texts, noise = [], 0.0
    for name, line, count, with_last in TEXTS:
        # Cut at a token boundary, and keep the text that gives these ids.
        text = bare.decode(encode(lines[line])[:count])
        ids = encode(text)
        assert len(ids) == count, name
        texts.append({"name": name, "text": text, "ids": ids, "with_last": with_last})
    chat_text = tokenizer.apply_chat_template([{"role": "user", "content": PROMPTS[0]}],
                                              tokenize=False, add_generation_prompt=True)
    texts.append({"name": "chat prompt", "text": chat_text, "ids": encode(chat_text),
                  "with_last": False})
    for entry in texts:
        logits = logits_of(eager, entry["ids"])
        noise = max(noise, float((logits - logits_of(sdpa, entry["ids"])).abs().max()))
        entry["nll"] = nlls_of(logits, entry["ids"])
        entry["top5"] = top5(logits)
        if entry.pop("with_last"):
            entry["last_logits"] = [float32(v) for v in logits[-1].tolist()]

    prompts = []
    for prompt in PROMPTS:
        rendered = tokenizer.apply_chat_template([{"role": "user", "content": prompt}],
                                                 tokenize=False, add_generation_prompt=True)
        ids = encode(rendered)
        new_ids, margins = greedy(eager, ids, eos_ids)
        prompts.append({"prompt": prompt, "rendered": rendered, "ids": ids, "greedy": new_ids,
                        "margins": margins, "answer": bare.decode(new_ids)})

    line_rows, total, predictions = [], 0.0, 0
    for line in lines[:NUM_LINES]:
        ids = encode(line + "\n")
        nll = nlls_of(logits_of(eager, ids), ids)
        line_rows.append({"tokens": len(ids), "mean_nll": sum(nll) / len(nll)})
        total, predictions = total + sum(nll), predictions + len(nll)

    golden = {
        "made_by": "tools/golden/tiny_forward.py",
        "versions": {"transformers": transformers.__version__, "torch": torch.__version__,
                     "tokenizers": tokenizers.__version__, "numpy": numpy.__version__,
                     "python": platform.python_version()},
        "format": __doc__.split("File format", 1)[1].split(":", 1)[1].strip(),
        "float32_noise": float32(noise),
        "texts": texts,
        "prompts": prompts,
        "lines": {"count": NUM_LINES, "tokens": sum(r["tokens"] for r in line_rows),
                  "predictions": predictions, "mean_nll": total / predictions, "each": line_rows},
    }
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{GOLDEN.relative_to(ROOT)}: {GOLDEN.stat().st_size} bytes, float32 noise {noise:.3g}, "
          f"mean NLL of {NUM_LINES} lines {total / predictions:.9f} over {predictions} predictions")
    for p in prompts:
        print(f"  {p['prompt']!r} -> {p['answer']!r}, smallest margin {min(p['margins']):.4g}")


if __name__ == "__main__":
    main()
