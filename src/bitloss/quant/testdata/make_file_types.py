#!/usr/bin/env python3
# Makes file_types.txt: which types llama-quantize gives the tensors of a few models.
#
#     make_file_types.py LLAMA_QUANTIZE OUT
#
# Made with the llama-quantize of the llama.cpp inside the sdist of llama-cpp-python 0.3.36, whose
# --dry-run is asked, and gguf-py 0.19.0. The models are files of zeros with the sizes below.
#
# One line for each model, file type and use of an importance matrix: "MODEL FILE_TYPE plain|imatrix
# SHA COUNTS": the SHA-256 of the lines "NAME TYPE\n" of all matrices, by name, its first 16 digits,
# and how many there are of each type, most first.
import collections
import hashlib
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import gguf
import numpy

# Layers, hidden, ffn, heads, kv heads, experts, whether the head is the embedding.
MODELS = {"dense": (32, 2048, 5632, 32, 4, 0, False), "mha": (22, 1024, 2816, 16, 16, 0, True),
          "eight": (16, 1024, 3584, 16, 4, 8, False), "sixty": (18, 1024, 768, 16, 8, 60, False),
          "eighty": (80, 1024, 2816, 16, 2, 0, False), "odd": (12, 576, 1500, 9, 3, 0, True)}
FILE_TYPES = """Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q2_K_S Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K
    IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_NL IQ4_XS TQ1_0 TQ2_0
    MXFP4_MOE""".split()
LINE = re.compile(r"\] +(\S+) +- \[.*type = +(\S+), size = .*?(?:\((\S+)\))?$")


def tensors_of(layers, hidden, ffn, heads, kv_heads, experts, tied):
    kv = hidden // heads * kv_heads
    yield "token_embd.weight", [512, hidden]
    if not tied:
        yield "output.weight", [512, hidden]
    for layer in range(layers):
        for name, shape in {"attn_q": [hidden, hidden], "attn_k": [kv, hidden], "attn_v": [kv, hidden],
                            "attn_output": [hidden, hidden]}.items():
            yield f"blk.{layer}.{name}.weight", shape
        for name, shape in {"ffn_gate": [ffn, hidden], "ffn_up": [ffn, hidden],
                            "ffn_down": [hidden, ffn]}.items():
            if experts:
                yield f"blk.{layer}.{name}_exps.weight", [experts, *shape]
            else:
                yield f"blk.{layer}.{name}.weight", shape


def write_model(path, sizes):
    layers, hidden, ffn, heads, kv_heads, experts, _ = sizes
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(512)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(512)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)
    total = 0
    for name, shape in tensors_of(*sizes):
        size = 2
        for extent in shape:
            size *= extent
        writer.add_tensor_info(name, shape, numpy.dtype(numpy.float16), size)
        total += size + 64
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size + total + 4096)


def types_of(program, model, file_type, importance):
    out = subprocess.run([program, "--dry-run", *importance, model, file_type], check=True,
                         capture_output=True, text=True)
    types = {}
    for line in (out.stdout + out.stderr).splitlines():
        if found := LINE.search(line):
            name, source, made = found.groups()
            types[name] = (made or source).upper()
    return types


def main():
    with tempfile.TemporaryDirectory() as name, open(sys.argv[2], "w") as out:
        folder = pathlib.Path(name)
        importance = folder / "imatrix.dat"
        importance.write_bytes(struct.pack("<ii1siif", 1, 1, b"x", 1, 1, 1.0))
        for model, sizes in MODELS.items():
            path = folder / f"{model}.gguf"
            write_model(path, sizes)
            for file_type in FILE_TYPES:
                for use, given in [("plain", []), ("imatrix", ["--imatrix", str(importance)])]:
                    types = types_of(sys.argv[1], path, file_type, given)
                    assert types.keys() == {name for name, _ in tensors_of(*sizes)}
                    text = "".join(f"{name} {types[name]}\n" for name in sorted(types))
                    counts = collections.Counter(types.values())
                    words = [f"{count} {kind}" for kind, count in
                             sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
                    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                    print(model, file_type, use, digest, ", ".join(words), file=out)
            path.unlink()


main()
