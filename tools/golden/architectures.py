#!/usr/bin/env python3
"""Makes tiny random checkpoints of architectures and the losses that transformers computes from them.

    tools/golden/architectures.py src/bitloss/model/testdata/architectures [NAME ...]

FOLDER/NAME holds config.json, model.safetensors (FP16) and logits.json: {"tokens": [ids], "nll":
[-log p(tokens[t + 1] given tokens[0..t])]}, of the checkpoint as saved, its weights widened to float32, in
eager attention on the CPU. No norm weight is 1, no bias 0, and windows are shorter than the text.
Needs torch and transformers 5.23 (logits.json says which made it); the same versions make the same bytes.
"""
import json
import math
import pathlib
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

VOCAB = 160
TOKENS = [1] + [3 + (i * i * 13 + 7 * i) % (VOCAB - 3) for i in range(1, 32)]

BASE = dict(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=48, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
FULL, SLIDING, LINEAR = "full_attention", "sliding_attention", "linear_attention"


def rope(theta, kind="default", **more):
    return dict(rope_type=kind, rope_theta=float(theta), **more)


YARN = dict(factor=8.0, original_max_position_embeddings=16, beta_fast=8.0, beta_slow=1.0, mscale=0.7,
            mscale_all_dim=0.7)
LATENT = dict(num_key_value_heads=4, kv_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=10)
MOE = dict(moe_intermediate_size=16, num_experts_per_tok=2)
DELTA = dict(head_dim=12, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6,
             linear_value_head_dim=8, linear_conv_kernel_dim=4, layer_types=[LINEAR, FULL])

GEMMA4 = dict(head_dim=8, global_head_dim=12, sliding_window=9, final_logit_softcapping=6.0,
              vocab_size_per_layer_input=VOCAB,
              rope_parameters={FULL: rope(500, "proportional", partial_rotary_factor=0.5), SLIDING: rope(50)})

# Of names that are no model_type.
KINDS = {"gemma3n": "gemma3n_text", "gemma4": "gemma4_text", "gemma4_moe": "gemma4_text"}

MODELS = {
    "arcee": dict(head_dim=12, rope_parameters=rope(500)),
    "deepseek_v2": dict(**LATENT, **MOE, q_lora_rank=None, attention_bias=True, n_routed_experts=8, n_shared_experts=2,
                        first_k_dense_replace=1, topk_method="group_limited_greedy", n_group=4, topk_group=2,
                        routed_scaling_factor=1.7, rope_parameters=rope(500, "yarn", **YARN)),
    "ernie4_5": dict(head_dim=12, use_bias=True, rope_parameters=rope(500)),
    "exaone4": dict(layer_types=[SLIDING, FULL], sliding_window=9, rope_parameters=rope(500)),
    "gemma3n": dict(num_hidden_layers=4, intermediate_size=[32, 40, 32, 40], head_dim=8, hidden_size_per_layer_input=4,
                    vocab_size_per_layer_input=VOCAB - 30, num_kv_shared_layers=2, sliding_window=9, laurel_rank=6,
                    altup_num_inputs=4, layer_types=[SLIDING, FULL, SLIDING, FULL], final_logit_softcapping=6.0,
                    activation_sparsity_pattern=[0.7, 0.0, 0.6, 0.0],
                    rope_parameters={FULL: rope(500), SLIDING: rope(50)}),
    "gemma4": dict(**GEMMA4, intermediate_size=32, num_kv_shared_layers=2, use_double_wide_mlp=True, hidden_size_per_layer_input=4,
                   layer_types=[SLIDING, FULL, SLIDING, FULL]),
    "gemma4_moe": dict(**GEMMA4, num_global_key_value_heads=1, attention_k_eq_v=True, hidden_size_per_layer_input=0,
                       enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=16,
                       layer_types=[SLIDING, FULL]),
    "granitemoe": dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=24, embedding_multiplier=3.0,
                       logits_scaling=0.7, residual_multiplier=0.4, attention_multiplier=0.2,
                       rope_parameters=rope(500)),
    "hunyuan_v1_dense": dict(head_dim=12, rope_parameters=rope(500, "dynamic", alpha=3.0, factor=1.0)),
    "mellum": dict(**MOE, head_dim=12, num_local_experts=4, layer_types=[SLIDING, FULL], sliding_window=9,
                   mlp_layer_types=["sparse", "dense"], rope_parameters={FULL: rope(500), SLIDING: rope(50)}),
    "ministral": dict(head_dim=12, layer_types=[SLIDING, FULL], sliding_window=9, rope_parameters=rope(500)),
    "mistral4": dict(**LATENT, **MOE, q_lora_rank=24, n_routed_experts=8, n_shared_experts=1, first_k_dense_replace=1,
                     n_group=2, topk_group=1, norm_topk_prob=True,
                     rope_parameters=rope(500, "yarn", **YARN, llama_4_scaling_beta=0.5, partial_rotary_factor=0.4)),
    "mixtral": dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=24, sliding_window=None, rope_parameters=rope(500)),
    "olmo2": dict(rope_parameters=rope(500)),
    "olmoe": dict(num_experts=4, num_experts_per_tok=2, intermediate_size=24, rope_parameters=rope(500)),
    "qwen3_next": dict(**DELTA, **MOE, num_experts=4, shared_expert_intermediate_size=24, norm_topk_prob=True,
                       rope_parameters=rope(500, partial_rotary_factor=0.5)),
    "qwen3_5_text": dict(**DELTA, rope_parameters=rope(500, partial_rotary_factor=0.5)),
    "seed_oss": dict(head_dim=12, attention_bias=True, attention_out_bias=True, rope_parameters=rope(500)),
}


