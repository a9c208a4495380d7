#!/usr/bin/env python3
"""Goldens of what llama.cpp rounds while it runs, by its own functions.

    python tools/golden/ggml_rows.py LIBRARY     (tools/witness/llama_library.py says which)

writes src/bitloss/quant/testdata/ggml_rows.json: rows of float32 numbers; what each type of a cache of
keys and values makes of them ("caches"), and the inputs of matrices in blocks of 256 (Q8_K); and for
each type of matrices whose activations bitloss rounds before the product, a row of blocks and its
product with each row ("products"), by the plain loops of ggml-cpu.
"""

import ctypes
import json
import pathlib
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "src" / "bitloss" / "quant" / "testdata" / "ggml_rows.json"
COLS = 256
# Bytes of a block, elements of it, for every type.
CACHES = {"q8_0": (34, 32), "q5_1": (24, 32), "q5_0": (22, 32), "q4_1": (20, 32), "q4_0": (18, 32),
          "iq4_nl": (18, 32)}
ACTIVATIONS = {"q8_k": ("q8_K", 292, 256), "q8_0": ("q8_0", 34, 32)}
# Type of the matrix: its number, bytes of a block, and the type that its activations get.
PRODUCTS = {"q2_k": (10, 84, "q8_k"), "q3_k": (11, 110, "q8_k"), "q4_k": (12, 144, "q8_k"),
            "q5_k": (13, 176, "q8_k"), "q6_k": (14, 210, "q8_k"), "iq2_xxs": (16, 66, "q8_k"),
            "iq2_xs": (17, 74, "q8_k"), "iq3_xxs": (18, 98, "q8_k"), "iq1_s": (19, 50, "q8_k"),
            "iq3_s": (21, 110, "q8_k"), "iq2_s": (22, 82, "q8_k"), "iq4_xs": (23, 136, "q8_k"),
            "iq1_m": (29, 56, "q8_k"), "tq1_0": (34, 54, "q8_k"), "tq2_0": (35, 66, "q8_k"),
            "mxfp4": (39, 17, "q8_0")}


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def symbol_of(name):
    return name.replace("_k", "_K")


def encoded(c, name, x, num_bytes):
    blocks = numpy.zeros(num_bytes, numpy.uint8)
    getattr(c, f"quantize_row_{symbol_of(name)}")(pointer(x), pointer(blocks), ctypes.c_int64(x.size))
    return blocks


def through(c, name, x, block_bytes, block):
    blocks = encoded(c, name, x, x.size // block * block_bytes)
    out = numpy.zeros_like(x)
    getattr(c, f"dequantize_row_{symbol_of(name)}")(pointer(blocks), pointer(out), ctypes.c_int64(x.size))
    return out


def product(c, name, weights, x):
    number, block_bytes, activations = PRODUCTS[name]
    block = 32 if activations == "q8_0" else 256
    importance = numpy.ones_like(weights)
    blocks = numpy.zeros(weights.size // block * block_bytes, numpy.uint8)
    c.ggml_quantize_chunk(number, pointer(weights), pointer(blocks), ctypes.c_int64(0), ctypes.c_int64(1),
                          ctypes.c_int64(weights.size), pointer(importance))
    dot = getattr(c, f"ggml_vec_dot_{symbol_of(name)}_{symbol_of(activations)}_generic")
    sums = []
    _, bytes_of, block_of = ACTIVATIONS[activations]
    for row in x:
        codes = encoded(c, activations, row, row.size // block_of * bytes_of)
        out = numpy.zeros(1, numpy.float32)
        dot(row.size, pointer(out), ctypes.c_size_t(0), pointer(blocks), ctypes.c_size_t(0), pointer(codes),
            ctypes.c_size_t(0), 1)
        sums.append(out[0])
    return blocks, numpy.array(sums, "<f4")


def rows():
    random = numpy.random.default_rng(2026)
    x = random.standard_normal((3, COLS)).astype(numpy.float32)
    x[0, [3, 200]] *= [30, -20]
    x[1] = numpy.abs(x[1])
    x[1, 96:128] = 0
    x[2] = numpy.round(x[2] * 4) / 4  # values that tie
    return x


def main():
    c = ctypes.CDLL(sys.argv[1])
    c.ggml_quantize_chunk.restype = ctypes.c_size_t
    c.ggml_cpu_init()
    x = rows()
    weights = numpy.random.default_rng(7).standard_normal(COLS).astype(numpy.float32) / 16
    made = {"shape": list(x.shape), "x_f32": x.tobytes().hex(), "caches": [], "products": []}
    for name, sizes in CACHES.items():
        rounded = numpy.array([through(c, name, row, *sizes) for row in x])
        made["caches"].append({"name": name, "rounded_f32": rounded.tobytes().hex()})
    rounded = numpy.array([through(c, "q8_k", row, 292, 256) for row in x])
    made["q8_k_f32"] = rounded.tobytes().hex()
    for name in PRODUCTS:
        blocks, sums = product(c, name, weights, x)
        made["products"].append({"name": name, "blocks": blocks.tobytes().hex(),
                                 "sums_f32": sums.tobytes().hex()})
    with OUT.open("w") as file:
        json.dump(made, file, indent=0)


main()
