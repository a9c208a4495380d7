#!/usr/bin/env python3
# Makes ggml_encodes.txt: rows of 256 weights and the blocks that ggml stores for them.
#
#     make_ggml_encodes.py LLAMA_CPP OUT
#
# LLAMA_CPP is a folder with llama.cpp's sources, whose ggml-quants.c is compiled with -O2
# -ffp-contract=off (nothing fused, as in its x86-64 builds); the golden is of the llama.cpp inside
# the sdist of llama-cpp-python 0.3.36. For Q4_0 to Q8_0, MXFP4, TQ1_0 and TQ2_0, gguf-py 0.19.0 is
# asked too and must agree. numpy 2.4.6.
#
# Lines "weights FP16-HEX" and "importance FP32-HEX" give row r its inputs; "TYPE r HEX" and
# "TYPE/imatrix r HEX" what it encodes to, without (but for types that are not defined without) and
# with importances.
import ctypes
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
         "IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS",
         "IQ2_S", "IQ3_XXS", "IQ3_S"]
ONLY_WITH_IMPORTANCES = ["IQ1_S", "IQ2_XXS", "IQ2_XS"]
GGUF_PY = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", "TQ1_0", "TQ2_0"]
STUBS = """
int ggml_backend_buffer_get_usage(void) { return 0; }
void ggml_backend_tensor_memset(void) {}
void ggml_backend_tensor_set(void) {}
void ggml_critical_section_start(void) {}
void ggml_critical_section_end(void) {}
"""


def compile_ggml(sources, folder):
    ggml = pathlib.Path(sources) / "ggml"
    (folder / "ggml-version.h").write_text('#define GGML_VERSION ""\n#define GGML_COMMIT ""\n')
    (folder / "stubs.c").write_text(STUBS)
    library = folder / "libggml.so"
    subprocess.run(["cc", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-D_GNU_SOURCE", "-w",
                    f"-I{ggml}/src", f"-I{ggml}/include", f"-I{folder}", f"{ggml}/src/ggml-quants.c",
                    f"{ggml}/src/ggml.c", f"{folder}/stubs.c", "-o", str(library), "-lm",
                    "-lpthread"], check=True)
    return ctypes.CDLL(str(library))


def encode(library, name, row, importance):
    kind = gguf.GGMLQuantizationType[name]
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(len(row) // weights * size, dtype=np.uint8)
    quantize = library["quantize_" + name.lower().replace("_k", "_K")]
    quantize.restype = ctypes.c_size_t
    floats = ctypes.POINTER(ctypes.c_float)
    quantize(row.ctypes.data_as(floats), out.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(1),
             ctypes.c_int64(len(row)),
             None if importance is None else importance.ctypes.data_as(floats))
    return out


def rows(rng):
    yield from (rng.normal(0, 0.02, 256) for _ in range(3))
    yield rng.normal(0, 1, 256) * rng.choice([0.01, 0.01, 0.01, 0.3], 256)  # outliers
    yield np.abs(rng.normal(0, 0.1, 256))  # one sign
    yield -np.abs(rng.normal(0.2, 0.1, 256))
    yield rng.integers(-3, 4, 256) * 0.125  # a coarse grid: ties
    yield np.where(np.arange(256) < 100, 0.0, rng.normal(0, 0.05, 256))  # groups of zeros
    yield np.zeros(256)
    yield np.full(256, 0.375)
    yield rng.normal(0, 1e-6, 256)  # subnormal in FP16


def main():
    rng = np.random.default_rng(20251123)
    with tempfile.TemporaryDirectory() as folder, open(sys.argv[2], "w") as out:
        library = compile_ggml(sys.argv[1], pathlib.Path(folder))
        for kind in ["IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S"]:
            library.iq2xs_init_impl(int(gguf.GGMLQuantizationType[kind]))
        for points in [256, 512]:
            library.iq3xs_init_impl(points)
        for r, values in enumerate(rows(rng)):
            half = values.astype("<f2")
            row = half.astype("<f4")
            importance = (rng.normal(0, 1, 256) ** 2 + 0.01).astype("<f4")
            print("weights", r, half.tobytes().hex(), file=out)
            print("importance", r, importance.tobytes().hex(), file=out)
            for name in TYPES:
                if name not in ONLY_WITH_IMPORTANCES:
                    plain = encode(library, name, row, None)
                    if name in GGUF_PY:
                        peer = gguf.quants.quantize(row, gguf.GGMLQuantizationType[name])
                        if peer.tobytes() != plain.tobytes():
                            sys.exit(f"{name}, row {r}: gguf-py and ggml-quants.c differ")
                    print(name, r, plain.tobytes().hex(), file=out)
                weighted = encode(library, name, row, importance)
                print(name + "/imatrix", r, weighted.tobytes().hex(), file=out)


main()
