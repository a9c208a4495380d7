"""SmolLM2-135M-Instruct for the witnesses: a GGUF as transformers' LlamaForCausalLM in float32.

The weights are what bitloss calls the baseline of a quantized file: each tensor decoded by gguf-py,
rounded to FP16, widened to float32 (norms too). The q/k rows are put back from llama.cpp's
interleaved order into Hugging Face's. Attention is eager, arithmetic float32.
"""

import hashlib
import json
import pathlib

import gguf
import numpy
import tokenizers
import torch
import transformers

HF_NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj"}
# In the order in which a block uses them; every list of matrices below goes by it.
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def sha256_of_file(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def unpermuted(weight, num_heads):
    """llama.cpp stores row pairs (i, i + d/2) of each head side by side; this undoes it."""
    rows, cols = weight.shape
    halves = weight.reshape(num_heads, rows // num_heads // 2, 2, cols)
    return numpy.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, cols)


def hf_name(name):
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, block, part, _ = name.split(".")
    return f"model.layers.{block}.{HF_NAMES[part]}.weight"


class Smollm2:
    """model, config, the FP16 weights by Hugging Face name, and what rounding to FP16 changed."""

    def __init__(self, gguf_path):
        reader = gguf.GGUFReader(gguf_path)
        field = lambda key: reader.fields[key].contents()
        assert field("general.architecture") == "llama"
        self.chat_template = field("tokenizer.chat_template")
        self.gguf_tokens = field("tokenizer.ggml.tokens")
        self.eos_id = field("tokenizer.ggml.eos_token_id")
        self.config = transformers.LlamaConfig(
            vocab_size=field("llama.vocab_size"), hidden_size=field("llama.embedding_length"),
            intermediate_size=field("llama.feed_forward_length"),
            num_hidden_layers=field("llama.block_count"),
            num_attention_heads=field("llama.attention.head_count"),
            num_key_value_heads=field("llama.attention.head_count_kv"),
            max_position_embeddings=field("llama.context_length"),
            rms_norm_eps=float(field("llama.attention.layer_norm_rms_epsilon")),
            rope_theta=float(field("llama.rope.freq_base")),
            rope_parameters={"rope_type": "default",
                             "rope_theta": float(field("llama.rope.freq_base"))},
            hidden_act="silu", tie_word_embeddings=True,
            bos_token_id=field("tokenizer.ggml.bos_token_id"), eos_token_id=self.eos_id,
            attn_implementation="eager")
        self.fp16, self.inexact = {}, {}
        for tensor in reader.tensors:
            decoded = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            decoded = decoded.reshape([int(n) for n in reversed(tensor.shape)])
            name = hf_name(tensor.name)
            if name.endswith("q_proj.weight"):
                decoded = unpermuted(decoded, self.config.num_attention_heads)
            if name.endswith("k_proj.weight"):
                decoded = unpermuted(decoded, self.config.num_key_value_heads)
            half = decoded.astype(numpy.float16)
            assert numpy.isfinite(half).all(), name
            if changed := int((half.astype(numpy.float32) != decoded).sum()):
                self.inexact[name] = changed
            self.fp16[name] = torch.from_numpy(half)
        self.model = transformers.LlamaForCausalLM(self.config).float().eval()
        state = {name: half.float() for name, half in self.fp16.items()}
        missing, unexpected = self.model.load_state_dict(state, strict=False)
        assert (missing, unexpected) == (["lm_head.weight"], []), (missing, unexpected)
        self.model.tie_weights()
        assert self.model.lm_head.weight is self.model.model.embed_tokens.weight
        assert self.model.config.rope_parameters["rope_theta"] == 100000.0

    def linears(self):
        """(name, module) of every decoder linear, block by block in the order of LINEARS."""
        for index, block in enumerate(self.model.model.layers):
            for name in LINEARS:
                yield f"model.layers.{index}.{name}", block.get_submodule(name)

    def check_tokenizer(self, path):
        """The tokenizer.json gives the ids that the GGUF's own vocabulary names."""
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        ours = sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
        assert [token for token, _ in ours] == list(self.gguf_tokens), "another vocabulary"
        return tokenizer


def seed_lines(text_path, selection_path, count):
    """The first `count` rows of `lines-512-seed` as (index among the non-blank rows, text).

    A row of the Hugging Face data set keeps its leading space and its trailing " \\n".
    """
    raw = pathlib.Path(text_path).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == (
        "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"), "not wiki.test.raw"
    rows = [line + "\n" for line in raw.decode("utf-8").split("\n") if line.strip()]
    assert len(rows) == 2891
    indices = json.loads(pathlib.Path(selection_path).read_text())["first_500"]
    return [(index, rows[index]) for index in indices[:count]]


def encode_lines(tokenizer, rows):
    return [tokenizer.encode(text, add_special_tokens=False).ids[:512] for _, text in rows]


def perplexities(lengths, means):
    """Per-token mean NLL over all predictions, and the seed's weighting (n instead of n - 1)."""
    predictions = sum(n - 1 for n in lengths)
    mean = sum((n - 1) * m for n, m in zip(lengths, means)) / predictions
    seed = sum(n * m for n, m in zip(lengths, means)) / sum(lengths)
    return {"lines": len(lengths), "tokens": sum(lengths), "predictions": predictions,
            "mean_nll": mean, "perplexity": float(numpy.exp(mean)),
            "seed_weighted_nll": seed, "seed_weighted_perplexity": float(numpy.exp(seed))}