def fill(model, seed):
    """Values of every tensor, by its kind, in halves."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.dtype != torch.float32:
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        leaf = name.split(".")[-1]
        if leaf == "correct_output_scale":
            value = 1.0 + 0.25 * noise
        elif leaf == "A_log":
            value = 0.4 * noise + 0.3
        elif leaf in ("layer_scalar", "scale", "per_expert_scale"):
            value = 1.0 + 0.25 * noise
        elif "norm" in name and tensor.dim() == 1:
            value = (0.0 if bool((tensor == 0).all()) else 1.0) + 0.25 * noise
        elif tensor.dim() == 1:
            value = 0.3 * noise
        elif "embed_tokens" in name:
            value = 0.5 * noise
        elif "conv1d" in name:
            value = 0.5 * noise
        else:
            value = 1.3 / math.sqrt(tensor.shape[-1]) * noise
        with torch.no_grad():
            tensor.copy_(value.half())
    model.tie_weights()


def make(name, root):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = {**BASE, **MODELS[name]}
    settings["num_hidden_layers"] = len(settings.get("layer_types", [0, 0]))
    config = AutoConfig.for_model(KINDS.get(name, name), **settings)
    # One is known only inside of a model of several kinds of input.
    auto = transformers.Mistral4ForCausalLM if name == "mistral4" else AutoModelForCausalLM
    make_model = auto._from_config if name == "mistral4" else auto.from_config
    model = make_model(config, attn_implementation="eager", dtype=torch.float32).eval()
    fill(model, sum(map(ord, name)))
    model.half().save_pretrained(folder)
    path = folder / "model.safetensors"
    save_file(load_file(path), path, metadata={"format": "pt"})
    (folder / "generation_config.json").unlink(missing_ok=True)

    model = auto.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0].double()
    losses = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(TOKENS[1:]), reduction="none")
    golden = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0], "tokens": TOKENS,
              "nll": [round(loss, 7) for loss in losses.tolist()]}
    (folder / "logits.json").write_text(json.dumps(golden) + "\n")
    print(f"{name:20} {path.stat().st_size:7} bytes, mean loss {losses.mean():.4f}")


def main():
    root = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or sorted(MODELS):
        make(name, root)


if __name__ == "__main__":
    main()
