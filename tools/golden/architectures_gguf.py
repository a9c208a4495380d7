#!/usr/bin/env python3
"""Writes checkpoints that tools/golden/architectures.py made as GGUF files, as llama.cpp's converter does.

    tools/golden/architectures_gguf.py src/bitloss/model/testdata/architectures

FOLDER/NAME/NAME.gguf for the kinds whose tensors the converter changes most: latent attention (the second
half of the projections split, keys' turned), delta rules (1 added to norms, decays as -e^a, and for Qwen3.5
value heads in another order), Gemma 4 (factors of its rope, sizes by layer). F16 matrices, F32 vectors. Needs the
Python package gguf.
"""
import json
import math
import pathlib
import sys
from statistics import NormalDist

import gguf
import numpy as np
from safetensors.numpy import load_file

MLP = {"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
COMMON = {"self_attn.o_proj": "attn_output", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
          "self_attn.v_proj": "attn_v", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
          "input_layernorm": "attn_norm", "mlp.gate": "ffn_gate_inp", **MLP}
NAMES = {
    "deepseek_v2": {**COMMON, "post_attention_layernorm": "ffn_norm", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
                    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
                    **{f"mlp.shared_experts.{k}_proj": f"ffn_{k}_shexp" for k in ("gate", "up", "down")}},
    "qwen3_next": {**COMMON, "post_attention_layernorm": "post_attention_norm", "linear_attn.norm": "ssm_norm",
                   "linear_attn.out_proj": "ssm_out", "linear_attn.in_proj_ba": "ssm_ba",
                   "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
                   **{f"mlp.shared_expert.{k}_proj": f"ffn_{k}_shexp" for k in ("gate", "up", "down")}},
}
NAMES["qwen3_5_text"] = {**NAMES["qwen3_next"], "linear_attn.in_proj_qkv": "attn_qkv",
                         "linear_attn.in_proj_z": "attn_gate", "linear_attn.in_proj_a": "ssm_alpha",
                         "linear_attn.in_proj_b": "ssm_beta"}
NAMES["gemma4"] = NAMES["gemma4_moe"] = {
    **COMMON, "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm", "post_feedforward_layernorm_1": "post_ffw_norm_1",
    "pre_feedforward_layernorm_2": "pre_ffw_norm_2", "post_feedforward_layernorm_2": "post_ffw_norm_2",
    "router.proj": "ffn_gate_inp", "per_layer_input_gate": "inp_gate", "per_layer_projection": "proj",
    "post_per_layer_input_norm": "post_norm"}
NAMES["gemma3n"] = {
    **NAMES["gemma4"], "laurel.linear_left": "laurel_l", "laurel.linear_right": "laurel_r",
    "laurel.post_laurel_norm": "laurel_post_norm", "altup.modality_router": "altup_router",
    "altup.router_norm": "altup_router_norm", "altup.prediction_coefs": "altup_predict_coef",
    "altup.correction_coefs": "altup_correct_coef"}
WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
         "lm_head.weight": "output.weight", "model.embed_tokens_per_layer.weight": "per_layer_token_embd.weight",
         "model.per_layer_model_projection.weight": "per_layer_model_proj.weight",
         "model.per_layer_projection_norm.weight": "per_layer_proj_norm.weight"}
STACKED = {"model.altup_projections": "altup_proj.weight", "model.altup_unembed_projections": "altup_unembd_proj.weight"}
UNSUFFIXED = {"altup.correct_output_scale": "altup_correct_scale.weight", "layer_scalar": "layer_output_scale.weight", "router.scale": "ffn_gate_inp.scale",
              "router.per_expert_scale": "ffn_down_exps.scale", "experts.gate_up_proj": "ffn_gate_up_exps.weight",
              "experts.down_proj": "ffn_down_exps.weight"}


def latent(config, name, x):
    """kv_b_proj, whose rows are by head those of keys and of values."""
    heads, rank = config["num_attention_heads"], config["kv_lora_rank"]
    by_head = x.reshape(heads, -1, rank)
    keys = config["qk_nope_head_dim"]
    return {"attn_k_b.weight": np.ascontiguousarray(by_head[:, :keys].transpose(0, 2, 1)),
            "attn_v_b.weight": np.ascontiguousarray(by_head[:, keys:])}


