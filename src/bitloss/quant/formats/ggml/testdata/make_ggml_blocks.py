#!/usr/bin/env python3
# Makes ggml_blocks.txt: random blocks of each type and what gguf-py decodes them to.
# Made with Python 3.11.7, gguf 0.19.0, numpy 2.4.6: pip install gguf==0.19.0 numpy==2.4.6
#
# One line a block: type, bytes in hexadecimal, decoded float32 (little-endian) in hexadecimal. All
# scales are finite: subnormal, negative, both zeros, the largest; all other bits are random.
import sys

import gguf
import numpy as np

# Type, byte offsets of its FP16 scales, blocks to make.
TYPES = [("Q4_0", [0], 20), ("Q4_1", [0, 2], 20), ("Q5_0", [0], 20), ("Q5_1", [0, 2], 20),
         ("Q8_0", [0], 20), ("Q4_K", [0, 2], 8), ("Q5_K", [0, 2], 8), ("Q6_K", [208], 8),
         ("Q2_K", [80, 82], 8), ("Q3_K", [108], 8), ("IQ4_NL", [0], 8), ("IQ4_XS", [0], 8),
         ("TQ1_0", [52], 8), ("TQ2_0", [64], 8), ("MXFP4", [], 8), ("NVFP4", [], 8),
         ("IQ2_XXS", [0], 4), ("IQ2_XS", [0], 4), ("IQ2_S", [0], 4), ("IQ3_XXS", [0], 4),
         ("IQ3_S", [0], 4), ("IQ1_S", [0], 4), ("IQ1_M", [], 4)]
SCALES = [0x0001, 0x83FF, 0x8000, 0x0000, 0x7BFF, 0xFBFF, 0x0400, 0xB266]


def main():
    rng = np.random.default_rng(20240607)
    with open(sys.argv[1], "w") as out:
        for name, offsets, count in TYPES:
            kind = gguf.GGMLQuantizationType[name]
            size = gguf.GGML_QUANT_SIZES[kind][1]
            for i in range(count):
                block = rng.integers(0, 256, size, dtype=np.uint8)
                for k, offset in enumerate(offsets):
                    scale = np.uint16(SCALES[(i + 3 * k) % len(SCALES)])
                    if i >= len(SCALES):
                        scale = np.float16(rng.normal(0, 0.05)).view(np.uint16)
                    block[offset:offset + 2] = np.array([scale], dtype="<u2").view(np.uint8)
                if name == "IQ1_M":  # d's bits are in four places; no NaN and no infinity
                    block[55] &= 0xBF
                values = gguf.quants.dequantize(block, kind).astype("<f4")
                print(name, block.tobytes().hex(), values.tobytes().hex(), file=out)


main()
