#!/usr/bin/env python3
"""Goldens of the float formats: FP8, MX and NVFP4 of one matrix, by torch's float8 types.

    python tools/golden/float_formats.py     (packages: tools/witness/README.md)

writes src/bitloss/quant/testdata/float_formats.json. The casts to E4M3 and E5M2 are torch's; E2M1,
E2M3 and E3M2 are the nearest of the listed values, a tie to the even code. Formulas: in float32 as
compressed-tensors (fp8 row and tensor, nvfp4), transformers' fine-grained FP8 (block) and
microxcaling (mx) have them. `half_e4m3_sha256` (and e5m2) is the SHA-256 of the bytes that torch
gives for every finite FP16 number, in the order of their bits, clamped to the largest value.
"""

import hashlib
import json
import pathlib

import numpy
import torch

OUT = (pathlib.Path(__file__).resolve().parents[2] / "src" / "bitloss" / "quant" / "testdata" /
       "float_formats.json")
TORCH = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}
LARGEST = {"e4m3": 448.0, "e5m2": 57344.0, "e2m1": 6.0, "e2m3": 7.5, "e3m2": 28.0}
EMAX = {"e4m3": 8, "e5m2": 15, "e2m1": 2, "e2m3": 2, "e3m2": 4}
SHAPE = {"e2m1": (2, 1, 1), "e2m3": (2, 3, 1), "e3m2": (3, 2, 3)}  # exponent, mantissa, bias


def values_of(name):
    exponent_bits, mantissa_bits, bias = SHAPE[name]
    values = []
    for code in range(1 << (exponent_bits + mantissa_bits)):
        exponent, mantissa = code >> mantissa_bits, code % (1 << mantissa_bits)
        whole = mantissa if exponent == 0 else mantissa + (1 << mantissa_bits)
        values.append(whole * 2.0 ** (max(exponent, 1) - bias - mantissa_bits))
    return numpy.array(values)


def cast(x, name):
    """Codes of a float32 array."""
    x = numpy.clip(x, -LARGEST[name], LARGEST[name]).astype(numpy.float32)
    if name in TORCH:
        return torch.from_numpy(x).to(TORCH[name]).view(torch.uint8).numpy()
    values = values_of(name)
    distance = numpy.abs(numpy.abs(x.astype(numpy.float64))[..., None] - values)
    odd = numpy.arange(len(values)) % 2
    codes = numpy.lexsort((numpy.broadcast_to(odd, distance.shape), distance), axis=-1)[..., 0]
    return (codes + len(values) * numpy.signbit(x)).astype(numpy.uint8)


def fp8(w, name, rows, cols, by_factor):
    largest = numpy.float32(LARGEST[name])
    codes, scales = numpy.zeros(w.shape, numpy.uint8), []
    for r in range(0, w.shape[0], rows):
        for c in range(0, w.shape[1], cols):
            part = w[r:r + rows, c:c + cols]
            absmax = numpy.abs(part).max()
            if by_factor:
                factor = largest / absmax
                scales.append(numpy.float32(1) / factor)
                codes[r:r + rows, c:c + cols] = cast(part * factor, name)
            else:
                scales.append(absmax / largest)
                codes[r:r + rows, c:c + cols] = cast(part / scales[-1], name)
    return codes, numpy.array(scales, "<f4")


def mx(w, name):
    blocks = w.reshape(-1, 32)
    exponents = numpy.floor(numpy.log2(numpy.abs(blocks).max(axis=1))) - EMAX[name]
    codes = cast((blocks / numpy.exp2(exponents)[:, None]).astype(numpy.float32), name)
    return codes, (exponents + 127).astype(numpy.uint8)


def nvfp4(w):
    scale = numpy.float32(448) * numpy.float32(6) / numpy.abs(w).max()
    blocks = w.reshape(-1, 16)
    raw = scale * (numpy.abs(blocks).max(axis=1) / numpy.float32(6))
    bytes_of = cast(raw, "e4m3")
    block_scales = torch.from_numpy(bytes_of).view(torch.float8_e4m3fn).float().numpy() / scale
    return cast(blocks / block_scales[:, None], "e2m1"), bytes_of


def main():
    rng = numpy.random.default_rng(20251123)
    w = (rng.normal(0, 0.05, (4, 256)) * rng.choice([1, 1, 1, 6], (4, 256))).astype("<f2")
    x = w.astype(numpy.float32)
    made = {"fp8_e4m3:row": fp8(x, "e4m3", 1, 256, False),
            "fp8_e4m3:tensor": fp8(x, "e4m3", 4, 256, False),
            "fp8_e4m3:block": fp8(x, "e4m3", 128, 128, True),
            "fp8_e5m2:row": fp8(x, "e5m2", 1, 256, False),
            "mxfp4": mx(x, "e2m1"), "mxfp6:e2m3": mx(x, "e2m3"), "mxfp6:e3m2": mx(x, "e3m2"),
            "mxfp8:e4m3": mx(x, "e4m3"), "mxfp8:e5m2": mx(x, "e5m2"), "nvfp4": nvfp4(x)}
    golden = {"rows": 4, "cols": 256, "weights_f16": w.tobytes().hex(),
              "formats": [{"name": name, "codes_u8": codes.tobytes().hex(),
                           "scales": scales.tobytes().hex()}
                          for name, (codes, scales) in made.items()]}
    halves = numpy.arange(65536, dtype=numpy.uint16).view(numpy.float16)
    halves = halves[numpy.isfinite(halves)].astype(numpy.float32)
    for name in TORCH:
        digest = hashlib.sha256(cast(halves, name).tobytes()).hexdigest()
        golden[f"half_{name}_sha256"] = digest
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


main()
