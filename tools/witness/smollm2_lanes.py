"""Perplexity and KL of quantized forms of SmolLM2, by transformers and bitsandbytes in float32.

A lane replaces the seven linears of every decoder block; embedding, head and norms stay FP16. The
baseline's final hidden rows are kept, so a lane costs its own forward pass and one more product
with the head. KL is over the whole vocabulary, teacher-forced, in float64.

The nearest-rounding lanes are written out here, plainly, in float32 with scales rounded to FP16:
  int8_row           s = absmax/127, q = rne(w/s)
  intB_group64_asym  s = max(max - min, 1e-5)/(2^B - 1), z = clamp(-rne(min/s)), codes 0..2^B - 1
  intB_group64_sym   s = max(absmax, 1e-5)/(2^(B-1) - 1), codes -2^(B-1)..2^(B-1) - 1
They check a perplexity, not bits.
"""

import time

import bitsandbytes
import torch

import smollm2_model


def four_bit(kind, nested=False):
    def decoded(weight):
        functional = bitsandbytes.functional
        codes, state = functional.quantize_4bit(weight.float(), blocksize=64, quant_type=kind,
                                                compress_statistics=nested)
        return functional.dequantize_4bit(codes, state)
    return decoded


def group_asymmetric(bits, group):
    def decoded(weight):
        rows = weight.float().reshape(weight.shape[0], -1, group)
        low, high = rows.amin(-1, keepdim=True), rows.amax(-1, keepdim=True)
        top = 2**bits - 1
        scale = ((high - low).clamp(min=1e-5) / top).half().float()
        zero = (-torch.round(low / scale)).clamp(0, top)
        codes = (torch.round(rows / scale) + zero).clamp(0, top)
        return ((codes - zero) * scale).reshape(weight.shape)
    return decoded


def group_symmetric(bits, group):
    def decoded(weight):
        rows = weight.float().reshape(weight.shape[0], -1, group or weight.shape[1])
        top = 2 ** (bits - 1) - 1
        scale = (rows.abs().amax(-1, keepdim=True).clamp(min=1e-5) / top).half().float()
        codes = torch.round(rows / scale).clamp(-top - 1, top)
        return (codes * scale).reshape(weight.shape)
    return decoded


WEIGHT_LANES = {
    "nf4": four_bit("nf4"), "nf4-dq": four_bit("nf4", nested=True), "fp4": four_bit("fp4"),
    "int8_row": group_symmetric(8, None),
    "int4_group64_asym": group_asymmetric(4, 64), "int4_group64_sym": group_symmetric(4, 64),
    "int3_group64_asym": group_asymmetric(3, 64),
}


def llm_int8(weight):
    """bitsandbytes' own layer, as transformers' load_in_8bit makes it."""
    layer = bitsandbytes.nn.Linear8bitLt(weight.shape[1], weight.shape[0], bias=False,
                                         has_fp16_weights=False, threshold=6.0)
    layer.weight = bitsandbytes.nn.Int8Params(weight.clone(), requires_grad=False,
                                              has_fp16_weights=False)
    return layer.to("cpu").eval()


def real_activations(weight):
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data.copy_(weight)
    return layer.eval()


def install(smol, lane):
    """Puts the lane's layers in place of every decoder linear."""
    for index, block in enumerate(smol.model.model.layers):
        for name in smollm2_model.LINEARS:
            weight = smol.fp16[f"model.layers.{index}.{name}.weight"]
            layer = (llm_int8(weight) if lane == "llm.int8"
                     else real_activations(WEIGHT_LANES[lane](weight)))
            parent, leaf = name.split(".")
            setattr(block.get_submodule(parent), leaf, layer)


def hidden_rows(smol, ids):
    with torch.inference_mode():
        return smol.model.model(torch.tensor([ids]), use_cache=False).last_hidden_state[0, :-1]


def log_probabilities(smol, hidden):
    with torch.inference_mode():
        return torch.log_softmax(smol.model.lm_head(hidden).double(), dim=-1)


class Tally:
    """Sums over lines; one for the baseline, one for each lane."""

    def __init__(self):
        self.lengths, self.means, self.kls, self.kl_reverse, self.agree = [], [], [], 0.0, 0

    def add(self, ids, logprob):
        nll = -logprob[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        self.lengths.append(len(ids))
        self.means.append(float(nll.mean()))

    def compare(self, base, lane):
        self.kls.append((base.exp() * (base - lane)).sum(-1))
        self.kl_reverse += float((lane.exp() * (lane - base)).sum())
        self.agree += int((base.argmax(-1) == lane.argmax(-1)).sum())

    def result(self):
        out = smollm2_model.perplexities(self.lengths, self.means)
        if self.kls:
            kl = torch.cat(self.kls)
            out |= {"kl_mean": float(kl.mean()), "kl_median": float(kl.median()),
                    "kl_p99": float(torch.quantile(kl, 0.99)), "kl_max": float(kl.max()),
                    "kl_reverse_mean": self.kl_reverse / len(kl), "top1": self.agree / len(kl)}
        return out | {"line_mean_nll": [round(m, 9) for m in self.means]}


def evaluate(smol, ids, lanes, save):
    """{lane: figures}; `save` is called with what there is after each lane."""
    lanes = lanes or ["llm.int8", *WEIGHT_LANES]
    start, base_rows, tally = time.time(), [], Tally()
    for line in ids:
        base_rows.append(hidden_rows(smol, line))
        tally.add(line, log_probabilities(smol, base_rows[-1]))
    results = {"fp16": tally.result() | {"seconds": time.time() - start}}
    save(results)
    for lane in lanes:
        start, tally = time.time(), Tally()
        install(smol, lane)
        for line, rows in zip(ids, base_rows):
            logprob = log_probabilities(smol, hidden_rows(smol, line))
            tally.add(line, logprob)
            tally.compare(log_probabilities(smol, rows), logprob)
        results[lane] = tally.result() | {"seconds": time.time() - start}
        print(lane, {key: value for key, value in results[lane].items()
                     if key != "line_mean_nll"}, flush=True)
        save(results)
    return results
