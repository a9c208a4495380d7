#!/usr/bin/env python3
"""Hashes of a llama GGUF file's tensors as gguf-py decodes them.

    gguf_tensors.py MODEL.gguf > src/bitloss/checkpoint/testdata/smollm2_tensors.txt

A line a tensor: SHA-256 of the float32 values (little-endian), type, shape (slowest first), Hugging
Face name. The rows of q and k are put back into Hugging Face's order. The file in the repository is
that of SmolLM2-135M-Instruct.Q4_1.gguf (tools/fetch-smollm2), made with Python 3.11.7, gguf 0.19.0,
numpy 2.4.6; the test gguf_peer_test reads the model with bitloss and compares.
"""

import hashlib
import sys

import gguf
import numpy

LAYER_NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj"}
MODEL_NAMES = {"token_embd.weight": "model.embed_tokens.weight",
               "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}


def hf_name(name):
    if name in MODEL_NAMES:
        return MODEL_NAMES[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{kind}"


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    heads = {"q_proj": reader.fields["llama.attention.head_count"].contents(),
             "k_proj": reader.fields["llama.attention.head_count_kv"].contents()}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("<f4")
        values = values.reshape([int(n) for n in reversed(tensor.shape)])
        name = hf_name(tensor.name)
        if (part := name.split(".")[-2]) in heads:
            rows = values.reshape(heads[part], values.shape[0] // heads[part] // 2, 2, -1)
            values = rows.swapaxes(1, 2).reshape(values.shape)
        digest = hashlib.sha256(numpy.ascontiguousarray(values).tobytes()).hexdigest()
        print(digest, tensor.tensor_type.name, "x".join(map(str, values.shape)), name)


main()
