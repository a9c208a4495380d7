#!/usr/bin/env python3
"""What every kind of rotary scaling makes of the frequencies, as transformers computes them in float32.

    tools/golden/rope_scalings.py src/bitloss/model/testdata/rope_scalings.json

A list of {"rope": the object of config.json, "positions", "length": of the sequence that is asked for, "frequencies",
"magnitude": of cosines and sines}. Heads have 64 elements. Needs torch and transformers 5.23.
"""
import json
import pathlib
import sys

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

HEAD, POSITIONS, ORIGINAL = 64, 32768, 4096
SHORT = [1.0 + 0.03 * i for i in range(HEAD // 2)]
LONG = [1.0 + 0.9 * i for i in range(HEAD // 2)]
ROPES = {
    "linear": dict(factor=4.0),
    "dynamic": dict(factor=4.0),
    "llama3": dict(factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192),
    "yarn": dict(factor=8.0, original_max_position_embeddings=ORIGINAL),
    "yarn, every key": dict(factor=16.0, original_max_position_embeddings=ORIGINAL, beta_fast=24.0, beta_slow=2.0,
                            mscale=0.7, mscale_all_dim=1.2, truncate=False),
    "yarn, a factor of attention": dict(factor=8.0, original_max_position_embeddings=ORIGINAL, attention_factor=1.25),
    "longrope": dict(factor=8.0, original_max_position_embeddings=ORIGINAL, short_factor=SHORT, long_factor=LONG),
    "longrope, a factor of attention": dict(original_max_position_embeddings=ORIGINAL, short_factor=SHORT,
                                            long_factor=LONG, attention_factor=1.5),
}


def main():
    cases = []
    for name, keys in ROPES.items():
        kind = name.split(",")[0]
        for length in (ORIGINAL, POSITIONS):
            rope = dict(rope_type=kind, rope_theta=500000.0, **keys)
            config = LlamaConfig(hidden_size=4 * HEAD, num_attention_heads=4, head_dim=HEAD,
                                 max_position_embeddings=POSITIONS, rope_parameters=dict(rope))
            frequencies, magnitude = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=length)
            cases.append({"rope": rope, "positions": POSITIONS, "length": length,
                          "frequencies": [float(f"{float(f):.9g}") for f in frequencies], "magnitude": magnitude})
    pathlib.Path(sys.argv[1]).write_text("[" + ",\n".join(json.dumps(case) for case in cases) + "]\n")


if __name__ == "__main__":
    main()
