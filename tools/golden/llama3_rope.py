#!/usr/bin/env python3
"""The rotary frequencies of Llama-3.2-1B's configuration, as transformers computes them in float32.

    python tools/golden/llama3_rope.py     (packages: tools/witness/README.md)

prints the numbers of RopeTest.ScalesLikeTransformersForLlama3 in src/bitloss/model/config_test.cc.
Made with transformers 5.23.0, torch 2.9.1.
"""

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

config = LlamaConfig(
    hidden_size=2048, num_attention_heads=32, head_dim=64, max_position_embeddings=131072,
    rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0,
                     "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8192})
frequencies, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
print(", ".join(f"{float(x):.9g}" for x in frequencies))
