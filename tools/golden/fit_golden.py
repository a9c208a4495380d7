#!/usr/bin/env python3
"""Goldens of the fits that need no model: GPTQ and HQQ of small matrices, written out in numpy.

    python tools/golden/fit_golden.py     (packages: tools/witness/README.md)

writes src/bitloss/quant/testdata/fits.json. GPTQ is the loop of IST-DASLab/gptq's gptq.py (fasterquant:
blocks of 128 columns, parameters of a group from the weights without the block's own updates) in
float64, with bitloss' grids: scales rounded to FP16 before codes are chosen. HQQ is hqq 0.2.8's
optimize_weights_proximal_legacy with axis=1, in float32 with means in float64.
"""

import json
import pathlib

import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "src" / "bitloss" / "quant" / "testdata" / "fits.json"
F32 = np.float32


def grid(group, bits, kind):
    """(scale, zero) of rows of weights, as int_group.h defines them."""
    top = F32(2**bits - 1)
    low = np.minimum(group.min(axis=1), 0).astype(F32)
    high = np.maximum(group.max(axis=1), 0).astype(F32)
    if kind == "full":
        absmax = np.maximum(-low, high)
        scale = (np.maximum(2 * absmax, F32(1e-5)) / top).astype(np.float16).astype(F32)
        return scale, np.full(len(group), 2.0 ** (bits - 1), F32)
    scale = (np.maximum(high - low, F32(1e-5)) / top).astype(np.float16).astype(F32)
    return scale, np.rint(np.minimum(-low / scale, top)).astype(F32)


def gptq(w, h, bits, kind, size, act_order, static, index=False):
    """index: the groups of act order are runs of reordered columns, as in the reference."""
    rows, cols = w.shape
    w = w.astype(np.float64)
    h = h.copy()
    dead = np.diag(h) == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    order = np.argsort(-np.diag(h), kind="stable") if act_order else np.arange(cols)
    static_grids = [grid(w[:, g:g + size].astype(F32), bits, kind) for g in range(0, cols, size)]
    w, h = w[:, order], h[np.ix_(order, order)]
    h[np.diag_indices(cols)] += 0.01 * np.mean(np.diag(h))
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    codes = np.zeros((rows, cols), np.uint8)
    for begin in range(0, cols, 128):
        end = min(begin + 128, cols)
        inner = w[:, begin:end].copy()
        lost = np.zeros_like(inner)
        for i in range(end - begin):
            if static or (act_order and not index):
                scale, zero = static_grids[order[begin + i] // size]
            elif (begin + i) % size == 0:
                scale, zero = grid(w[:, begin + i:begin + i + size].astype(F32), bits, kind)
            code = np.clip(np.rint(inner[:, i].astype(F32) / scale) + zero, 0, 2**bits - 1)
            codes[:, order[begin + i]] = code
            pivot = upper[begin + i, begin + i]
            lost[:, i] = (inner[:, i] - ((code - zero) * scale).astype(np.float64)) / pivot
            inner[:, i + 1:] -= np.outer(lost[:, i], upper[begin + i, begin + i + 1:end])
        w[:, end:] -= lost @ upper[begin:end, end:]
    return codes


def hqq(w, bits, size):
    groups = w.reshape(-1, size)
    top = F32(2**bits - 1)
    low, high = groups.min(axis=1, keepdims=True), groups.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        scale = np.where(high - low <= F32(1e-4), F32(1), np.minimum(top / (high - low), F32(2e4)))
    zero = -low * scale
    if bits == 4:
        zero = np.rint(zero)
    beta, least = F32(10), np.inf
    for _ in range(20):
        codes = np.rint(np.clip(groups * scale + zero, 0, top))
        missed = groups - (codes - zero) / scale
        with np.errstate(divide="ignore"):
            shrunk = np.maximum(np.abs(missed) - np.abs(missed) ** F32(-0.3) / beta, 0)
        shrunk = np.where(missed == 0, 0, np.copysign(shrunk, missed)).astype(F32)
        zero = np.mean((codes - (groups - shrunk) * scale).astype(np.float64), axis=1,
                       keepdims=True).astype(F32)
        error = np.abs(missed.astype(np.float64)).sum()
        if not error < least:
            break
        least = error
    step = (1 / scale).astype(np.float16).astype(F32)
    stored = zero.astype(np.float16).astype(F32)
    return np.rint(np.clip(groups / step + stored, 0, top)).astype(np.uint8), step, stored


def main():
    rng = np.random.default_rng(20251123)
    mixing = rng.normal(0, 1, (192, 192)) * (rng.random((192, 192)) < 0.05) + np.eye(192)
    x = (rng.normal(0, 1, (200, 192)) @ mixing * np.exp(rng.normal(0, 1, 192))).astype("<f2")
    x[:, 77] = 0  # an input that is never seen
    w = (rng.normal(0, 0.05, (20, 192)) * rng.choice([1, 1, 1, 3], (20, 192))).astype("<f2")
    h = x.astype(np.float64).T @ x.astype(np.float64)
    cases = []
    for name, bits, kind, size in [("int4_group:64:full", 4, "full", 64),
                                   ("int4_group:32:asym", 4, "asym", 32),
                                   ("int3_group:64:asym", 3, "asym", 64)]:
        for options in ["", ":static", ":act"]:
            codes = gptq(w.astype(F32), h, bits, kind, size, options == ":act",
                         options == ":static")
            cases.append({"scheme": f"{name}+gptq{options}", "codes_u8": codes.tobytes().hex()})
    for name, bits, kind, size in [("int4_group:64:full:index", 4, "full", 64),
                                   ("int3_group:32:asym:index", 3, "asym", 32)]:
        codes = gptq(w.astype(F32), h, bits, kind, size, True, False, index=True)
        cases.append({"scheme": f"{name}+gptq:act", "codes_u8": codes.tobytes().hex()})
    fits = {"shape": [20, 192], "tokens": 200, "weights_f16": w.tobytes().hex(),
            "x_f16": x.tobytes().hex(), "gptq": cases, "hqq": []}
    for bits in (4, 3, 2):
        codes, step, zero = hqq(w.astype(F32), bits, 64)
        fits["hqq"].append({"format": f"int{bits}_group:64:float", "codes_u8": codes.tobytes().hex(),
                            "scales_f32": step.astype("<f4").tobytes().hex(),
                            "zeros_f32": zero.astype("<f4").tobytes().hex()})
    OUT.write_text(json.dumps(fits, indent=1) + "\n")


main()
