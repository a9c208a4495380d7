#!/usr/bin/env python3
# Makes ../lattice_tables.cc from the tables of gguf-py 0.19.0 (pip install gguf==0.19.0).
import sys

import numpy as np
from gguf import quants

TABLES = [("kIq2XxsPoints", quants.IQ2_XXS), ("kIq2XsPoints", quants.IQ2_XS),
          ("kIq2SPoints", quants.IQ2_S), ("kIq1Points", quants.IQ1_S),
          ("kIq3XxsPoints", quants.IQ3_XXS), ("kIq3SPoints", quants.IQ3_S)]

with open(sys.argv[1], "w") as out:
    print("// Made by testdata/make_lattice_tables.py from gguf-py 0.19.0; do not edit.", file=out)
    print('#include "bitloss/quant/formats/ggml/lattice_tables.h"\n', file=out)
    print("namespace bitloss {", file=out)
    for name, kind in TABLES:
        kind.init_grid()
        points = kind.grid.reshape(kind.grid_shape)
        bits = 16 // kind.grid_shape[1]
        order = {float(value): i for i, value in enumerate(kind.grid_map)}
        words = [sum(order[float(v)] << (bits * j) for j, v in enumerate(p)) for p in points]
        text = np.array(words, dtype="<u2").tobytes().hex()
        print(f"\nconst std::string_view {name} =", file=out)
        lines = [f'    "{text[i:i + 92]}"' for i in range(0, len(text), 92)]
        print("\n".join(lines) + ";", file=out)
    print("\n}  // namespace bitloss", file=out)