def split_qkvz(config, x):
    """Rows of queries, keys, values and gates, one after the other, of rows by key head."""
    heads, keys = config["linear_num_key_heads"], config["linear_key_head_dim"]
    values = config["linear_num_value_heads"] // heads * config["linear_value_head_dim"]
    by_head = x.reshape(heads, 2 * keys + 2 * values, -1)
    parts = np.split(by_head, np.cumsum([keys, keys, values]), axis=1)
    q, k, v, z = (part.reshape(-1, x.shape[-1]) for part in parts)
    return {"attn_qkv.weight": np.concatenate([q, k, v]), "attn_gate.weight": z}


def tiled(config, x, axis=0):
    """Value heads of all key heads in turn, instead of all of one key head."""
    keys, values = config["linear_num_key_heads"], config["linear_num_value_heads"]
    x = np.moveaxis(x, axis, 0)
    y = x.reshape(keys, values // keys, -1, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    return np.ascontiguousarray(np.moveaxis(y, 0, axis))


def delta(config, kind, name, x):
    """What Qwen3.5 reorders, and the same of Qwen3-Next left in its order."""
    order = tiled if kind == "qwen3_5_text" else lambda config, x, axis=0: x
    first_value = 2 * config["linear_num_key_heads"] * config["linear_key_head_dim"]
    if name == "linear_attn.A_log":
        return {"ssm_a": order(config, -np.exp(x.astype(np.float32)))}
    if name == "linear_attn.dt_bias":
        return {"ssm_dt.bias": order(config, x)}
    if name == "linear_attn.conv1d.weight":
        x = x[:, 0, :]
        return {"ssm_conv1d.weight": np.concatenate([x[:first_value], order(config, x[first_value:])])}
    if name == "linear_attn.in_proj_qkvz.weight":
        return split_qkvz(config, x)
    if name == "linear_attn.in_proj_qkv.weight":
        return {"attn_qkv.weight": np.concatenate([x[:first_value], order(config, x[first_value:])])}
    if name.startswith("linear_attn.in_proj_") and not name.endswith("_ba.weight"):
        return {f"{NAMES[kind][name.removesuffix('.weight')]}.weight": order(config, x)}
    if name == "linear_attn.out_proj.weight":
        return {"ssm_out.weight": order(config, x, axis=1)}
    return None


def tensors_of(config, kind, tensors):
    """Of GGUF, by name."""
    out, experts, streams = {}, {}, {}
    adds_one = "linear_num_key_heads" in config
    for full, x in tensors.items():
        one = 1 if adds_one and "norm" in full and "linear_attn.norm" not in full else 0
        x = x if one == 0 else x.astype(np.float32) + one
        if not full.startswith("model.layers."):
            stem, _, number = full.removesuffix(".weight").rpartition(".")
            if stem in STACKED:
                streams.setdefault(STACKED[stem], {})[int(number)] = x
            elif "per_layer.weight" in full:  # as long as the vocabulary: its first row where transformers takes that
                out[WHOLE[full]] = np.concatenate([x, np.repeat(x[:1], config["vocab_size"] - len(x), axis=0)])
            else:
                out[WHOLE[full]] = x
            continue
        _, _, layer, name = full.split(".", 3)
        special = (latent(config, name, x) if name == "self_attn.kv_b_proj.weight"
                   else delta(config, kind, name, x) if adds_one else None)
        if special is not None:
            out.update({f"blk.{layer}.{key}": value for key, value in special.items()})
        elif name in UNSUFFIXED:
            out[f"blk.{layer}.{UNSUFFIXED[name]}"] = x
        elif name.startswith("mlp.experts."):
            _, _, expert, matrix, _ = name.split(".")
            experts.setdefault((layer, matrix.removesuffix("_proj")), {})[int(expert)] = x
        else:
            stem, leaf = name.rsplit(".", 1)
            out[f"blk.{layer}.{NAMES[kind][stem]}.{leaf}"] = x.reshape(-1) if x.shape[0] == 1 else x
    for (layer, matrix), of_expert in experts.items():
        out[f"blk.{layer}.ffn_{matrix}_exps.weight"] = np.stack([of_expert[e] for e in sorted(of_expert)])
    out.update({name: np.stack([of[k] for k in sorted(of)]) for name, of in streams.items()})
    if kind.startswith("gemma4"):
        full = full_sizes(config)["head_dim"]
        turning = int(full * config["rope_parameters"]["full_attention"]["partial_rotary_factor"] / 2)
        out["rope_freqs.weight"] = np.array([1.0] * turning + [1e30] * (full // 2 - turning), np.float32)
    return out


def full_sizes(config):
    return next(iter(config["per_layer_config"].values()))


def gemma4_keys(config):
    slides = [kind == "sliding_attention" for kind in config["layer_types"]]
    full, ropes, shared = full_sizes(config), config["rope_parameters"], config["num_kv_shared_layers"]
    widens = 2 if config["use_double_wide_mlp"] else 1
    widths = [config["intermediate_size"] * (widens if i >= len(slides) - shared else 1) for i in range(len(slides))]
    heads = [config["num_key_value_heads"] if s else full.get("num_key_value_heads", config["num_key_value_heads"])
             for s in slides]
    keys = {"block_count": len(slides), "context_length": config["max_position_embeddings"],
            "embedding_length": config["hidden_size"], "vocab_size": config["vocab_size"],
            "feed_forward_length": widths if len(set(widths)) > 1 else widths[0],
            "attention.head_count": config["num_attention_heads"],
            "attention.head_count_kv": heads if len(set(heads)) > 1 else heads[0],
            "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
            "attention.key_length": full["head_dim"], "attention.value_length": full["head_dim"],
            "attention.key_length_swa": config["head_dim"], "attention.value_length_swa": config["head_dim"],
            "attention.sliding_window": config["sliding_window"], "attention.sliding_window_pattern": slides,
            "attention.shared_kv_layers": shared, "rope.dimension_count": full["head_dim"],
            "rope.dimension_count_swa": config["head_dim"], "rope.freq_base": ropes["full_attention"]["rope_theta"],
            "rope.freq_base_swa": ropes["sliding_attention"]["rope_theta"],
            "final_logit_softcapping": config["final_logit_softcapping"],
            "embedding_length_per_layer_input": config["hidden_size_per_layer_input"]}
    if config["enable_moe_block"]:
        keys |= {"expert_count": config["num_experts"], "expert_used_count": config["top_k_experts"],
                 "expert_feed_forward_length": config["moe_intermediate_size"]}
    return keys


def gemma3n_keys(config):
    ropes = config["rope_parameters"]
    return {"block_count": config["num_hidden_layers"], "context_length": config["max_position_embeddings"],
            "embedding_length": config["hidden_size"], "vocab_size": config["vocab_size"],
            "feed_forward_length": config["intermediate_size"], "attention.head_count": config["num_attention_heads"],
            "attention.head_count_kv": config["num_key_value_heads"], "attention.key_length": config["head_dim"],
            "attention.value_length": config["head_dim"], "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
            "attention.sliding_window": config["sliding_window"],
            "attention.sliding_window_pattern": [k == "sliding_attention" for k in config["layer_types"]],
            "attention.shared_kv_layers": config["num_kv_shared_layers"],
            "rope.freq_base": ropes["full_attention"]["rope_theta"],
            "rope.freq_base_swa": ropes["sliding_attention"]["rope_theta"],
            "final_logit_softcapping": config["final_logit_softcapping"],
            "altup.active_idx": config["altup_active_idx"], "altup.num_inputs": config["altup_num_inputs"],
            "embedding_length_per_layer_input": config["hidden_size_per_layer_input"],
            "activation_sparsity_scale": [NormalDist().inv_cdf(s) if s > 0 else -math.inf
                                          for s in config["activation_sparsity_pattern"]]}


def keys_of(config, kind):
    """Metadata without the architecture's prefix."""
    if kind == "gemma3n":
        return gemma3n_keys(config)
    if kind.startswith("gemma4"):
        return gemma4_keys(config)
    rope = config["rope_parameters"]
    keys = {"block_count": config["num_hidden_layers"], "context_length": config["max_position_embeddings"],
            "embedding_length": config["hidden_size"], "feed_forward_length": config["intermediate_size"],
            "attention.head_count": config["num_attention_heads"], "vocab_size": config["vocab_size"],
            "attention.layer_norm_rms_epsilon": config["rms_norm_eps"], "rope.freq_base": rope["rope_theta"]}
    if kind != "qwen3_5_text":
        keys |= {"expert_count": config.get("n_routed_experts", config.get("num_experts")),
                 "expert_used_count": config["num_experts_per_tok"],
                 "expert_feed_forward_length": config["moe_intermediate_size"]}
    if kind == "deepseek_v2":
        return keys | {
            "attention.head_count_kv": 1, "attention.kv_lora_rank": config["kv_lora_rank"],
            "attention.key_length": config["kv_lora_rank"] + config["qk_rope_head_dim"],
            "attention.value_length": config["kv_lora_rank"],
            "attention.key_length_mla": config["qk_nope_head_dim"] + config["qk_rope_head_dim"],
            "attention.value_length_mla": config["v_head_dim"],
            "rope.dimension_count": config["qk_rope_head_dim"], "rope.scaling.type": "yarn",
            "rope.scaling.factor": rope["factor"], "rope.scaling.yarn_beta_fast": rope["beta_fast"],
            "rope.scaling.yarn_beta_slow": rope["beta_slow"],
            "rope.scaling.original_context_length": rope["original_max_position_embeddings"],
            "rope.scaling.yarn_log_multiplier": 0.1 * rope["mscale_all_dim"],
            "leading_dense_block_count": config["first_k_dense_replace"],
            "expert_shared_count": config["n_shared_experts"], "expert_group_count": config["n_group"],
            "expert_group_used_count": config["topk_group"], "expert_weights_scale": config["routed_scaling_factor"]}
    keys |= {"attention.head_count_kv": config["num_key_value_heads"], "attention.key_length": config["head_dim"],
             "attention.value_length": config["head_dim"],
             "rope.dimension_count": int(config["head_dim"] * rope["partial_rotary_factor"]),
             "ssm.conv_kernel": config["linear_conv_kernel_dim"], "ssm.state_size": config["linear_key_head_dim"],
             "ssm.group_count": config["linear_num_key_heads"],
             "ssm.time_step_rank": config["linear_num_value_heads"],
             "ssm.inner_size": config["linear_num_value_heads"] * config["linear_value_head_dim"],
             "full_attention_interval": 2}
    if kind == "qwen3_next":
        keys["expert_shared_feed_forward_length"] = config["shared_expert_intermediate_size"]
    return keys


def write(folder, kind, architecture):
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(folder / f"{kind}.gguf", architecture)
    for key, value in keys_of(config, kind).items():
        add = (writer.add_string if isinstance(value, str)
               else writer.add_array if isinstance(value, list)
               else writer.add_float32 if isinstance(value, float) else writer.add_uint32)
        add(f"{architecture}.{key}", value)
    for name, x in tensors_of(config, kind, load_file(folder / "model.safetensors")).items():
        is_matrix = x.ndim > 1 and not any(part in name for part in ("conv1d", "gate_inp", "_coef"))
        writer.add_tensor(name, x.astype(np.float16 if is_matrix else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    root = pathlib.Path(sys.argv[1])
    for kind, architecture in (("deepseek_v2", "deepseek2"), ("qwen3_next", "qwen3next"), ("qwen3_5_text", "qwen35"),
                               ("gemma3n", "gemma3n"), ("gemma4", "gemma4"), ("gemma4_moe", "gemma4")):
        write(root / kind, kind, architecture)


if __name__ == "__main__":
    main()
