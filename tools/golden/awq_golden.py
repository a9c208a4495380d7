#!/usr/bin/env python3
"""Makes src/bitloss/quant/testdata/awq.json: AWQ's two searches on small random layers.

AutoAWQ 0.2.9's formulas (quantize/quantizer.py: pseudo_quantize_tensor, _compute_best_scale,
_compute_best_clip) written again in numpy, with bitloss' precisions: scale factors of groups in
FP16 and codes for the rounded scale, weights in float32, means and errors in float64. Nothing is
shared with bitloss' code. The clipping error is computed the long way, by the products of every
input with every group, not by a Gram matrix.

Usage: tools/golden/awq_golden.py  (numpy; no other packages)
"""

import json
import pathlib

import numpy as np

F = np.float32


def quantize(w, group, bits, sym):
    """The decoded weights of the group format."""
    out, width = w.shape
    g = w.reshape(-1, group).astype(F)
    if sym:
        top = 2 ** (bits - 1) - 1
        scale = (np.maximum(np.abs(g).max(1), F(1e-5)) / F(top)).astype(np.float16).astype(F)[:, None]
        q = np.clip(np.rint(g / scale), -top - 1, top)
        return (q * scale).astype(F).reshape(out, width)
    top = 2**bits - 1
    low, high = np.minimum(g.min(1), F(0)), np.maximum(g.max(1), F(0))
    scale = (np.maximum(high - low, F(1e-5)) / F(top)).astype(np.float16).astype(F)[:, None]
    zero = np.clip(-np.rint(low[:, None] / scale), 0, top)
    q = np.clip(np.rint(g / scale) + zero, 0, top)
    return ((q - zero) * scale).astype(F).reshape(out, width)


def search_scale(weights, x, group, bits, sym):
    x_mean = np.abs(x.astype(np.float64)).mean(0).astype(F)
    w = np.concatenate(weights).astype(np.float64)
    g = w.reshape(-1, group)
    w_mean = (np.abs(g) / (np.abs(g).max(1, keepdims=True) + 1e-6)).reshape(w.shape).mean(0)
    w_mean = w_mean.astype(F)
    plain = [x.astype(np.float64) @ m.T.astype(np.float64) for m in weights]
    losses, all_scales = [], []
    for k in range(20):
        r = k / 20
        s = x_mean.astype(np.float64) ** r / (w_mean.astype(np.float64) ** (1 - r) + 1e-4)
        s = np.maximum(s, 1e-4)
        s = s / np.sqrt(s.max() * s.min())
        s[~np.isfinite(s)] = 1
        s = s.astype(F)
        total, count = 0.0, 0
        for m, y in zip(weights, plain):
            candidate = (quantize((m * s).astype(F), group, bits, sym) / s).astype(F)
            d = x.astype(np.float64) @ candidate.T.astype(np.float64) - y
            total, count = total + (d**2).sum(), count + d.size
        losses.append(total / count)
        all_scales.append(s)
    best = int(np.argmin(losses))
    return x_mean, w_mean, losses, best, all_scales[best]


def search_clip(w, x, group, bits, sym):
    out, width = w.shape
    x = x[:: max(1, x.shape[0] // 512)].astype(np.float64)
    result = w.copy()
    steps = np.zeros((out, width // group), np.uint8)
    for o in range(out):
        for b in range(width // group):
            cols = slice(b * group, (b + 1) * group)
            values = w[o, cols]
            reference = x[:, cols] @ values.astype(np.float64)
            least = np.inf
            for k in range(10):
                bound = F(np.abs(values).max() * F(1 - k / 20))
                clipped = np.clip(values, -bound, bound)
                q = quantize(clipped[None], group, bits, sym)[0].astype(np.float64)
                error = ((x[:, cols] @ q - reference) ** 2).mean()
                if error < least:
                    least = error
                    steps[o, b] = k
                    result[o, cols] = clipped
    return steps, result


def encode(array):
    return np.ascontiguousarray(array).tobytes().hex()


def case(rng, name, outs, width, tokens, group, bits, sym):
    channels = np.exp(rng.normal(0, 1.2, width))  # some columns are much larger, as in models
    x = (rng.normal(0, 1, (tokens, width)) * channels).astype(np.float16).astype(F)
    weights = [(rng.standard_t(4, (o, width)) * 0.05).astype(np.float16) for o in outs]
    w32 = [w.astype(F) for w in weights]
    x_mean, w_mean, losses, best, scales = search_scale(w32, x, group, bits, sym)
    steps, clipped = search_clip(w32[0], x, group, bits, sym)
    return {
        "name": name,
        "format": f"int{bits}_group:{group}:{'sym' if sym else 'asym'}",
        "inputs": {"shape": [tokens, width], "values_f16": encode(x.astype(np.float16))},
        "weights": [{"shape": list(w.shape), "values_f16": encode(w)} for w in weights],
        "x_means_f32": encode(x_mean),
        "w_means_f32": encode(w_mean),
        "losses_f64": encode(np.array(losses)),
        "best": best,
        "best_scales_f32": encode(scales),
        "clip_steps_u8": encode(steps),
        "clipped_f32": encode(clipped),
    }


def main():
    rng = np.random.default_rng(20240607)
    golden = {
        "made_by": "tools/golden/awq_golden.py",
        "versions": {"numpy": np.__version__},
        "format": "Arrays are hexadecimal raw little-endian bytes, row-major; the key's suffix "
        "names the element. losses: mean squared error of all outputs for ratios k / 20. "
        "clip_steps and clipped: of the first matrix, as it is (not scaled).",
        "cases": [
            case(rng, "two matrices, 4 bits", [12, 5], 48, 40, 16, 4, False),
            case(rng, "one matrix, 3 bits", [20], 40, 33, 8, 3, False),
            case(rng, "one matrix, 3 bits symmetric", [18], 32, 30, 16, 3, True),
            case(rng, "one matrix, 2 bits, every second input", [17], 8, 1025, 8, 2, False),
        ],
    }
    root = pathlib.Path(__file__).resolve().parents[2]
    path = root / "src/bitloss/quant/testdata/awq.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
