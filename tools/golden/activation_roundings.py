#!/usr/bin/env python3
"""Goldens of rounded activations: compressed-tensors' own fake quantization of some rows.

    python tools/golden/activation_roundings.py     (compressed-tensors 0.20.1, torch on a CPU)

writes src/bitloss/quant/testdata/activation_roundings.json: rows of float32 numbers and, for each
rounding by the name that a scheme has for it, what comes back. Where its dynamic scales differ from
bitloss' by a constant of the engine (127 for 127.5) there is no golden. One linear sees the rows as
a batch of one, [1][tokens][channels]. `scale` is what calibration gives: of `fp8:static`, of
`w8a8:ct:static`, and the global factor of `nvfp4`.
"""

import json
import pathlib

import numpy
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import (calculate_qparams, compute_dynamic_scales_and_zp,
                                                   generate_gparam)

OUT = (pathlib.Path(__file__).resolve().parents[2] / "src" / "bitloss" / "quant" / "testdata" /
       "activation_roundings.json")


def rows():
    random = numpy.random.default_rng(16)
    x = random.standard_normal((3, 256)).astype(numpy.float32)
    x[0, [3, 77, 200]] *= [40, -25, 9]  # outliers
    x[1] = numpy.abs(x[1]) + 0.5        # one sign
    x[1, 128:160] = 0                   # zeros in blocks
    x[2] *= numpy.exp2(random.integers(-12, 5, 256)).astype(numpy.float32)
    x[2, :16] *= numpy.float32(1e-6)
    return torch.from_numpy(x)


def dynamic(x, scale=None, **args):
    args = QuantizationArgs(dynamic=True, **args)
    scales, zeros = compute_dynamic_scales_and_zp(x, args, None, scale)
    return fake_quantize(x, scales, zeros, args, global_scale=scale)


def static(x, calibrated, **args):
    args = QuantizationArgs(dynamic=False, strategy="tensor", **args)
    scale, zero = calculate_qparams(calibrated.min(), calibrated.max(), args)
    return fake_quantize(x, scale, zero, args), scale.item()


def with_global_scale(x):
    scale = generate_gparam(x.min(), x.max())
    args = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16,
            "scale_dtype": torch.float8_e4m3fn, "zp_dtype": torch.float8_e4m3fn}
    args = QuantizationArgs(dynamic="local", **args)
    scales, zeros = compute_dynamic_scales_and_zp(x, args, None, scale)
    return fake_quantize(x, scales, zeros, args, global_scale=scale), scale.item()


def mx(x, num_bits):
    return dynamic(x, num_bits=num_bits, type="float", strategy="group", group_size=32,
                   scale_dtype=torch.uint8, zp_dtype=torch.uint8)


def main():
    x = rows()[None]
    int8 = {"num_bits": 8, "type": "int"}
    fp8 = {"num_bits": 8, "type": "float"}
    made = {"fp8": (dynamic(x, strategy="token", **fp8), 0.0),
            "fp8:static": static(x, x * 0.75, **fp8),  # some of the rows is cut off
            "fp8:block": (dynamic(x, strategy="group", group_size=128, **fp8), 0.0),
            "w8a8:ct": (dynamic(x, strategy="token", **int8), 0.0),
            "w8a8:ct:asym": (dynamic(x, strategy="token", symmetric=False, **int8), 0.0),
            "w8a8:ct:static": static(x, x * 0.75, **int8),
            "nvfp4": with_global_scale(x),
            "mxfp4": (mx(x, 4), 0.0), "mxfp8": (mx(x, 8), 0.0)}
    hexadecimal = lambda t: t.detach().float().contiguous().numpy().tobytes().hex()  # noqa: E731
    json.dump({"shape": list(x.shape[1:]), "x_f32": hexadecimal(x),
               "roundings": [{"name": name, "scale_f32": numpy.float32(scale).tobytes().hex(),
                              "rounded_f32": hexadecimal(rounded)}
                             for name, (rounded, scale) in made.items()]},
              OUT.open("w"), indent=0)


main()
